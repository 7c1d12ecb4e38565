/* GET /v1/models, GET and DELETE /v1/models/{id}. */
#include "store/models.h"

#include "deletion.h"
#include "job_view.h"
#include "json_text.h"
#include "list_reply.h"
#include "reply.h"
#include "route.h"
#include "store_reply.h"

#include <stdlib.h>

static int render_models(struct request *request, const void *argument, struct db *db,
                         struct buffer *text, struct error *err)
{
    (void)request;
    const struct page *page = argument;
    struct model_row *rows = NULL;
    size_t count = 0;
    bool has_more = false;
    int rc = models_list(db, page, &rows, &count, &has_more, err);
    list_open(text);
    for (size_t i = 0; i < count; i++) {
        json_text_comma(text);
        model_view(text, &rows[i]);
    }
    list_close(text, count > 0 ? rows[0].id : NULL, count > 0 ? rows[count - 1].id : NULL,
               has_more);
    for (size_t i = 0; i < count; i++)
        model_row_release(&rows[i]);
    free(rows);
    return rc;
}

void models_handle_list(struct request *request)
{
    struct page page;
    if (list_read_page(request, "mdl", &page))
        reply_from_store(request, render_models, &page);
}

static int render_model(struct request *request, const void *argument, struct db *db,
                        struct buffer *text, struct error *err)
{
    (void)argument;
    struct model_row row = {0};
    int rc = models_get(db, request_param(request, 0), &row, err);
    if (rc == 0)
        model_view(text, &row);
    model_row_release(&row);
    return rc;
}

void models_handle_get(struct request *request)
{
    reply_from_store(request, render_model, NULL);
}

static int run_deletion(struct db *db, struct deletion *deletion, struct error *err)
{
    return models_delete(db, deletion->id, err);
}

static void forget_model(const struct deletion *deletion, struct server *server)
{
    sched_forget_model(server->sched, deletion->id);
}

void models_handle_delete(struct request *request)
{
    static const struct deletion_kind kind = {run_deletion, forget_model};
    deletion_submit(request, &kind);
}
