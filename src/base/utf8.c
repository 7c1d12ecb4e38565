/* See utf8.h. */
#include "utf8.h"

#include <stdint.h>
#include <string.h>

#define EXCERPT_BYTES 48

/* Well-formed sequences by their first byte (Unicode Standard, table 3-7): the length and
 * the bounds of the second byte; every later byte is 80 … BF. */
static const struct {
    unsigned char first, last;
    unsigned char length;
    unsigned char second_min, second_max;
} sequences[] = {
    {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf}, {0xe1, 0xec, 3, 0x80, 0xbf},
    {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf}, {0xf0, 0xf0, 4, 0x90, 0xbf},
    {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};
#define SEQUENCE_COUNT (sizeof(sequences) / sizeof(sequences[0]))

/* How many of the first `length` bytes fit a character that begins there; *ret_whole is
 * the length of that character, 0 if no character begins with this byte. */
static size_t match(const unsigned char *at, size_t length, size_t *ret_whole)
{
    *ret_whole = at[0] < 0x80;
    if (at[0] < 0x80)
        return 1;
    for (size_t i = 0; i < SEQUENCE_COUNT; i++) {
        if (at[0] < sequences[i].first || at[0] > sequences[i].last)
            continue;
        *ret_whole = sequences[i].length;
        size_t matched = 1;
        while (matched < length && matched < sequences[i].length) {
            unsigned char low = matched == 1 ? sequences[i].second_min : 0x80;
            unsigned char high = matched == 1 ? sequences[i].second_max : 0xbf;
            if (at[matched] < low || at[matched] > high)
                break;
            matched++;
        }
        return matched;
    }
    return 0;
}

size_t utf8_valid_prefix(const char *text, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t at = 0;
    while (at < length) {
        uint64_t word;
        if (length - at >= sizeof(word)) {
            memcpy(&word, bytes + at, sizeof(word));
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof(word);
                continue;
            }
        }
        size_t whole;
        if (match(bytes + at, length - at, &whole) != whole || whole == 0)
            break;
        at += whole;
    }
    return at;
}

void utf8_mend(char *text)
{
    size_t length = strlen(text);
    for (size_t at = 0; (at += utf8_valid_prefix(text + at, length - at)) < length; at++)
        text[at] = '?';
}

bool utf8_is_cut_character(const char *text, size_t length)
{
    size_t whole;
    return length > 0 && length < 4 &&
           match((const unsigned char *)text, length, &whole) == length && whole > length;
}

size_t utf8_cut(const char *text, size_t length, size_t limit)
{
    if (length <= limit)
        return length;
    while (limit > 0 && ((unsigned char)text[limit] & 0xc0) == 0x80)
        limit--;
    return limit;
}

uint32_t utf8_next(const char **text)
{
    const unsigned char *at = (const unsigned char *)*text;
    size_t length = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    uint32_t code_point = length == 1 ? at[0] : at[0] & (0x7fU >> length);
    for (size_t i = 1; i < length; i++)
        code_point = code_point << 6 | (at[i] & 0x3fU);
    *text += length;
    return code_point;
}

size_t utf8_put(uint32_t code_point, char ret_bytes[UTF8_MAX_BYTES])
{
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t length = code_point < 0x80      ? 1
                    : code_point < 0x800   ? 2
                    : code_point < 0x10000 ? 3
                                           : 4;
    for (size_t i = length; i-- > 1; code_point >>= 6)
        ret_bytes[i] = (char)(0x80 | (code_point & 0x3f));
    ret_bytes[0] = (char)(marks[length == 1 ? 0 : length] | code_point);
    return length;
}

bool utf8_has_unusual(const char *text, size_t length)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t highs = UINT64_C(0x8080808080808080);
    uint64_t found = 0;
    size_t at = 0;
    for (; length - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, text + at, sizeof(word));
        /* A byte's high bit is set where the byte is NUL or above 0x7f. */
        found |= (word | (word - ones)) & highs;
    }
    for (; at < length; at++)
        found |= (unsigned char)(text[at] - 1) >= 0x7f;
    return found != 0;
}

const char *utf8_excerpt(const char *text, size_t length, char excerpt[UTF8_EXCERPT_SIZE])
{
    size_t shown = utf8_cut(text, length, EXCERPT_BYTES);
    size_t at = 0;
    while (at < shown) {
        size_t whole;
        bool valid = match((const unsigned char *)text + at, shown - at, &whole) == whole;
        if (!valid || whole == 0 || (unsigned char)text[at] < 0x20 || text[at] == 0x7f) {
            excerpt[at++] = '?';
            continue;
        }
        memcpy(excerpt + at, text + at, whole);
        at += whole;
    }
    memcpy(excerpt + at, shown < length ? UTF8_ELLIPSIS : "", shown < length ? 4 : 1);
    return excerpt;
}
