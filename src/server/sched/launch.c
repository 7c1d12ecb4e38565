/*
 * See launch.h. posix_spawn and not fork: the daemon has threads, and a copy of its
 * address space is of no use to a program that is replaced at once.
 */
#include "launch.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* Sources are moved up here first, so that no target overwrites a
 * source before its turn. */
#define SOURCES_FROM 64
#define STREAMS 3
#define OUTPUT_PIPE_BYTES (1 << 20)

/* The child's descriptors: [0] … [2] the streams, then what the caller lent. */
struct sources {
    int fds[STREAMS + LAUNCH_MAX_FDS];
    int count;
};

static void sources_release(struct sources *sources)
{
    for (int i = 0; i < sources->count; i++)
        io_close(&sources->fds[i]);
    sources->count = 0;
}

static int add_source(struct sources *sources, int fd, struct error *err)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, SOURCES_FROM);
    if (copy < 0) /* EINVAL: the process may not have so many */
        return error_set_errno(err, errno == EINVAL ? EMFILE : errno,
                               "cannot pass a descriptor to the worker");
    sources->fds[sources->count++] = copy;
    return 0;
}

/* A pipe of which the daemon keeps end `kept` (0 reads, 1 writes), non-blocking. */
static int add_stream(struct sources *sources, int kept, int *ret_kept, struct error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_set_errno(err, errno, "cannot make a pipe for the worker");
    int rc = 0;
    if (fcntl(ends[kept], F_SETFL, O_NONBLOCK) != 0)
        rc = error_set_errno(err, errno, "cannot make the worker's pipe non-blocking");
    if (rc == 0)
        rc = add_source(sources, ends[1 - kept], err);
    io_close(&ends[1 - kept]);
    if (rc == 0)
        *ret_kept = ends[kept];
    else
        io_close(&ends[kept]);
    return rc;
}

static int gather(struct sources *sources, const struct launch_order *order,
                  struct launched *launched, struct error *err)
{
    int rc = add_stream(sources, 1, &launched->input, err);
    if (rc == 0)
        rc = add_stream(sources, 0, &launched->output, err);
    if (rc == 0)
        rc = add_stream(sources, 0, &launched->errors, err);
    for (int i = 0; i < order->fd_count && rc == 0; i++)
        rc = add_source(sources, order->fds[i], err);
    if (rc == 0) /* fewer wake-ups while weights come; the kernel may refuse */
        (void)fcntl(launched->output, F_SETPIPE_SZ, OUTPUT_PIPE_BYTES);
    return rc;
}

static int describe_files(posix_spawn_file_actions_t *actions,
                          const struct sources *sources)
{
    int failed = 0;
    for (int i = 0; i < sources->count && failed == 0; i++)
        failed = posix_spawn_file_actions_adddup2(actions, sources->fds[i], i);
    if (failed == 0)
        failed = posix_spawn_file_actions_addclosefrom_np(actions, sources->count);
    return failed;
}

static int describe_process(posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP;
    int failed = posix_spawnattr_setflags(attributes, flags);
    if (failed == 0)
        failed = posix_spawnattr_setsigdefault(attributes, &all);
    if (failed == 0)
        failed = posix_spawnattr_setsigmask(attributes, &none);
    if (failed == 0)
        failed = posix_spawnattr_setpgroup(attributes, 0);
    return failed;
}

/* The command line: argv[0] and at most one of each option. */
struct command_line {
    char words[6][48];
    char *arguments[7];
};

static void write_command(struct command_line *command, const struct launch_order *order)
{
    int count = 0;
    snprintf(command->words[count++], sizeof(command->words[0]), "backprop-worker");
    if (order->sandbox)
        snprintf(command->words[count++], sizeof(command->words[0]), "--sandbox=%s",
                 order->sandbox);
    if (order->memory_mb > 0)
        snprintf(command->words[count++], sizeof(command->words[0]), "--memory-mb=%lld",
                 (long long)order->memory_mb);
    if (order->threads > 1)
        snprintf(command->words[count++], sizeof(command->words[0]), "--threads=%d",
                 order->threads);
    if (order->file_mb > 0)
        snprintf(command->words[count++], sizeof(command->words[0]), "--file-mb=%lld",
                 (long long)order->file_mb);
    if (order->probe)
        snprintf(command->words[count++], sizeof(command->words[0]), "--probe");
    for (int i = 0; i < count; i++)
        command->arguments[i] = command->words[i];
    command->arguments[count] = NULL;
}

static int spawn(const struct launch_order *order, const struct sources *sources,
                 pid_t *ret_pid, struct error *err)
{
    struct command_line command;
    write_command(&command, order);
    char threads[] = "OPENBLAS_NUM_THREADS=1", locale[] = "LC_ALL=C";
    char *const environment[] = {threads, locale, NULL};
    posix_spawn_file_actions_t actions;
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed != 0)
        return error_set_errno(err, failed, "cannot start the worker");
    posix_spawnattr_t attributes;
    failed = posix_spawnattr_init(&attributes);
    if (failed == 0) {
        failed = describe_files(&actions, sources);
        if (failed == 0)
            failed = describe_process(&attributes);
        if (failed == 0)
            failed = posix_spawn(ret_pid, order->path, &actions, &attributes,
                                 command.arguments, environment);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0)
        return error_set_errno(err, failed, "cannot start the worker");
    return 0;
}

int launch_worker(const struct launch_order *order, struct launched *ret_launched,
                  struct error *err)
{
    struct launched launched = {
        .pid = -1, .pid_fd = -1, .input = -1, .output = -1, .errors = -1};
    struct sources sources = {.count = 0};
    if (order->fd_count < 0 || order->fd_count > LAUNCH_MAX_FDS)
        return error_set(err, ERR_INVALID, "a worker takes at most %d descriptors",
                         LAUNCH_MAX_FDS);
    int rc = gather(&sources, order, &launched, err);
    if (rc == 0)
        rc = spawn(order, &sources, &launched.pid, err);
    sources_release(&sources);
    if (rc == 0) {
        launched.pid_fd = pidfd_open(launched.pid, 0);
        if (launched.pid_fd < 0) {
            rc = error_set_errno(err, errno, "cannot watch the worker");
            kill(launched.pid, SIGKILL);
            waitpid(launched.pid, NULL, 0);
        }
    }
    if (rc != 0) {
        io_close(&launched.input);
        io_close(&launched.output);
        io_close(&launched.errors);
        return rc;
    }
    *ret_launched = launched;
    return 0;
}
