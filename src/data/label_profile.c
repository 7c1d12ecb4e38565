/* See label_profile.h. The distinct values are a sorted array, searched by halving. */
#include "label_profile.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_INTEGER 9007199254740992.0 /* 2^53 */

int label_profile_init(struct label_profile *profile, int64_t width)
{
    *profile =
        (struct label_profile){.width = width, .integer = true, .listed = width == 1};
    profile->values = mem_alloc_array(FACTS_MAX_CATEGORIES, sizeof(*profile->values));
    return profile->values ? 0 : ERR_NOMEM;
}

void label_profile_release(struct label_profile *profile)
{
    free(profile->values);
    *profile = (struct label_profile){0};
}

/* The place of a number among the values, or where it would go. */
static size_t find(const struct label_profile *profile, double number)
{
    size_t low = 0, high = profile->value_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (profile->values[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct label_profile *profile, size_t place, double number)
{
    return place < profile->value_count && profile->values[place] <= number;
}

static void list(struct label_profile *profile, double number)
{
    size_t place = find(profile, number);
    if (is_at(profile, place, number))
        return;
    if (profile->value_count == FACTS_MAX_CATEGORIES || !profile->integer ||
        fabs(number) > EXACT_INTEGER) {
        profile->listed = false;
        return;
    }
    memmove(profile->values + place + 1, profile->values + place,
            (profile->value_count - place) * sizeof(*profile->values));
    profile->values[place] = number;
    profile->value_count++;
}

void label_profile_add(struct label_profile *profile, const double *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double number = numbers[i];
        bool first = moments_count(&profile->moments) == 0;
        if (first || number < profile->minimum)
            profile->minimum = number;
        if (first || number > profile->maximum)
            profile->maximum = number;
        profile->integer = profile->integer && fabs(number - nearbyint(number)) <= 0;
        moments_add(&profile->moments, number);
        if (profile->listed)
            list(profile, number);
    }
}

int32_t label_profile_code(const struct label_profile *profile, double number)
{
    size_t place = find(profile, number);
    return is_at(profile, place, number) ? (int32_t)place : -1;
}

int label_profile_facts(const struct label_profile *profile,
                        struct column_facts *ret_facts)
{
    ret_facts->type = COLUMN_NUMBER;
    ret_facts->width = profile->width;
    ret_facts->integer = profile->integer;
    ret_facts->minimum = profile->minimum;
    ret_facts->maximum = profile->maximum;
    moments_finish(&profile->moments, &ret_facts->mean, &ret_facts->std);
    if (!profile->listed)
        return 0;
    ret_facts->values = mem_alloc_array(profile->value_count, sizeof(*ret_facts->values));
    if (!ret_facts->values)
        return ERR_NOMEM;
    for (size_t i = 0; i < profile->value_count; i++) {
        char text[32];
        snprintf(text, sizeof(text), "%lld", (long long)profile->values[i]);
        ret_facts->values[i] = mem_strdup(text);
        if (!ret_facts->values[i])
            return ERR_NOMEM;
        ret_facts->value_count = i + 1;
    }
    return 0;
}
