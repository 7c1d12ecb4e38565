/*
 * What stands in a request's first line and headers, one a line: query, path, Range,
 * If-None-Match, Host, Origin, listen address; and a text for JSON.
 */
#include "base/buffer.h"
#include "fuzz.h"
#include "http/address.h"
#include "http/byte_range.h"
#include "http/entity_tag.h"
#include "http/json_text.h"
#include "http/percent.h"
#include "http/query.h"
#include "http/router.h"
#include "http/site_policy.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void check_query(char *text)
{
    struct query query;
    struct error err = {0};
    int rc = query_parse(text, &query, &err);
    FUZZ_EXPECT(fuzz_error_fits(rc, &err));
    if (rc != 0)
        return;
    FUZZ_EXPECT(query.count <= QUERY_MAX_ARGUMENTS);
    for (int i = 0; i < query.count; i++) {
        const struct query_argument *argument = &query.arguments[i];
        FUZZ_EXPECT(argument->name[0] != '\0');
        FUZZ_EXPECT(utf8_is_valid(argument->name, strlen(argument->name)));
        FUZZ_EXPECT(utf8_is_valid(argument->value, strlen(argument->value)));
        FUZZ_EXPECT(query_find(&query, argument->name) == argument->value);
        for (const char *c = argument->value; *c; c++)
            FUZZ_EXPECT(((unsigned char)*c >= 0x20 || *c == '\t') && *c != 0x7f);
    }
    const char *unknown = query_find_unknown(&query, "limit after metadata[]");
    FUZZ_EXPECT(!unknown || query_find(&query, unknown));
}

static void check_path(const char *path)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "DELETE", "PUT", ""};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        struct router_match match;
        router_find(route_table, methods[i], path, &match);
        FUZZ_EXPECT(match.status == 200 || match.status == 404 || match.status == 405);
        FUZZ_EXPECT((match.status == 200) == (match.route != NULL));
        FUZZ_EXPECT(match.status != 405 || match.allow[0] != '\0');
        if (match.route && strchr(match.route->pattern, '{'))
            FUZZ_EXPECT(!strchr(match.params[0], '/') && match.params[0][0] != '\0');
    }
}

static void check_range(const char *header)
{
    static const uint64_t totals[] = {0, 1, 10, UINT64_MAX};
    for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
        uint64_t first = 7, length = 7;
        enum byte_range_kind kind = byte_range_parse(header, totals[i], &first, &length);
        if (kind == RANGE_WHOLE)
            FUZZ_EXPECT(first == 0 && length == totals[i]);
        if (kind == RANGE_PART)
            FUZZ_EXPECT(length > 0 && first < totals[i] && length <= totals[i] - first);
    }
}

static void check_json(const char *text)
{
    if (!utf8_is_valid(text, strlen(text)))
        return;
    struct buffer buffer;
    buffer_init(&buffer, (size_t)8 << 20);
    json_text_value(&buffer, text);
    FUZZ_EXPECT(buffer_status(&buffer) == 0);
    json_t *json = json_loadb(buffer.data, buffer.length, JSON_DECODE_ANY, NULL);
    FUZZ_EXPECT(json && strcmp(json_string_value(json), text) == 0);
    json_decref(json);
    buffer_release(&buffer);
}

static void check_addresses(const char *host, const char *origin, const char *listen)
{
    static const char *const sites[] = {NULL, "same-origin", "cross-site", "none"};
    for (size_t i = 0; i < sizeof(sites) / sizeof(sites[0]); i++)
        (void)site_policy_allows_origin("https://a.example", host, origin, sites[i]);
    struct error err = {0};
    int rc = site_policy_check_lists(host, origin, &err);
    FUZZ_EXPECT(fuzz_error_fits(rc, &err));
    error_clear(&err);
    /* A name that is not this machine's must not be let in on a loopback address. */
    bool allowed = site_policy_allows_host("a.example,b.example", "127.0.0.1", host);
    if (strstr(host, "evil"))
        FUZZ_EXPECT(!allowed);
    if (allowed && strstr(origin, "evil"))
        FUZZ_EXPECT(!site_policy_allows_origin(NULL, host, origin, NULL));
    struct address address;
    rc = address_parse(listen, &address, &err);
    FUZZ_EXPECT(fuzz_error_fits(rc, &err));
    if (rc == 0) {
        char url[ADDRESS_HOST_SIZE + 32];
        FUZZ_EXPECT(address.port >= -1 && address.port <= 65535);
        (void)address_is_loopback(address.host);
        address_format_url(&address, "http", url, sizeof(url));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    char *lines[8];
    for (size_t i = 0; i < 8; i++)
        lines[i] = fuzz_take_line(&input);
    check_query(lines[0]);
    check_path(lines[1]);
    check_range(lines[2]);
    (void)entity_tag_is_known(lines[3], "\"abc\"");
    check_addresses(lines[4], lines[5], lines[6]);
    check_json(lines[7]);
    for (size_t i = 0; i < 8; i++)
        free(lines[i]);
    return 0;
}
