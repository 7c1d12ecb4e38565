/*
 * The workers' sandbox from inside: what a worker needs still works there, also when it
 * fails; each layer holds alone; and what is missing is noticed.
 */
#include "base/io.h"
#include "sandbox_child.h"
#include "worker/landlock.h"
#include "worker/process_limits.h"
#include "worker/sandbox.h"
#include "worker/syscall_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#undef NDEBUG /* for a worker of a debug build */
#include <arpa/inet.h>
#include <assert.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The function has to return 0 inside the sandbox. */
static void expect_works(int (*function)(const void *), const void *context)
{
    struct child_end end;
    child_run(function, context, false, &end);
    if (end.signal != 0 || end.exit_status != 0)
        fail_msg("signal %d, status %d: %s", end.signal, end.exit_status, end.words);
}

/* The function has to be ended by this signal, and to have said `word` on the way. */
static void expect_ended(int (*function)(const void *), int number, const char *word)
{
    struct child_end end;
    child_run(function, NULL, false, &end);
    if (end.signal != number || !strstr(end.words, word))
        fail_msg("not by signal %d, but %d, status %d: %s", number, end.signal,
                 end.exit_status, end.words);
}

/* ---- what works ---- */

static void *count_up(void *argument)
{
    atomic_fetch_add((atomic_int *)argument, 1);
    return NULL;
}

static void *wait_to_be_cancelled(void *argument)
{
    poll(NULL, 0, 600 * 1000);
    return argument;
}

static int use_threads(const void *context)
{
    (void)context;
    atomic_int count = 0;
    pthread_t threads[8], sleeper;
    for (int i = 0; i < 8; i++)
        if (pthread_create(&threads[i], NULL, count_up, &count) != 0)
            return 1;
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    if (pthread_create(&sleeper, NULL, wait_to_be_cancelled, NULL) != 0)
        return 2;
    pthread_cancel(sleeper);
    pthread_join(sleeper, NULL);
    return count == 8 ? 0 : 3;
}

static int compare(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static int use_memory(const void *context)
{
    (void)context;
    size_t count = (size_t)4 << 20; /* qsort asks how much memory there is */
    int *numbers = malloc(count * sizeof(*numbers));
    if (!numbers)
        return 1;
    for (size_t i = 0; i < count; i++)
        numbers[i] = (int)((i * 2654435761u) & 0x7fffffff);
    qsort(numbers, count, sizeof(*numbers), compare);
    int *more = realloc(numbers, 2 * count * sizeof(*numbers));
    int rc = more && more[0] <= more[1] ? 0 : 2;
    free(more ? more : numbers);
    return rc;
}

static int use_time(const void *context)
{
    (void)context;
    time_t now = time(NULL);
    struct tm broken;
    char text[64];
    return localtime_r(&now, &broken) &&
                   strftime(text, sizeof(text), "%Y-%m-%d", &broken) > 0
               ? 0
               : 1;
}

/* What a task lends: a file to read, one to write. */
static int use_descriptors(const void *context)
{
    const int *fds = context;
    char byte;
    uint64_t bytes;
    struct stat status;
    if (io_file_size(fds[0], &bytes) != 0 || bytes != 5)
        return 1;
    if (io_pread_full(fds[0], &byte, 1, 4) != 0 || byte != 'o')
        return 2;
    void *map = mmap(NULL, 5, PROT_READ, MAP_SHARED, fds[0], 0);
    if (map == MAP_FAILED || memcmp(map, "hello", 5) != 0)
        return 3;
    if (!SYSCALL_FILTER_LAX && (fstat(fds[0], &status) == 0 || errno != EACCES))
        return 4;
    return 0;
}

static void test_what_a_worker_needs_works(void **state)
{
    (void)state;
    int fd = memfd_create("lent", MFD_CLOEXEC);
    assert_int_equal(write(fd, "hello", 5), 5);
    expect_works(use_threads, NULL);
    expect_works(use_memory, NULL);
    expect_works(use_time, NULL);
    expect_works(use_descriptors, &fd);
    close(fd);
}

/* ---- ways to end ---- */

static int abort_at_once(const void *context)
{
    (void)context;
    abort();
}

static int fail_an_assertion(const void *context)
{
    assert(context);
    return 0;
}

static int segfault(const void *context)
{
    (void)context;
    signal(SIGSEGV, SIG_DFL); /* whatever a sanitizer has in mind with it */
    return raise(SIGSEGV);
}

#if !SYSCALL_FILTER_LAX
static int free_twice(const void *context)
{
    (void)context;
    void *volatile block = malloc(64);
    void *again = block;
    free(block);
    free(again);
    return 0;
}
#endif

static void test_deaths_are_those_of_any_process(void **state)
{
    (void)state;
    expect_ended(abort_at_once, SIGABRT, "");
    expect_ended(segfault, SIGSEGV, "");
    expect_ended(fail_an_assertion, SIGABRT, "context");
#if !SYSCALL_FILTER_LAX
    expect_ended(free_twice, SIGABRT, "double free");
#endif
}

/* ---- limits ---- */

#if !SYSCALL_FILTER_LAX
static int take_too_much(const void *context)
{
    (void)context;
    /* 64 MiB were asked for; with all that is added, 1 GiB is too much. */
    void *volatile some = malloc((size_t)64 << 20);
    void *volatile much = malloc((size_t)1 << 30);
    return some && !much && errno == ENOMEM ? 0 : 1;
}

static int open_more(const void *context)
{
    (void)context;
    struct rlimit files, data;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || getrlimit(RLIMIT_DATA, &data) != 0)
        return 1;
    return files.rlim_max == 1 && data.rlim_max == (rlim_t)(64 + 16 + 256 + 160) << 20
               ? 0
               : 2;
}

/* Not even root gets more than what was there before. */
static int keep_a_lower_limit(const void *context)
{
    (void)context;
    struct rlimit low = {100 << 20, 100 << 20}, found;
    const struct limits limits = {.memory_mb = 64, .file_mb = -1};
    struct error err = {0};
    if (setrlimit(RLIMIT_DATA, &low) != 0 || limits_apply(&limits, &err) != 0 ||
        getrlimit(RLIMIT_DATA, &found) != 0)
        return 1;
    return found.rlim_cur == low.rlim_cur && found.rlim_max == low.rlim_max ? 0 : 2;
}
#endif

static int write_to_a_file(const void *context)
{
    const int *fd = context;
    return write(*fd, "more", 4) < 0 && errno == EFBIG ? 0 : 1;
}

static void test_limits_hold_and_are_told_by_errors(void **state)
{
    (void)state;
    int fd = memfd_create("lent", MFD_CLOEXEC);
    assert_int_equal(write(fd, "hello", 5), 5);
    expect_works(write_to_a_file, &fd);
    close(fd);
#if !SYSCALL_FILTER_LAX
    expect_works(take_too_much, NULL);
    expect_works(open_more, NULL);
    struct child_end end;
    child_run(keep_a_lower_limit, NULL, true, &end);
    assert_int_equal(end.exit_status, 0);
#endif
}

/* ---- Landlock alone ---- */

#if !SYSCALL_FILTER_LAX

static int is_denied(long result, int reason)
{
    return result < 0 && errno == reason ? 0 : 1;
}

static int open_a_file(void)
{
    return is_denied(open("/etc/passwd", O_RDONLY), EACCES);
}

static int create_a_file(void)
{
    return is_denied(creat("/tmp/backpropd-escaped", 0600), EACCES);
}

static int list_a_folder(void)
{
    return is_denied(open("/", O_RDONLY | O_DIRECTORY), EACCES);
}

static int make_a_folder(void)
{
    return is_denied(mkdir("/tmp/backpropd-escaped", 0700), EACCES);
}

static int make_a_link(void)
{
    return is_denied(symlink("/etc", "/tmp/backpropd-escaped"), EACCES);
}

static int remove_a_file(void)
{
    return is_denied(unlink("/etc/hostname"), EACCES);
}

static int execute(void)
{
    char name[] = "/bin/true";
    char *const arguments[] = {name, NULL};
    return is_denied(execv(name, arguments), EACCES);
}

static int mount_something(void)
{
    return is_denied(syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL), EPERM);
}

static int trace_the_parent(void)
{
    return is_denied(syscall(SYS_ptrace, 0x4206 /* seize */, getppid(), 0, 0), EPERM);
}

static int bind_a_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return is_denied(bind(fd, (struct sockaddr *)&address, sizeof(address)), EACCES);
}

static int connect_to_a_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(9),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return is_denied(connect(fd, (struct sockaddr *)&address, sizeof(address)), EACCES);
}

static int signal_the_parent(void)
{
    return is_denied(kill(getppid(), 0), EPERM);
}

static const struct landlock_probe {
    const char *name;
    long version; /* of Landlock, from which on it is blocked */
    int (*attempt)(void);
} landlock_probes[] = {
    {"open", 1, open_a_file},
    {"create", 1, create_a_file},
    {"list", 1, list_a_folder},
    {"mkdir", 1, make_a_folder},
    {"symlink", 1, make_a_link},
    {"unlink", 1, remove_a_file},
    {"exec", 1, execute},
    {"mount", 1, mount_something},
    {"ptrace", 1, trace_the_parent},
    {"bind", 4, bind_a_port},
    {"connect", 4, connect_to_a_port},
    {"kill", 6, signal_the_parent},
};

static int try_under_landlock(const void *context)
{
    const struct landlock_probe *probe = context;
    struct error err = {0};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || landlock_close_files(&err) != 0)
        return 2;
    return probe->attempt();
}

static void test_landlock_alone_closes_the_file_system(void **state)
{
    (void)state;
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
    if (version < 1) {
        print_message("this kernel has no Landlock: nothing to be tested\n");
        return;
    }
    int tried = 0;
    for (size_t i = 0; i < COUNT(landlock_probes); i++) {
        if (landlock_probes[i].version > version)
            continue;
        struct child_end end;
        child_run(try_under_landlock, &landlock_probes[i], true, &end);
        if (end.signal != 0 || end.exit_status != 0)
            fail_msg("%s: signal %d, status %d", landlock_probes[i].name, end.signal,
                     end.exit_status);
        tried++;
    }
    print_message("Landlock %ld blocked %d attempts\n", version, tried);
    assert_true(tried >= 9);
}

/* ---- older kernels ---- */

/* Makes a system call fail as on a kernel that has none. */
static void take_away(int call)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), call, 0) != 0 ||
        seccomp_load(filter) != 0)
        _exit(100);
    seccomp_release(filter);
}

struct older_kernel {
    int missing; /* the system call */
    const char *level, *why;
};

static int enter_on_an_older_kernel(const void *context)
{
    const struct older_kernel *kernel = context;
    take_away(kernel->missing);
    struct sandbox_state state;
    struct error err = {0};
    if (sandbox_enter(SANDBOX_AUTO, &state, &err) != 0)
        return 1;
    if (strcmp(sandbox_level_name(state.level), kernel->level) != 0)
        return 2;
    return strstr(state.missing.text, kernel->why) ? 0 : 3;
}

static int insist_on_an_older_kernel(const void *context)
{
    const struct older_kernel *kernel = context;
    take_away(kernel->missing);
    struct sandbox_state state;
    struct error err = {0};
    if (sandbox_enter(SANDBOX_STRICT, &state, &err) != ERR_CONFLICT)
        return 1;
    return strstr(err.text, kernel->level) && strstr(err.text, kernel->why) ? 0 : 2;
}

static void test_missing_parts_are_noticed_and_strict_refuses(void **state)
{
    (void)state;
    static const struct older_kernel kernels[] = {
        {SCMP_SYS(landlock_create_ruleset), "seccomp", "no Landlock"},
        {SCMP_SYS(seccomp), "basic", "no filter of system calls"},
    };
    for (size_t i = 0; i < COUNT(kernels); i++) {
        struct child_end end;
        child_run(enter_on_an_older_kernel, &kernels[i], true, &end);
        assert_int_equal(end.signal, 0);
        assert_int_equal(end.exit_status, 0);
        child_run(insist_on_an_older_kernel, &kernels[i], true, &end);
        assert_int_equal(end.signal, 0);
        assert_int_equal(end.exit_status, 0);
    }
}

#endif

static int look_at_the_level(const void *context)
{
    (void)context;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 1;
}

static void test_nothing_is_confined_when_nobody_asks(void **state)
{
    (void)state;
    struct sandbox_state sandbox;
    struct error err = {0};
    assert_int_equal(sandbox_enter(SANDBOX_NONE, &sandbox, &err), 0);
    assert_string_equal(sandbox_level_name(sandbox.level), "none");
    assert_int_equal(access("/etc/passwd", R_OK), 0);
    struct child_end end;
    child_run(look_at_the_level, NULL, true, &end);
    assert_int_equal(end.exit_status, 1);
}

static void test_policies_have_names(void **state)
{
    (void)state;
    enum sandbox_policy policy;
    assert_true(sandbox_policy_parse("strict", &policy) && policy == SANDBOX_STRICT);
    assert_true(sandbox_policy_parse("auto", &policy) && policy == SANDBOX_AUTO);
    assert_true(sandbox_policy_parse("none", &policy) && policy == SANDBOX_NONE);
    assert_false(sandbox_policy_parse("", &policy));
    assert_false(sandbox_policy_parse("Strict", &policy));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_worker_needs_works),
        cmocka_unit_test(test_deaths_are_those_of_any_process),
        cmocka_unit_test(test_limits_hold_and_are_told_by_errors),
#if !SYSCALL_FILTER_LAX
        cmocka_unit_test(test_landlock_alone_closes_the_file_system),
        cmocka_unit_test(test_missing_parts_are_noticed_and_strict_refuses),
#endif
        cmocka_unit_test(test_nothing_is_confined_when_nobody_asks),
        cmocka_unit_test(test_policies_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
