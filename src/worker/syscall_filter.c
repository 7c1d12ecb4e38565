/*
 * See syscall_filter.h. libseccomp turns the tables into a program for the kernel, for
 * whichever architecture it is, and refuses calls of another one (32 bit, x32).
 */
#include "syscall_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const int allowed[] = {
    /* descriptors that are open */
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(lseek),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fstat),
    SCMP_SYS(close),
    SCMP_SYS(close_range),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    /* memory */
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    /* threads */
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    /* signals of its own; see also tgkill below */
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    /* time, chance, and how much memory there is (qsort asks) */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getrandom),
    SCMP_SYS(sysinfo),
#if SYSCALL_FILTER_LAX
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(stat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getcwd),
    SCMP_SYS(getdents),
    SCMP_SYS(getdents64),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(fcntl),
    SCMP_SYS(ioctl),
    SCMP_SYS(uname),
    SCMP_SYS(getuid),
    SCMP_SYS(getppid),
    SCMP_SYS(getrusage),
    SCMP_SYS(prctl),
    SCMP_SYS(arch_prctl),
    SCMP_SYS(prlimit64),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(mmap),
    SCMP_SYS(mprotect),
    SCMP_SYS(clone),
    SCMP_SYS(ptrace),
    SCMP_SYS(wait4),
    SCMP_SYS(tgkill),
    SCMP_SYS(kill),
#endif
};

/* Calls whose arguments count. A call may have several rows: one of them has to fit. */
struct conditional {
    int call;
    uint32_t action;
    unsigned count;
    struct scmp_arg_cmp arguments[2];
};

#define ALLOW SCMP_ACT_ALLOW
#define REFUSE(reason) SCMP_ACT_ERRNO(reason)

/* Argument `index` has none of the bits `bits`. */
#define NONE_OF(index, bits)                                                             \
    {                                                                                    \
        index, SCMP_CMP_MASKED_EQ, bits, 0                                               \
    }
#define EQUALS(index, value)                                                             \
    {                                                                                    \
        index, SCMP_CMP_EQ, value, 0                                                     \
    }

/* A thread, and nothing that makes it more than one. */
#define FORBIDDEN_CLONES                                                                 \
    (CLONE_VFORK | CLONE_PARENT | CLONE_PTRACE | CLONE_UNTRACED | CLONE_PIDFD |          \
     CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |       \
     CLONE_NEWPID | CLONE_NEWNET)

static const struct conditional conditionals[] = {
    /* glibc then takes clone(), whose flags can be looked at. */
    {SCMP_SYS(clone3), REFUSE(ENOSYS), 0, {{0}}},
    /* OpenBLAS says where its buffers should lie, and takes no for an answer. */
    {SCMP_SYS(mbind), REFUSE(EPERM), 0, {{0}}},
#if !SYSCALL_FILTER_LAX
    {SCMP_SYS(clone),
     ALLOW,
     1,
     {{0, SCMP_CMP_MASKED_EQ, FORBIDDEN_CLONES | CLONE_THREAD, CLONE_THREAD}}},
    /* Nothing is to be executed that was not there at the start. */
    {SCMP_SYS(mmap), ALLOW, 1, {NONE_OF(2, PROT_EXEC)}},
    {SCMP_SYS(mprotect), ALLOW, 1, {NONE_OF(2, PROT_EXEC)}},
    /* To read a limit; the third argument sets one. */
    {SCMP_SYS(prlimit64), ALLOW, 2, {EQUALS(0, 0), EQUALS(2, 0)}},
    /* abort() and pthread_create() set handlers. That of SIGSYS stays. */
    {SCMP_SYS(rt_sigaction), ALLOW, 1, {{0, SCMP_CMP_NE, SIGSYS, 0}}},
    /* malloc, qsort and time functions look for files of the system; stdio asks what kind
     * of file it writes to. They do without. */
    {SCMP_SYS(open), REFUSE(EACCES), 1, {NONE_OF(1, O_ACCMODE | O_CREAT | O_TRUNC)}},
    {SCMP_SYS(openat), REFUSE(EACCES), 1, {NONE_OF(2, O_ACCMODE | O_CREAT | O_TRUNC)}},
    {SCMP_SYS(newfstatat), REFUSE(EACCES), 0, {{0}}},
    {SCMP_SYS(statx), REFUSE(ENOSYS), 0, {{0}}},
#endif
};

/* The line is made by hand: anything may have been interrupted. The handler is good for
 * one call; the signal that follows ends the process. */
static void forbidden(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    char text[] = "forbidden system call            \n";
    char *digit = text + sizeof(text) - 3;
    unsigned call = (unsigned)info->si_syscall;
    do {
        *digit-- = (char)('0' + call % 10);
        call /= 10;
    } while (call > 0);
    char *begin = text + sizeof("forbidden system call ") - 1;
    size_t digits = (size_t)(text + sizeof(text) - 3 - digit);
    memmove(begin, digit + 1, digits);
    begin[digits] = '\n';
    ssize_t put = write(STDERR_FILENO, text, (size_t)(begin - text) + digits + 1);
    (void)put;
#if SYSCALL_FILTER_LAX
    /* A sanitizer has put a handler of its own in between, which blocks the signal until
     * this one has returned. */
    signal(SIGSYS, SIG_DFL);
    raise(SIGSYS);
#else
    raise(SIGSYS);
    _exit(128 + SIGSYS);
#endif
}

static int add_rules(scmp_filter_ctx filter)
{
    int rc = 0;
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && rc == 0; i++)
        rc = seccomp_rule_add(filter, ALLOW, allowed[i], 0);
    for (size_t i = 0; i < sizeof(conditionals) / sizeof(conditionals[0]) && rc == 0; i++)
        rc = seccomp_rule_add_array(filter, conditionals[i].action, conditionals[i].call,
                                    conditionals[i].count, conditionals[i].arguments);
#if !SYSCALL_FILTER_LAX
    /* raise() and pthread_cancel(): a thread of this process, and no other. */
    const struct scmp_arg_cmp self = EQUALS(0, (scmp_datum_t)getpid());
    if (rc == 0)
        rc = seccomp_rule_add_array(filter, ALLOW, SCMP_SYS(tgkill), 1, &self);
#endif
    return rc;
}

static int set_attributes(scmp_filter_ctx filter)
{
    static const struct {
        enum scmp_filter_attr attribute;
        uint32_t value;
    } attributes[] = {
        {SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS},
        {SCMP_FLTATR_CTL_TSYNC, 1},
        /* Without it older kernels switch off the processor's speculative stores, which
         * numbers are slow without. */
        {SCMP_FLTATR_CTL_SSB, 1},
        {SCMP_FLTATR_CTL_OPTIMIZE, 2}, /* a binary tree */
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]) && rc == 0; i++)
        rc = seccomp_attr_set(filter, attributes[i].attribute, attributes[i].value);
    return rc;
}

int syscall_filter_install(struct error *err)
{
    struct sigaction action = {.sa_sigaction = forbidden,
                               .sa_flags = SA_SIGINFO | SA_NODEFER | (int)SA_RESETHAND};
    if (sigaction(SIGSYS, &action, NULL) != 0)
        return error_set_errno(err, errno, "SIGSYS cannot be handled");
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
    if (!filter)
        return error_set(err, ERR_NOMEM, "no memory for the filter of system calls");
    int failed = set_attributes(filter);
    if (failed == 0)
        failed = add_rules(filter);
    if (failed == 0)
        failed = seccomp_load(filter);
    seccomp_release(filter);
    if (failed != 0)
        return error_set(err, ERR_CONFLICT,
                         "the kernel takes no filter of system calls (%s)",
                         strerrordesc_np(-failed));
    return 0;
}
