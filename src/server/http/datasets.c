/* GET /v1/datasets, GET and DELETE /v1/datasets/{id}, GET /v1/datasets/{id}/preview. */
#include "store/datasets.h"

#include "base/memory.h"
#include "dataset_view.h"
#include "deletion.h"
#include "folders.h"
#include "json_text.h"
#include "list_reply.h"
#include "reply.h"
#include "route.h"
#include "spec/json_parse.h"
#include "store_reply.h"

#include <stdlib.h>

static int render_list(struct request *request, const void *argument, struct db *db,
                       struct buffer *text, struct error *err)
{
    (void)request;
    const struct page *page = argument;
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
    if (list_read_page(request, "ds", &page))
        reply_from_store(request, render_list, &page);
}

static int render_one(struct request *request, const void *argument, struct db *db,
                      struct buffer *text, struct error *err)
{
    (void)argument;
    struct dataset_row row = {0};
    int rc = datasets_get(db, request_param(request, 0), &row, err);
    if (rc == 0)
        rc = dataset_view(text, &row, false, err);
    dataset_row_release(&row);
    return rc;
}

void datasets_handle_get(struct request *request)
{
    reply_from_store(request, render_one, NULL);
}

static int render_preview(struct request *request, const void *argument, struct db *db,
                          struct buffer *text, struct error *err)
{
    (void)argument;
    struct dataset_row row = {0};
    int rc = datasets_get(db, request_param(request, 0), &row, err);
    if (rc != 0)
        return rc;
    json_t *facts = json_parse_text(row.facts);
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
    reply_from_store(request, render_preview, NULL);
}

static int run_deletion(struct db *db, struct deletion *deletion, struct error *err)
{
    bool last_use = false;
    int rc = datasets_delete(db, deletion->id, deletion->dependent, &last_use, err);
    if (!last_use)
        deletion->dependent[0] = '\0';
    return rc;
}

/* Other writes of the same group may have made the file used again: it is asked anew. */
static void drop_file(const struct deletion *deletion, struct server *server)
{
    if (deletion->dependent[0] == '\0')
        return;
    struct db *db = store_read_begin(server->store, NULL);
    if (!db)
        return; /* the next start deletes it */
    folders_drop_dataset(server, db, deletion->dependent);
    store_read_end(server->store, db);
}

void datasets_handle_delete(struct request *request)
{
    static const struct deletion_kind kind = {run_deletion, drop_file};
    deletion_submit(request, &kind);
}
