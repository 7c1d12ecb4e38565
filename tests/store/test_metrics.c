/* Metrics: what is added comes back, exactly, and thinning keeps what a plot needs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/metric_thinning.h"
#include "store/metrics.h"
#include "store_fixture.h"

#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static struct db *db_of(void **state)
{
    return ((struct fixture *)*state)->db;
}

static void append(struct db *db, const char *job, int64_t lease, int64_t step,
                   const char *const *names, const double *values, int count)
{
    struct metric_row point = {.step = step,
                               .epoch = (double)step / 10,
                               .time_us = TEST_NOW + step,
                               .count = count,
                               .names = names,
                               .values = values};
    struct error err = {0};
    assert_int_equal(metrics_append(db, job, lease, &point, 1, &err), 0);
}

static struct metric_result read_all(struct db *db, const char *job,
                                     const struct metric_query *query)
{
    struct metric_result result;
    struct error err = {0};
    assert_int_equal(metrics_read(db, job, query, &result, &err), 0);
    return result;
}

static const struct metric_query everything;

static void test_points_come_back_exactly_in_order_of_name_and_step(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE];
    int64_t lease = make_running_job(db, job);
    const char *const names[] = {"loss", "accuracy"};
    const char *const val_names[] = {"val_loss"};
    for (int step = 9; step >= 0; step--) {
        const double values[] = {1.0 / (step + 3), step * 0.1};
        append(db, job, lease, step, names, values, 2);
    }
    const double val = 0.125;
    append(db, job, lease, 9, val_names, &val, 1);
    struct metric_result result = read_all(db, job, &everything);
    assert_int_equal(result.count, 3);
    assert_string_equal(result.series[0].name, "accuracy");
    assert_string_equal(result.series[1].name, "loss");
    assert_string_equal(result.series[2].name, "val_loss");
    assert_int_equal(result.total, 21);
    assert_false(result.sampled);
    assert_int_equal(result.next_since_step, 10);
    assert_int_equal(result.series[1].count, 10);
    for (int step = 0; step < 10; step++) {
        assert_int_equal(result.series[1].step[step], step);
        assert_true(result.series[1].value[step] == 1.0 / (step + 3));
        assert_true(result.series[1].epoch[step] == (double)step / 10);
        assert_int_equal(result.series[1].time_us[step], TEST_NOW + step);
        assert_true(result.series[0].value[step] == step * 0.1);
    }
    assert_int_equal(result.series[2].count, 1);
    assert_true(result.series[2].value[0] == 0.125);
    metric_result_release(&result);
}

static void test_what_is_not_finite_is_kept_to_the_bit(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE];
    int64_t lease = make_running_job(db, job);
    const char *const names[] = {"a", "b", "c", "d", "e"};
    const double values[] = {(double)NAN, (double)INFINITY, -(double)INFINITY, -0.0,
                             4.9406564584124654e-324};
    append(db, job, lease, 0, names, values, 5);
    struct metric_result result = read_all(db, job, &everything);
    assert_int_equal(result.count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_memory_equal(result.series[i].value, &values[i], sizeof(double));
    metric_result_release(&result);
}

/* After a crash a job says its last steps again, with other speeds and perhaps with the
 * series of the layers at other steps. */
static void test_a_point_that_was_there_once_stays_as_it_is(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE];
    int64_t lease = make_running_job(db, job);
    const char *const few[] = {"loss", "speed"}, *const more[] = {"speed", "norm",
                                                                  "loss"};
    const double first[] = {1, 50}, again[] = {70, 8, 1}, first_more[] = {60, 9, 2};
    append(db, job, lease, 5, few, first, 2);
    append(db, job, lease, 6, more, first_more, 3);
    append(db, job, lease, 5, more, again, 3);
    append(db, job, lease, 6, few, first, 2);
    struct metric_result result = read_all(db, job, &everything);
    assert_int_equal(result.total, 6);
    assert_int_equal(result.count, 3);
    const double expected[3][2] = {{1, 2}, {8, 9}, {50, 60}}; /* loss, norm, speed */
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(result.series[i].count, 2);
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(result.series[i].step[k], 5 + k);
            assert_true(result.series[i].value[k] == expected[i][k]);
        }
    }
    metric_result_release(&result);
}

static void test_a_run_that_went_back_replaces_what_it_had_said(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE];
    int64_t lease = make_running_job(db, job);
    const char *const both[] = {"loss", "norm"};
    const double values[] = {3, 7};
    struct error err = {0};
    struct metric_row point = {.step = 5,
                               .epoch = 1,
                               .time_us = TEST_NOW,
                               .count = 2,
                               .names = both,
                               .values = values};
    append(db, job, lease, 4, both, values, 2);
    append(db, job, lease, 5, both, values, 2);
    const double other = 2, later = 1;
    point.count = 1;
    point.values = &other;
    point.retry = 1;
    assert_int_equal(metrics_append(db, job, lease, &point, 1, &err), 0);
    /* The crash of that run brings the way before the retry once more, and the retry. */
    append(db, job, lease, 5, both, values, 2);
    point.values = &later;
    assert_int_equal(metrics_append(db, job, lease, &point, 1, &err), 0);
    struct metric_result result = read_all(db, job, &everything);
    assert_int_equal(result.series[0].count, 2);
    assert_true(result.series[0].value[0] == 3);
    assert_true(result.series[0].value[1] == 2);
    assert_int_equal(result.series[1].count, 1); /* of the norm, step 4's alone */
    metric_result_release(&result);
}

static void test_names_choose_series_and_a_star_matches_any_ending(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE];
    int64_t lease = make_running_job(db, job);
    const char *const names[] = {"gradient_norm/a", "gradient_norm/b", "gradient",
                                 "loss"};
    const double values[] = {1, 2, 3, 4};
    append(db, job, lease, 0, names, values, 4);
    const struct {
        const char *pattern;
        size_t count;
    } cases[] = {{"loss", 1}, {"gradient_norm/*", 2}, {"gradient*", 3}, {"*", 4},
                 {"los", 0},  {"loss*", 1},           {"oss", 0},       {"", 0},
                 {"*loss", 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct metric_query query = {.names = &cases[i].pattern, .name_count = 1};
        struct metric_result result = read_all(db, job, &query);
        assert_int_equal(result.count, cases[i].count);
        assert_int_equal(result.total, cases[i].count);
        metric_result_release(&result);
    }
    const char *const two[] = {"loss", "gradient_norm/a"};
    struct metric_query query = {.names = two, .name_count = 2};
    struct metric_result result = read_all(db, job, &query);
    assert_int_equal(result.count, 2);
    assert_string_equal(result.series[0].name, "gradient_norm/a");
    metric_result_release(&result);
}

static void test_a_poll_goes_on_where_the_last_one_ended(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE];
    int64_t lease = make_running_job(db, job);
    const char *const names[] = {"loss"};
    const double value = 1;
    struct metric_query query = {.since_step = 0};
    struct metric_result result = read_all(db, job, &query);
    assert_int_equal(result.next_since_step, 0);
    assert_int_equal(result.count, 0);
    metric_result_release(&result);
    for (int64_t step = 0; step < 30; step += 10) {
        append(db, job, lease, step, names, &value, 1);
        append(db, job, lease, step + 5, names, &value, 1);
        result = read_all(db, job, &query);
        assert_int_equal(result.total, 2);
        assert_int_equal(result.series[0].step[0], step);
        assert_int_equal(result.next_since_step, step + 6);
        query.since_step = result.next_since_step;
        metric_result_release(&result);
    }
    result = read_all(db, job, &query);
    assert_int_equal(result.next_since_step, query.since_step);
    assert_int_equal(result.count, 0);
    metric_result_release(&result);
}

static void test_the_version_changes_with_every_addition(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE];
    int64_t lease = make_running_job(db, job), before = 0, after = 0;
    const char *const names[] = {"loss"};
    const double value = 1;
    struct error err = {0};
    assert_int_equal(metrics_version(db, job, &before, &err), 0);
    append(db, job, lease, 5, names, &value, 1);
    assert_int_equal(metrics_version(db, job, &after, &err), 0);
    assert_int_not_equal(before, after);
    before = after;
    append(db, job, lease, 5, names, &value, 1); /* said again */
    assert_int_equal(metrics_version(db, job, &after, &err), 0);
    assert_int_not_equal(before, after);
    assert_int_equal(metrics_version(db, "job_none", &after, NULL), ERR_NOT_FOUND);
}

static void test_hostile_points_are_refused(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE], long_name[300];
    int64_t lease = make_running_job(db, job);
    memset(long_name, 'n', sizeof(long_name));
    long_name[256] = '\0';
    const char *const good[] = {"loss"}, *const newline[] = {"a\nb"},
                      *const empty[] = {""}, *const too_long[] = {long_name};
    const double value = 1;
    const struct metric_row bad[] = {
        {.count = 0, .names = good, .values = &value},
        {.count = -1, .names = good, .values = &value},
        {.count = METRICS_MAX_NAMES + 1, .names = good, .values = &value},
        {.step = -1, .count = 1, .names = good, .values = &value},
        {.epoch = (double)NAN, .count = 1, .names = good, .values = &value},
        {.epoch = (double)INFINITY, .count = 1, .names = good, .values = &value},
        {.count = 1, .names = newline, .values = &value},
        {.count = 1, .names = empty, .values = &value},
        {.count = 1, .names = too_long, .values = &value},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(metrics_append(db, job, lease, &bad[i], 1, NULL), ERR_INVALID);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM metric_points"), 0);
}

static void test_a_job_cannot_invent_names_without_end(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE];
    int64_t lease = make_running_job(db, job);
    int rc = 0, made = 0;
    while (rc == 0 && made < 1000) {
        char name[32];
        snprintf(name, sizeof(name), "name%d", made);
        const char *const names[] = {name};
        const double value = 1;
        struct metric_row point = {.count = 1, .names = names, .values = &value};
        rc = metrics_append(db, job, lease, &point, 1, NULL);
        made += rc == 0;
    }
    assert_int_equal(rc, ERR_TOO_LARGE);
    assert_int_equal(made, 256);
    struct metric_result result = read_all(db, job, &everything);
    assert_int_equal(result.count, 256);
    metric_result_release(&result);
}

static void test_only_the_lease_may_add(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE];
    int64_t lease = make_running_job(db, job);
    const char *const names[] = {"loss"};
    const double value = 1;
    struct metric_row point = {.count = 1, .names = names, .values = &value};
    struct metric_result result;
    assert_int_equal(metrics_append(db, job, lease + 1, &point, 1, NULL), ERR_CONFLICT);
    assert_int_equal(metrics_append(db, "job_none", lease, &point, 1, NULL),
                     ERR_NOT_FOUND);
    assert_int_equal(metrics_read(db, "job_none", &everything, &result, NULL),
                     ERR_NOT_FOUND);
}

static void test_points_that_alternate_between_sets_keep_to_their_names(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE];
    int64_t lease = make_running_job(db, job);
    const char *const one[] = {"a", "b"}, *const two[] = {"b"},
                      *const three[] = {"a", "c"};
    const double pair[] = {1, 2}, single[] = {3}, other[] = {4, 5};
    const struct metric_row points[] = {
        {.step = 0, .count = 2, .names = one, .values = pair},
        {.step = 0, .count = 1, .names = two, .values = single},
        {.step = 1, .count = 2, .names = three, .values = other},
        {.step = 2, .count = 2, .names = one, .values = pair},
        {.step = 3, .count = 2, .names = one, .values = pair},
    };
    struct error err = {0};
    assert_int_equal(metrics_append(db, job, lease, points, 5, &err), 0);
    struct metric_result result = read_all(db, job, &everything);
    assert_int_equal(result.count, 3);
    assert_int_equal(result.series[0].count, 4); /* a at 0, 1, 2, 3 */
    assert_true(result.series[0].value[1] == 4);
    assert_int_equal(result.series[1].count, 3); /* b at 0, 2, 3: the first at 0 counts */
    assert_true(result.series[1].value[0] == 2);
    assert_int_equal(result.series[2].count, 1);
    assert_true(result.series[2].value[0] == 5);
    metric_result_release(&result);
}

/* Thins `values` and returns how many points were kept; their indices go to `kept`. */
static size_t thin(const double *values, size_t count, size_t max_points, size_t *kept)
{
    struct thinning thinning;
    size_t total = 0;
    thinning_init(&thinning, count, max_points);
    for (size_t i = 0; i < count; i++) {
        struct metric_point point = {.step = (int64_t)i, .value = values[i]};
        struct metric_point out[THINNING_KEPT];
        size_t n = thinning_add(&thinning, &point, out);
        for (size_t k = 0; k < n; k++) {
            assert_memory_equal(&out[k].value, &values[out[k].step], sizeof(double));
            kept[total++] = (size_t)out[k].step;
        }
    }
    assert_true(total <= thinning_capacity(&thinning));
    return total;
}

static bool is_kept(const size_t *kept, size_t count, size_t index)
{
    for (size_t i = 0; i < count; i++)
        if (kept[i] == index)
            return true;
    return false;
}

static bool value_is_kept(const double *values, const size_t *kept, size_t count,
                          double value)
{
    for (size_t i = 0; i < count; i++)
        if (values[kept[i]] == value)
            return true;
    return false;
}

/* A naive reference: cuts the series by the rule of the header and looks at each bucket.
 */
static void check_buckets(const double *values, size_t count, size_t buckets,
                          const size_t *kept, size_t kept_count)
{
    size_t start = 0;
    for (size_t bucket = 0; bucket < buckets; bucket++) {
        size_t end = start;
        double low = values[start], high = values[start];
        for (; end < count && end * buckets / count == bucket; end++) {
            low = fmin(low, values[end]);
            high = fmax(high, values[end]);
        }
        assert_true(is_kept(kept, kept_count, start));
        assert_true(is_kept(kept, kept_count, end - 1));
        assert_true(value_is_kept(values, kept, kept_count, low));
        assert_true(value_is_kept(values, kept, kept_count, high));
        start = end;
    }
    assert_int_equal(start, count);
}

static void
test_thinning_keeps_first_last_smallest_and_largest_of_every_bucket(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 7, RNG_SAMPLE, 0);
    static double values[3000];
    static size_t kept[3000];
    for (int round = 0; round < 200; round++) {
        size_t count = 1 + rng_below(&rng, 3000), max_points = 1 + rng_below(&rng, 500);
        for (size_t i = 0; i < count; i++)
            values[i] = rng_normal(&rng);
        size_t bound = max_points < 4 ? 4 : max_points;
        size_t kept_count = thin(values, count, max_points, kept);
        for (size_t i = 1; i < kept_count; i++)
            assert_true(kept[i] > kept[i - 1]); /* in order, each once */
        if (count <= bound) {
            assert_int_equal(kept_count, count);
            continue;
        }
        assert_true(kept_count <= bound);
        assert_true(kept_count >= bound / 4);
        check_buckets(values, count, bound / 4, kept, kept_count);
    }
}

static void test_what_is_not_finite_survives_thinning(void **state)
{
    (void)state;
    static double values[1000];
    static size_t kept[1000];
    const double odd[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
    for (size_t which = 0; which < 3; which++) {
        for (size_t at = 0; at < 1000; at += 37) {
            for (size_t i = 0; i < 1000; i++)
                values[i] = sin((double)i);
            values[at] = odd[which];
            size_t count = thin(values, 1000, 40, kept);
            assert_true(is_kept(kept, count, at));
        }
    }
}

static void test_a_series_of_nothing_but_nan_is_thinned_like_any_other(void **state)
{
    (void)state;
    static double values[1000];
    static size_t kept[1000];
    for (size_t i = 0; i < 1000; i++)
        values[i] = (double)NAN;
    size_t count = thin(values, 1000, 40, kept);
    assert_true(count >= 10 && count <= 40);
    assert_int_equal(kept[0], 0);
    assert_int_equal(kept[count - 1], 999);
}

static void test_a_thinned_read_says_so_and_tells_the_total(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE];
    int64_t lease = make_running_job(db, job);
    const char *const names[] = {"loss", "learning_rate"};
    const char *const val_names[] = {"val_loss"};
    for (int step = 0; step < 1000; step++) {
        const double values[] = {step == 500 ? 99.0 : 1.0 / (step + 1), 0.001};
        append(db, job, lease, step, names, values, 2);
    }
    for (int step = 0; step < 10; step++) {
        const double value = step;
        append(db, job, lease, step * 100, val_names, &value, 1);
    }
    struct metric_query query = {.max_points = 40};
    struct metric_result result = read_all(db, job, &query);
    assert_true(result.sampled);
    assert_int_equal(result.total, 2010);
    assert_int_equal(result.next_since_step, 1000);
    const struct metric_series *loss = &result.series[1];
    assert_true(loss->count <= 40);
    assert_int_equal(loss->step[0], 0);
    assert_int_equal(loss->step[loss->count - 1], 999);
    bool spike = false;
    for (size_t i = 0; i < loss->count; i++)
        spike = spike || loss->value[i] == 99.0;
    assert_true(spike);
    assert_int_equal(result.series[2].count, 10); /* short enough as it is */
    metric_result_release(&result);
    query.max_points = 1000;
    result = read_all(db, job, &query);
    assert_false(result.sampled);
    metric_result_release(&result);
}

static void test_damaged_rows_are_noticed(void **state)
{
    struct db *db = db_of(state);
    char job[ID_SIZE];
    int64_t lease = make_running_job(db, job);
    const char *const names[] = {"a", "b"};
    const double values[] = {1, 2};
    append(db, job, lease, 0, names, values, 2);
    struct metric_result result;
    sql_run(db, "UPDATE metric_points SET value_bytes = x'00'");
    assert_int_equal(metrics_read(db, job, &everything, &result, NULL), ERR_CORRUPT);
    sql_run(db, "DELETE FROM metric_sets");
    assert_int_equal(metrics_read(db, job, &everything, &result, NULL), ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_points_come_back_exactly_in_order_of_name_and_step),
        TEST(test_what_is_not_finite_is_kept_to_the_bit),
        TEST(test_a_point_that_was_there_once_stays_as_it_is),
        TEST(test_a_run_that_went_back_replaces_what_it_had_said),
        TEST(test_names_choose_series_and_a_star_matches_any_ending),
        TEST(test_a_poll_goes_on_where_the_last_one_ended),
        TEST(test_the_version_changes_with_every_addition),
        TEST(test_hostile_points_are_refused),
        TEST(test_a_job_cannot_invent_names_without_end),
        TEST(test_only_the_lease_may_add),
        TEST(test_points_that_alternate_between_sets_keep_to_their_names),
        cmocka_unit_test(
            test_thinning_keeps_first_last_smallest_and_largest_of_every_bucket),
        cmocka_unit_test(test_what_is_not_finite_survives_thinning),
        cmocka_unit_test(test_a_series_of_nothing_but_nan_is_thinned_like_any_other),
        TEST(test_a_thinned_read_says_so_and_tells_the_total),
        TEST(test_damaged_rows_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
