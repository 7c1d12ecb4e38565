/*
 * A text as samples: windows of token ids, each with the token that follows every one of
 * its tokens (or, for a network that answers once a window, the token after the window).
 *
 *     tokens   t0 t1 t2 t3 t4 t5 t6 …        context_length 3
 *     window   t0 t1 t2 | t3 t4 t5 | …       the samples, here from offset 0
 *     labels   t1 t2 t3 | t4 t5 t6 | …
 *
 * The text is cut into a piece for each split, and no window reaches out of its piece.
 * Tokens are never copied as numbers: they are read from the mapped bytes through a
 * table, or, where characters have several bytes, from ids of 16 bits.
 *
 * An epoch's windows begin at a random offset below context_length, so that the borders
 * of windows fall elsewhere each time. There are as many as from offset 0: the last one
 * may therefore begin a little earlier than its turn, overlapping the one before it.
 */
#ifndef BACKPROP_TEXT_WINDOWS_H
#define BACKPROP_TEXT_WINDOWS_H

#include "columns.h"
#include "split.h"
#include "tokenizer.h"

#include <stddef.h>
#include <stdint.h>

struct text_piece {
    size_t first, tokens;
    size_t windows;
};

struct text_windows {
    struct tokenizer tokenizer;
    size_t context_length;
    size_t positions; /* labels of a window: context_length or 1 */
    size_t tokens;
    const uint8_t *bytes;              /* mapped, borrowed; NULL where there are `ids` */
    uint16_t of_byte[BYTE_VOCABULARY]; /* the token that a byte is */
    uint16_t *ids;                     /* [tokens]; owned */
    struct text_piece pieces[SPLIT_COUNT];
};

/* Checks the file against the facts, and cuts the text. Release it in any case.
 * ERR_CORRUPT where they do not agree. */
int text_windows_init(struct text_windows *windows, const struct dataset_view *view,
                      struct error *err) __attribute__((warn_unused_result));
void text_windows_release(struct text_windows *windows);

/* Where the training windows of an epoch begin, counted in tokens, in the order in which
 * they are learned: the offset from (seed, RNG_WINDOW, epoch), the order from (seed,
 * RNG_SHUFFLE, epoch). */
void text_windows_shuffle(const struct text_windows *windows, uint64_t seed,
                          uint64_t epoch, uint32_t *ret_begins);

/* The token at which a split's window begins, from offset 0. */
size_t text_windows_begin(const struct text_windows *windows, enum split split,
                          size_t window);

/* One window from the token `begin` on: x: [context_length], labels: [positions]. */
void text_windows_read(const struct text_windows *windows, size_t begin, float *ret_x,
                       int32_t *ret_labels);

#endif
