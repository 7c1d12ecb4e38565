/*
 * See statistics.h. Two passes: the mean first, then the squares of what is left, which
 * does not cancel as the textbook's one-pass formula does.
 */
#include "statistics.h"

#include "base/memory.h"
#include "elements.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_ELEMENTS 1024
#define SIGN_BIT UINT32_C(0x80000000)
#define DIGITS 65536

/* What the passes gather. */
struct sums {
    size_t count;
    double minimum, maximum, sum;
    double mean, squares; /* the second pass: of the differences from `mean` */
};

static void add_first(struct sums *sums, double x)
{
    if (!isfinite(x))
        return;
    sums->minimum = sums->count == 0 || x < sums->minimum ? x : sums->minimum;
    sums->maximum = sums->count == 0 || x > sums->maximum ? x : sums->maximum;
    sums->sum += x;
    sums->count++;
}

static void add_second(struct sums *sums, double x)
{
    if (isfinite(x))
        sums->squares += (x - sums->mean) * (x - sums->mean);
}

static void begin_second(struct sums *sums)
{
    if (sums->count > 0)
        sums->mean = sums->sum / (double)sums->count;
    /* The quotient may be off by a rounding, which a constant column would notice. */
    if (sums->minimum == sums->maximum)
        sums->mean = sums->minimum;
}

static struct statistics conclude(const struct sums *sums)
{
    struct statistics result = {.count = sums->count,
                                .minimum = sums->minimum,
                                .maximum = sums->maximum,
                                .mean = sums->mean};
    if (sums->count > 0)
        result.std = sqrt(sums->squares / (double)sums->count);
    return result;
}

/* The bits of a float as a number that is ordered as the floats are. */
static uint32_t ordered_key(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits & SIGN_BIT ? ~bits : bits | SIGN_BIT;
}

static float keyed_value(uint32_t key)
{
    uint32_t bits = key & SIGN_BIT ? key & ~SIGN_BIT : ~key;
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* The digit that holds the value of rank *rank; *rank becomes the
 * rank among its equals. */
static uint32_t find_digit(const size_t histogram[DIGITS], size_t *rank)
{
    uint32_t digit = 0;
    while (*rank >= histogram[digit])
        *rank -= histogram[digit++];
    return digit;
}

/*
 * The value of rank `rank` (0 is the smallest): two counts of 16 bits each. Unlike
 * quickselect it has no slow case for somebody to upload. `histogram` is scratch.
 */
static double value_of_rank(const float *values, const uint32_t *rows, size_t count,
                            size_t rank, size_t histogram[DIGITS])
{
    memset(histogram, 0, DIGITS * sizeof(*histogram));
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[rows[i]]))
            histogram[ordered_key(values[rows[i]]) >> 16]++;
    uint32_t high = find_digit(histogram, &rank);
    memset(histogram, 0, DIGITS * sizeof(*histogram));
    for (size_t i = 0; i < count; i++) {
        uint32_t key = ordered_key(values[rows[i]]);
        if (key >> 16 == high && isfinite(values[rows[i]]))
            histogram[key & 0xffff]++;
    }
    return (double)keyed_value(high << 16 | find_digit(histogram, &rank));
}

static int find_median(const float *values, const uint32_t *rows, size_t count,
                       struct statistics *statistics)
{
    if (statistics->count == 0)
        return 0;
    size_t *histogram = mem_alloc_array(DIGITS, sizeof(*histogram));
    if (!histogram)
        return ERR_NOMEM;
    size_t upper = statistics->count / 2, lower = (statistics->count - 1) / 2;
    statistics->median = value_of_rank(values, rows, count, upper, histogram);
    if (lower != upper)
        statistics->median =
            (value_of_rank(values, rows, count, lower, histogram) + statistics->median) /
            2;
    free(histogram);
    return 0;
}

int statistics_of_column(const float *values, const uint32_t *rows, size_t count,
                         bool with_median, struct statistics *ret_statistics)
{
    struct sums sums = {0};
    for (size_t i = 0; i < count; i++)
        add_first(&sums, (double)values[rows[i]]);
    begin_second(&sums);
    for (size_t i = 0; i < count; i++)
        add_second(&sums, (double)values[rows[i]]);
    struct statistics result = conclude(&sums);
    int rc = with_median ? find_median(values, rows, count, &result) : 0;
    if (rc == 0)
        *ret_statistics = result;
    return rc;
}

typedef void add_element(struct sums *sums, double x);

/* One pass over the elements of the rows, a chunk at a time. */
static void walk_samples(enum element_type element, const void *elements, size_t width,
                         const uint32_t *rows, size_t count, add_element *add,
                         struct sums *sums)
{
    size_t size = element_type_bytes(element);
    double chunk[CHUNK_ELEMENTS];
    for (size_t i = 0; i < count; i++) {
        const char *row = (const char *)elements + (size_t)rows[i] * width * size;
        for (size_t at = 0; at < width; at += CHUNK_ELEMENTS) {
            size_t length = width - at < CHUNK_ELEMENTS ? width - at : CHUNK_ELEMENTS;
            elements_to_double(element, row + at * size, length, chunk);
            for (size_t k = 0; k < length; k++)
                add(sums, chunk[k]);
        }
    }
}

void statistics_of_samples(enum element_type element, const void *elements, size_t width,
                           const uint32_t *rows, size_t count,
                           struct statistics *ret_statistics)
{
    struct sums sums = {0};
    walk_samples(element, elements, width, rows, count, add_first, &sums);
    begin_second(&sums);
    walk_samples(element, elements, width, rows, count, add_second, &sums);
    *ret_statistics = conclude(&sums);
}

struct number_transform statistics_transform(const struct statistics *statistics,
                                             enum normalization normalization)
{
    struct number_transform transform = {.scale = 1.0};
    switch (normalization) {
    case NORMALIZE_NONE:
        break;
    case NORMALIZE_ZSCORE:
        transform.shift = statistics->mean;
        transform.scale = statistics->std;
        break;
    case NORMALIZE_MINMAX:
        transform.shift = statistics->minimum;
        transform.scale = statistics->maximum - statistics->minimum;
        break;
    case NORMALIZE_BYTES:
        transform.scale = 255.0;
        break;
    }
    if (!(transform.scale > 0.0) || !isfinite(transform.scale))
        transform.scale = 1.0;
    if (!isfinite(transform.shift))
        transform.shift = 0.0;
    return transform;
}
