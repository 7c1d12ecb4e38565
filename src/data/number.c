/*
 * See number.h.
 *
 * Most numbers of a table have few digits: digits and power of ten are then exact in a
 * double, and one multiplication or division rounds correctly (Clinger, "How to read
 * floating point numbers accurately", PLDI 1990). On x86 the same holds in the 64 bits of
 * the long double for up to 19 digits; rounding that again to 53 bits goes wrong only
 * when the 64 bits lie just between two doubles, and then, as for everything longer, the
 * C library's strtod decides.
 */
#include "number.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MANTISSA_DIGITS 19   /* 10^19 - 1 < 2^64 */
#define EXPONENT_LIMIT 99999 /* further digits of an exponent change nothing */
#define EXACT_DOUBLE_POWER 22
#define STACK_BYTES 512

static const double powers[EXACT_DOUBLE_POWER + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* A number taken apart: (-1)^negative * mantissa * 10^exponent. */
struct decimal {
    uint64_t mantissa;
    int exponent;
    bool negative;
    bool cut; /* more digits than the mantissa holds */
};

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* Digits with at most one point. Returns where they end, or NULL without a digit. */
static const char *read_digits(const char *at, const char *end, struct decimal *decimal)
{
    uint64_t mantissa = 0;
    int digits = 0; /* significant ones, leading zeros not counted */
    int exponent = 0;
    bool any = false, point = false;
    for (; at < end; at++) {
        if (is_digit(*at)) {
            any = true;
            if (digits < MANTISSA_DIGITS) {
                mantissa = mantissa * 10 + (uint64_t)(*at - '0');
                digits += mantissa != 0;
                exponent -= point;
            } else {
                decimal->cut = true;
                exponent += !point;
            }
        } else if (*at == '.' && !point) {
            point = true;
        } else {
            break;
        }
    }
    decimal->mantissa = mantissa;
    decimal->exponent = exponent;
    return any ? at : NULL;
}

/* An exponent, if there is one. Returns where it ends, or NULL if it is malformed. */
static const char *read_exponent(const char *at, const char *end, struct decimal *decimal)
{
    if (at == end || (*at | 0x20) != 'e')
        return at;
    at++;
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (at == end || !is_digit(*at))
        return NULL;
    int exponent = 0;
    for (; at < end && is_digit(*at); at++) {
        if (exponent < EXPONENT_LIMIT)
            exponent = exponent * 10 + (*at - '0');
    }
    decimal->exponent += negative ? -exponent : exponent;
    return at;
}

static bool is_infinity(const char *at, const char *end)
{
    size_t length = (size_t)(end - at);
    return (length == 3 && strncasecmp(at, "inf", 3) == 0) ||
           (length == 8 && strncasecmp(at, "infinity", 8) == 0);
}

/* The general case, by the C library in the C locale. */
static enum number_kind convert_slowly(const char *text, size_t length, double *ret_value)
{
    char stack[STACK_BYTES];
    char *copy = length < sizeof(stack) ? stack : malloc(length + 1);
    locale_t locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    enum number_kind kind = NUMBER_NONE;
    if (copy && locale) {
        memcpy(copy, text, length);
        copy[length] = '\0';
        double value = strtod_l(copy, NULL, locale);
        kind = isfinite(value) ? NUMBER_FINITE : NUMBER_NOT_FINITE;
        if (kind == NUMBER_FINITE)
            *ret_value = value;
    }
    if (locale)
        freelocale(locale);
    if (copy != stack)
        free(copy);
    return kind;
}

#if defined(__x86_64__) && LDBL_MANT_DIG == 64
#define EXACT_LONG_POWER 27 /* 5^27 < 2^64 */

static const long double long_powers[EXACT_LONG_POWER + 1] = {
    1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,
    1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L,
    1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};

static bool convert_by_long_double(const struct decimal *decimal, double *ret_value)
{
    int exponent = decimal->exponent;
    if (exponent < -EXACT_LONG_POWER || exponent > EXACT_LONG_POWER)
        return false;
    long double value = (long double)decimal->mantissa;
    value = exponent < 0 ? value / long_powers[-exponent] : value * long_powers[exponent];
    uint64_t bits; /* the 64 explicit bits of the mantissa come first */
    memcpy(&bits, &value, sizeof(bits));
    if ((bits & 0x7ff) == 0x400)
        return false;
    *ret_value = (double)value;
    return true;
}
#else
static bool convert_by_long_double(const struct decimal *decimal, double *ret_value)
{
    (void)decimal;
    (void)ret_value;
    return false;
}
#endif

static bool convert_fast(const struct decimal *decimal, double *ret_value)
{
    if (decimal->cut)
        return false;
    int exponent = decimal->exponent;
    if (decimal->mantissa <= UINT64_C(1) << DBL_MANT_DIG &&
        exponent >= -EXACT_DOUBLE_POWER && exponent <= EXACT_DOUBLE_POWER) {
        double value = (double)decimal->mantissa;
        *ret_value = exponent < 0 ? value / powers[-exponent] : value * powers[exponent];
        return true;
    }
    return convert_by_long_double(decimal, ret_value);
}

enum number_kind number_parse(const char *text, size_t length, double *ret_value)
{
    const char *at = text;
    const char *end = text + length;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    const char *start = at;
    struct decimal decimal = {.negative = at < end && *at == '-'};
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    const char *digits = at;
    at = read_digits(at, end, &decimal);
    if (at)
        at = read_exponent(at, end, &decimal);
    if (at != end)
        return is_infinity(digits, end) ? NUMBER_NOT_FINITE : NUMBER_NONE;
    double value;
    if (!convert_fast(&decimal, &value))
        return convert_slowly(start, (size_t)(end - start), ret_value);
    *ret_value = decimal.negative ? -value : value;
    return NUMBER_FINITE;
}
