/* See json_parse.h. */
#include "json_parse.h"

#include "base/error.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Of the thread's parse under way. */
static _Thread_local bool is_parsing, has_failed;

static void *allocate(size_t size)
{
    if (has_failed)
        return NULL;
    void *block = malloc(size);
    has_failed = !block && is_parsing;
    return block;
}

/* Before any thread can use Jansson. */
__attribute__((constructor)) static void install(void)
{
    json_set_alloc_funcs(allocate, free);
}

int json_parse(const char *text, size_t length, size_t flags, json_t **ret_json,
               json_error_t *ret_error)
{
    is_parsing = true;
    json_t *json = json_loadb(text, length, flags, ret_error);
    is_parsing = false;
    if (has_failed) {
        has_failed = false;
        json_decref(json);
        return ERR_NOMEM;
    }
    if (!json)
        return ERR_INVALID;
    *ret_json = json;
    return 0;
}

json_t *json_parse_text(const char *text)
{
    json_t *json = NULL;
    return text && json_parse(text, strlen(text), JSON_DECODE_ANY, &json, NULL) == 0
               ? json
               : NULL;
}
