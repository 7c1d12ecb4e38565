/*
 * Reads and writes that finish what they began: short counts and EINTR are handled here
 * and nowhere else.
 */
#ifndef BACKPROP_IO_H
#define BACKPROP_IO_H

#include "error.h"

#include <stddef.h>
#include <stdint.h>

/* Reads exactly `length` bytes. ERR_EOF when the stream ends before the first byte or in
 * the middle, ERR_IO when it fails. */
int io_read_full(int fd, void *bytes, size_t length) __attribute__((warn_unused_result));

/* Writes all bytes (fd may be a pipe; SIGPIPE must be ignored). ERR_EOF on EPIPE,
 * ERR_NO_SPACE on a full disk, otherwise ERR_IO. */
int io_write_full(int fd, const void *bytes, size_t length)
    __attribute__((warn_unused_result));

/* The same at a file offset. */
int io_pread_full(int fd, void *bytes, size_t length, uint64_t offset)
    __attribute__((warn_unused_result));
int io_pwrite_full(int fd, const void *bytes, size_t length, uint64_t offset)
    __attribute__((warn_unused_result));

/* Size of an open regular file in bytes. */
int io_file_size(int fd, uint64_t *ret_bytes) __attribute__((warn_unused_result));

/* Syncs a folder, so that a rename or unlink in it is durable. */
int io_sync_folder(const char *path, struct error *err)
    __attribute__((warn_unused_result));

/* Closes *fd unless it is negative, and sets it to -1. */
void io_close(int *fd);

#endif
