/* Replies that are read from the store: one snapshot, one JSON text. */
#ifndef BACKPROP_HTTP_STORE_REPLY_H
#define BACKPROP_HTTP_STORE_REPLY_H

#include "base/buffer.h"
#include "request.h"

/* Appends the reply's JSON to `text`, from a read transaction. */
typedef int store_render(struct request *request, const void *argument, struct db *db,
                         struct buffer *text, struct error *err);

/* Replies 200 with what `render` made, or with the problem that fits its error.
 * `argument` (may be NULL) is for `render`, which is done when this returns. */
void reply_from_store(struct request *request, store_render *render,
                      const void *argument);

#endif
