/* GET /v1/models, GET and DELETE /v1/models/{id}. */
#include "store/models.h"

#include "base/memory.h"
#include "job_view.h"
#include "json_text.h"
#include "list_reply.h"
#include "reply.h"
#include "route.h"
#include "store_reply.h"

#include <stdio.h>
#include <stdlib.h>

static int render_models(struct request *request, struct db *db, struct buffer *text,
                         struct error *err)
{
    const struct page *page = request_state(request);
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
    struct page *page = mem_alloc(sizeof(*page));
    if (!page) {
        struct error err = {0};
        error_set(&err, ERR_NOMEM, "no memory for the request");
        reply_error(request, &err);
        return;
    }
    request_set_state(request, page, free);
    if (list_read_page(request, "mdl", page))
        reply_from_store(request, render_models);
}

static int render_model(struct request *request, struct db *db, struct buffer *text,
                        struct error *err)
{
    struct model_row row = {0};
    int rc = models_get(db, request_param(request, 0), &row, err);
    if (rc == 0)
        model_view(text, &row);
    model_row_release(&row);
    return rc;
}

void models_handle_get(struct request *request)
{
    reply_from_store(request, render_model);
}

struct deletion {
    struct store_write write;
    struct request *request;
    char id[ID_SIZE];
};

static int deletion_run(struct db *db, struct store_write *write, struct error *err)
{
    return models_delete(db, ((struct deletion *)write)->id, err);
}

static void deletion_done(struct store_write *write, int rc, const struct error *err)
{
    struct deletion *deletion = (struct deletion *)write;
    if (rc == 0) {
        sched_forget_model(request_server(deletion->request)->sched, deletion->id);
        reply_empty(deletion->request, 204);
    } else {
        reply_error(deletion->request, err);
    }
    free(deletion);
}

void models_handle_delete(struct request *request)
{
    struct deletion *deletion = mem_alloc(sizeof(*deletion));
    if (!deletion) {
        struct error err = {0};
        error_set(&err, ERR_NOMEM, "no memory to delete the model");
        reply_error(request, &err);
        return;
    }
    deletion->request = request;
    snprintf(deletion->id, sizeof(deletion->id), "%s", request_param(request, 0));
    deletion->write.run = deletion_run;
    deletion->write.done = deletion_done;
    store_submit(request_server(request)->store, &deletion->write);
}
