/*
 * A stream of bytes from an open file, expanded on the way if it is gzip (RFC 1952, one
 * or more members; seen by its magic bytes), in bounded memory. It can be rewound, so
 * that a file is read in two passes, and it reads at offsets of its own: the descriptor's
 * position is neither used nor changed.
 */
#ifndef BACKPROP_BYTE_SOURCE_H
#define BACKPROP_BYTE_SOURCE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct byte_source;

/* Told how many more bytes of the file were read; non-zero
 * gives up with ERR_CANCELLED. */
typedef int byte_source_watcher(void *context, uint64_t file_bytes);

/*
 * `fd` is an open regular file, borrowed, and stays open while the source is used.
 * Reading more than `max_expanded_bytes` (or INGEST_MAX_RATIO times the size of a gzip
 * file) is ERR_TOO_LARGE; a plain file over the limit is refused here already. `watcher`
 * may be NULL. New object.
 */
int byte_source_open(int fd, uint64_t max_expanded_bytes, byte_source_watcher *watcher,
                     void *context, struct byte_source **ret_source, struct error *err)
    __attribute__((warn_unused_result));
void byte_source_close(struct byte_source *source);

/* Goes back to the first byte. */
int byte_source_rewind(struct byte_source *source, struct error *err)
    __attribute__((warn_unused_result));

/* Reads `length` expanded bytes, fewer only at the end of the stream. Truncated or
 * damaged gzip is ERR_INVALID. */
int byte_source_read(struct byte_source *source, void *bytes, size_t length,
                     size_t *ret_got, struct error *err)
    __attribute__((warn_unused_result));

/* Reads up to `length` bytes from the start and rewinds. */
int byte_source_peek(struct byte_source *source, void *bytes, size_t length,
                     size_t *ret_got, struct error *err)
    __attribute__((warn_unused_result));

bool byte_source_is_gzip(const struct byte_source *source);

/* The most that the source will ever give: the size of a plain file, or the limit on what
 * gzip may expand to. */
uint64_t byte_source_max_bytes(const struct byte_source *source);

#endif
