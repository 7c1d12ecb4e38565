/*
 * See split.h.
 *
 * A random split is a stratified one with a single class, so both are one walk over the
 * permutation with quotas for each class.
 */
#include "split.h"

#include "base/memory.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

const char *split_part_name(enum split split)
{
    static const char *const names[SPLIT_COUNT] = {"train", "validation", "test"};
    return names[split];
}

void split_permute(struct rng *rng, uint32_t *ret_order, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ret_order[i] = (uint32_t)i;
    for (size_t i = count; i > 1; i--) {
        uint32_t j = rng_below(rng, (uint32_t)i);
        uint32_t last = ret_order[i - 1];
        ret_order[i - 1] = ret_order[j];
        ret_order[j] = last;
    }
}

/* A fraction of the rows, at most `limit`. */
static size_t fraction_of(double fraction, size_t rows, size_t limit)
{
    long long count = llround((double)rows * fraction);
    if (count < 0)
        return 0;
    return (size_t)count < limit ? (size_t)count : limit;
}

void split_counts(const struct split_spec *spec, size_t rows,
                  size_t ret_counts[SPLIT_COUNT])
{
    size_t test = 0;
    if (spec->type != SPLIT_FIXED)
        test = fraction_of(spec->test, rows, rows);
    size_t validation = fraction_of(spec->validation, rows, rows - test);
    ret_counts[IN_TEST] = test;
    ret_counts[IN_VALIDATION] = validation;
    ret_counts[IN_TRAIN] = rows - test - validation;
}

/* What is being shared out among the classes. */
struct share {
    uint64_t size; /* what the class has; its weight */
    uint64_t quota;
    uint64_t remainder;
};

/*
 * Hamilton's method: cuts `seats` (at most the sum of the sizes, `total`) in quotas that
 * are proportional to the sizes; none is over its size. Exact: sizes and seats are at
 * most FACTS_MAX_ROWS, so their product fits.
 */
static void apportion(struct share *shares, size_t count, uint64_t seats, uint64_t total)
{
    uint64_t left = seats;
    for (size_t i = 0; i < count; i++) {
        uint64_t product = total > 0 ? shares[i].size * seats : 0;
        shares[i].quota = total > 0 ? product / total : 0;
        shares[i].remainder = total > 0 ? product % total : 0;
        left -= shares[i].quota;
    }
    for (; left > 0; left--) {
        size_t best = 0;
        for (size_t i = 1; i < count; i++)
            if (shares[i].remainder > shares[best].remainder)
                best = i;
        shares[best].quota++;
        shares[best].remainder = 0;
    }
}

/* How many rows of a class are still to be given to a split. */
struct quota {
    uint64_t test, validation;
};

static void plan_quotas(const size_t counts[SPLIT_COUNT], struct share *shares,
                        size_t class_count, size_t rows, struct quota *ret_quotas)
{
    uint64_t held_out = counts[IN_TEST] + counts[IN_VALIDATION];
    apportion(shares, class_count, held_out, rows);
    for (size_t c = 0; c < class_count; c++) {
        ret_quotas[c].validation = shares[c].quota; /* all that is held out, for now */
        shares[c].size = shares[c].quota;
    }
    apportion(shares, class_count, counts[IN_TEST], held_out);
    for (size_t c = 0; c < class_count; c++) {
        ret_quotas[c].test = shares[c].quota;
        ret_quotas[c].validation -= shares[c].quota;
    }
}

static void walk(const uint32_t *order, size_t rows, const int32_t *labels,
                 struct quota *quotas, uint8_t *ret_splits)
{
    for (size_t i = 0; i < rows; i++) {
        uint32_t row = order[i];
        struct quota *quota = &quotas[labels ? labels[row] : 0];
        enum split split = IN_TRAIN;
        if (quota->test > 0) {
            quota->test--;
            split = IN_TEST;
        } else if (quota->validation > 0) {
            quota->validation--;
            split = IN_VALIDATION;
        }
        ret_splits[row] = (uint8_t)split;
    }
}

int split_assign(const struct split_spec *spec, uint64_t seed, const int32_t *labels,
                 size_t class_count, size_t rows, uint8_t *ret_splits)
{
    if (spec->type != SPLIT_STRATIFIED) {
        labels = NULL;
        class_count = 1;
    }
    uint32_t *order = mem_alloc_array(rows, sizeof(*order));
    struct share *shares = mem_alloc_array(class_count, sizeof(*shares));
    struct quota *quotas = mem_alloc_array(class_count, sizeof(*quotas));
    int rc = 0;
    if (!order || !shares || !quotas) {
        rc = ERR_NOMEM;
        goto out;
    }
    for (size_t i = 0; i < rows; i++)
        shares[labels ? labels[i] : 0].size++;
    size_t counts[SPLIT_COUNT];
    split_counts(spec, rows, counts);
    plan_quotas(counts, shares, class_count, rows, quotas);

    struct rng rng;
    rng_init(&rng, seed, RNG_SPLIT, 0);
    split_permute(&rng, order, rows);
    walk(order, rows, labels, quotas, ret_splits);
out:
    free(order);
    free(shares);
    free(quotas);
    return rc;
}
