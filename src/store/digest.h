/* SHA-256 (FIPS 180-4, by nettle), streamed, as bytes and as lower-case hexadecimal. */
#ifndef BACKPROP_DIGEST_H
#define BACKPROP_DIGEST_H

#include "base/error.h"

#include <nettle/sha2.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES 32
#define DIGEST_HEX_SIZE 65

struct digest {
    struct sha256_ctx context;
};

void digest_init(struct digest *digest);
void digest_update(struct digest *digest, const void *bytes, size_t length);
void digest_final(struct digest *digest, unsigned char ret_bytes[DIGEST_BYTES]);
void digest_hex(const unsigned char bytes[DIGEST_BYTES], char ret_hex[DIGEST_HEX_SIZE]);

/* The digest and the size of an open regular file, from its beginning. */
int digest_file(int fd, char ret_hex[DIGEST_HEX_SIZE], uint64_t *ret_bytes,
                struct error *err) __attribute__((warn_unused_result));

#endif
