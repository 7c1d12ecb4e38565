/*
 * Files that are part of the program: the dashboard at "/" and "/{file}", and
 * /openapi.json. They are embedded at build time (cmake/EmbedFiles.cmake) under their
 * paths in the repository.
 */
#include "embedded.h"
#include "entity_tag.h"
#include "reply.h"
#include "request_internal.h"
#include "route.h"
#include "store/digest.h"

#include <stdio.h>
#include <string.h>

/* Scripts, styles, pictures and connections of this server alone. */
#define CONTENT_SECURITY_POLICY                                                          \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "    \
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "         \
    "frame-ancestors 'none'"

static const char *content_type(const char *name)
{
    static const struct {
        const char *ending, *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".json", "application/json"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".ico", "image/x-icon"},
        {".woff2", "font/woff2"},
        {".webmanifest", "application/manifest+json"},
    };
    const char *ending = strrchr(name, '.');
    for (size_t i = 0; ending && i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(types[i].ending, ending) == 0)
            return types[i].type;
    return "application/octet-stream";
}

static const struct embedded_file *find_file(const char *name)
{
    for (size_t i = 0; i < embedded_count; i++)
        if (strcmp(embedded[i].name, name) == 0)
            return &embedded[i];
    return NULL;
}

/* An entity tag of the bytes: a browser that has them asks with If-None-Match. */
static void make_etag(const struct embedded_file *file,
                      char ret_etag[DIGEST_HEX_SIZE + 2])
{
    struct digest digest;
    unsigned char bytes[DIGEST_BYTES];
    char hex[DIGEST_HEX_SIZE];
    digest_init(&digest);
    digest_update(&digest, file->bytes, file->length);
    digest_final(&digest, bytes);
    digest_hex(bytes, hex);
    snprintf(ret_etag, DIGEST_HEX_SIZE + 2, "\"%.32s\"", hex);
}

static void reply_file(struct request *request, const char *name)
{
    const struct embedded_file *file = find_file(name);
    if (!file) {
        reply_problem(request, 404, "not_found", "there is no such file");
        return;
    }
    char etag[DIGEST_HEX_SIZE + 2];
    make_etag(file, etag);
    reply_add_header(request, "ETag", etag);
    reply_add_header(request, "Cache-Control", "no-cache");
    const char *type = content_type(name);
    if (strncmp(type, "text/html", 9) == 0)
        reply_add_header(request, "Content-Security-Policy", CONTENT_SECURITY_POLICY);
    if (entity_tag_is_known(request_header(request, "If-None-Match"), etag))
        reply_empty(request, 304);
    else
        reply_fixed(request, 200, type, file->bytes, file->length);
}

void static_handle_openapi(struct request *request)
{
    reply_file(request, "docs/openapi.json");
}

void static_handle_dashboard(struct request *request)
{
    const char *file = request_param(request, 0);
    char name[ROUTE_PARAM_SIZE + 16];
    snprintf(name, sizeof(name), "dashboard/%s", file[0] != '\0' ? file : "index.html");
    reply_file(request, name);
}
