/* Reads the replies on one connection of HTTP/1.1 with the distrust of a strict client.
 */
#ifndef BACKPROP_HTTP_REPLIES_H
#define BACKPROP_HTTP_REPLIES_H

#include <stdbool.h>
#include <stddef.h>

struct http_reply {
    int status;
    const char *head; /* status line and headers, NUL-terminated; borrowed */
    const char *body; /* of a chunked one with its framing; borrowed */
    size_t body_length;
    bool is_chunked;
    bool is_stream; /* text/event-stream: it has no end yet */
};

/* The next whole reply in [*bytes, *bytes + *length), moved past; `is_head`: none has a
 * body. False when no reply is whole. What is no HTTP breaks a promise (fuzz.h). The head
 * is cut off the body by a NUL that is written over the empty line. */
bool http_reply_next(char **bytes, size_t *length, bool is_head,
                     struct http_reply *ret_reply);

/* Is the reply one that the API promises? Errors are problems with a code, but for those
 * of the library below (malformed HTTP); no 5xx but "try again" and "no space". */
void http_reply_check(const struct http_reply *reply);

/* A header's value, without what follows it on the line; NULL: it is not there. */
const char *http_reply_header(const struct http_reply *reply, const char *name);

#endif
