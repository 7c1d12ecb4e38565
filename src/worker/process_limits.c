/*
 * See process_limits.h.
 *
 * The death signal needs no check for a parent that died before it was set: then standard
 * input is closed as well, and that ends a worker by itself.
 */
#include "process_limits.h"

#include "base/io.h"
#include "syscall_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define NICENESS 10
#define OOM_SCORE "500" /* of -1000 … 1000: before the daemon, which has 0 */

/* Beyond what a task is predicted to take and a quarter of that: of each thread 128 MiB
 * that OpenBLAS reserves, a stack, and what malloc sets aside. It counts although little
 * of it is ever touched. */
#define HEAD_ROOM_MB 256
#define THREAD_MB 160
#define THREADS_MAX 4096
#define MEMORY_MAX_MB (INT64_C(1) << 40)

/* Polling stays quick while workers use every core. Failure only costs some of that. */
static void give_way(void)
{
    struct sched_param parameters = {.sched_priority = 0};
    (void)sched_setscheduler(0, SCHED_BATCH, &parameters);
    (void)setpriority(PRIO_PROCESS, 0, NICENESS);
}

/* When memory runs out the kernel is to take the worker, whose job can be tried again,
 * and not the daemon. Where it cannot be set the kernel chooses by size, which is mostly
 * the worker as well. */
static void offer_to_the_oom_killer(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    int rc = io_write_full(fd, OOM_SCORE, sizeof(OOM_SCORE) - 1);
    (void)rc;
    io_close(&fd);
}

static int limit(int resource, rlim_t most, const char *what, struct error *err)
{
    struct rlimit both;
    bool known = getrlimit((__rlimit_resource_t)resource, &both) == 0;
    if (!known || both.rlim_max > most) /* it may be lower already: then it stays so */
        both.rlim_max = most;
    both.rlim_cur = both.rlim_max;
    if (setrlimit((__rlimit_resource_t)resource, &both) != 0)
        return error_set_errno(err, errno, "cannot limit %s", what);
    return 0;
}

/* Private memory that can be written; a dataset's mapped file is not of it. Beyond the
 * limit an allocation fails, which the daemon is told in words. A sanitizer's shadow is
 * larger than any limit. */
static int limit_memory(int64_t memory_mb, int64_t threads, struct error *err)
{
    if (threads < 1 || threads > THREADS_MAX)
        threads = threads < 1 ? 1 : THREADS_MAX;
    if (memory_mb < 0 || memory_mb > MEMORY_MAX_MB || SYSCALL_FILTER_LAX)
        return 0;
    int64_t most_mb = memory_mb + memory_mb / 4 + HEAD_ROOM_MB + threads * THREAD_MB;
    return limit(RLIMIT_DATA, (rlim_t)most_mb << 20, "memory", err);
}

static int limit_files(int64_t file_mb, struct error *err)
{
    signal(SIGXFSZ, SIG_IGN); /* too much is an error like any other */
    if (file_mb < 0 || file_mb > INT64_MAX >> 20)
        return 0;
    return limit(RLIMIT_FSIZE, (rlim_t)file_mb << 20, "what is written to files", err);
}

int limits_apply(const struct limits *limits, struct error *err)
{
    int rc = limit(RLIMIT_CORE, 0, "core files", err);
    if (rc == 0)
        rc = limit_memory(limits->memory_mb, limits->threads, err);
    if (rc == 0)
        rc = limit_files(limits->file_mb, err);
    if (rc != 0)
        return rc;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return error_set_errno(err, errno, "cannot give up new privileges");
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return error_set_errno(err, errno, "cannot bind this process to its parent");
    signal(SIGPIPE, SIG_IGN); /* a daemon that is gone is an error like any other */
    give_way();
    offer_to_the_oom_killer();
    return 0;
}

int limits_close_descriptors(int first, int kept, struct error *err)
{
    unsigned low = (unsigned)first, middle = (unsigned)kept;
    int rc = 0;
    if (kept > first)
        rc = close_range(low, middle - 1, 0);
    if (rc == 0)
        rc = close_range(kept >= first ? middle + 1 : low, UINT_MAX, 0);
    if (rc != 0)
        return error_set_errno(err, errno, "cannot close what was inherited");
    return 0;
}
