/*
 * Replies. Each of these ends the request's part of the handler: call exactly one, once.
 * Thread-safe with respect to the connection (it is resumed if it was suspended).
 */
#ifndef BACKPROP_HTTP_REPLY_H
#define BACKPROP_HTTP_REPLY_H

#include "base/violations.h"
#include "request.h"

/* Extra headers of the reply to come; the value is copied. Call before the reply. */
void reply_add_header(struct request *request, const char *name, const char *value);

/* JSON; steals the reference. NULL (no memory) gives a 500 problem. */
void reply_json(struct request *request, unsigned status, json_t *json);

/* Text that is JSON already (copied). */
void reply_json_text(struct request *request, unsigned status, const char *text,
                     size_t length);

/* Any bytes; copied. */
void reply_bytes(struct request *request, unsigned status, const char *content_type,
                 const void *bytes, size_t length);

/* No body: 204, 304. */
void reply_empty(struct request *request, unsigned status);

/* RFC 9457 problem+json. `code` is a snake_case word for programs, `detail` a sentence
 * that says what was expected and what came. */
void reply_problem(struct request *request, unsigned status, const char *code,
                   const char *detail, ...) __attribute__((format(printf, 4, 5)));

/* The same with further members, as JSON text without braces. */
void reply_problem_extended(struct request *request, unsigned status, const char *code,
                            const char *detail, const char *extension);

/* 422 (or another status) with all violations in `errors`. */
void reply_violations(struct request *request, unsigned status, const char *code,
                      const struct violations *violations);

/* The fitting problem for an error of the lower layers: ERR_NOT_FOUND 404, ERR_CONFLICT
 * 409, ERR_INVALID 422, ERR_TOO_LARGE 413, ERR_BUSY 503 with Retry-After, ERR_NO_SPACE
 * 507, ERR_TIMEOUT 504, ERR_IO and ERR_NOMEM 503, ERR_CORRUPT 500 with a text that names
 * what is damaged, anything else 500 with a text that tells nothing of the inside.
 */
void reply_error(struct request *request, const struct error *err);

/* A 500 that needs no memory. */
void reply_no_memory(struct request *request);

/*
 * A body that is produced while it is sent. `read` fills at most `maximum` bytes at
 * `offset` and returns how many; 0 is the end when `bytes` is UINT64_MAX; STREAM_WAIT
 * says that nothing is there yet: the connection sleeps until stream_wake();
 * STREAM_FAILED cuts the connection. `release` is called once when the stream is over,
 * however it ended.
 */
#define STREAM_WAIT (-1)
#define STREAM_FAILED (-2)

struct stream;
struct stream_source {
    const char *content_type;
    uint64_t bytes; /* Content-Length, or UINT64_MAX for unknown */
    int64_t (*read)(void *context, uint64_t offset, char *ret_bytes, size_t maximum);
    void (*release)(void *context);
    void *context;
};

/* *ret_stream (may be NULL) is for stream_wake() and is valid until `release`. */
void reply_stream(struct request *request, unsigned status,
                  const struct stream_source *source, struct stream **ret_stream);
void stream_wake(struct stream *stream);

#endif
