/* See byte_range.h. A header that is not well-formed counts as absent,
 * as the RFC asks. */
#include "byte_range.h"

#include <stdbool.h>
#include <string.h>

/* Decimal digits at *text; moves past them. False when there are none. What is beyond
 * uint64_t is as good as its end, because no file is that long. */
static bool read_number(const char **text, uint64_t *ret_value)
{
    const char *at = *text;
    uint64_t value = 0;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            value = UINT64_MAX;
    if (at == *text)
        return false;
    *text = at;
    *ret_value = value;
    return true;
}

/* "first-last", "first-" or "-length"; `last` is UINT64_MAX when it is open. */
static bool read_bounds(const char *text, bool *ret_suffix, uint64_t *ret_first,
                        uint64_t *ret_last)
{
    *ret_suffix = *text == '-';
    *ret_last = UINT64_MAX;
    if (*ret_suffix) {
        text++;
        return read_number(&text, ret_first) && *text == '\0';
    }
    if (!read_number(&text, ret_first) || *text++ != '-')
        return false;
    if (*text == '\0')
        return true;
    return read_number(&text, ret_last) && *text == '\0' && *ret_last >= *ret_first;
}

enum byte_range_kind byte_range_parse(const char *header, uint64_t total,
                                      uint64_t *ret_first, uint64_t *ret_length)
{
    bool suffix;
    uint64_t first, last;
    *ret_first = 0;
    *ret_length = total;
    if (!header || strncmp(header, "bytes=", 6) != 0 ||
        !read_bounds(header + 6, &suffix, &first, &last))
        return RANGE_WHOLE;
    if (suffix) {
        uint64_t length = first < total ? first : total;
        if (length == 0)
            return RANGE_UNSATISFIABLE;
        *ret_first = total - length;
        *ret_length = length;
        return RANGE_PART;
    }
    if (first >= total)
        return RANGE_UNSATISFIABLE;
    if (last >= total)
        last = total - 1;
    *ret_first = first;
    *ret_length = last - first + 1;
    return RANGE_PART;
}
