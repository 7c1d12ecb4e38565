/* See percent.h. */
#include "percent.h"

#include "base/error.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int percent_decode(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        unsigned char c = (unsigned char)*from;
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            int high = hex_value(from[1]);
            int low = high < 0 ? -1 : hex_value(from[2]);
            if (low < 0)
                return ERR_INVALID;
            c = (unsigned char)(high << 4 | low);
            from += 2;
        }
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return ERR_INVALID;
        *to++ = (char)c;
    }
    *to = '\0';
    return utf8_is_valid(text, (size_t)(to - text)) ? 0 : ERR_INVALID;
}

size_t utf8_sequence(const char *text, size_t length)
{
    const unsigned char *at = (const unsigned char *)text;
    unsigned char first = at[0];
    if (first < 0x80)
        return 1;
    size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || size > length)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    /* Overlong forms, surrogates and what is past U+10FFFF show in the second byte. */
    if ((first == 0xe0 && at[1] < 0xa0) || (first == 0xed && at[1] > 0x9f) ||
        (first == 0xf0 && at[1] < 0x90) || (first == 0xf4 && at[1] > 0x8f))
        return 0;
    return size;
}

bool utf8_is_valid(const char *text, size_t length)
{
    size_t size;
    for (size_t at = 0; at < length; at += size) {
        size = utf8_sequence(text + at, length - at);
        if (size == 0)
            return false;
    }
    return true;
}
