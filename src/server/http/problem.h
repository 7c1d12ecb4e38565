/*
 * Problem details (RFC 9457) as JSON text:
 *   {"type", "title", "status", "detail", "code", "request_id", "errors": [{"pointer",
 *    "detail"}]}
 */
#ifndef BACKPROP_HTTP_PROBLEM_H
#define BACKPROP_HTTP_PROBLEM_H

#include "base/buffer.h"
#include "base/violations.h"

#define PROBLEM_CONTENT_TYPE "application/problem+json"
#define PROBLEM_MAX_BYTES ((size_t)1 << 20)

struct problem {
    unsigned status;
    const char *code;   /* snake_case */
    const char *detail; /* may hold broken UTF-8 from outside */
    const char *request_id;
    const struct violations *violations; /* NULL: no `errors` */
    const char *extension; /* further members as JSON text, "\"a\":1"; NULL: none */
};

/* Appends the text; failures stick in the buffer. */
void problem_render(struct buffer *buffer, const struct problem *problem);

/* HTTP's phrase for a status: "Not Found". Never NULL. */
const char *problem_status_phrase(unsigned status);

#endif
