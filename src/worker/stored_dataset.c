/* See stored_dataset.h. Read and not mapped for the digest: a bad sector is then an error
 * and no SIGBUS. */
#include "stored_dataset.h"

#include "base/io.h"
#include "base/memory.h"

#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)256 * 1024)
#define HEX_SIZE (2 * SHA256_DIGEST_SIZE + 1)

static int digest_blocks(const struct channel *channel, int fd, unsigned char *block,
                         struct sha256_ctx *digest, struct error *err)
{
    uint64_t bytes = 0;
    int rc = io_file_size(fd, &bytes);
    for (uint64_t at = 0; rc == 0 && at < bytes; at += BLOCK_BYTES) {
        size_t length = bytes - at < BLOCK_BYTES ? (size_t)(bytes - at) : BLOCK_BYTES;
        if (channel_command(channel) == COMMAND_CANCEL)
            return error_set(err, ERR_CANCELLED, "cancelled before the first step");
        rc = io_pread_full(fd, block, length, at);
        if (rc == 0)
            sha256_update(digest, length, block);
    }
    return rc == 0 ? 0 : error_set(err, ERR_IO, "the dataset's file cannot be read");
}

static int digest_file(const struct channel *channel, int fd, char ret_hex[HEX_SIZE],
                       struct error *err)
{
    struct sha256_ctx digest;
    uint8_t bytes[SHA256_DIGEST_SIZE];
    unsigned char *block = mem_alloc_array(BLOCK_BYTES, 1);
    if (!block)
        return error_set(err, ERR_NOMEM, "no memory to read the dataset's file");
    sha256_init(&digest);
    int rc = digest_blocks(channel, fd, block, &digest, err);
    free(block);
    if (rc < 0)
        return rc;
    sha256_digest(&digest, sizeof(bytes), bytes);
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(ret_hex + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

int stored_dataset_open(const struct channel *channel, const json_t *task, int fd,
                        struct dataset_file **ret_file, struct error *err)
{
    const char *expected = json_string_value(json_object_get(task, "file_sha256"));
    char actual[HEX_SIZE];
    if (!expected)
        return error_set(err, ERR_PROTOCOL, "the task names no digest of its file");
    int rc = digest_file(channel, fd, actual, err);
    if (rc < 0)
        return rc;
    if (strcmp(actual, expected) != 0)
        return error_set(err, ERR_CORRUPT,
                         "The dataset's file is damaged: its SHA-256 begins with %.12s "
                         "instead of %.12s. Upload the dataset again, or restore a "
                         "backup; `backpropd check` lists all damage.",
                         actual, expected);
    return dataset_file_open(fd, ret_file, err);
}
