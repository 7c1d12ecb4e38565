/* The metrics of classes against their definitions, written out naively. */
#include "core_fixture.h"
#include "engine/tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#include <math.h>

#define ROWS 90
#define CLASSES 7

static struct tally new_tally(size_t classes, bool matrix)
{
    struct tally tally;
    assert_int_equal(tally_init(&tally, classes, ROWS, matrix), 0);
    return tally;
}

/* Outputs on a coarse grid, so that equal ones are common; the last class is in neither
 * the rows nor, being always lowest, the answers. */
static void fill(float *x, int32_t *labels)
{
    for (size_t i = 0; i < ROWS * CLASSES; i++)
        x[i] = i % CLASSES == CLASSES - 1 ? -9 : (float)rint(4 * core_number(i * 5));
    for (size_t r = 0; r < ROWS; r++)
        labels[r] = (int32_t)(r * r % 5 + r % 2);
}

static size_t naive_answer(const float *x)
{
    size_t best = 0;
    for (size_t j = 0; j < CLASSES; j++)
        best = x[j] > x[best] ? j : best;
    return best;
}

static bool naive_top(const float *x, size_t label)
{
    size_t larger = 0;
    for (size_t j = 0; j < CLASSES; j++)
        larger += x[j] > x[label] || (j < label && !(x[j] < x[label]));
    return larger < 5;
}

static double divide(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static void test_macro_metrics_equal_their_definitions(void **state)
{
    (void)state;
    float x[ROWS * CLASSES];
    int32_t labels[ROWS];
    fill(x, labels);
    double matrix[CLASSES][CLASSES] = {{0}}, precision = 0, recall = 0, f1 = 0, top = 0;
    for (size_t r = 0; r < ROWS; r++) {
        matrix[labels[r]][naive_answer(x + r * CLASSES)]++;
        top += naive_top(x + r * CLASSES, (size_t)labels[r]);
    }
    for (size_t c = 0; c < CLASSES; c++) {
        double row = 0, column = 0;
        for (size_t d = 0; d < CLASSES; d++) {
            row += matrix[c][d];
            column += matrix[d][c];
        }
        double p = divide(matrix[c][c], column), q = divide(matrix[c][c], row);
        precision += p / 6;
        recall += q / 6;
        f1 += divide(2 * p * q, p + q) / 6;
    }
    struct tally tally = new_tally(CLASSES, true);
    for (int again = 0; again < 2; again++) { /* in other pieces, after a clear */
        size_t cut = again ? 50 : 1;
        tally_clear(&tally);
        tally_take(&tally, x + cut * CLASSES, labels + cut, cut, ROWS - cut, CLASSES);
        tally_take(&tally, x, labels, 0, cut, CLASSES);
        for (size_t c = 0; c < (size_t)CLASSES * CLASSES; c++)
            assert_true((double)tally.matrix[c] == matrix[c / CLASSES][c % CLASSES]);
        struct tally_scores scores = tally_finish(&tally);
        assert_true(fabs(scores.precision - precision) <= 1e-12);
        assert_true(fabs(scores.recall - recall) <= 1e-12);
        assert_true(fabs(scores.f1 - f1) <= 1e-12);
        assert_true(fabs(scores.top5_accuracy - top / ROWS) <= 1e-12);
        assert_true(isnan(scores.auc));
    }
    tally_release(&tally);
}

/* One logit a row, or two whose difference counts. */
static void test_auc_is_the_share_of_ordered_pairs(void **state)
{
    (void)state;
    for (size_t width = 1; width <= 2; width++) {
        float x[ROWS * 2], score[ROWS];
        int32_t labels[ROWS];
        for (size_t r = 0; r < ROWS; r++) {
            labels[r] = r % 3 == 0;
            score[r] = (float)(rint(6 * core_number(r)) / 4 + 0.5 * labels[r]);
            x[width * r] = width == 1 ? score[r] : 0.25f * (float)(r % 4);
            if (width == 2)
                x[2 * r + 1] = x[2 * r] + score[r];
        }
        double ahead = 0, pairs = 0;
        for (size_t a = 0; a < ROWS; a++) {
            for (size_t b = 0; b < ROWS; b++) {
                if (labels[a] != 1 || labels[b] != 0)
                    continue;
                pairs++;
                ahead += score[a] > score[b] ? 1 : score[a] < score[b] ? 0 : 0.5;
            }
        }
        struct tally tally = new_tally(2, false);
        tally_take(&tally, x + 40 * width, labels + 40, 40, ROWS - 40, width);
        tally_take(&tally, x, labels, 0, 40, width);
        struct tally_scores scores = tally_finish(&tally);
        assert_true(ahead / pairs > 0.6 && ahead / pairs < 0.9);
        assert_true(fabs(scores.auc - ahead / pairs) <= 1e-12);
        assert_true(isnan(scores.top5_accuracy));
        tally_release(&tally);
    }
}

static void test_auc_of_one_class_or_of_nan_is_unknown(void **state)
{
    (void)state;
    struct tally tally = new_tally(2, false);
    const float x[2] = {1, NAN};
    const int32_t labels[2] = {0, 1};
    tally_take(&tally, x, labels, 0, 1, 1);
    assert_true(isnan(tally_finish(&tally).auc));
    tally_clear(&tally);
    tally_take(&tally, x, labels, 0, 2, 1);
    assert_true(isnan(tally_finish(&tally).auc));
    tally_clear(&tally);
    assert_true(isnan(tally_finish(&tally).f1));
    tally_release(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_macro_metrics_equal_their_definitions),
        cmocka_unit_test(test_auc_is_the_share_of_ordered_pairs),
        cmocka_unit_test(test_auc_of_one_class_or_of_nan_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
