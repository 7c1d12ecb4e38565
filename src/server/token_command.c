/* See token_command.h. */
#include "token_command.h"

#include "base/clock.h"
#include "base/io.h"
#include "control.h"
#include "token_verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_SECONDS 10 /* a daemon that starts or stops */

static void sleep_briefly(void)
{
    const struct timespec moment = {.tv_nsec = 50000000};
    nanosleep(&moment, NULL);
}

/* Root that makes a token in another user's data folder, while no daemon runs, leaves the
 * store's files to that user, whose daemon could not open them otherwise. The user may
 * have put anything into the folder: a link is not followed, a file that is elsewhere,
 * too, not given away. */
static int leave_to_owner(const char *data_dir, struct error *err)
{
    static const char *const names[] = {"backpropd.db", "backpropd.db-wal",
                                        "backpropd.db-shm", "backpropd.lock"};
    struct stat folder_status, status;
    if (geteuid() != 0)
        return 0;
    int folder = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || fstat(folder, &folder_status) != 0) {
        io_close(&folder);
        return error_set(err, ERR_IO, "cannot open the data folder");
    }
    int rc = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        int fd = openat(folder, names[i], O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
            status.st_uid == 0 && status.st_nlink == 1 && folder_status.st_uid != 0 &&
            fchown(fd, folder_status.st_uid, folder_status.st_gid) != 0)
            rc = error_set_errno(err, errno, "cannot leave the store to its owner");
        io_close(&fd);
    }
    io_close(&folder);
    return rc;
}

static int run_here(const struct config *config, const struct token_order *order,
                    struct buffer *output, struct buffer *notice, struct error *err)
{
    struct store *store;
    int rc = store_open(config->data_dir, &store, err);
    if (rc != 0)
        return rc;
    bool revoked;
    rc = token_verb_run(store, config->audit_rows, order, output, notice, &revoked, err);
    struct error fault = {0};
    if (leave_to_owner(config->data_dir, &fault) != 0 && rc == 0)
        rc = error_set(err, fault.code, "%s", fault.text);
    store_close(store);
    return rc;
}

/* A daemon that holds the store but does not listen yet, or no longer, is tried again. */
static int run_somewhere(const struct config *config, const struct token_order *order,
                         struct buffer *output, struct buffer *notice, struct error *err)
{
    int64_t end = clock_monotonic_ns() + PATIENCE_SECONDS * CLOCK_NS_PER_SECOND;
    for (;;) {
        struct error here = {0}, there = {0};
        int rc = run_here(config, order, output, notice, &here);
        if (rc == 0)
            return 0;
        if (rc != ERR_BUSY)
            return error_set(err, rc, "%s", here.text);
        rc = control_ask(config->data_dir, order, output, notice, &there);
        if (rc == 0)
            return 0;
        if (rc != ERR_BUSY)
            return error_set(err, rc, "%s", there.text);
        if (clock_monotonic_ns() >= end)
            return error_set(err, ERR_BUSY, "%s, but %s", here.text, there.text);
        sleep_briefly();
    }
}

int token_command_run(const struct config *config, struct error *err)
{
    int words = config->word_count > 0 ? token_verb_words(config->words[0]) : 0;
    if (words == 0 || config->word_count != words)
        return error_set(
            err, ERR_INVALID,
            "expected: token create --scope SCOPE, token list, or token revoke ID");
    if (mkdir(config->data_dir, 0700) != 0 && errno != EEXIST)
        return error_set_errno(err, errno, "cannot make the folder %s", config->data_dir);
    const struct token_order order = {
        .verb = config->words[0],
        .scope = config->scope,
        .name = config->name && config->name[0] != '\0' ? config->name : NULL,
        .owner = config->owner,
        .expires_days = config->expires_days,
        .id = words > 1 ? config->words[1] : NULL,
    };
    struct buffer output, notice;
    buffer_init(&output, TOKEN_OUTPUT_MAX);
    buffer_init(&notice, TOKEN_OUTPUT_MAX);
    int rc = run_somewhere(config, &order, &output, &notice, err);
    if (rc == 0) {
        fputs(output.data, stdout);
        fputs(notice.data, stderr);
    }
    buffer_release(&output);
    buffer_release(&notice);
    return rc;
}
