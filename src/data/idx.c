/* IDX heads; see array_header.h. */
#include "array_header.h"

#define MAGIC_BYTES 4
#define SIZE_BYTES 4

static const struct {
    unsigned char code;
    enum stored_type stored;
} types[] = {
    {0x08, STORED_UINT8}, {0x09, STORED_INT8},    {0x0b, STORED_INT16},
    {0x0c, STORED_INT32}, {0x0d, STORED_FLOAT32}, {0x0e, STORED_FLOAT64},
};
#define TYPE_COUNT (sizeof(types) / sizeof(types[0]))

static int read_exactly(struct byte_source *source, unsigned char *bytes, size_t length,
                        struct error *err)
{
    size_t got;
    int rc = byte_source_read(source, bytes, length, &got, err);
    if (rc == 0 && got < length)
        rc = error_set(err, ERR_INVALID, "the file ends inside the head of an IDX array");
    return rc;
}

static int find_type(unsigned char code, enum stored_type *ret_stored, struct error *err)
{
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (types[i].code == code) {
            *ret_stored = types[i].stored;
            return 0;
        }
    }
    return error_set(err, ERR_INVALID,
                     "the IDX element type 0x%02X is none of 08, 09, 0B, 0C, 0D, 0E",
                     (unsigned)code);
}

int idx_read_header(struct byte_source *source, struct array_header *ret_header,
                    struct error *err)
{
    struct array_header header = {.big_endian = true};
    unsigned char magic[MAGIC_BYTES];
    int rc = read_exactly(source, magic, sizeof(magic), err);
    if (rc != 0)
        return rc;
    rc = find_type(magic[2], &header.stored, err);
    if (rc != 0)
        return rc;
    header.rank = magic[3];
    for (int i = 0; i < header.rank && i < ARRAY_MAX_RANK; i++) {
        unsigned char size[SIZE_BYTES];
        rc = read_exactly(source, size, sizeof(size), err);
        if (rc != 0)
            return rc;
        header.dims[i] = (int64_t)size[0] << 24 | (int64_t)size[1] << 16 |
                         (int64_t)size[2] << 8 | (int64_t)size[3];
    }
    header.header_bytes = MAGIC_BYTES + SIZE_BYTES * (uint64_t)header.rank;
    rc = array_header_check(&header, err);
    if (rc == 0)
        *ret_header = header;
    return rc;
}
