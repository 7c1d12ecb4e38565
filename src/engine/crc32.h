/*
 * CRC-32 as zip members, gzip and PNG carry it: polynomial 0x04C11DB7, bits reflected
 * (ISO 3309, ITU-T V.42; the PKWARE zip specification, APPNOTE.TXT section 4.4.7).
 */
#ifndef BACKPROP_CRC32_H
#define BACKPROP_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Tables for eight bytes at a time; made once by whoever needs them. */
struct crc32 {
    uint32_t table[8][256];
};

void crc32_init(struct crc32 *crc);

/* The CRC of what `previous` is the CRC of, followed by `bytes`. Start with 0. */
uint32_t crc32_update(const struct crc32 *crc, uint32_t previous, const void *bytes,
                      size_t length);

#endif
