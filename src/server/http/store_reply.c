/* See store_reply.h. */
#include "store_reply.h"

#include "job_view.h"
#include "reply.h"

void reply_from_store(struct request *request, store_render *render, const void *argument)
{
    struct store *store = request_server(request)->store;
    struct error err = {0};
    struct buffer text;
    buffer_init(&text, VIEW_MAX_BYTES);
    struct db *db = store_read_begin(store, &err);
    int rc = db ? render(request, argument, db, &text, &err) : err.code;
    if (db)
        store_read_end(store, db);
    if (rc == 0 && buffer_status(&text) != 0)
        rc = error_set(&err, buffer_status(&text),
                       "the reply would be too large; ask for less");
    if (rc == 0)
        reply_json_text(request, 200, text.data, text.length);
    else
        reply_error(request, &err);
    buffer_release(&text);
}
