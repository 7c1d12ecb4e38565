/*
 * Lists: ?limit=&after= on the way in, {"object": "list", "data": […], "first_id",
 * "last_id", "has_more"} on the way out.
 */
#ifndef BACKPROP_HTTP_LIST_REPLY_H
#define BACKPROP_HTTP_LIST_REPLY_H

#include "base/buffer.h"
#include "request.h"
#include "store/page.h"

#include <stdbool.h>

#define LIST_DEFAULT_LIMIT 20

/* Reads limit and after, for the objects that the caller sees; `prefix` is that of the
 * IDs listed ("job"). On a bad argument it replies with a problem and returns false. */
bool list_read_page(struct request *request, const char *prefix, struct page *ret_page);

/* An integer query argument between the bounds; `fallback` when it is not there. On a bad
 * one it replies with a problem and returns false. */
bool list_read_integer(struct request *request, const char *name, int64_t minimum,
                       int64_t maximum, int64_t fallback, int64_t *ret_value);

/* Everything before and after the elements of "data". */
void list_open(struct buffer *buffer);
void list_close(struct buffer *buffer, const char *first_id, const char *last_id,
                bool has_more);

#endif
