/*
 * multipart/form-data (RFC 7578, RFC 2046 section 5.1), parsed while it comes, in
 * constant memory. Part data is handed on without a copy, whatever way the input is cut.
 */
#ifndef BACKPROP_HTTP_MULTIPART_H
#define BACKPROP_HTTP_MULTIPART_H

#include "base/error.h"

#include <stddef.h>

#define MULTIPART_MAX_BOUNDARY 70
#define MULTIPART_MAX_LINE 2048  /* of a part's headers */
#define MULTIPART_MAX_HEADERS 32 /* of a part */

struct multipart;

/* What the parser finds. A negative return stops it and is passed on. */
struct multipart_events {
    /* `filename` is "" when the part has none. */
    int (*begin)(void *context, const char *name, const char *filename,
                 struct error *err);
    int (*data)(void *context, const char *bytes, size_t length, struct error *err);
    int (*end)(void *context, struct error *err);
    void *context;
};

/* `content_type` is the request's header, with its boundary. ERR_INVALID when that is
 * missing or malformed. Copies the events. New object. */
int multipart_new(const char *content_type, const struct multipart_events *events,
                  struct multipart **ret_multipart, struct error *err)
    __attribute__((warn_unused_result));
void multipart_free(struct multipart *multipart);

/* The next bytes. ERR_INVALID says what is malformed. After a
 * failure nothing may follow. */
int multipart_write(struct multipart *multipart, const char *bytes, size_t length,
                    struct error *err) __attribute__((warn_unused_result));

/* The body is over: ERR_INVALID unless the closing boundary was seen. */
int multipart_finish(const struct multipart *multipart, struct error *err)
    __attribute__((warn_unused_result));

#endif
