/* See http_replies.h. */
#include "http_replies.h"

#include "fuzz.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *http_reply_header(const struct http_reply *reply, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = strstr(reply->head, "\r\n"); line;
         line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':')
            return line + length + 1 + strspn(line + length + 1, " ");
    }
    return NULL;
}

static bool header_begins(const struct http_reply *reply, const char *name,
                          const char *value)
{
    const char *found = http_reply_header(reply, name);
    return found && strncasecmp(found, value, strlen(value)) == 0;
}

/* The length of a chunked body with its framing; 0: it is not whole. */
static size_t chunked_length(const char *bytes, size_t length)
{
    size_t at = 0;
    for (;;) {
        const char *end = memmem(bytes + at, length - at, "\r\n", 2);
        if (!end)
            return 0;
        FUZZ_EXPECT(isxdigit((unsigned char)bytes[at]));
        size_t chunk = strtoul(bytes + at, NULL, 16);
        at = (size_t)(end - bytes) + 2;
        if (chunk + 2 > length - at)
            return 0;
        FUZZ_EXPECT(memcmp(bytes + at + chunk, "\r\n", 2) == 0);
        at += chunk + 2;
        if (chunk == 0)
            return at;
    }
}

bool http_reply_next(char **bytes, size_t *length, bool is_head,
                     struct http_reply *ret_reply)
{
    char *end = memmem(*bytes, *length, "\r\n\r\n", 4);
    if (!end)
        return false;
    end[2] = '\0';
    size_t head = (size_t)(end - *bytes) + 4;
    *ret_reply = (struct http_reply){.head = *bytes, .body = *bytes + head};
    FUZZ_EXPECT(strlen(*bytes) == head - 2);
    FUZZ_EXPECT(strncmp(*bytes, "HTTP/1.", 7) == 0 && (*bytes)[8] == ' ');
    ret_reply->status = atoi(*bytes + 9);
    size_t body = 0;
    ret_reply->is_stream = header_begins(ret_reply, "Content-Type", "text/event-stream");
    const char *declared = http_reply_header(ret_reply, "Content-Length");
    if (is_head || ret_reply->status == 204 || ret_reply->status == 304 ||
        ret_reply->status < 200) {
        body = 0;
    } else if (header_begins(ret_reply, "Transfer-Encoding", "chunked")) {
        ret_reply->is_chunked = true;
        body = chunked_length(*bytes + head, *length - head);
        if (body == 0 && !ret_reply->is_stream) {
            end[2] = '\r';
            return false;
        }
    } else if (declared) {
        body = strtoul(declared, NULL, 10);
    } else {
        body = *length - head; /* to the end of the connection */
    }
    if (body > *length - head) {
        end[2] = '\r';
        return false;
    }
    ret_reply->body_length = body;
    *bytes += head + body;
    *length -= head + body;
    return true;
}

/* What the HTTP library answers by itself, without our headers: the bytes were no
 * request. */
static bool is_of_library(const struct http_reply *reply)
{
    static const int statuses[] = {400, 411, 413, 414, 431, 501, 505};
    if (http_reply_header(reply, "X-Request-Id"))
        return false;
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        if (statuses[i] == reply->status)
            return true;
    return false;
}

static void check_problem(const struct http_reply *reply)
{
    json_t *json = json_loadb(reply->body, reply->body_length, 0, NULL);
    FUZZ_EXPECT(json);
    FUZZ_EXPECT(json_integer_value(json_object_get(json, "status")) == reply->status);
    FUZZ_EXPECT(json_string_length(json_object_get(json, "code")) > 0);
    FUZZ_EXPECT(json_string_length(json_object_get(json, "detail")) > 0);
    json_decref(json);
}

void http_reply_check(const struct http_reply *reply)
{
    if (reply->status < 200 ? reply->status != 100 : reply->status > 599)
        fuzz_broken(reply->head, __FILE__, __LINE__);
    if (reply->status < 400 || is_of_library(reply))
        return;
    if (reply->status >= 500 && reply->status != 503 && reply->status != 507) {
        fprintf(stderr, "%s\n%.*s\n", reply->head, (int)reply->body_length, reply->body);
        fuzz_broken("no 5xx but 503 and 507", __FILE__, __LINE__);
    }
    FUZZ_EXPECT(header_begins(reply, "Content-Type", "application/problem+json"));
    if (reply->status == 503)
        FUZZ_EXPECT(http_reply_header(reply, "Retry-After"));
    if (reply->body_length > 0 && !reply->is_chunked)
        check_problem(reply);
}
