/* docs/openapi.json says what the table of routes says: paths, methods, query arguments,
 * scopes, and no reference leads nowhere. */
#include "http/query.h"
#include "http/route.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static json_t *document;

static int load(void **state)
{
    (void)state;
    document = json_load_file("docs/openapi.json", 0, NULL);
    return document ? 0 : -1;
}

static int release(void **state)
{
    (void)state;
    json_decref(document);
    return 0;
}

/* "/v1/jobs/{job_id}" and "/v1/jobs/{id}" are the same: names in braces are taken out. */
static void strip_names(const char *path, char *ret_path, size_t size)
{
    size_t length = 0;
    for (; *path != '\0' && length + 2 < size; path++) {
        ret_path[length++] = *path;
        if (*path == '{')
            path = strchr(path, '}') - 1;
    }
    ret_path[length] = '\0';
}

static bool is_same_path(const char *left, const char *right)
{
    char stripped[2][256];
    strip_names(left, stripped[0], sizeof(stripped[0]));
    strip_names(right, stripped[1], sizeof(stripped[1]));
    return strcmp(stripped[0], stripped[1]) == 0;
}

/* The operation of a route in the document, or NULL. */
static const json_t *find_operation(const struct route *route)
{
    const char *path;
    json_t *item;
    json_object_foreach(json_object_get(document, "paths"), path, item)
    {
        if (!is_same_path(path, route->pattern))
            continue;
        const char *method = strcmp(route->method, "GET") == 0    ? "get"
                             : strcmp(route->method, "POST") == 0 ? "post"
                                                                  : "delete";
        return json_object_get(item, method);
    }
    return NULL;
}

/* A parameter, or what its $ref points to. */
static const json_t *resolve(const json_t *parameter)
{
    const char *reference = json_string_value(json_object_get(parameter, "$ref"));
    if (!reference)
        return parameter;
    const json_t *components = json_object_get(document, "components");
    return json_object_get(json_object_get(components, "parameters"),
                           strrchr(reference, '/') + 1);
}

static void test_every_route_is_described(void **state)
{
    (void)state;
    for (const struct route *route = route_table; route->method; route++) {
        if (strstr(route->pattern, "{*"))
            continue; /* the dashboard's files are no part of the API */
        if (!find_operation(route))
            fail_msg("%s %s is not described", route->method, route->pattern);
    }
}

static void test_nothing_else_is_described(void **state)
{
    (void)state;
    size_t described = 0;
    size_t routes = 0;
    const char *path;
    json_t *item;
    json_object_foreach(json_object_get(document, "paths"), path, item)
    {
        const char *key;
        json_t *operation;
        json_object_foreach(item, key, operation)
        {
            described += strcmp(key, "parameters") != 0;
        }
    }
    for (const struct route *route = route_table; route->method; route++)
        routes += strstr(route->pattern, "{*") == NULL;
    assert_int_equal(described, routes);
}

static void test_query_arguments_are_those_of_the_table(void **state)
{
    (void)state;
    for (const struct route *route = route_table; route->method; route++) {
        const json_t *operation = find_operation(route);
        struct query query = {0};
        size_t words = route->query && route->query[0] != '\0';
        for (const char *c = route->query ? route->query : ""; *c != '\0'; c++)
            words += *c == ' ';
        size_t index;
        const json_t *item;
        json_array_foreach(json_object_get(operation, "parameters"), index, item)
        {
            const json_t *parameter = resolve(item);
            if (strcmp(json_string_value(json_object_get(parameter, "in")), "query") != 0)
                continue;
            bool is_object = json_object_get(parameter, "style") != NULL;
            const char *name = json_string_value(json_object_get(parameter, "name"));
            query.arguments[query.count++].name = is_object ? "metadata[x]" : name;
        }
        const char *unknown = query_find_unknown(&query, route->query);
        if (unknown)
            fail_msg("%s %s does not know %s", route->method, route->pattern, unknown);
        if ((size_t)query.count != words)
            fail_msg("%s %s: not all of \"%s\" is described", route->method,
                     route->pattern, route->query);
    }
}

static void test_open_routes_say_that_no_token_is_needed(void **state)
{
    (void)state;
    for (const struct route *route = route_table; route->method; route++) {
        const json_t *operation = find_operation(route);
        if (operation)
            assert_int_equal(route->scope == 0,
                             json_object_get(operation, "security") != NULL);
    }
}

static void test_bodies_are_described_where_they_are_taken(void **state)
{
    (void)state;
    for (const struct route *route = route_table; route->method; route++) {
        const json_t *operation = find_operation(route);
        if (operation)
            assert_int_equal(route->body != BODY_NONE,
                             json_object_get(operation, "requestBody") != NULL);
    }
}

/* Follows every "#/a/b/c" below `json`. */
static void check_references(json_t *json)
{
    const char *reference = json_string_value(json_object_get(json, "$ref"));
    if (reference) {
        const json_t *at = document;
        char path[256];
        snprintf(path, sizeof(path), "%s", reference + 2);
        for (char *word = strtok(path, "/"); word; word = strtok(NULL, "/"))
            at = json_object_get(at, word);
        if (!at)
            fail_msg("%s leads nowhere", reference);
    }
    const char *key;
    size_t index;
    json_t *item;
    json_object_foreach(json, key, item) check_references(item);
    json_array_foreach(json, index, item) check_references(item);
}

static void test_every_reference_leads_somewhere(void **state)
{
    (void)state;
    check_references(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_route_is_described),
        cmocka_unit_test(test_nothing_else_is_described),
        cmocka_unit_test(test_query_arguments_are_those_of_the_table),
        cmocka_unit_test(test_open_routes_say_that_no_token_is_needed),
        cmocka_unit_test(test_bodies_are_described_where_they_are_taken),
        cmocka_unit_test(test_every_reference_leads_somewhere),
    };
    return cmocka_run_group_tests(tests, load, release);
}
