/*
 * See metrics.h: reading. Two passes over the points of a job, in one snapshot: the first
 * counts the points of each set of names, so that every series knows its length; the
 * second deals the values out to the series, each of which thins itself as it goes.
 * Memory is that of the result.
 */
#include "metrics.h"

#include "db.h"
#include "metric_thinning.h"
#include "metrics_internal.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* A set of names of the job. */
struct name_set {
    int64_t number;
    char *text;     /* owned; cut into names at its newlines */
    char **names;   /* owned; into text */
    size_t count;   /* of names */
    size_t points;  /* rows that match the query */
    size_t *series; /* owned; for each name its series, or UNWANTED */
};

#define UNWANTED SIZE_MAX

struct reading {
    struct db *db;
    const struct metric_query *query;
    int64_t job;
    struct name_set sets[METRICS_MAX_SETS]; /* in order of number */
    size_t set_count;
    struct thinning *thinning; /* one a series */
    struct metric_result result;
};

static void series_release(struct metric_series *series)
{
    free(series->name);
    free(series->step);
    free(series->epoch);
    free(series->time_us);
    free(series->value);
}

void metric_result_release(struct metric_result *result)
{
    for (size_t i = 0; i < result->count; i++)
        series_release(&result->series[i]);
    free(result->series);
    *result = (struct metric_result){0};
}

static void reading_free(struct reading *reading)
{
    for (size_t i = 0; i < reading->set_count; i++) {
        free(reading->sets[i].text);
        free(reading->sets[i].names);
        free(reading->sets[i].series);
    }
    free(reading->thinning);
    metric_result_release(&reading->result);
    free(reading);
}

static int out_of_memory(struct error *err)
{
    return error_set(err, ERR_NOMEM, "out of memory reading metrics");
}

static bool matches(const char *pattern, const char *name)
{
    size_t length = strlen(pattern);
    if (length > 0 && pattern[length - 1] == '*')
        return strncmp(pattern, name, length - 1) == 0;
    return strcmp(pattern, name) == 0;
}

static bool is_wanted(const struct metric_query *query, const char *name)
{
    bool wanted = query->name_count == 0;
    for (size_t i = 0; i < query->name_count && !wanted; i++)
        wanted = matches(query->names[i], name);
    return wanted;
}

static int split_names(struct name_set *set)
{
    set->count = 1;
    for (const char *at = set->text; *at; at++)
        set->count += *at == '\n';
    set->names = mem_alloc_array(set->count, sizeof(*set->names));
    set->series = mem_alloc_array(set->count, sizeof(*set->series));
    if (!set->names || !set->series)
        return ERR_NOMEM;
    char *rest = set->text;
    for (size_t i = 0; i < set->count; i++)
        set->names[i] = strsep(&rest, "\n");
    return 0;
}

static int read_sets(struct reading *reading, struct error *err)
{
    struct query q;
    query_begin(&q, reading->db,
                "SELECT number, names FROM metric_sets WHERE job = :job ORDER BY number");
    query_bind_int(&q, ":job", reading->job);
    int rc;
    while ((rc = query_step(&q, err)) > 0) {
        if (reading->set_count == METRICS_MAX_SETS) {
            rc = error_set(err, ERR_CORRUPT, "a job has too many sets of metrics");
            break;
        }
        struct name_set *set = &reading->sets[reading->set_count++];
        set->number = query_int(&q, 0);
        set->text = query_copy_text(&q, 1);
        if (!set->text || split_names(set) < 0) {
            rc = out_of_memory(err);
            break;
        }
    }
    query_end(&q);
    return rc;
}

static struct name_set *find_set(struct reading *reading, int64_t number)
{
    size_t low = 0, high = reading->set_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (reading->sets[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < reading->set_count && reading->sets[low].number == number;
    return found ? &reading->sets[low] : NULL;
}

static int unknown_set(struct error *err)
{
    return error_set(err, ERR_CORRUPT, "a stored point has no names");
}

static int count_points(struct reading *reading, struct error *err)
{
    struct query q;
    query_begin(&q, reading->db,
                "SELECT name_set, count(*) FROM metric_points WHERE job = :job"
                " AND step >= :since GROUP BY name_set");
    query_bind_int(&q, ":job", reading->job);
    query_bind_int(&q, ":since", reading->query->since_step);
    int rc;
    while ((rc = query_step(&q, err)) > 0) {
        struct name_set *set = find_set(reading, query_int(&q, 0));
        if (!set) {
            rc = unknown_set(err);
            break;
        }
        set->points = (size_t)query_int(&q, 1);
    }
    query_end(&q);
    return rc;
}

static int compare_names(const void *a, const void *b)
{
    const char *const *left = a, *const *right = b;
    return strcmp(*left, *right);
}

/* The wanted names of sets that have points, sorted, each once. New array. */
static int gather_names(struct reading *reading, const char ***ret_names,
                        size_t *ret_count, struct error *err)
{
    size_t all = 0, count = 0, unique = 0;
    for (size_t i = 0; i < reading->set_count; i++)
        all += reading->sets[i].count;
    const char **names = mem_alloc_array(all, sizeof(*names));
    if (!names)
        return out_of_memory(err);
    for (size_t i = 0; i < reading->set_count; i++) {
        const struct name_set *set = &reading->sets[i];
        for (size_t k = 0; k < set->count && set->points > 0; k++)
            if (is_wanted(reading->query, set->names[k]))
                names[count++] = set->names[k];
    }
    if (count > 0)
        qsort(names, count, sizeof(*names), compare_names);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(names[i], names[unique - 1]) != 0)
            names[unique++] = names[i];
    *ret_names = names;
    *ret_count = unique;
    return 0;
}

/* One empty series a name, and for every name of every set its place among them. */
static int make_series(struct reading *reading, const char **names, size_t count,
                       struct error *err)
{
    reading->result.series = mem_alloc_array(count, sizeof(*reading->result.series));
    reading->thinning = mem_alloc_array(count, sizeof(*reading->thinning));
    if (!reading->result.series || !reading->thinning)
        return out_of_memory(err);
    reading->result.count = count;
    for (size_t i = 0; i < count; i++) {
        reading->result.series[i].name = mem_strdup(names[i]);
        if (!reading->result.series[i].name)
            return out_of_memory(err);
    }
    for (size_t i = 0; i < reading->set_count; i++) {
        struct name_set *set = &reading->sets[i];
        for (size_t k = 0; k < set->count; k++) {
            const char **found = NULL;
            if (count > 0)
                found =
                    bsearch(&set->names[k], names, count, sizeof(*names), compare_names);
            set->series[k] = found ? (size_t)(found - names) : UNWANTED;
            if (found)
                reading->thinning[set->series[k]].points += set->points;
        }
    }
    return 0;
}

static int allocate_points(struct metric_series *series, size_t capacity,
                           struct error *err)
{
    series->step = mem_alloc_array(capacity, sizeof(*series->step));
    series->epoch = mem_alloc_array(capacity, sizeof(*series->epoch));
    series->time_us = mem_alloc_array(capacity, sizeof(*series->time_us));
    series->value = mem_alloc_array(capacity, sizeof(*series->value));
    if (!series->step || !series->epoch || !series->time_us || !series->value)
        return out_of_memory(err);
    return 0;
}

/* Bounds the result as a whole before any of it is allocated. */
static int allocate_series(struct reading *reading, struct error *err)
{
    struct metric_result *result = &reading->result;
    uint64_t capacity = 0;
    for (size_t i = 0; i < result->count; i++) {
        struct thinning *thinning = &reading->thinning[i];
        uint64_t points = thinning->points;
        if (points > UINT32_MAX)
            return error_set(err, ERR_TOO_LARGE, "a series has too many points");
        thinning_init(thinning, points, reading->query->max_points);
        result->total += points;
        result->sampled = result->sampled || thinning->buckets > 0;
        capacity += thinning_capacity(thinning);
    }
    if (capacity > METRICS_READ_MAX)
        return error_set(err, ERR_TOO_LARGE,
                         "these are %llu points: ask for fewer names, or say max_points",
                         (unsigned long long)capacity);
    int rc = 0;
    for (size_t i = 0; i < result->count && rc == 0; i++)
        rc = allocate_points(&result->series[i],
                             (size_t)thinning_capacity(&reading->thinning[i]), err);
    return rc;
}

static void keep(struct metric_series *series, const struct metric_point *point)
{
    size_t at = series->count++;
    series->step[at] = point->step;
    series->epoch[at] = point->epoch;
    series->time_us[at] = point->time_us;
    series->value[at] = point->value;
}

/* Deals the values of one row out to their series. */
static int deal(struct reading *reading, const struct query *q, struct error *err)
{
    const struct name_set *set = find_set(reading, query_int(q, 3));
    if (!set)
        return unknown_set(err);
    size_t length;
    const char *bytes = query_blob(q, 4, &length);
    if (!bytes || length != set->count * sizeof(double))
        return error_set(err, ERR_CORRUPT, "a stored point has a wrong number of values");
    struct metric_point point = {
        .step = query_int(q, 0), .epoch = query_real(q, 1), .time_us = query_int(q, 2)};
    for (size_t k = 0; k < set->count; k++) {
        size_t index = set->series[k];
        if (index == UNWANTED)
            continue;
        memcpy(&point.value, bytes + k * sizeof(double), sizeof(double));
        struct metric_point kept[THINNING_KEPT];
        size_t count = thinning_add(&reading->thinning[index], &point, kept);
        for (size_t i = 0; i < count; i++)
            keep(&reading->result.series[index], &kept[i]);
        reading->result.next_since_step = point.step + 1;
    }
    return 0;
}

static int read_points(struct reading *reading, struct error *err)
{
    struct query q;
    query_begin(&q, reading->db,
                "SELECT step, epoch, time_us, name_set, value_bytes FROM metric_points"
                " WHERE job = :job AND step >= :since ORDER BY step, name_set");
    query_bind_int(&q, ":job", reading->job);
    query_bind_int(&q, ":since", reading->query->since_step);
    int rc;
    while ((rc = query_step(&q, err)) > 0) {
        rc = deal(reading, &q, err);
        if (rc < 0)
            break;
    }
    query_end(&q);
    return rc;
}

static int find_job(struct reading *reading, const char *job_id, struct error *err)
{
    struct query q;
    query_begin(&q, reading->db, "SELECT number FROM jobs WHERE id = :id");
    query_bind_text(&q, ":id", job_id);
    int rc = query_step(&q, err);
    if (rc > 0)
        reading->job = query_int(&q, 0);
    else if (rc == 0)
        rc = error_set(err, ERR_NOT_FOUND, "there is no such job");
    query_end(&q);
    return rc < 0 ? rc : 0;
}

int metrics_read(struct db *db, const char *job_id, const struct metric_query *query,
                 struct metric_result *ret_result, struct error *err)
{
    struct reading *reading = mem_alloc(sizeof(*reading));
    if (!reading)
        return out_of_memory(err);
    reading->db = db;
    reading->query = query;
    reading->result.next_since_step = query->since_step;
    const char **names = NULL;
    size_t count = 0;
    int rc = find_job(reading, job_id, err);
    if (rc == 0)
        rc = read_sets(reading, err);
    if (rc == 0)
        rc = count_points(reading, err);
    if (rc == 0)
        rc = gather_names(reading, &names, &count, err);
    if (rc == 0)
        rc = make_series(reading, names, count, err);
    free(names);
    if (rc == 0)
        rc = allocate_series(reading, err);
    if (rc == 0 && count > 0)
        rc = read_points(reading, err);
    if (rc == 0) {
        *ret_result = reading->result;
        reading->result = (struct metric_result){0};
    }
    reading_free(reading);
    return rc;
}
