/* See site_policy.h. */
#include "site_policy.h"

#include "listener.h"
#include "reply.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define ALLOWED_METHODS "GET, HEAD, POST, DELETE"
#define ALLOWED_HEADERS                                                                  \
    "Authorization, Content-Type, Content-Encoding, Idempotency-Key, Last-Event-ID"
#define EXPOSED_HEADERS "ETag, Location, Retry-After, X-Request-Id, X-Weights-SHA256"
#define PREFLIGHT_SECONDS "600"

/* ---- lists of the configuration ---- */

/* The next entry of a list, without the blanks around it; its length, 0 at the end. */
static size_t next_entry(const char **list, const char **ret_entry)
{
    const char *entry = *list + strspn(*list, ", \t");
    size_t length = strcspn(entry, ", \t");
    *list = entry + length;
    *ret_entry = entry;
    return length;
}

static bool list_has(const char *list, const char *text)
{
    size_t wanted = strlen(text), length;
    const char *entry;
    while (list && (length = next_entry(&list, &entry)) > 0)
        if (length == wanted && strncasecmp(entry, text, length) == 0)
            return true;
    return false;
}

/* "https://host" or "https://host:port": what a browser sends as Origin. Returns the
 * authority, or NULL. */
static const char *origin_authority(const char *origin)
{
    struct address address;
    const char *authority = NULL;
    if (strncasecmp(origin, "http://", 7) == 0)
        authority = origin + 7;
    else if (strncasecmp(origin, "https://", 8) == 0)
        authority = origin + 8;
    bool is_whole = authority && !strpbrk(authority, "/?#@\\") &&
                    address_parse(authority, &address, NULL) == 0;
    return is_whole ? authority : NULL;
}

int site_policy_check_lists(const char *hosts, const char *origins, struct error *err)
{
    const char *entry;
    size_t length;
    char text[ADDRESS_HOST_SIZE + 16];
    while (hosts && (length = next_entry(&hosts, &entry)) > 0) {
        /* A number of IPv6 stands here without brackets. */
        if (length >= ADDRESS_HOST_SIZE || memchr(entry, '/', length) ||
            memchr(entry, '*', length) || memchr(entry, '[', length))
            return error_set(err, ERR_INVALID,
                             "--allow-host: expected names such as train.example, found "
                             "\"%.*s\"",
                             (int)(length < 100 ? length : 100), entry);
    }
    while (origins && (length = next_entry(&origins, &entry)) > 0) {
        snprintf(text, sizeof(text), "%.*s", (int)length, entry);
        if (length >= sizeof(text) || !origin_authority(text))
            return error_set(err, ERR_INVALID,
                             "--allow-origin: expected origins such as "
                             "https://train.example, found \"%.100s\"",
                             text);
    }
    return 0;
}

/* ---- the decisions ---- */

bool site_policy_allows_host(const char *hosts, const char *listen_host,
                             const char *host_header)
{
    struct address named;
    if (address_parse(host_header, &named, NULL) != 0)
        return false;
    return address_is_loopback(named.host) || strcasecmp(named.host, listen_host) == 0 ||
           list_has(hosts, named.host);
}

bool site_policy_allows_origin(const char *origins, const char *host_header,
                               const char *origin, const char *fetch_site)
{
    if (origin && list_has(origins, origin))
        return true;
    if (fetch_site && strcasecmp(fetch_site, "cross-site") == 0)
        return false;
    if (origin) {
        const char *authority = origin_authority(origin);
        return authority && strcasecmp(authority, host_header) == 0;
    }
    return !fetch_site || strcasecmp(fetch_site, "same-origin") == 0 ||
           strcasecmp(fetch_site, "none") == 0;
}

/* ---- a request ---- */

/* A daemon that listens on all addresses of a machine may be called by the number of the
 * one that the connection came to. A number cannot be rebound. */
static bool names_local_address(struct request *request, const char *host_header)
{
    struct address named;
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } local = {0};
    socklen_t size = sizeof(local);
    struct in_addr four;
    struct in6_addr six;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (!info || address_parse(host_header, &named, NULL) != 0 ||
        getsockname(info->connect_fd, &local.any, &size) != 0)
        return false;
    if (inet_pton(AF_INET, named.host, &four) == 1) {
        if (local.any.sa_family == AF_INET)
            return local.four.sin_addr.s_addr == four.s_addr;
        return local.any.sa_family == AF_INET6 &&
               IN6_IS_ADDR_V4MAPPED(&local.six.sin6_addr) &&
               memcmp(&local.six.sin6_addr.s6_addr[12], &four, sizeof(four)) == 0;
    }
    return inet_pton(AF_INET6, named.host, &six) == 1 &&
           local.any.sa_family == AF_INET6 &&
           memcmp(&local.six.sin6_addr, &six, sizeof(six)) == 0;
}

static bool is_host_allowed(struct request *request, const char *host)
{
    const struct http_listener *listener = request->listener;
    return site_policy_allows_host(request->server->config.allow_hosts,
                                   listener->address.host, host) ||
           (!listener->is_loopback && names_local_address(request, host));
}

struct header_counts {
    int hosts, origins;
};

static enum MHD_Result count_header(void *context, enum MHD_ValueKind kind,
                                    const char *name, const char *value)
{
    struct header_counts *counts = context;
    (void)kind;
    (void)value;
    counts->hosts += strcasecmp(name, "Host") == 0;
    counts->origins += strcasecmp(name, "Origin") == 0;
    return MHD_YES;
}

static bool check_host(struct request *request)
{
    const char *host = request_header(request, "Host");
    struct header_counts counts = {0};
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, count_header,
                              &counts);
    if (counts.hosts != 1 || counts.origins > 1) {
        reply_problem(request, 400, "invalid_header",
                      "expected one Host header and at most one Origin, found %d and %d",
                      counts.hosts, counts.origins);
        return false;
    }
    const char *authority = request->authority; /* what the request line names, too */
    if (authority && is_host_allowed(request, host))
        host = authority;
    if (is_host_allowed(request, host))
        return true;
    reply_problem(request, 421, "host_not_allowed",
                  "this server is not known as \"%.100s\"; the operator adds names with "
                  "--allow-host",
                  host);
    return false;
}

static bool is_state_changing(const char *method)
{
    return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0;
}

/* Leave for a page of --allow-origin to read the reply. */
static void add_cors_headers(struct request *request, const char *origin)
{
    reply_add_header(request, "Access-Control-Allow-Origin", origin);
    reply_add_header(request, "Access-Control-Expose-Headers", EXPOSED_HEADERS);
    reply_add_header(request, "Vary", "Origin");
}

static bool check_origin(struct request *request, const char *method)
{
    const char *origins = request->server->config.allow_origins;
    const char *origin = request_header(request, "Origin");
    bool is_listed = origin && list_has(origins, origin);
    if (is_listed)
        add_cors_headers(request, origin);
    if (!is_state_changing(method))
        return true;
    if (!site_policy_allows_origin(origins, request_header(request, "Host"), origin,
                                   request_header(request, "Sec-Fetch-Site"))) {
        reply_problem(request, 403, "origin_not_allowed",
                      "pages of other sites may not change anything here; the operator "
                      "allows one with --allow-origin");
        return false;
    }
    if (!is_listed || strcmp(method, "OPTIONS") != 0 ||
        !request_header(request, "Access-Control-Request-Method"))
        return true;
    reply_add_header(request, "Access-Control-Allow-Methods", ALLOWED_METHODS);
    reply_add_header(request, "Access-Control-Allow-Headers", ALLOWED_HEADERS);
    reply_add_header(request, "Access-Control-Max-Age", PREFLIGHT_SECONDS);
    reply_empty(request, 204);
    return false;
}

bool site_policy_check(struct request *request, const char *method)
{
    return check_host(request) && check_origin(request, method);
}
