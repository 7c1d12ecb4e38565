/* See query.h. */
#include "query.h"

#include "percent.h"

#include <stddef.h>
#include <string.h>

static int add(struct query *query, char *name, char *value, struct error *err)
{
    if (percent_decode(name) != 0 || percent_decode(value) != 0)
        return error_set(err, ERR_INVALID,
                         "query arguments must be percent-encoded UTF-8 without control "
                         "characters");
    if (name[0] == '\0')
        return error_set(err, ERR_INVALID, "a query argument has no name");
    if (query_find(query, name))
        return error_set(err, ERR_INVALID, "the query argument \"%.60s\" comes twice",
                         name);
    if (query->count == QUERY_MAX_ARGUMENTS)
        return error_set(err, ERR_TOO_LARGE, "expected at most %d query arguments",
                         QUERY_MAX_ARGUMENTS);
    query->arguments[query->count++] = (struct query_argument){name, value};
    return 0;
}

int query_parse(char *text, struct query *ret_query, struct error *err)
{
    ret_query->count = 0;
    char *rest = text;
    while (rest && *rest != '\0') {
        char *name = rest;
        char *end = strchr(name, '&');
        rest = end ? end + 1 : NULL;
        if (end)
            *end = '\0';
        if (name[0] == '\0')
            continue; /* "a=1&&b=2" and a trailing & do no harm */
        char *value = strchr(name, '=');
        if (value)
            *value++ = '\0';
        else
            value = name + strlen(name);
        int rc = add(ret_query, name, value, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

const char *query_find(const struct query *query, const char *name)
{
    for (int i = 0; i < query->count; i++)
        if (strcmp(query->arguments[i].name, name) == 0)
            return query->arguments[i].value;
    return NULL;
}

/* `known` is one word of the table, `length` long. */
static bool is_same(const char *name, const char *known, size_t length)
{
    if (length > 2 && known[length - 2] == '[' && known[length - 1] == ']') {
        size_t total = strlen(name);
        return total > length && strncmp(name, known, length - 1) == 0 &&
               name[total - 1] == ']';
    }
    return strlen(name) == length && memcmp(name, known, length) == 0;
}

static bool is_known(const char *name, const char *known)
{
    while (known && *known != '\0') {
        size_t length = strcspn(known, " ");
        if (is_same(name, known, length))
            return true;
        known += length;
        known += strspn(known, " ");
    }
    return false;
}

const char *query_find_unknown(const struct query *query, const char *known)
{
    for (int i = 0; i < query->count; i++)
        if (!is_known(query->arguments[i].name, known))
            return query->arguments[i].name;
    return NULL;
}
