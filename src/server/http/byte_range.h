/* The Range header for one range of bytes (RFC 9110 section 14). */
#ifndef BACKPROP_HTTP_BYTE_RANGE_H
#define BACKPROP_HTTP_BYTE_RANGE_H

#include <stdint.h>

enum byte_range_kind {
    RANGE_WHOLE,        /* no usable Range header: send everything, 200 */
    RANGE_PART,         /* 206 */
    RANGE_UNSATISFIABLE /* 416 */
};

/* `header` may be NULL. Of a resource of `total` bytes; sets *ret_first and *ret_length
 * for RANGE_WHOLE and RANGE_PART. Several ranges in one header are answered with
 * everything, which the RFC allows. */
enum byte_range_kind byte_range_parse(const char *header, uint64_t total,
                                      uint64_t *ret_first, uint64_t *ret_length);

#endif
