/* Finds the route of a request in a table. */
#ifndef BACKPROP_HTTP_ROUTER_H
#define BACKPROP_HTTP_ROUTER_H

#include "route.h"

#define ROUTE_PARAM_SIZE 128
#define ROUTER_ALLOW_SIZE 64

struct router_match {
    unsigned status;           /* 200, 404 or 405 */
    const struct route *route; /* 200 */
    int index;                 /* of the route in the table; -1 without one */
    char params[ROUTE_MAX_PARAMS][ROUTE_PARAM_SIZE];
    char allow[ROUTER_ALLOW_SIZE]; /* 405: "GET, HEAD, DELETE" */
};

/* `path` is as it came, without the query: patterns match bytes, nothing is decoded, and
 * a slash at the end counts. The first row that fits wins. HEAD finds the row of GET. */
void router_find(const struct route *table, const char *method, const char *path,
                 struct router_match *ret_match);

#endif
