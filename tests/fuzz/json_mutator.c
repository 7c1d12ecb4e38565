/*
 * A mutator for inputs that are JSON behind a byte or two of choices. Half of the time it
 * takes the value apart and changes it somewhere inside (replaces, removes, repeats or
 * adds), so that what comes out is JSON again and reaches what lies behind the parser;
 * otherwise it leaves the bytes to libFuzzer.
 */
#include "json_mutator.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned int seed);

/* Values that break careless code. */
static const char *const odd_values[] = {
    "null",
    "true",
    "false",
    "0",
    "-1",
    "1",
    "2",
    "3",
    "7",
    "0.5",
    "-0.0",
    "1e308",
    "-1e308",
    "5e-324",
    "1e-7",
    "255",
    "65536",
    "2147483648",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "\"\"",
    "\"auto\"",
    "\"same\"",
    "\"valid\"",
    "\"a\"",
    "\"input\"",
    "\"NaN\"",
    "\"\\u0000\"",
    "\"\\ud83d\\ude00\"",
    "\"/\"",
    "[]",
    "{}",
    "[1,2]",
    "[0]",
    "[[],[]]",
    "[null]",
    "[3,3,3]",
    "{\"type\":\"dense\"}",
};

static uint32_t draw(uint32_t *state, size_t bound)
{
    *state = *state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(*state >> 8) * bound >> 24);
}

static json_t *odd_value(uint32_t *state)
{
    size_t count = sizeof(odd_values) / sizeof(odd_values[0]);
    return json_loads(odd_values[draw(state, count)], JSON_DECODE_ANY, NULL);
}

/* A value somewhere below `json`, to be put elsewhere. New reference. */
static json_t *some_value(json_t *json, uint32_t *state)
{
    for (;;) {
        size_t size =
            json_is_array(json) ? json_array_size(json) : json_object_size(json);
        if (size == 0 || draw(state, 3) == 0)
            return json_deep_copy(json);
        size_t at = draw(state, size);
        if (json_is_array(json)) {
            json = json_array_get(json, at);
            continue;
        }
        void *iterator = json_object_iter(json);
        while (at-- > 0)
            iterator = json_object_iter_next(json, iterator);
        json = json_object_iter_value(iterator);
    }
}

static json_t *new_value(json_t *root, uint32_t *state)
{
    return draw(state, 2) == 0 ? odd_value(state) : some_value(root, state);
}

/* Changes or returns what is to be changed deeper. */
static json_t *change_array(json_t *array, json_t *root, uint32_t *state)
{
    size_t size = json_array_size(array);
    size_t at = size > 0 ? draw(state, size) : 0;
    json_t *child = size > 0 ? json_array_get(array, at) : NULL;
    if ((json_is_array(child) || json_is_object(child)) && draw(state, 4) > 0)
        return child;
    uint32_t kind = draw(state, 4);
    if (size == 0 || kind == 0)
        json_array_append_new(array, new_value(root, state));
    else if (kind == 1)
        json_array_remove(array, at);
    else if (kind == 2)
        json_array_insert_new(array, at, json_deep_copy(child));
    else
        json_array_set_new(array, at, new_value(root, state));
    return NULL;
}

static json_t *change_object(json_t *object, json_t *root, uint32_t *state)
{
    size_t size = json_object_size(object);
    if (size == 0) {
        json_object_set_new(object, "type", new_value(root, state));
        return NULL;
    }
    void *iterator = json_object_iter(object);
    for (size_t at = draw(state, size); at > 0; at--)
        iterator = json_object_iter_next(object, iterator);
    json_t *child = json_object_iter_value(iterator);
    if ((json_is_array(child) || json_is_object(child)) && draw(state, 4) > 0)
        return child;
    char key[64];
    strncpy(key, json_object_iter_key(iterator), sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    if (draw(state, 4) == 0)
        json_object_del(object, key);
    else
        json_object_set_new(object, key, new_value(root, state));
    return NULL;
}

static void change(json_t *root, uint32_t *state)
{
    json_t *at = root;
    while (at)
        at = json_is_array(at)    ? change_array(at, root, state)
             : json_is_object(at) ? change_object(at, root, state)
                                  : NULL;
}

/* A number of at most a few digits more or less: what bounds are sensitive to. */
static void nudge_number(json_t *json, uint32_t *state)
{
    if (json_is_integer(json))
        json_integer_set(
            json, (json_int_t)((uint64_t)json_integer_value(json) + draw(state, 5) - 2u));
}

static void nudge(json_t *json, uint32_t *state)
{
    size_t i;
    const char *key;
    json_t *value;
    if (json_is_integer(json) && draw(state, 4) == 0)
        nudge_number(json, state);
    json_array_foreach(json, i, value) nudge(value, state);
    json_object_foreach(json, key, value) nudge(value, state);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned int seed)
{
    uint32_t state = seed;
    json_t *json = NULL;
    if (draw(&state, 2) == 0 && size > fuzz_json_prefix)
        json = json_loadb((const char *)data + fuzz_json_prefix, size - fuzz_json_prefix,
                          0, NULL);
    if (!json)
        return LLVMFuzzerMutate(data, size, max_size);
    for (uint32_t count = 1 + draw(&state, 3); count > 0; count--) {
        if (draw(&state, 5) == 0)
            nudge(json, &state);
        else
            change(json, &state);
    }
    size_t length = json_dumpb(json, (char *)data + fuzz_json_prefix,
                               max_size - fuzz_json_prefix, JSON_COMPACT);
    bool fits = length > 0 && length <= max_size - fuzz_json_prefix;
    json_decref(json);
    return fits ? fuzz_json_prefix + length : LLVMFuzzerMutate(data, size, max_size);
}
