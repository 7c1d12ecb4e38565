/* GET /v1/datasets, GET and DELETE /v1/datasets/{id}, GET /v1/datasets/{id}/preview. */
#include "store/datasets.h"

#include "base/memory.h"
#include "dataset_view.h"
#include "folders.h"
#include "json_text.h"
#include "list_reply.h"
#include "reply.h"
#include "route.h"
#include "store_reply.h"

#include <stdio.h>
#include <stdlib.h>

static int render_list(struct request *request, struct db *db, struct buffer *text,
                       struct error *err)
{
    const struct page *page = request_state(request);
    struct dataset_row *rows = NULL;
    size_t count = 0;
    bool has_more = false;
    int rc = datasets_list(db, page, &rows, &count, &has_more, err);
    list_open(text);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        json_text_comma(text);
        rc = dataset_view(text, &rows[i], true, err);
    }
    list_close(text, count > 0 ? rows[0].id : NULL, count > 0 ? rows[count - 1].id : NULL,
               has_more);
    for (size_t i = 0; i < count; i++)
        dataset_row_release(&rows[i]);
    free(rows);
    return rc;
}

void datasets_handle_list(struct request *request)
{
    struct page page;
    if (!list_read_page(request, "ds", &page))
        return;
    request_set_state(request, &page,
                      NULL); /* for render_list, which is done when this ends */
    reply_from_store(request, render_list);
}

static int render_one(struct request *request, struct db *db, struct buffer *text,
                      struct error *err)
{
    struct dataset_row row = {0};
    int rc = datasets_get(db, request_param(request, 0), &row, err);
    if (rc == 0)
        rc = dataset_view(text, &row, false, err);
    dataset_row_release(&row);
    return rc;
}

void datasets_handle_get(struct request *request)
{
    reply_from_store(request, render_one);
}

static int render_preview(struct request *request, struct db *db, struct buffer *text,
                          struct error *err)
{
    struct dataset_row row = {0};
    int rc = datasets_get(db, request_param(request, 0), &row, err);
    if (rc != 0)
        return rc;
    json_t *facts = json_loads(row.facts, 0, NULL);
    json_t *list = json_object_get(facts, "columns");
    char *columns = list ? dataset_dump(list) : mem_strdup("[]");
    if (columns) {
        buffer_append_char(text, '{');
        json_text_string(text, "object", "preview");
        json_text_string(text, "dataset", row.id);
        json_text_raw(text, "rows", row.preview);
        json_text_raw(text, "columns", columns);
        buffer_append_char(text, '}');
    } else {
        rc = error_set(err, ERR_NOMEM, "no memory for the preview");
    }
    free(columns);
    json_decref(facts);
    dataset_row_release(&row);
    return rc;
}

void datasets_handle_preview(struct request *request)
{
    reply_from_store(request, render_preview);
}

/* A deletion on its way. */
struct deletion {
    struct store_write write; /* first: a pointer to it is one to this */
    struct request *request;
    char id[ID_SIZE];
    char file_sha256[DIGEST_HEX_SIZE];
    bool last_use;
};

static int deletion_run(struct db *db, struct store_write *write, struct error *err)
{
    struct deletion *deletion = (struct deletion *)write;
    return datasets_delete(db, deletion->id, deletion->file_sha256, &deletion->last_use,
                           err);
}

/* Other writes of the same group may have made the file used again: it is asked anew. */
static void drop_file(const struct deletion *deletion)
{
    struct server *server = request_server(deletion->request);
    struct db *db = store_read_begin(server->store, NULL);
    if (!db)
        return; /* the next start deletes it */
    folders_drop_dataset(server, db, deletion->file_sha256);
    store_read_end(server->store, db);
}

static void deletion_done(struct store_write *write, int rc, const struct error *err)
{
    struct deletion *deletion = (struct deletion *)write;
    if (rc == 0 && deletion->last_use)
        drop_file(deletion);
    if (rc == 0)
        reply_empty(deletion->request, 204);
    else
        reply_error(deletion->request, err);
    free(deletion);
}

void datasets_handle_delete(struct request *request)
{
    struct deletion *deletion = mem_alloc(sizeof(*deletion));
    if (!deletion) {
        struct error err = {0};
        error_set(&err, ERR_NOMEM, "no memory to delete the dataset");
        reply_error(request, &err);
        return;
    }
    deletion->request = request;
    snprintf(deletion->id, sizeof(deletion->id), "%s", request_param(request, 0));
    deletion->write.run = deletion_run;
    deletion->write.done = deletion_done;
    store_submit(request_server(request)->store, &deletion->write);
}
