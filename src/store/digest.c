/* See digest.h. */
#include "digest.h"

#include "base/io.h"
#include "base/memory.h"

#include <stdlib.h>

#define READ_BYTES ((size_t)256 * 1024)

void digest_init(struct digest *digest)
{
    sha256_init(&digest->context);
}

void digest_update(struct digest *digest, const void *bytes, size_t length)
{
    if (length > 0)
        sha256_update(&digest->context, length, bytes);
}

void digest_final(struct digest *digest, unsigned char ret_bytes[DIGEST_BYTES])
{
    sha256_digest(&digest->context, DIGEST_BYTES, ret_bytes);
}

void digest_hex(const unsigned char bytes[DIGEST_BYTES], char ret_hex[DIGEST_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < DIGEST_BYTES; i++) {
        ret_hex[2 * i] = digits[bytes[i] >> 4];
        ret_hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_hex[DIGEST_HEX_SIZE - 1] = '\0';
}

int digest_file(int fd, char ret_hex[DIGEST_HEX_SIZE], uint64_t *ret_bytes,
                struct error *err)
{
    uint64_t size = 0;
    char *block = mem_alloc_array(READ_BYTES, 1);
    if (!block)
        return error_set(err, ERR_NOMEM, "no memory to read a file");
    int rc = io_file_size(fd, &size);
    struct digest digest;
    digest_init(&digest);
    for (uint64_t at = 0; rc == 0 && at < size; at += READ_BYTES) {
        size_t length = size - at < READ_BYTES ? (size_t)(size - at) : READ_BYTES;
        rc = io_pread_full(fd, block, length, at);
        digest_update(&digest, block, length);
    }
    free(block);
    if (rc != 0)
        return error_set(err, rc, "the file cannot be read");
    unsigned char bytes[DIGEST_BYTES];
    digest_final(&digest, bytes);
    digest_hex(bytes, ret_hex);
    *ret_bytes = size;
    return 0;
}
