/*
 * Attempts to get out of the workers' sandbox: each in a process of its own, which enters
 * the same sandbox as a worker, tries one system call and has to be ended by it, with a
 * line that names the call; or, for a few that the C library tries, be refused. The calls
 * are made directly, so that no library is in the way. All are counted.
 */
#include "sandbox_child.h"
#include "worker/syscall_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* Calls that Debian 12's C library has no names for; the numbers are the same on all
 * architectures that share the generic table, x86-64 included, from 424 on. */
#define CALL_MEMFD_SECRET 447

#define THREAD_CLONE (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)

enum expectation {
    KILLED,
    REFUSED,  /* it fails with `reason` */
    LAX_OPENS /* KILLED, but a sanitizer's build lets it pass */
};

struct probe {
    const char *name;
    long call;
    long arguments[6];
    enum expectation expected;
    int reason;
};

static char path[] = "/etc/passwd", fresh[] = "/tmp/backpropd-escaped", folder[] = "/";
static char shell[] = "/bin/sh", empty[] = "";
static char *const words[] = {shell, NULL};
static struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/x"};
static struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
static char room[4096];

#define P(pointer) ((long)(intptr_t)(pointer))
#define KILL(name, ...)                                                                  \
    {                                                                                    \
#name, SYS_##name, {__VA_ARGS__ }, KILLED, 0                                     \
    }
#define KILL_AS(text, name, ...)                                                         \
    {                                                                                    \
        text, SYS_##name, {__VA_ARGS__}, KILLED, 0                                       \
    }
#define LAX(name, ...)                                                                   \
    {                                                                                    \
#name, SYS_##name, {__VA_ARGS__ }, LAX_OPENS, 0                                  \
    }
#define LAX_AS(text, name, ...)                                                          \
    {                                                                                    \
        text, SYS_##name, {__VA_ARGS__}, LAX_OPENS, 0                                    \
    }

/* Where a call could do harm if it came through, it is given nothing to do it to. The
 * descriptors 0 and 1 are the child's own streams. */
static const struct probe files[] = {
    LAX_AS("openat to write", openat, AT_FDCWD, P(path), O_WRONLY),
    LAX_AS("openat to read and write", openat, AT_FDCWD, P(path), O_RDWR),
    LAX_AS("openat to create", openat, AT_FDCWD, P(fresh), O_CREAT | O_RDONLY, 0600),
    LAX_AS("openat to truncate", openat, AT_FDCWD, P(fresh), O_TRUNC),
    LAX_AS("openat of a nameless file", openat, AT_FDCWD, P(folder), O_TMPFILE | O_RDWR),
    KILL(openat2, AT_FDCWD, P(path), P(room), 24),
    KILL(open_by_handle_at, AT_FDCWD, P(room), O_RDONLY),
    KILL(name_to_handle_at, AT_FDCWD, P(path), P(room), P(room + 64), 0),
    KILL(faccessat, AT_FDCWD, P(path), 0),
    KILL(faccessat2, AT_FDCWD, P(path), 0, 0),
    LAX(readlinkat, AT_FDCWD, P("/proc/self/exe"), P(room), sizeof(room)),
    LAX(getcwd, P(room), sizeof(room)),
    LAX(getdents64, 0, P(room), sizeof(room)),
    KILL(chdir, P(folder)),
    KILL(fchdir, 0),
    KILL(chroot, P(fresh)),
    KILL(mkdirat, AT_FDCWD, P(fresh), 0700),
    KILL(mknodat, AT_FDCWD, P(fresh), 0600, 0),
    KILL(unlinkat, AT_FDCWD, P(fresh), 0),
    KILL(renameat2, AT_FDCWD, P(fresh), AT_FDCWD, P(fresh), 0),
    KILL(linkat, AT_FDCWD, P(fresh), AT_FDCWD, P(fresh), 0),
    KILL(symlinkat, P(path), AT_FDCWD, P(fresh)),
    KILL(fchmodat, AT_FDCWD, P(fresh), 0777),
    KILL(fchownat, AT_FDCWD, P(fresh), 0, 0, 0),
    KILL(fchmod, 0, 0777),
    KILL(truncate, P(fresh), 0),
    KILL(utimensat, AT_FDCWD, P(fresh), 0, 0),
    KILL(statfs, P(folder), P(room)),
    KILL(setxattr, P(fresh), P("user.x"), P(room), 1, 0),
    KILL(getxattr, P(path), P("user.x"), P(room), 1),
    KILL(inotify_init1, 0),
    KILL(fanotify_init, 0, 0),
    KILL(mount, 0, P(fresh), P("tmpfs"), 0, 0),
    KILL(umount2, P(fresh), 0),
    KILL(pivot_root, P(fresh), P(fresh)),
    KILL(open_tree, AT_FDCWD, P(folder), 0),
    KILL(move_mount, AT_FDCWD, P(fresh), AT_FDCWD, P(fresh), 0),
    KILL(fsopen, P("tmpfs"), 0),
    KILL(mount_setattr, AT_FDCWD, P(fresh), 0, P(room), 32),
    KILL(swapon, P(fresh), 0),
    KILL(acct, P(fresh)),
    KILL(memfd_create, P(empty), 0),
    {"memfd_secret", CALL_MEMFD_SECRET, {0}, KILLED, 0},
    KILL(landlock_create_ruleset, 0, 0, 1),
    KILL(landlock_restrict_self, 0, 0),
};

static const struct probe sockets[] = {
    KILL_AS("socket of the Internet", socket, AF_INET, SOCK_STREAM, 0),
    KILL_AS("socket of IPv6", socket, AF_INET6, SOCK_DGRAM, 0),
    KILL_AS("socket of UNIX", socket, AF_UNIX, SOCK_STREAM, 0),
    KILL_AS("socket of netlink", socket, AF_NETLINK, SOCK_RAW, 0),
    KILL_AS("socket of packets", socket, AF_PACKET, SOCK_RAW, 0),
    KILL_AS("socket of virtual machines", socket, AF_VSOCK, SOCK_STREAM, 0),
    KILL_AS("socket of the kernel's ciphers", socket, AF_ALG, SOCK_SEQPACKET, 0),
    KILL(socketpair, AF_UNIX, SOCK_STREAM, 0, P(room)),
    KILL(connect, 0, P(&address), sizeof(address)),
    KILL(bind, 0, P(&address), sizeof(address)),
    KILL(listen, 0, 1),
    KILL(accept4, 0, 0, 0, 0),
    KILL(sendto, 0, P(room), 1, 0, P(&address), sizeof(address)),
    KILL(sendmsg, 0, P(room), 0),
    KILL(sendmmsg, 0, P(room), 1, 0),
    KILL(recvfrom, 0, P(room), 1, 0, 0, 0),
    KILL(recvmsg, 0, P(room), 0),
    KILL(setsockopt, 0, SOL_SOCKET, SO_REUSEADDR, P(room), 4),
    KILL(shmget, 0, 4096, 0600),
    KILL(msgget, 0, 0600),
    KILL(semget, 0, 1, 0600),
    KILL(mq_open, P("x"), O_CREAT, 0600, 0),
};

static const struct probe processes[] = {
    KILL(execve, P(shell), P(words), 0),
    KILL(execveat, AT_FDCWD, P(shell), P(words), 0, 0),
    KILL_AS("execveat of a descriptor", execveat, 0, P(empty), P(words), 0,
            AT_EMPTY_PATH),
#ifdef SYS_fork
    KILL(fork, 0),
    KILL(vfork, 0),
#endif
    LAX_AS("clone as fork", clone, SIGCHLD),
    LAX_AS("clone as vfork", clone, CLONE_VM | CLONE_VFORK | SIGCHLD),
    LAX_AS("clone without a thread", clone, CLONE_VM | CLONE_FILES | CLONE_SIGHAND),
    LAX_AS("clone into a new user namespace", clone, CLONE_NEWUSER | SIGCHLD),
    LAX_AS("clone of a thread into new mounts", clone, THREAD_CLONE | CLONE_NEWNS),
    LAX_AS("clone of a thread into a new network", clone, THREAD_CLONE | CLONE_NEWNET),
    LAX_AS("clone of a thread with a pidfd", clone, THREAD_CLONE | CLONE_PIDFD),
    KILL_AS("unshare of users", unshare, CLONE_NEWUSER),
    KILL_AS("unshare of mounts", unshare, CLONE_NEWNS),
    KILL_AS("unshare of descriptors", unshare, CLONE_FILES),
    KILL(setns, 0, 0),
    LAX_AS("ptrace of itself", ptrace, PTRACE_TRACEME, 0, 0, 0),
    LAX_AS("ptrace of process 1", ptrace, PTRACE_SEIZE, 1, 0, 0),
    KILL(process_vm_readv, 1, P(room), 1, P(room), 1, 0),
    KILL(process_vm_writev, 1, P(room), 1, P(room), 1, 0),
    KILL(process_madvise, 0, P(room), 1, 0, 0),
    KILL(process_mrelease, 0, 0),
    KILL(kcmp, 1, 1, 0, 0, 0),
    LAX_AS("kill of process 1", kill, 1, 0),
    LAX_AS("kill of everybody", kill, -1, 0),
    LAX_AS("kill of its group", kill, 0, 0),
    LAX_AS("tgkill of process 1", tgkill, 1, 1, 0),
    KILL(tkill, 1, 0),
    KILL(rt_sigqueueinfo, 1, SIGTERM, P(room)),
    KILL(rt_tgsigqueueinfo, 1, 1, SIGTERM, P(room)),
    KILL(pidfd_open, 1, 0),
    KILL(pidfd_getfd, 0, 0, 0),
    KILL(pidfd_send_signal, 0, 0, 0, 0),
    LAX(wait4, -1, 0, 0, 0),
    KILL(waitid, 0, 1, 0, 0, 0),
    KILL(setsid, 0),
    KILL(setpgid, 0, 0),
};

static const struct probe rights[] = {
    LAX_AS("prctl to be dumpable", prctl, PR_SET_DUMPABLE, 1),
    LAX_AS("prctl to outlive its parent", prctl, PR_SET_PDEATHSIG, 0),
    LAX_AS("prctl to be traced by anybody", prctl, PR_SET_PTRACER, -1),
    LAX_AS("prctl for a filter", prctl, PR_SET_SECCOMP, 2, P(room)),
    LAX_AS("prctl for a capability", prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21),
    LAX_AS("prctl for another memory map", prctl, PR_SET_MM, PR_SET_MM_BRK, 0),
    LAX_AS("arch_prctl", arch_prctl, 0x1001, 0),
    KILL(seccomp, 1, 0, P(room)),
    KILL(personality, 0x0040000),
    KILL(setuid, 0),
    KILL(setgid, 0),
    KILL(setresuid, 0, 0, 0),
    KILL(setgroups, 0, 0),
    KILL(capset, P(room), P(room)),
    KILL(setrlimit, RLIMIT_NOFILE, P(&limit)),
    LAX_AS("prlimit64 to raise its limit", prlimit64, 0, RLIMIT_DATA, P(&limit), 0),
    LAX_AS("prlimit64 of process 1", prlimit64, 1, RLIMIT_DATA, 0, P(room)),
    KILL(setpriority, 0, 0, -20),
    KILL(sched_setscheduler, 0, 0, P(room)),
    KILL(sched_setaffinity, 0, 8, P(room)),
    KILL(ioprio_set, 1, 0, 0),
    LAX_AS("rt_sigaction of SIGSYS", rt_sigaction, SIGSYS, P(room), 0, 8),
    LAX_AS("mmap to execute", mmap, 0, 4096, PROT_READ | PROT_EXEC,
           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
    LAX_AS("mmap to write and execute", mmap, 0, 4096, PROT_WRITE | PROT_EXEC,
           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
    LAX_AS("mprotect to execute", mprotect, P(room), 4096, PROT_READ | PROT_EXEC),
    KILL(pkey_mprotect, P(room), 4096, PROT_READ | PROT_EXEC, -1),
    KILL(remap_file_pages, P(room), 4096, 0, 0, 0),
};

static const struct probe kernel[] = {
    KILL(io_uring_setup, 1, P(room)),
    KILL(io_uring_enter, 0, 1, 0, 0, 0, 0),
    KILL(io_uring_register, 0, 0, 0, 0),
    KILL(io_setup, 1, P(room)),
    KILL(bpf, 0, P(room), 64),
    KILL(perf_event_open, P(room), 0, -1, -1, 0),
    KILL(keyctl, 0, -3, 1),
    KILL(add_key, P("user"), P("x"), P(room), 1, -3),
    KILL(request_key, P("user"), P("x"), 0, 0),
    KILL(userfaultfd, 1),
    KILL(init_module, P(room), 1, P(empty)),
    KILL(finit_module, 0, P(empty), 0),
    KILL(delete_module, P("x"), 0),
    KILL(kexec_load, 0, 0, 0, 0),
    KILL(reboot, 0, 0, 0, 0),
    KILL(syslog, 3, P(room), 64),
    KILL(sethostname, 0, 1),
    KILL(settimeofday, 0, 0),
    KILL(clock_settime, 0, 0),
    KILL(adjtimex, P(room)),
    KILL(quotactl, 0, 0, 0, 0),
    LAX_AS("ioctl to type into a terminal", ioctl, 0, TIOCSTI, P("x")),
    LAX_AS("fcntl for a copy", fcntl, 0, F_DUPFD, 0),
    LAX_AS("fcntl for signals", fcntl, 0, F_SETOWN, 1),
    LAX(dup, 0),
    KILL(dup3, 0, 9, 0),
    KILL(pipe2, P(room), 0),
    KILL(eventfd2, 0, 0),
    KILL(epoll_create1, 0),
    KILL(signalfd4, -1, P(room), 8, 0),
    KILL(timerfd_create, 0, 0),
    KILL(splice, 0, 0, 1, 0, 1, 0),
    KILL(vmsplice, 1, P(room), 1, 0),
    KILL(sendfile, 1, 0, 0, 1),
    KILL(copy_file_range, 0, 0, 1, 0, 1, 0),
    {"a call that does not exist", 4000, {0}, KILLED, 0},
#ifdef __x86_64__
    LAX(open, P(path), O_RDWR, 0),
    KILL(creat, P(fresh), 0600),
    LAX(stat, P(path), P(room)),
    KILL(access, P(path), 0),
    LAX(readlink, P("/proc/self/exe"), P(room), sizeof(room)),
    KILL(unlink, P(fresh)),
    KILL(rename, P(fresh), P(fresh)),
    KILL(mkdir, P(fresh), 0700),
    KILL(chmod, P(fresh), 0777),
    KILL(chown, P(fresh), 0, 0),
    LAX(dup2, 0, 9),
    KILL(pipe, P(room)),
    KILL(inotify_init, 0),
    KILL(uselib, P(path)),
    KILL(iopl, 3),
    KILL(ioperm, 0, 1, 1),
    KILL(modify_ldt, 0, P(room), 16),
    KILL(alarm, 1),
#endif
};

/* What the C library tries in passing: no, and no harm done. */
static const struct probe refused[] = {
    {"clone3", SYS_clone3, {P(room), 88}, REFUSED, ENOSYS},
    {"mbind", SYS_mbind, {P(room), 4096, 1, 0, 0, 0}, REFUSED, EPERM},
#if !SYSCALL_FILTER_LAX
    {"openat", SYS_openat, {AT_FDCWD, P(path), O_RDONLY}, REFUSED, EACCES},
    {"openat of a folder",
     SYS_openat,
     {AT_FDCWD, P(folder), O_DIRECTORY},
     REFUSED,
     EACCES},
    {"newfstatat", SYS_newfstatat, {AT_FDCWD, P(path), P(room), 0}, REFUSED, EACCES},
    {"newfstatat of a descriptor",
     SYS_newfstatat,
     {0, P(empty), P(room), AT_EMPTY_PATH},
     REFUSED,
     EACCES},
    {"statx", SYS_statx, {AT_FDCWD, P(path), 0, 0, P(room)}, REFUSED, ENOSYS},
#ifdef __x86_64__
    {"open", SYS_open, {P(path), O_RDONLY}, REFUSED, EACCES},
#endif
#endif
};

/* Exit status: errno, or 0 if it came through. */
static int attempt(const void *context)
{
    const struct probe *probe = context;
    const long *a = probe->arguments;
    errno = 0;
    long result = syscall(probe->call, a[0], a[1], a[2], a[3], a[4], a[5]);
    return result < 0 ? errno : 0;
}

static void expect_killed(const struct probe *probe, const struct child_end *end)
{
    char line[64];
    snprintf(line, sizeof(line), "forbidden system call %ld\n", probe->call);
    if (end->signal != SIGSYS)
        fail_msg("%s came through: signal %d, errno %d", probe->name, end->signal,
                 end->exit_status);
    if (strcmp(end->words, line) != 0)
        fail_msg("%s: it said \"%s\"", probe->name, end->words);
}

static int try_all(const struct probe *probes, size_t count)
{
    int tried = 0;
    for (size_t i = 0; i < count; i++) {
        const struct probe *probe = &probes[i];
        if (probe->expected == LAX_OPENS && SYSCALL_FILTER_LAX)
            continue;
        struct child_end end;
        child_run(attempt, probe, false, &end);
        if (probe->expected != REFUSED)
            expect_killed(probe, &end);
        else if (end.signal != 0 || end.exit_status != probe->reason)
            fail_msg("%s: signal %d, errno %d instead of %d", probe->name, end.signal,
                     end.exit_status, probe->reason);
        tried++;
    }
    return tried;
}

#define COUNT(probes) (sizeof(probes) / sizeof((probes)[0]))

static void test_every_escape_is_blocked(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const struct probe *probes;
        size_t count;
    } groups[] = {
        {"files", files, COUNT(files)},
        {"sockets", sockets, COUNT(sockets)},
        {"processes", processes, COUNT(processes)},
        {"rights", rights, COUNT(rights)},
        {"kernel", kernel, COUNT(kernel)},
        {"refused", refused, COUNT(refused)},
    };
    int tried = 0;
    for (size_t i = 0; i < COUNT(groups); i++) {
        int here = try_all(groups[i].probes, groups[i].count);
        print_message("%s: %d attempts blocked\n", groups[i].name, here);
        tried += here;
    }
    print_message("%d attempts to escape, all blocked\n", tried);
    assert_true(tried >= (SYSCALL_FILTER_LAX ? 120 : 160));
    assert_int_equal(access(fresh, F_OK), -1);
}

#ifdef __x86_64__
static int call_as_32_bit(const void *context)
{
    (void)context;
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20 /* getpid */) : "memory");
    return 0;
}

static int call_as_x32(const void *context)
{
    (void)context;
    return syscall(0x40000000 | SYS_getpid) < 0 ? errno : 0;
}

static void test_calls_of_other_architectures_are_blocked(void **state)
{
    (void)state;
    int (*const calls[])(const void *) = {call_as_32_bit, call_as_x32};
    for (size_t i = 0; i < COUNT(calls); i++) {
        struct child_end end;
        child_run(calls[i], NULL, false, &end);
        /* SIGSEGV: a kernel without 32-bit calls at all */
        assert_true(end.signal == SIGSYS || end.signal == SIGSEGV);
    }
}
#endif

/* The probes prove nothing if their calls fail by themselves. */
static void test_the_same_calls_work_outside(void **state)
{
    (void)state;
    static const struct probe harmless[] = {
        {"openat", SYS_openat, {AT_FDCWD, P(path), O_RDONLY}, REFUSED, 0},
        {"socket", SYS_socket, {AF_UNIX, SOCK_STREAM, 0}, REFUSED, 0},
        {"memfd_create", SYS_memfd_create, {P(empty), 0}, REFUSED, 0},
        {"pipe2", SYS_pipe2, {P(room), 0}, REFUSED, 0},
        {"unshare", SYS_unshare, {CLONE_FILES}, REFUSED, 0},
        {"prctl", SYS_prctl, {PR_SET_DUMPABLE, 1}, REFUSED, 0},
    };
    for (size_t i = 0; i < COUNT(harmless); i++) {
        struct child_end end;
        child_run(attempt, &harmless[i], true, &end);
        assert_int_equal(end.signal, 0);
        assert_int_equal(end.exit_status, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_escape_is_blocked),
#ifdef __x86_64__
        cmocka_unit_test(test_calls_of_other_architectures_are_blocked),
#endif
        cmocka_unit_test(test_the_same_calls_work_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
