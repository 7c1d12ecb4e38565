/* See report.h. */
#include "report.h"

#include "base/error.h"

#include <assert.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define NEAREST_MAX_BYTES 64 /* longer names get no suggestion */
#define MISTAKES_MAX 4       /* edits between a name and what was meant */

const char *pointer_key(char ret_pointer[POINTER_SIZE], const char *parent,
                        const char *key)
{
    assert(ret_pointer != parent && strlen(parent) < POINTER_SIZE);
    size_t base = strlen(parent);
    size_t at = base;
    memcpy(ret_pointer, parent, base + 1);
    if (at + 2 > POINTER_SIZE)
        return ret_pointer;
    ret_pointer[at++] = '/';
    for (const char *c = key; *c; c++) {
        if (at + 3 > POINTER_SIZE) {
            ret_pointer[base] = '\0';
            return ret_pointer;
        }
        if (*c == '~' || *c == '/') {
            ret_pointer[at++] = '~';
            ret_pointer[at++] = *c == '~' ? '0' : '1';
        } else {
            ret_pointer[at++] = *c;
        }
    }
    ret_pointer[at] = '\0';
    return ret_pointer;
}

const char *pointer_index(char ret_pointer[POINTER_SIZE], const char *parent,
                          size_t index)
{
    char key[24];
    snprintf(key, sizeof(key), "%zu", index);
    return pointer_key(ret_pointer, parent, key);
}

/* Text that takes at most FOUND_MAX_BYTES and remembers that there was more. */
struct cut_text {
    char *text;
    size_t length;
    bool more;
};

static int cut_append(const char *bytes, size_t length, void *context)
{
    struct cut_text *cut = context;
    size_t room = FOUND_MAX_BYTES - cut->length;
    size_t taken = length < room ? length : room;
    memcpy(cut->text + cut->length, bytes, taken);
    cut->length += taken;
    cut->more = taken < length;
    return cut->more ? -1 : 0;
}

/* Ends the text; where it was cut, half a UTF-8 character at its end goes too. */
static const char *cut_finish(struct cut_text *cut)
{
    if (cut->more) {
        size_t start = cut->length;
        while (start > 0 && ((unsigned char)cut->text[start - 1] & 0xC0) == 0x80)
            start--;
        if (start > 0 && ((unsigned char)cut->text[start - 1] & 0x80) != 0)
            cut->length = start - 1;
        memcpy(cut->text + cut->length, "…", sizeof("…") - 1);
        cut->length += sizeof("…") - 1;
    }
    cut->text[cut->length] = '\0';
    return cut->text;
}

const char *found_text(const json_t *value, char ret_text[FOUND_SIZE])
{
    if (!value) {
        snprintf(ret_text, FOUND_SIZE, "nothing");
        return ret_text;
    }
    struct cut_text cut = {.text = ret_text};
    /* A negative result is the wanted stop at the cut. Jansson also stops there without
     * memory: then the text is merely shorter. */
    json_dump_callback(value, cut_append, &cut,
                       JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    return cut_finish(&cut);
}

const char *found_string(const char *string, char ret_text[FOUND_SIZE])
{
    struct cut_text cut = {.text = ret_text};
    cut_append("\"", 1, &cut);
    cut_append(string, strlen(string), &cut);
    bool cut_short = cut.more;
    cut_finish(&cut);
    if (cut_short || cut.length + 2 > FOUND_SIZE)
        return ret_text;
    ret_text[cut.length] = '"';
    ret_text[cut.length + 1] = '\0';
    return ret_text;
}

void nearest_init(struct nearest *nearest, const char *name)
{
    *nearest = (struct nearest){.name = name, .length = strlen(name)};
}

static int folded(char c)
{
    return tolower((unsigned char)c);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/*
 * Edit distance by dynamic programming over three rows (optimal string alignment), or
 * limit + 1 when it is over `limit`. Only cells at most `limit` off the diagonal can
 * count, so only those are worked out: a dataset may have thousands of names to compare
 * with.
 */
static size_t edit_distance(const char *a, size_t a_length, const char *b,
                            size_t b_length, size_t limit)
{
    size_t rows[3][NEAREST_MAX_BYTES + 2];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b_length + 1; j++) {
        before[j] = now[j] = limit + 1;
        last[j] = j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        size_t from = i > limit ? i - limit : 1;
        size_t to = smaller(i + limit, b_length);
        size_t least = now[from - 1] = from == 1 ? i : limit + 1;
        for (size_t j = from; j <= to; j++) {
            bool same = folded(a[i - 1]) == folded(b[j - 1]);
            size_t best = smaller(last[j], now[j - 1]) + 1;
            best = smaller(best, last[j - 1] + (same ? 0 : 1));
            if (i > 1 && j > 1 && folded(a[i - 1]) == folded(b[j - 2]) &&
                folded(a[i - 2]) == folded(b[j - 1]))
                best = smaller(best, before[j - 2] + 1);
            now[j] = best;
            least = smaller(least, best);
        }
        if (least > limit)
            return limit + 1;
        now[to + 1] = limit + 1; /* the next row's band reaches one further */
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return smaller(last[b_length], limit + 1);
}

/* "eps" begins "epsilon"; "lr" is the first letters of the words of "learning_rate". */
static bool abbreviates(const char *name, size_t length, const char *candidate)
{
    if (length < 2)
        return false;
    if (strncmp(name, candidate, length) == 0)
        return true;
    size_t matched = 0;
    bool word_start = true;
    for (const char *c = candidate; *c; c++) {
        if (word_start && (matched == length || name[matched++] != *c))
            return false;
        word_start = *c == '_';
    }
    return matched == length;
}

void nearest_offer(struct nearest *nearest, const char *candidate)
{
    size_t length = strlen(candidate);
    if (length == 0 || length > NEAREST_MAX_BYTES || nearest->length > NEAREST_MAX_BYTES)
        return;
    size_t limit = nearest->length < 3 ? 1 : smaller(nearest->length / 3, MISTAKES_MAX);
    if (nearest->best && nearest->distance <= limit)
        limit = nearest->distance - (nearest->distance > 0);
    size_t difference =
        length > nearest->length ? length - nearest->length : nearest->length - length;
    size_t distance = limit + 1;
    if (difference <= limit)
        distance =
            edit_distance(nearest->name, nearest->length, candidate, length, limit);
    if (distance <= limit && distance < nearest->length &&
        (!nearest->best || distance < nearest->distance)) {
        nearest->best = candidate;
        nearest->distance = distance;
    } else if (!nearest->best && abbreviates(nearest->name, nearest->length, candidate)) {
        nearest->best = candidate;
        nearest->distance = NEAREST_MAX_BYTES; /* any edit distance is nearer */
    }
}

const char *nearest_hint(const struct nearest *nearest, char ret_hint[HINT_SIZE])
{
    ret_hint[0] = '\0';
    if (nearest->best) {
        char quoted[FOUND_SIZE];
        snprintf(ret_hint, HINT_SIZE, "; did you mean %s?",
                 found_string(nearest->best, quoted));
    }
    return ret_hint;
}

static bool contains(const char *const *names, const char *name)
{
    for (; names && *names; names++) {
        if (strcmp(*names, name) == 0)
            return true;
    }
    return false;
}

static void offer_all(struct nearest *nearest, const char *const *names)
{
    for (; names && *names; names++)
        nearest_offer(nearest, *names);
}

int report_unknown_keys(const json_t *object, const char *pointer,
                        const char *const *known, const char *const *others,
                        struct violations *violations)
{
    int rc = 0;
    /* Jansson's iteration takes a pointer to non-const, but changes nothing. */
    json_t *walked = (json_t *)(uintptr_t)object;
    const char *key;
    json_t *value;
    json_object_foreach(walked, key, value)
    {
        if (contains(known, key) || contains(others, key))
            continue;
        struct nearest nearest;
        nearest_init(&nearest, key);
        if (violations->count < VIOLATIONS_MAX) { /* a hint that nobody sees costs time */
            offer_all(&nearest, known);
            offer_all(&nearest, others);
        }
        char at[POINTER_SIZE], quoted[FOUND_SIZE], hint[HINT_SIZE];
        rc = violations_add(violations, pointer_key(at, pointer, key), "unknown key %s%s",
                            found_string(key, quoted), nearest_hint(&nearest, hint));
    }
    return rc;
}
