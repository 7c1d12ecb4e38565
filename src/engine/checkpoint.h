/*
 * The bytes of a checkpoint: everything a training run needs to go on bit for bit.
 *
 *     +------------------------------------+ 0
 *     | magic "BPCKPT\r\n"                 |
 *     | u32 version, u32 CRC-32 of the rest|
 *     | u64 bytes in all                   |
 *     | u64 identity: whose checkpoint     |
 *     +------------------------------------+ 32
 *     | the run's state, field by field    |
 *     | then its arrays, each 8-aligned    |
 *     +------------------------------------+ bytes in all
 *
 * All little-endian. One function that walks over the state serves both ways: it calls
 * the checkpoint_ functions below with a cursor that either writes or reads, so what is
 * read can never be in another order than what was written.
 */
#ifndef BACKPROP_CHECKPOINT_H
#define BACKPROP_CHECKPOINT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHECKPOINT_HEADER_BYTES 32

enum checkpoint_direction { CHECKPOINT_MEASURE, CHECKPOINT_WRITE, CHECKPOINT_READ };

struct checkpoint_cursor {
    enum checkpoint_direction direction;
    unsigned char *output;      /* CHECKPOINT_WRITE */
    const unsigned char *input; /* CHECKPOINT_READ */
    size_t position, length;
    bool failed; /* went past `length`; nothing is written or read from then on */
};

/* Each takes *value to the bytes or from the bytes to *value. */
void checkpoint_i64(struct checkpoint_cursor *cursor, int64_t *value);
void checkpoint_f64(struct checkpoint_cursor *cursor, double *value);
void checkpoint_bool(struct checkpoint_cursor *cursor, bool *value); /* other: failed */

/* `bytes` bytes of float or double, padded with zeros to a multiple of 8. */
void checkpoint_array(struct checkpoint_cursor *cursor, void *array, size_t bytes);

/* A cursor that only counts; its position afterwards is the checkpoint's length. */
struct checkpoint_cursor checkpoint_measure(void);

/* A cursor that writes behind the header of `output`, `length` bytes long in all. */
struct checkpoint_cursor checkpoint_begin(void *output, size_t length);

/* Writes the header once the cursor has filled the output exactly. `identity` says what
 * the checkpoint belongs to. */
void checkpoint_finish(const struct checkpoint_cursor *cursor, uint64_t identity);

/* Checks magic, version, length, CRC and identity; ERR_CORRUPT or ERR_INVALID (a whole
 * checkpoint, but of something else). On success *ret_cursor reads the state; `bytes`
 * must outlive it. */
int checkpoint_open(const void *bytes, size_t length, uint64_t identity,
                    struct checkpoint_cursor *ret_cursor, struct error *err)
    __attribute__((warn_unused_result));

/* True if the cursor has read everything and nothing more. */
bool checkpoint_is_complete(const struct checkpoint_cursor *cursor);

#endif
