/* See tally.h. */
#include "tally.h"

#include "base/error.h"
#include "base/memory.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

static _Atomic uint64_t *counters(size_t count)
{
    return mem_alloc_array(count, sizeof(_Atomic uint64_t));
}

int tally_init(struct tally *tally, size_t classes, size_t rows, bool matrix)
{
    size_t cells = 0;
    *tally = (struct tally){.classes = classes, .capacity = rows};
    if (matrix && !mem_multiply(classes, classes, &cells))
        return ERR_NOMEM;
    tally->actual = counters(classes);
    tally->predicted = counters(classes);
    tally->hits = counters(classes);
    tally->matrix = matrix ? counters(cells) : NULL;
    bool ranks = classes == 2 && rows > 0;
    tally->scores = ranks ? mem_alloc_array(rows, sizeof *tally->scores) : NULL;
    tally->seconds = ranks ? mem_alloc_array(rows, sizeof *tally->seconds) : NULL;
    if (tally->actual && tally->predicted && tally->hits && (!matrix || tally->matrix) &&
        (!ranks || (tally->scores && tally->seconds)))
        return 0;
    tally_release(tally);
    return ERR_NOMEM;
}

void tally_release(struct tally *tally)
{
    free(tally->actual);
    free(tally->predicted);
    free(tally->hits);
    free(tally->matrix);
    free(tally->scores);
    free(tally->seconds);
    *tally = (struct tally){0};
}

static void zero(_Atomic uint64_t *counts, size_t length)
{
    for (size_t i = 0; counts && i < length; i++)
        counts[i] = 0;
}

void tally_clear(struct tally *tally)
{
    tally->rows = 0;
    tally->top = 0;
    zero(tally->actual, tally->classes);
    zero(tally->predicted, tally->classes);
    zero(tally->hits, tally->classes);
    zero(tally->matrix, tally->classes * tally->classes);
}

static void count(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

/* The class of the largest output, the first of several. */
static size_t answer(const real *x, size_t width)
{
    size_t best = 0;
    for (size_t j = 1; j < width; j++)
        best = x[j] > x[best] ? j : best;
    return width == 1 ? x[0] > 0 : best;
}

/* Is the label's output among the largest few? Of equal ones the first are. */
static bool is_near_top(const real *x, size_t width, size_t label)
{
    size_t before = 0;
    for (size_t j = 0; j < width && before < TALLY_TOP; j++)
        before += x[j] > x[label] || (x[j] >= x[label] && j < label);
    return before < TALLY_TOP && !isnan(x[label]);
}

void tally_take(struct tally *tally, const real *output, const int32_t *labels,
                size_t first, size_t rows, size_t width)
{
    assert(!tally->scores || first + rows <= tally->capacity);
    uint64_t top = 0;
    for (size_t r = 0; r < rows; r++) {
        const real *x = output + r * width;
        size_t label = (size_t)labels[r], predicted = answer(x, width);
        count(&tally->actual[label], 1);
        count(&tally->predicted[predicted], 1);
        count(&tally->hits[label], label == predicted);
        if (tally->matrix)
            count(&tally->matrix[label * tally->classes + predicted], 1);
        if (tally->classes > TALLY_TOP)
            top += is_near_top(x, width, label);
        if (tally->scores) {
            tally->scores[first + r] = (float)(width == 1 ? x[0] : x[1] - x[0]);
            tally->seconds[first + r] = label == 1;
        }
    }
    count(&tally->rows, rows);
    count(&tally->top, top);
}

/* ---- the metrics ---- */

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Moves the second class's scores to the front; how many they are. False with NaN. */
static bool part(struct tally *tally, size_t rows, size_t *ret_seconds)
{
    size_t seconds = 0;
    for (size_t r = 0; r < rows; r++) {
        float score = tally->scores[r];
        if (isnan(score))
            return false;
        if (tally->seconds[r]) {
            tally->scores[r] = tally->scores[seconds];
            tally->scores[seconds++] = score;
        }
    }
    *ret_seconds = seconds;
    return true;
}

/* Twice the number of pairs in which the second class is ahead, in whole numbers. */
static double rank_scores(struct tally *tally)
{
    size_t rows = tally->rows, seconds = 0;
    if (!part(tally, rows, &seconds) || seconds == 0 || seconds == rows)
        return (double)NAN;
    const float *ahead = tally->scores, *behind = tally->scores + seconds;
    size_t firsts = rows - seconds, below = 0, not_above = 0;
    uint64_t twice = 0;
    qsort(tally->scores, seconds, sizeof(float), by_value);
    qsort(tally->scores + seconds, firsts, sizeof(float), by_value);
    for (size_t i = 0; i < seconds; i++) {
        while (below < firsts && behind[below] < ahead[i])
            below++;
        while (not_above < firsts && behind[not_above] <= ahead[i])
            not_above++;
        twice += below + not_above;
    }
    return (double)twice / 2.0 / ((double)seconds * (double)firsts);
}

static double ratio(uint64_t part_count, double whole)
{
    return part_count > 0 ? (double)part_count / whole : 0;
}

struct tally_scores tally_finish(struct tally *tally)
{
    struct tally_scores scores = {(double)NAN, (double)NAN, (double)NAN, (double)NAN,
                                  (double)NAN};
    if (tally->rows == 0)
        return scores;
    double precision = 0, recall = 0, f1 = 0, seen = 0;
    for (size_t c = 0; c < tally->classes; c++) {
        uint64_t actual = tally->actual[c], predicted = tally->predicted[c];
        uint64_t hits = tally->hits[c];
        precision += ratio(hits, (double)predicted);
        recall += ratio(hits, (double)actual);
        f1 += ratio(2 * hits, (double)actual + (double)predicted);
        seen += actual > 0 || predicted > 0;
    }
    scores.precision = precision / seen;
    scores.recall = recall / seen;
    scores.f1 = f1 / seen;
    if (tally->classes > TALLY_TOP)
        scores.top5_accuracy = (double)tally->top / (double)tally->rows;
    if (tally->scores)
        scores.auc = rank_scores(tally);
    return scores;
}
