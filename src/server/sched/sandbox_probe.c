/* See sandbox_probe.h. */
#include "sandbox_probe.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "launch.h"
#include "spec/json_parse.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_NS (10 * CLOCK_NS_PER_SECOND)
#define ANSWER_MAX_BYTES 1024

/* All that it says, until it closes its output. */
static int read_answer(int fd, char *answer, size_t size, struct error *err)
{
    int64_t deadline = clock_monotonic_ns() + PATIENCE_NS;
    size_t used = 0;
    for (;;) {
        int64_t left_ms = (deadline - clock_monotonic_ns()) / 1000000;
        struct pollfd output = {.fd = fd, .events = POLLIN};
        if (left_ms <= 0 || used == size - 1)
            return error_set(err, ERR_TIMEOUT, "the worker does not answer");
        if (poll(&output, 1, (int)left_ms) <= 0)
            continue;
        ssize_t got = read(fd, answer + used, size - 1 - used);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    answer[used] = '\0';
    return 0;
}

/* Takes {"sandbox", "missing"} apart. */
static int take_answer(const char *answer, char ret_level[SANDBOX_LEVEL_SIZE],
                       char *ret_missing, size_t size, struct error *err)
{
    json_t *json = json_parse_text(answer);
    const char *level = json_string_value(json_object_get(json, "sandbox"));
    const char *missing = json_string_value(json_object_get(json, "missing"));
    int rc = 0;
    if (level && level[0] != '\0' && strlen(level) < SANDBOX_LEVEL_SIZE) {
        snprintf(ret_level, SANDBOX_LEVEL_SIZE, "%s", level);
        snprintf(ret_missing, size, "%s", missing ? missing : "");
    } else {
        rc = error_set(err, ERR_INTERNAL,
                       "the worker program does not say how it is confined; is it the "
                       "backprop-worker of this version?");
    }
    json_decref(json);
    return rc;
}

static int ask(const char *worker_path, char *answer, size_t size, struct error *err)
{
    const struct launch_order order = {
        .path = worker_path, .sandbox = "auto", .probe = true};
    struct launched worker;
    int rc = launch_worker(&order, &worker, err);
    if (rc != 0)
        return rc;
    rc = read_answer(worker.output, answer, size, err);
    if (rc != 0)
        kill(worker.pid, SIGKILL);
    waitpid(worker.pid, NULL, 0);
    io_close(&worker.input);
    io_close(&worker.output);
    io_close(&worker.errors);
    io_close(&worker.pid_fd);
    return rc;
}

int sandbox_probe(const char *worker_path, const char *policy,
                  char ret_level[SANDBOX_LEVEL_SIZE], struct error *err)
{
    bool strict = strcmp(policy, "strict") == 0;
    if (strcmp(policy, "none") == 0) {
        log_event(LOG_WARN, "sandbox_off", "sandbox=none");
        snprintf(ret_level, SANDBOX_LEVEL_SIZE, "none");
        return 0;
    }
    if (!strict && strcmp(policy, "auto") != 0)
        return error_set(err, ERR_INVALID,
                         "--sandbox: expected strict, auto or none, found \"%.40s\"",
                         policy);
    char answer[ANSWER_MAX_BYTES], level[SANDBOX_LEVEL_SIZE], missing[256];
    int rc = ask(worker_path, answer, sizeof(answer), err);
    if (rc == 0)
        rc = take_answer(answer, level, missing, sizeof(missing), err);
    if (rc != 0)
        return rc;
    if (strcmp(level, "full") != 0) {
        char quoted[2 * sizeof(missing)];
        if (strict)
            return error_set(err, ERR_CONFLICT,
                             "--sandbox=strict: workers can be confined only to the "
                             "level \"%s\" here: %s",
                             level, missing);
        log_event(LOG_WARN, "sandbox_degraded", "sandbox=%s reason=%s", level,
                  log_quote(missing, quoted, sizeof(quoted)));
    }
    memcpy(ret_level, level, sizeof(level));
    return 0;
}
