/* The query of a URI: name=value&name=value, decoded. */
#ifndef BACKPROP_HTTP_QUERY_H
#define BACKPROP_HTTP_QUERY_H

#include "base/error.h"

#include <stdbool.h>

#define QUERY_MAX_ARGUMENTS 32

struct query_argument {
    const char *name; /* borrowed from the text that was parsed */
    const char *value;
};

struct query {
    int count;
    struct query_argument arguments[QUERY_MAX_ARGUMENTS];
};

/* Parses `text` (without the '?'; NULL: empty) in place; it must live as long as the
 * query. ERR_INVALID when an argument is not UTF-8, holds control characters, has no name
 * or comes twice; ERR_TOO_LARGE when there are too many. */
int query_parse(char *text, struct query *ret_query, struct error *err)
    __attribute__((warn_unused_result));

/* The value, or NULL. */
const char *query_find(const struct query *query, const char *name);

/* The first argument that `known` does not name (see route.h), or NULL. */
const char *query_find_unknown(const struct query *query, const char *known);

#endif
