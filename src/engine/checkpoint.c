/* See checkpoint.h. */
#include "checkpoint.h"

#include "crc32.h"

#include <string.h>

#define MAGIC "BPCKPT\r\n"
#define MAGIC_BYTES 8
#define VERSION 2u
#define AT_CRC 12 /* the CRC covers what follows it */
#define CRC_FROM 16
#define ALIGNMENT 8

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "checkpoints and exported weights are copied from memory as they are");

/* Moves on by `bytes`; false once the cursor has failed. */
static bool advance(struct checkpoint_cursor *cursor, size_t bytes, size_t *ret_from)
{
    if (cursor->failed || bytes > cursor->length - cursor->position) {
        cursor->failed = true;
        return false;
    }
    *ret_from = cursor->position;
    cursor->position += bytes;
    return true;
}

static void move_bytes(struct checkpoint_cursor *cursor, void *value, size_t bytes)
{
    size_t from;
    if (!advance(cursor, bytes, &from))
        return;
    if (cursor->direction == CHECKPOINT_WRITE)
        memcpy(cursor->output + from, value, bytes);
    else if (cursor->direction == CHECKPOINT_READ)
        memcpy(value, cursor->input + from, bytes);
}

void checkpoint_i64(struct checkpoint_cursor *cursor, int64_t *value)
{
    move_bytes(cursor, value, sizeof *value);
}

void checkpoint_f64(struct checkpoint_cursor *cursor, double *value)
{
    move_bytes(cursor, value, sizeof *value);
}

void checkpoint_bool(struct checkpoint_cursor *cursor, bool *value)
{
    bool reads = cursor->direction == CHECKPOINT_READ;
    int64_t number = !reads && *value; /* what is read may not be set yet */
    checkpoint_i64(cursor, &number);
    if (number != 0 && number != 1)
        cursor->failed = true;
    else if (reads && !cursor->failed)
        *value = number == 1;
}

void checkpoint_array(struct checkpoint_cursor *cursor, void *array, size_t bytes)
{
    unsigned char zeros[ALIGNMENT] = {0};
    move_bytes(cursor, array, bytes);
    move_bytes(cursor, zeros, (ALIGNMENT - bytes % ALIGNMENT) % ALIGNMENT);
}

struct checkpoint_cursor checkpoint_measure(void)
{
    return (struct checkpoint_cursor){
        .direction = CHECKPOINT_MEASURE,
        .position = CHECKPOINT_HEADER_BYTES,
        .length = SIZE_MAX,
    };
}

struct checkpoint_cursor checkpoint_begin(void *output, size_t length)
{
    return (struct checkpoint_cursor){
        .direction = CHECKPOINT_WRITE,
        .output = output,
        .position = CHECKPOINT_HEADER_BYTES,
        .length = length,
    };
}

static uint32_t crc_of(const unsigned char *bytes, size_t length)
{
    struct crc32 crc;
    crc32_init(&crc);
    return crc32_update(&crc, 0, bytes + CRC_FROM, length - CRC_FROM);
}

void checkpoint_finish(const struct checkpoint_cursor *cursor, uint64_t identity)
{
    uint32_t version = VERSION;
    uint64_t length = cursor->length;
    memcpy(cursor->output, MAGIC, MAGIC_BYTES);
    memcpy(cursor->output + 8, &version, sizeof version);
    memcpy(cursor->output + 16, &length, sizeof length);
    memcpy(cursor->output + 24, &identity, sizeof identity);
    uint32_t crc = crc_of(cursor->output, cursor->length);
    memcpy(cursor->output + AT_CRC, &crc, sizeof crc);
}

int checkpoint_open(const void *bytes, size_t length, uint64_t identity,
                    struct checkpoint_cursor *ret_cursor, struct error *err)
{
    const unsigned char *input = bytes;
    if (length < CHECKPOINT_HEADER_BYTES || memcmp(input, MAGIC, MAGIC_BYTES) != 0)
        return error_set(err, ERR_CORRUPT, "these %zu bytes are not a checkpoint",
                         length);

    uint32_t version, crc;
    uint64_t declared, owner;
    memcpy(&version, input + 8, sizeof version);
    memcpy(&crc, input + AT_CRC, sizeof crc);
    memcpy(&declared, input + 16, sizeof declared);
    memcpy(&owner, input + 24, sizeof owner);
    if (version != VERSION)
        return error_set(err, ERR_CORRUPT,
                         "the checkpoint has format version %u, this program reads "
                         "version %u",
                         version, VERSION);
    if (declared != length)
        return error_set(err, ERR_CORRUPT,
                         "the checkpoint says it has %llu bytes, but %zu came",
                         (unsigned long long)declared, length);
    if (crc_of(input, length) != crc)
        return error_set(err, ERR_CORRUPT,
                         "the checkpoint's bytes do not match their CRC-32");
    if (owner != identity)
        return error_set(err, ERR_INVALID,
                         "the checkpoint belongs to another spec or to other data");
    *ret_cursor = (struct checkpoint_cursor){
        .direction = CHECKPOINT_READ,
        .input = input,
        .position = CHECKPOINT_HEADER_BYTES,
        .length = length,
    };
    return 0;
}

bool checkpoint_is_complete(const struct checkpoint_cursor *cursor)
{
    return !cursor->failed && cursor->position == cursor->length;
}
