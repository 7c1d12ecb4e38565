/* See faulty_calls.h. */
#include "faulty_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

_Static_assert(sizeof(struct faults) == 40, "tests write it field by field");

static struct faults *shared;

/* The names are the linker's. NOLINTBEGIN(bugprone-reserved-identifier) */
int __real_open(const char *path, int flags, ...);
ssize_t __real_read(int fd, void *bytes, size_t length);
ssize_t __real_write(int fd, const void *bytes, size_t length);
ssize_t __real_pread(int fd, void *bytes, size_t length, off_t offset);
ssize_t __real_pwrite(int fd, const void *bytes, size_t length, off_t offset);
int __real_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_open(const char *path, int flags, ...);
ssize_t __wrap_read(int fd, void *bytes, size_t length);
ssize_t __wrap_write(int fd, const void *bytes, size_t length);
ssize_t __wrap_pread(int fd, void *bytes, size_t length, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t length, off_t offset);
int __wrap_fsync(int fd);
int __wrap_rename(const char *from, const char *to);

/* Before main(), and so before a sandbox. */
__attribute__((constructor)) static void map_faults(void)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - sizeof("/faults"));
    if (length <= 0)
        return;
    path[length] = '\0';
    strcpy(strrchr(path, '/'), "/faults");
    int fd = __real_open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *map = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED)
        shared = map;
    close(fd);
}

struct faults *faults_shared(void)
{
    return shared;
}

/* 1: fails, 2: does half, 0: passes. */
static int fate(enum fault_call call)
{
    if (!shared || !(shared->calls & (uint32_t)call))
        return 0;
    uint64_t index = ++shared->counted;
    if (shared->nth == 0 || index < shared->nth ||
        (index > shared->nth && !shared->lasts))
        return 0;
    shared->injected++;
    if (call == CALL_WRITE && shared->half && index == shared->nth)
        return 2;
    errno = (int)shared->error;
    return 1;
}

bool fault_now(enum fault_call call)
{
    return fate(call) == 1;
}

static bool is_data(const char *path)
{
    return strstr(path, "/data/") != NULL;
}

static bool is_file(int fd)
{
    struct stat status;
    return fd > STDERR_FILENO && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
    va_end(args);
    return is_data(path) && fault_now(CALL_OPEN) ? -1 : __real_open(path, flags, mode);
}

ssize_t __wrap_read(int fd, void *bytes, size_t length)
{
    return is_file(fd) && fault_now(CALL_READ) ? -1 : __real_read(fd, bytes, length);
}

ssize_t __wrap_pread(int fd, void *bytes, size_t length, off_t offset)
{
    return is_file(fd) && fault_now(CALL_READ) ? -1
                                               : __real_pread(fd, bytes, length, offset);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t length)
{
    int what = is_file(fd) ? fate(CALL_WRITE) : 0;
    return what == 1 ? -1 : __real_write(fd, bytes, what == 2 ? length / 2 : length);
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    int what = is_file(fd) ? fate(CALL_WRITE) : 0;
    return what == 1 ? -1
                     : __real_pwrite(fd, bytes, what == 2 ? length / 2 : length, offset);
}

int __wrap_fsync(int fd)
{
    return fault_now(CALL_SYNC) ? -1 : __real_fsync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
    return is_data(from) && fault_now(CALL_RENAME) ? -1 : __real_rename(from, to);
}
/* NOLINTEND(bugprone-reserved-identifier) */
