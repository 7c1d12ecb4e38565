/* See router.h. A few dozen rows are compared one by one: that takes less than a
 * microsecond, most fail within the first characters. */
#include "router.h"

#include <stdio.h>
#include <string.h>

static bool pattern_matches(const char *pattern, const char *path,
                            char params[ROUTE_MAX_PARAMS][ROUTE_PARAM_SIZE])
{
    int count = 0;
    while (*pattern != '\0') {
        if (*pattern != '{') {
            if (*pattern++ != *path++)
                return false;
            continue;
        }
        size_t length = strcspn(path, "/");
        if (length == 0 || length >= ROUTE_PARAM_SIZE || count == ROUTE_MAX_PARAMS)
            return false;
        memcpy(params[count], path, length);
        params[count++][length] = '\0';
        path += length;
        pattern = strchr(pattern, '}') + 1;
    }
    return *path == '\0';
}

static void add_method(char allow[ROUTER_ALLOW_SIZE], const char *method)
{
    size_t used = strlen(allow);
    snprintf(allow + used, ROUTER_ALLOW_SIZE - used, "%s%s%s", used > 0 ? ", " : "",
             method, strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

void router_find(const struct route *table, const char *method, const char *path,
                 struct router_match *ret_match)
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    ret_match->status = 404;
    ret_match->route = NULL;
    ret_match->index = -1;
    ret_match->allow[0] = '\0';
    for (int i = 0; table[i].method; i++) {
        if (!pattern_matches(table[i].pattern, path, ret_match->params))
            continue;
        if (strcmp(table[i].method, wanted) == 0) {
            ret_match->status = 200;
            ret_match->route = &table[i];
            ret_match->index = i;
            return;
        }
        if (strstr(table[i].pattern, "{*"))
            continue;
        ret_match->status = 405;
        add_method(ret_match->allow, table[i].method);
    }
}
