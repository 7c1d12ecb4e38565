/* See column_profile.h. */
#include "column_profile.h"

#include "base/memory.h"
#include "number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEW_CATEGORIES 20  /* these may be distinct in every row */
#define ROW_ID_MIN_ROWS 20 /* fewer consecutive integers may well be a measurement */
#define NEARLY_NUMBER_VALUES 100       /* from so many values on … */
#define NEARLY_NUMBER_SHARE 0.99       /* … at least so many are numbers */
#define FLOAT_EXACT_INTEGER 16777216.0 /* 2^24: every integer up to here is a float32 */

int column_profiles_init(struct column_profiles *profiles, int count)
{
    *profiles = (struct column_profiles){0};
    profiles->items = mem_alloc_array((size_t)count, sizeof(*profiles->items));
    if (!profiles->items)
        return ERR_NOMEM;
    profiles->count = count;
    for (int i = 0; i < count; i++) {
        profiles->items[i].integer = true;
        profiles->items[i].counting = true;
        value_set_init(&profiles->items[i].values, FACTS_MAX_CATEGORIES);
    }
    return 0;
}

void column_profiles_release(struct column_profiles *profiles)
{
    for (int i = 0; i < profiles->count; i++)
        value_set_release(&profiles->items[i].values);
    free(profiles->items);
    *profiles = (struct column_profiles){0};
}

void column_profiles_add_missing(struct column_profiles *profiles, int column)
{
    profiles->items[column].missing++;
    profiles->items[column].counting = false;
}

static void keep_excerpt(struct cell_excerpt *excerpt, const char *text, size_t length,
                         uint64_t row, uint64_t line)
{
    if (excerpt->row != 0)
        return;
    excerpt->row = row;
    excerpt->line = line;
    utf8_excerpt(text, length, excerpt->text);
}

static void add_number(struct column_profile *profile, double value)
{
    if (moments_count(&profile->moments) == 0) {
        profile->minimum = value;
        profile->maximum = value;
    } else {
        profile->minimum = value < profile->minimum ? value : profile->minimum;
        profile->maximum = value > profile->maximum ? value : profile->maximum;
        profile->counting = profile->counting && fabs(value - profile->last - 1) <= 0;
    }
    profile->last = value;
    profile->integer = profile->integer && fabs(value - nearbyint(value)) <= 0;
    moments_add(&profile->moments, value);
}

static void give_values_up(struct column_profiles *profiles,
                           struct column_profile *profile)
{
    profiles->value_bytes -= value_set_bytes(&profile->values);
    value_set_release(&profile->values);
    profile->many_values = true;
}

static void give_largest_up(struct column_profiles *profiles)
{
    struct column_profile *largest = &profiles->items[0];
    for (int i = 1; i < profiles->count; i++) {
        if (value_set_bytes(&profiles->items[i].values) >
            value_set_bytes(&largest->values))
            largest = &profiles->items[i];
    }
    give_values_up(profiles, largest);
    largest->gave_up = true;
}

static int add_value(struct column_profiles *profiles, struct column_profile *profile,
                     const char *text, size_t length)
{
    uint32_t count = profile->values.count;
    size_t bytes = value_set_bytes(&profile->values);
    int rc = value_set_add(&profile->values, text, length);
    if (rc == ERR_NOMEM)
        return rc;
    if (rc == VALUE_SET_FULL) {
        give_values_up(profiles, profile);
    } else if (profile->values.count > count) {
        profiles->value_bytes += value_set_bytes(&profile->values) - bytes;
        while (profiles->value_bytes > COLUMN_PROFILES_VALUE_BYTES)
            give_largest_up(profiles);
    }
    return 0;
}

/* The integer that a text of at most three digits means, if it is written the usual way;
 * otherwise -1. */
static int read_small(const char *text, size_t length)
{
    if (length == 0 || length > 3 || (text[0] == '0' && length > 1))
        return -1;
    int value = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';
        if (digit > 9)
            return -1;
        value = value * 10 + (int)digit;
    }
    return value;
}

static int add_small(struct column_profiles *profiles, struct column_profile *profile,
                     int value, const char *text, size_t length)
{
    uint64_t *seen = &profile->small_seen[value / 64];
    const uint64_t bit = UINT64_C(1) << (value % 64);
    add_number(profile, value);
    if (profile->many_values || (*seen & bit))
        return 0;
    *seen |= bit;
    return add_value(profiles, profile, text, length);
}

int column_profiles_add(struct column_profiles *profiles, int column, const char *text,
                        size_t length, uint64_t row, uint64_t line)
{
    struct column_profile *profile = &profiles->items[column];
    int small = read_small(text, length);
    if (small >= 0)
        return add_small(profiles, profile, small, text, length);
    double value = 0;
    enum number_kind kind = number_parse(text, length, &value);
    if (kind == NUMBER_FINITE && fabs(value) > (double)FLT_MAX && isinf((float)value))
        kind = NUMBER_NOT_FINITE;
    if (kind == NUMBER_FINITE) {
        add_number(profile, value);
    } else if (kind == NUMBER_NOT_FINITE) {
        profile->not_finite++;
        keep_excerpt(&profile->first_not_finite, text, length, row, line);
    } else {
        profile->texts++;
        keep_excerpt(&profile->first_text, text, length, row, line);
    }
    return profile->many_values ? 0 : add_value(profiles, profile, text, length);
}

static uint64_t count_values(const struct column_profile *profile)
{
    return profile->texts + profile->not_finite + moments_count(&profile->moments);
}

enum column_type column_profile_type(const struct column_profile *profile)
{
    uint64_t values = count_values(profile);
    if (values == 0)
        return COLUMN_TEXT;
    if (values == moments_count(&profile->moments))
        return COLUMN_NUMBER;
    uint64_t distinct = profile->values.count;
    if (profile->many_values || (distinct > FEW_CATEGORIES && distinct * 2 > values))
        return COLUMN_TEXT;
    return COLUMN_CATEGORY;
}

bool column_profile_is_spoiled(const struct column_profile *profile)
{
    return profile->not_finite > 0 && profile->texts == 0 &&
           moments_count(&profile->moments) > 0;
}

bool column_profile_is_nearly_number(const struct column_profile *profile)
{
    uint64_t values = count_values(profile);
    return profile->texts > 0 && values >= NEARLY_NUMBER_VALUES &&
           (double)moments_count(&profile->moments) >=
               NEARLY_NUMBER_SHARE * (double)values;
}

/* ---- facts ---- */

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The distinct integers of a number column, ascending; "1" and "1.0" are one. */
static int list_integers(const struct column_profile *profile, struct column_facts *facts)
{
    uint32_t count = profile->values.count;
    double *numbers = mem_alloc_array(count, sizeof(*numbers));
    facts->values = mem_alloc_array(count, sizeof(*facts->values));
    int rc = numbers && facts->values ? 0 : ERR_NOMEM;
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        size_t length;
        const char *text = value_set_text(&profile->values, i, &length);
        if (number_parse(text, length, &numbers[i]) != NUMBER_FINITE)
            rc = ERR_INTERNAL;
    }
    if (rc == 0 && count > 0)
        qsort(numbers, count, sizeof(*numbers), compare_numbers);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        if (i > 0 && numbers[i] <= numbers[i - 1])
            continue;
        char text[32];
        snprintf(text, sizeof(text), "%lld", (long long)numbers[i]);
        facts->values[facts->value_count] = mem_strdup(text);
        rc = facts->values[facts->value_count] ? 0 : ERR_NOMEM;
        facts->value_count += rc == 0;
    }
    free(numbers);
    return rc;
}

static int number_facts(const struct column_profile *profile, struct column_facts *facts)
{
    facts->minimum = profile->minimum;
    facts->maximum = profile->maximum;
    moments_finish(&profile->moments, &facts->mean, &facts->std);
    facts->integer = profile->integer;
    facts->row_id = profile->counting && profile->integer &&
                    moments_count(&profile->moments) >= ROW_ID_MIN_ROWS;
    if (!profile->integer || facts->row_id || profile->many_values ||
        profile->minimum < -FLOAT_EXACT_INTEGER || profile->maximum > FLOAT_EXACT_INTEGER)
        return 0;
    return list_integers(profile, facts);
}

static int category_facts(struct column_profile *profile, struct column_facts *facts)
{
    uint16_t order[FACTS_MAX_CATEGORIES];
    value_set_sort(&profile->values, order);
    facts->values = mem_alloc_array(profile->values.count, sizeof(*facts->values));
    if (!facts->values)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < profile->values.count; i++) {
        size_t length;
        const char *text = value_set_text(&profile->values, order[i], &length);
        facts->values[i] = mem_strndup(text, length);
        if (!facts->values[i])
            return ERR_NOMEM;
        facts->value_count = i + 1;
    }
    return 0;
}

int column_profile_facts(struct column_profile *profile, struct column_facts *ret_facts)
{
    ret_facts->type = column_profile_type(profile);
    ret_facts->missing = profile->missing;
    ret_facts->width = 1;
    if (ret_facts->type == COLUMN_NUMBER)
        return number_facts(profile, ret_facts);
    return ret_facts->type == COLUMN_CATEGORY ? category_facts(profile, ret_facts) : 0;
}
