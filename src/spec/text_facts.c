/* See text_facts.h. */
#include "text_facts.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>

int alphabet_read(const json_t *json, uint32_t **ret_alphabet, size_t *ret_count)
{
    const char *at = json_string_value(json);
    size_t length = json_string_length(json);
    if (length == 0 || length > (size_t)FACTS_MAX_ALPHABET * UTF8_MAX_BYTES)
        return ERR_INVALID;
    uint32_t *alphabet = mem_alloc_array(length, sizeof(*alphabet));
    if (!alphabet)
        return ERR_NOMEM;
    size_t count = 0;
    bool ascends = true;
    for (const char *end = at + length; at < end; count++) {
        alphabet[count] = utf8_next(&at); /* Jansson has checked that it is UTF-8 */
        ascends = ascends && (count == 0 || alphabet[count] > alphabet[count - 1]);
    }
    if (!ascends || count > FACTS_MAX_ALPHABET) {
        free(alphabet);
        return ERR_INVALID;
    }
    *ret_alphabet = alphabet;
    *ret_count = count;
    return 0;
}

json_t *alphabet_json(const uint32_t *alphabet, size_t count)
{
    char *text = mem_alloc_array(count + 1, UTF8_MAX_BYTES);
    if (!text)
        return NULL;
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += utf8_put(alphabet[i], text + length);
    json_t *json = json_stringn(text, length);
    free(text);
    return json;
}

static int read_count(const json_t *object, const char *key, uint64_t maximum,
                      uint64_t *ret_count, struct error *err)
{
    const json_t *value = json_object_get(object, key);
    json_int_t count = json_integer_value(value);
    if (!json_is_integer(value) || count < 0 || (uint64_t)count > maximum)
        return error_set(err, ERR_INVALID, "facts: \"%s\" is not a count up to %llu", key,
                         (unsigned long long)maximum);
    *ret_count = (uint64_t)count;
    return 0;
}

int text_facts_read(const json_t *json, uint64_t bytes, struct text_facts *ret_text,
                    struct error *err)
{
    *ret_text = (struct text_facts){0};
    if (!json)
        return 0;
    int rc = read_count(json, "characters", bytes, &ret_text->characters, err);
    if (rc == 0)
        rc = read_count(json, "lines", bytes, &ret_text->lines, err);
    if (rc == 0)
        rc = read_count(json, "distinct_characters", UTF8_CODE_POINTS,
                        &ret_text->distinct_characters, err);
    const json_t *alphabet = json_object_get(json, "alphabet");
    if (rc != 0 || !alphabet)
        return rc;
    rc = alphabet_read(alphabet, &ret_text->alphabet, &ret_text->alphabet_count);
    if (rc == ERR_NOMEM)
        return error_set(err, rc, "no memory for the facts of a dataset");
    if (rc != 0 || ret_text->alphabet_count != ret_text->distinct_characters)
        return error_set(err, ERR_INVALID,
                         "facts: \"alphabet\" is not the different characters in order");
    return 0;
}

json_t *text_facts_json(const struct text_facts *text)
{
    json_t *json =
        json_pack("{s:I, s:I, s:I}", "characters", (json_int_t)text->characters, "lines",
                  (json_int_t)text->lines, "distinct_characters",
                  (json_int_t)text->distinct_characters);
    if (json && text->alphabet_count > 0 &&
        json_object_set_new(json, "alphabet",
                            alphabet_json(text->alphabet, text->alphabet_count)) != 0) {
        json_decref(json);
        return NULL;
    }
    return json;
}
