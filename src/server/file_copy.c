/* See file_copy.h. */
#include "file_copy.h"

#include "base/io.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCK_BYTES ((size_t)1 << 20)

static int copy_bytes(int from, int to)
{
    uint64_t bytes;
    int rc = io_file_size(from, &bytes);
    if (rc < 0)
        return rc;
    char *block = mem_alloc_array(BLOCK_BYTES, 1);
    if (!block)
        return ERR_NOMEM;
    for (uint64_t at = 0; rc == 0 && at < bytes; at += BLOCK_BYTES) {
        size_t length = bytes - at < BLOCK_BYTES ? (size_t)(bytes - at) : BLOCK_BYTES;
        rc = io_pread_full(from, block, length, at);
        if (rc == 0)
            rc = io_pwrite_full(to, block, length, at);
    }
    free(block);
    return rc;
}

static int write_copy(int from, const char *partial, struct error *err)
{
    int to = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to < 0)
        return error_set_errno(err, errno, "cannot make a file");
    int rc = copy_bytes(from, to);
    if (rc < 0)
        error_set(err, rc, "a file cannot be copied: %s", error_code_name(rc));
    if (rc == 0 && fsync(to) != 0)
        rc = error_set_errno(err, errno, "a copied file cannot be synced");
    io_close(&to);
    return rc;
}

int file_copy(const char *from, const char *to, bool may_link, struct error *err)
{
    if (access(to, F_OK) == 0)
        return 0;
    int fd = open(from, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? error_set(err, ERR_NOT_FOUND, "there is no such file")
                               : error_set_errno(err, errno, "cannot open a file");
    if (may_link && link(from, to) == 0) {
        io_close(&fd);
        return 0;
    }
    char partial[PATH_MAX];
    int rc = 0;
    if (snprintf(partial, sizeof(partial), "%s.partial", to) >= (int)sizeof(partial))
        rc = error_set(err, ERR_TOO_LARGE, "a file's name is too long");
    if (rc == 0)
        rc = write_copy(fd, partial, err);
    io_close(&fd);
    if (rc == 0 && rename(partial, to) != 0)
        rc = error_set_errno(err, errno, "cannot name a copied file");
    return rc;
}
