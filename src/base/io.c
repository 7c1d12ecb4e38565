/* See io.h. */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int code_of_errno(int value)
{
    if (value == EPIPE)
        return ERR_EOF;
    bool full = value == ENOSPC || value == EDQUOT || value == EFBIG;
    return full ? ERR_NO_SPACE : ERR_IO;
}

int io_read_full(int fd, void *bytes, size_t length)
{
    char *at = bytes;
    while (length > 0) {
        ssize_t got = read(fd, at, length);
        if (got == 0)
            return ERR_EOF;
        if (got < 0) {
            if (errno == EINTR)
                continue;
            return ERR_IO;
        }
        at += got;
        length -= (size_t)got;
    }
    return 0;
}

int io_write_full(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t put = write(fd, at, length);
        if (put < 0) {
            if (errno == EINTR)
                continue;
            return code_of_errno(errno);
        }
        at += put;
        length -= (size_t)put;
    }
    return 0;
}

int io_pread_full(int fd, void *bytes, size_t length, uint64_t offset)
{
    char *at = bytes;
    while (length > 0) {
        ssize_t got = pread(fd, at, length, (off_t)offset);
        if (got == 0)
            return ERR_EOF;
        if (got < 0) {
            if (errno == EINTR)
                continue;
            return ERR_IO;
        }
        at += got;
        offset += (uint64_t)got;
        length -= (size_t)got;
    }
    return 0;
}

int io_pwrite_full(int fd, const void *bytes, size_t length, uint64_t offset)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t put = pwrite(fd, at, length, (off_t)offset);
        if (put < 0) {
            if (errno == EINTR)
                continue;
            return code_of_errno(errno);
        }
        at += put;
        offset += (uint64_t)put;
        length -= (size_t)put;
    }
    return 0;
}

/* glibc's fstat() is a call that could take a path as well, and the sandbox of workers
 * refuses those. On 64 bits the kernel's struct is glibc's. */
static int stat_descriptor(int fd, struct stat *ret_status)
{
#ifdef __LP64__
    return (int)syscall(SYS_fstat, fd, ret_status);
#else
    return fstat(fd, ret_status);
#endif
}

int io_file_size(int fd, uint64_t *ret_bytes)
{
    struct stat status;
    if (stat_descriptor(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return ERR_IO;
    *ret_bytes = (uint64_t)status.st_size;
    return 0;
}

int io_sync_folder(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot open the folder to sync it");
    int rc = 0;
    if (fsync(fd) != 0)
        rc = error_set_errno(err, errno, "cannot sync the folder");
    io_close(&fd);
    return rc;
}

void io_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}
