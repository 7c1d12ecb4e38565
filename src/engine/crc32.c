/*
 * See crc32.h. Eight bytes a turn ("slicing by 8", Kounavis and Berry, "A systematic
 * approach to building high performance software-based CRC generators", ISCC 2005):
 * a checkpoint of a gigabyte should not cost seconds.
 */
#include "crc32.h"

#define POLYNOMIAL_REFLECTED 0xEDB88320u
#define LANES 8

void crc32_init(struct crc32 *crc)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t value = byte;
        for (int bit = 0; bit < 8; bit++)
            value = (value >> 1) ^ (value & 1 ? POLYNOMIAL_REFLECTED : 0);
        crc->table[0][byte] = value;
    }
    for (int lane = 1; lane < LANES; lane++) {
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint32_t before = crc->table[lane - 1][byte];
            crc->table[lane][byte] = (before >> 8) ^ crc->table[0][before & 0xFF];
        }
    }
}

uint32_t crc32_update(const struct crc32 *crc, uint32_t previous, const void *bytes,
                      size_t length)
{
    const uint8_t *p = bytes;
    uint32_t value = ~previous;
    for (; length >= LANES; p += LANES, length -= LANES) {
        uint32_t low = value ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 |
                                (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
        value = crc->table[7][low & 0xFF] ^ crc->table[6][low >> 8 & 0xFF] ^
                crc->table[5][low >> 16 & 0xFF] ^ crc->table[4][low >> 24] ^
                crc->table[3][p[4]] ^ crc->table[2][p[5]] ^ crc->table[1][p[6]] ^
                crc->table[0][p[7]];
    }
    for (; length > 0; p++, length--)
        value = (value >> 8) ^ crc->table[0][(value ^ *p) & 0xFF];
    return ~value;
}
