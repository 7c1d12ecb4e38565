/*
 * See attrs.h. One reader for every table: a value is read by its key's type, a violation
 * is worded from the same row, and the canonical JSON is written back from what was read,
 * so that the three can never disagree.
 */
#include "attrs.h"

#include "base/error.h"
#include "canonical.h"
#include "json_parse.h"
#include "report.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define EXPECTED_SIZE 480

static bool in_bounds(const struct key *key, double number)
{
    if (!isfinite(number))
        return false;
    bool low = key->above_minimum ? number <= key->minimum : number < key->minimum;
    bool high = key->below_maximum ? number >= key->maximum : number > key->maximum;
    return !low && !high;
}

static bool read_number(const struct key *key, const json_t *value, struct attr *attr)
{
    if (!json_is_number(value) || !in_bounds(key, json_number_value(value)))
        return false;
    attr->number = json_number_value(value);
    return true;
}

static bool read_integer(const struct key *key, const json_t *value, struct attr *attr)
{
    if (!json_is_integer(value) || !in_bounds(key, (double)json_integer_value(value)))
        return false;
    attr->integer = json_integer_value(value);
    attr->number = (double)attr->integer;
    return true;
}

static bool read_boolean(const struct key *key, const json_t *value, struct attr *attr)
{
    (void)key;
    if (!json_is_boolean(value))
        return false;
    attr->integer = json_is_true(value) ? 1 : 0;
    attr->number = (double)attr->integer;
    return true;
}

static bool read_choice(const struct key *key, const json_t *value, struct attr *attr)
{
    if (!json_is_string(value))
        return false;
    for (int i = 0; key->choices[i]; i++) {
        if (strcmp(key->choices[i], json_string_value(value)) != 0)
            continue;
        attr->integer = i;
        snprintf(attr->string, sizeof(attr->string), "%s", key->choices[i]);
        return true;
    }
    return false;
}

static bool read_string(const struct key *key, const json_t *value, struct attr *attr)
{
    (void)key;
    if (!json_is_string(value) || json_string_length(value) >= sizeof(attr->string))
        return false;
    snprintf(attr->string, sizeof(attr->string), "%s", json_string_value(value));
    return true;
}

/* One integer stands for a list of them where the list's length is known. */
static bool read_integers(const struct key *key, const json_t *value, struct attr *attr)
{
    struct attr item = {0};
    if (read_integer(key, value, &item)) {
        attr->list_count = key->list_length > 0 ? key->list_length : 1;
        for (int i = 0; i < attr->list_count; i++)
            attr->list[i] = item.integer;
        return true;
    }
    size_t count = json_array_size(value);
    if (count < 1 || count > ATTR_LIST_MAX ||
        (key->list_length > 0 && count != (size_t)key->list_length))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!read_integer(key, json_array_get(value, i), &item))
            return false;
        attr->list[i] = item.integer;
    }
    attr->list_count = (int)count;
    return true;
}

static bool read_other(const struct key *key, const json_t *value, struct attr *attr)
{
    (void)key;
    attr->other = value;
    return true;
}

typedef bool read_function(const struct key *key, const json_t *value, struct attr *attr);

static read_function *const readers[] = {
    [KEY_NUMBER] = read_number,   [KEY_INTEGER] = read_integer,
    [KEY_BOOLEAN] = read_boolean, [KEY_CHOICE] = read_choice,
    [KEY_STRING] = read_string,   [KEY_INTEGERS] = read_integers,
    [KEY_OTHER] = read_other};

/* One of the words that a list of integers may have in its place. */
static bool read_word(const struct key *key, const json_t *value, struct attr *attr)
{
    attr->is_word =
        key->type == KEY_INTEGERS && key->choices && read_choice(key, value, attr);
    return attr->is_word;
}

static bool is_optional(const struct key *key)
{
    return key->fallback && strcmp(key->fallback, "null") == 0;
}

static bool read_value(const struct key *key, const json_t *value, struct attr *attr)
{
    if (json_is_null(value) && is_optional(key)) {
        attr->is_null = true;
        return true;
    }
    if (key->word && json_is_string(value) &&
        strcmp(key->word, json_string_value(value)) == 0) {
        attr->is_word = true;
        snprintf(attr->string, sizeof(attr->string), "%s", key->word);
        return true;
    }
    return read_word(key, value, attr) || readers[key->type](key, value, attr);
}

static void append(char text[EXPECTED_SIZE], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append(char text[EXPECTED_SIZE], const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, EXPECTED_SIZE - used, format, args);
    va_end(args);
}

static void append_bounds(char text[EXPECTED_SIZE], const struct key *key)
{
    bool top = key->maximum < HUGE_VAL;
    if (key->above_minimum)
        append(text, " above %.16g", key->minimum);
    else
        append(text, top ? " from %.16g" : " of at least %.16g", key->minimum);
    if (!top)
        return;
    if (key->below_maximum)
        append(text, " to below %.16g", key->maximum);
    else
        append(text, key->above_minimum ? " and at most %.16g" : " to %.16g",
               key->maximum);
}

static void expected_text(const struct key *key, char text[EXPECTED_SIZE])
{
    text[0] = '\0';
    switch (key->type) {
    case KEY_NUMBER:
        append(text, "a number");
        append_bounds(text, key);
        break;
    case KEY_INTEGER:
        append(text, "an integer");
        append_bounds(text, key);
        break;
    case KEY_BOOLEAN:
        append(text, "true or false");
        break;
    case KEY_CHOICE:
        append(text, "one of ");
        for (int i = 0; key->choices[i]; i++)
            append(text, "%s\"%s\"", i > 0 ? ", " : "", key->choices[i]);
        if (key->numbers)
            append(text, ", or an object such as {\"type\": \"%s\", \"%s\": %s}",
                   key->numbers->choice, key->numbers->number.name,
                   key->numbers->number.fallback);
        break;
    case KEY_STRING:
        append(text, "a string of at most %d bytes", ATTR_STRING_SIZE - 1);
        break;
    case KEY_INTEGERS:
        append(text, "an integer, or a list of ");
        if (key->list_length > 0)
            append(text, "%d", key->list_length);
        else
            append(text, "1 to %d", ATTR_LIST_MAX);
        append(text, key->list_length == 1 ? " integer," : " integers,");
        append_bounds(text, key);
        for (int i = 0; key->choices && key->choices[i]; i++)
            append(text, " or \"%s\"", key->choices[i]);
        break;
    case KEY_OTHER:
        append(text, "a value");
        break;
    }
    if (key->word)
        append(text, " or \"%s\"", key->word);
    if (is_optional(key))
        append(text, " or null");
}

static int add_mismatch(const struct key *key, const json_t *value, const char *pointer,
                        struct violations *violations)
{
    char expected[EXPECTED_SIZE], found[FOUND_SIZE], hint[HINT_SIZE] = "";
    expected_text(key, expected);
    if (key->type == KEY_CHOICE && json_is_string(value)) {
        struct nearest nearest;
        nearest_init(&nearest, json_string_value(value));
        for (int i = 0; key->choices[i]; i++)
            nearest_offer(&nearest, key->choices[i]);
        nearest_hint(&nearest, hint);
    }
    char at[POINTER_SIZE];
    return violations_add(violations, pointer_key(at, pointer, key->name),
                          "expected %s, found %s%s", expected, found_text(value, found),
                          hint);
}

static json_t *list_json(const struct attr *attr)
{
    json_t *list = json_array();
    for (int i = 0; i < attr->list_count; i++) {
        if (json_array_append_new(list, json_integer(attr->list[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *attr_json(const struct attr *attr)
{
    if (attr->is_null)
        return json_null();
    if (attr->is_word)
        return json_string(attr->string);
    switch (attr->key->type) {
    case KEY_NUMBER:
        return canonical_number(attr->number);
    case KEY_INTEGER:
        return json_integer(attr->integer);
    case KEY_BOOLEAN:
        return json_boolean(attr->integer);
    case KEY_CHOICE:
        if (attr->numbered)
            return json_pack("{s:s, s:o}", "type", attr->string, attr->numbered->name,
                             canonical_number(attr->number));
        return json_string(attr->string);
    case KEY_STRING:
        return json_string(attr->string);
    case KEY_INTEGERS:
        return list_json(attr);
    case KEY_OTHER:
        return json_deep_copy(attr->other);
    }
    return NULL;
}

/* {"type": choice, …} with the number that this choice may have. */
static int read_choice_object(const json_t *object, const char *pointer,
                              const struct key *key, struct attr *attr,
                              struct violations *violations)
{
    const char *type = json_string_value(json_object_get(object, "type"));
    const struct choice_number *row = key->numbers;
    while (row->choice && (!type || strcmp(row->choice, type) != 0))
        row++;
    struct key keys[3] = {{"type", KEY_CHOICE, .choices = key->choices}};
    if (row->choice)
        keys[1] = row->number;
    char at[POINTER_SIZE];
    struct attrs inner;
    int rc = attrs_read(object, pointer_key(at, pointer, key->name), keys, NULL, &inner,
                        NULL, violations);
    attr->integer = inner.items[0].integer;
    snprintf(attr->string, sizeof(attr->string), "%s", inner.items[0].string);
    if (row->choice) {
        attr->numbered = &row->number;
        attr->number = inner.items[1].number;
    }
    return rc;
}

/* Reads one key; the default is JSON text that goes through the same reader. */
static int read_key(const json_t *object, const char *pointer, const struct key *key,
                    struct attr *attr, struct violations *violations)
{
    *attr = (struct attr){.key = key};
    const json_t *value = json_object_get(object, key->name);
    if (json_is_object(value) && key->numbers)
        return read_choice_object(value, pointer, key, attr, violations);
    if (value || !key->fallback) {
        if (value && read_value(key, value, attr))
            return 0;
        return add_mismatch(key, value, pointer, violations);
    }
    json_t *fallback = json_parse_text(key->fallback);
    if (!fallback) {
        violations->status = ERR_NOMEM;
        return ERR_NOMEM;
    }
    bool read = read_value(key, fallback, attr);
    json_decref(fallback);
    assert(read && "the default of a key breaks the key's own rules");
    (void)read;
    return 0;
}

int attrs_read(const json_t *object, const char *pointer, const struct key *keys,
               const char *const *others, struct attrs *ret_attrs, json_t *canonical,
               struct violations *violations)
{
    *ret_attrs = (struct attrs){0};
    int rc = 0;
    const char *known[ATTRS_MAX + 1] = {NULL};
    for (const struct key *key = keys; key && key->name; key++) {
        assert(ret_attrs->count < ATTRS_MAX);
        struct attr *attr = &ret_attrs->items[ret_attrs->count];
        known[ret_attrs->count++] = key->name;
        if (read_key(object, pointer, key, attr, violations) != 0)
            rc = ERR_INVALID;
        else if (canonical)
            canonical_set(canonical, key->name, attr_json(attr), violations);
    }
    if (report_unknown_keys(object, pointer, known, others, violations) != 0)
        rc = ERR_INVALID;
    return rc;
}

const struct attr *attrs_find(const struct attrs *attrs, const char *name)
{
    for (int i = 0; i < attrs->count; i++) {
        if (strcmp(attrs->items[i].key->name, name) == 0)
            return &attrs->items[i];
    }
    assert(false && "the table of these attributes has such a key");
    return NULL;
}

double attrs_number(const struct attrs *attrs, const char *name)
{
    const struct attr *attr = attrs_find(attrs, name);
    return attr ? attr->number : 0.0;
}

int64_t attrs_integer(const struct attrs *attrs, const char *name)
{
    const struct attr *attr = attrs_find(attrs, name);
    return attr ? attr->integer : 0;
}

bool attrs_boolean(const struct attrs *attrs, const char *name)
{
    return attrs_integer(attrs, name) != 0;
}

const char *attrs_string(const struct attrs *attrs, const char *name)
{
    const struct attr *attr = attrs_find(attrs, name);
    return attr ? attr->string : "";
}

json_t *attrs_json(const struct attrs *attrs, const char *name)
{
    const struct attr *attr = attrs_find(attrs, name);
    return attr ? attr_json(attr) : NULL;
}

bool attrs_has(const struct attrs *attrs, const char *name)
{
    for (int i = 0; i < attrs->count; i++) {
        if (strcmp(attrs->items[i].key->name, name) == 0)
            return true;
    }
    return false;
}

void attrs_resolve(struct attrs *attrs, const char *name, json_t *value,
                   json_t *canonical, struct violations *violations)
{
    int at = 0;
    while (at < attrs->count && strcmp(attrs->items[at].key->name, name) != 0)
        at++;
    assert(at < attrs->count);
    if (value && at < attrs->count) {
        struct attr *attr = &attrs->items[at];
        *attr = (struct attr){.key = attr->key};
        bool read = read_value(attr->key, value, attr);
        assert(read && "a resolved value breaks its key's own rules");
        (void)read;
    }
    if (value && !canonical)
        json_decref(value);
    else
        canonical_set(canonical, name, value, violations);
}
