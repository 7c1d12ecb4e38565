/* See digest.h. */
#include "digest.h"

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
