/* See audit_log.h; and GET /v1/audit. */
#include "audit_log.h"

#include "access_log.h"
#include "base/clock.h"
#include "json_text.h"
#include "list_reply.h"
#include "request_internal.h"
#include "route.h"
#include "store/audit.h"
#include "store_reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int audit_note(struct db *db, const struct request *request, const char *object,
               int status, struct error *err)
{
    const struct caller *caller = &request->caller;
    const struct route *route = request->match.route;
    struct audit_row row = {.time_us = clock_wall_us(), .status = status};
    memcpy(row.owner, caller->owner, sizeof(row.owner));
    memcpy(row.token, caller->token, sizeof(row.token));
    access_log_client(request, row.address);
    snprintf(row.request, sizeof(row.request), "%s", request->id);
    snprintf(row.action, sizeof(row.action), "%s %s", route->method, route->pattern);
    snprintf(row.object, sizeof(row.object), "%s", object);
    return audit_append(db, &row, request->server->config.audit_rows, err);
}

static void view(struct buffer *text, const struct audit_row *row)
{
    buffer_append_char(text, '{');
    json_text_string(text, "object", "audit_entry");
    json_text_integer(text, "id", row->number);
    json_text_time(text, "created_at", row->time_us);
    json_text_string(text, "owner", row->owner);
    json_text_string(text, "token", row->token[0] != '\0' ? row->token : NULL);
    json_text_string(text, "address", row->address);
    json_text_string(text, "request_id", row->request);
    json_text_string(text, "action", row->action);
    json_text_string(text, "target", row->object);
    json_text_integer(text, "status", row->status);
    buffer_append_char(text, '}');
}

struct audit_query {
    int64_t after, limit;
};

/* A member that is the entry's number, or null without one. */
static void append_number(struct buffer *text, const char *name,
                          const struct audit_row *row)
{
    if (row)
        json_text_integer(text, name, row->number);
    else
        json_text_raw(text, name, NULL);
}

static int render(struct request *request, const void *argument, struct db *db,
                  struct buffer *text, struct error *err)
{
    (void)request;
    const struct audit_query *query = argument;
    struct audit_row *rows = NULL;
    size_t count = 0;
    bool has_more = false;
    int rc =
        audit_list(db, query->after, (int)query->limit, &rows, &count, &has_more, err);
    list_open(text);
    for (size_t i = 0; i < count; i++) {
        json_text_comma(text);
        view(text, &rows[i]);
    }
    buffer_append_char(text, ']');
    append_number(text, "first_id", count > 0 ? &rows[0] : NULL);
    append_number(text, "last_id", count > 0 ? &rows[count - 1] : NULL);
    json_text_boolean(text, "has_more", has_more);
    buffer_append_char(text, '}');
    free(rows);
    return rc;
}

void audit_handle_list(struct request *request)
{
    struct audit_query query;
    if (list_read_integer(request, "limit", 1, PAGE_MAX, LIST_DEFAULT_LIMIT,
                          &query.limit) &&
        list_read_integer(request, "after", 1, INT64_MAX, 0, &query.after))
        reply_from_store(request, render, &query);
}
