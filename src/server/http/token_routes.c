/*
 * POST and GET /v1/tokens, GET and DELETE /v1/tokens/{id}: for administrators.
 *
 * Where no token is asked for, nobody is known, and whoever reaches the port could make
 * itself a key for the day when the door is locked; so there tokens are made and revoked
 * by `backpropd token` alone, which needs the data folder.
 */
#include "audit_log.h"
#include "auth.h"
#include "base/clock.h"
#include "base/memory.h"
#include "deletion.h"
#include "hub.h"
#include "json_text.h"
#include "list_reply.h"
#include "listener.h"
#include "reply.h"
#include "route.h"
#include "spec/job_spec.h"
#include "store_reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VIEW_BYTES ((size_t)4096)
#define SECONDS_MAX (INT64_C(36500) * 86400)

static void view(struct buffer *text, const struct token_row *row, const char *secret)
{
    buffer_append_char(text, '{');
    json_text_string(text, "object", "token");
    json_text_string(text, "id", row->id);
    json_text_string(text, "name", row->name);
    json_text_string(text, "owner", row->owner);
    json_text_string(text, "scope", token_scope_name(row->scope));
    if (secret)
        json_text_string(text, "token", secret);
    json_text_time(text, "created_at", row->created_us);
    json_text_time(text, "expires_at", row->expires_us);
    json_text_time(text, "last_used_at", row->last_used_us);
    buffer_append_char(text, '}');
}

static bool check_identified(struct request *request)
{
    if (request_caller(request)->token[0] != '\0')
        return true;
    reply_problem(request, 409, "nobody_identified",
                  "this server asks for no token, so nobody is known who may do this; "
                  "the operator does, with: backpropd token");
    return false;
}

/* ---- making ---- */

struct creation {
    struct store_write write; /* first: a pointer to it is one to this */
    struct request *request;
    json_t *body; /* owned: the wish's texts are in it */
    struct token_wish wish;
    int64_t seconds; /* until it expires; 0: never */
    char id[ID_SIZE];
    struct buffer text;
};

static void creation_free(struct creation *creation)
{
    json_decref(creation->body);
    if (creation->text.length > 0)
        memset(creation->text.data, 0, creation->text.length);
    buffer_release(&creation->text);
    free(creation);
}

static int creation_run(struct db *db, struct store_write *write, struct error *err)
{
    struct creation *creation = (struct creation *)write;
    int64_t now = clock_wall_us();
    if (creation->seconds > 0)
        creation->wish.expires_us = now + creation->seconds * 1000000;
    char secret[TOKEN_TEXT_SIZE];
    struct token_row row = {0};
    int rc = tokens_create(db, &creation->wish, now, secret, creation->id, err);
    if (rc == 0)
        rc = audit_note(db, creation->request, creation->id, 201, err);
    if (rc == 0)
        rc = tokens_get(db, creation->id, &row, err);
    if (rc == 0) {
        view(&creation->text, &row, secret);
        rc = buffer_status(&creation->text);
    }
    token_row_release(&row);
    return rc;
}

static void creation_done(struct store_write *write, int rc, const struct error *err)
{
    struct creation *creation = (struct creation *)write;
    struct request *request = creation->request;
    if (rc != 0) {
        reply_error(request, err);
    } else {
        char location[ID_SIZE + 16];
        snprintf(location, sizeof(location), "/v1/tokens/%s", creation->id);
        reply_add_header(request, "Location", location);
        reply_json_text(request, 201, creation->text.data, creation->text.length);
    }
    creation_free(creation);
}

/* A member that is text; NULL when it is missing, null or (which is said) no text. */
static const char *read_text(const json_t *body, const char *key,
                             struct violations *violations)
{
    const json_t *value = json_object_get(body, key);
    char pointer[32];
    if (!value || json_is_null(value) || json_is_string(value))
        return json_string_value(value);
    snprintf(pointer, sizeof(pointer), "/%s", key);
    violations_add(violations, pointer, "expected a text or null");
    return NULL;
}

static void read_wish(struct creation *creation, struct violations *violations)
{
    static const char *const keys[] = {"scope", "name", "owner", "expires_in_seconds"};
    const char *key;
    json_t *value;
    if (!json_is_object(creation->body)) {
        violations_add(violations, "", "expected an object with \"scope\"");
        return;
    }
    json_object_foreach(creation->body, key, value)
    {
        size_t i = 0;
        while (i < sizeof(keys) / sizeof(keys[0]) && strcmp(keys[i], key) != 0)
            i++;
        if (i == sizeof(keys) / sizeof(keys[0]))
            violations_add(violations, "",
                           "expected scope, name, owner and expires_in_seconds, found "
                           "another key");
    }
    const char *scope = read_text(creation->body, "scope", violations);
    creation->wish.scope = (enum token_scope)(scope ? token_scope_parse(scope) : 0);
    if (creation->wish.scope == 0)
        violations_add(violations, "/scope", "expected read, submit or admin");
    creation->wish.name = read_text(creation->body, "name", violations);
    creation->wish.owner = read_text(creation->body, "owner", violations);
    const json_t *seconds = json_object_get(creation->body, "expires_in_seconds");
    creation->seconds = json_integer_value(seconds);
    if (seconds && !json_is_null(seconds) &&
        (!json_is_integer(seconds) || creation->seconds < 1 ||
         creation->seconds > SECONDS_MAX))
        violations_add(violations, "/expires_in_seconds",
                       "expected an integer from 1 to %lld, or null for never",
                       (long long)SECONDS_MAX);
}

void tokens_handle_create(struct request *request)
{
    if (!check_identified(request))
        return;
    size_t length;
    const char *body = request_body(request, &length);
    struct creation *creation = mem_alloc(sizeof(*creation));
    if (!creation) {
        reply_no_memory(request);
        return;
    }
    creation->request = request;
    creation->write.run = creation_run;
    creation->write.done = creation_done;
    buffer_init(&creation->text, VIEW_BYTES);
    struct violations violations;
    violations_init(&violations);
    int rc = job_spec_load_json(body, length, &creation->body, &violations);
    bool is_syntax = rc != 0;
    if (!is_syntax)
        read_wish(creation, &violations);
    if (violations.total > 0) {
        reply_violations(request, is_syntax ? 400 : 422,
                         is_syntax ? "invalid_json" : "invalid_token_request",
                         &violations);
        creation_free(creation);
    } else {
        store_submit(request_server(request)->store, &creation->write);
    }
    violations_release(&violations);
}

/* ---- looking ---- */

static int render_list(struct request *request, const void *argument, struct db *db,
                       struct buffer *text, struct error *err)
{
    (void)request;
    struct token_row *rows = NULL;
    size_t count = 0;
    bool has_more = false;
    int rc = tokens_list(db, argument, &rows, &count, &has_more, err);
    list_open(text);
    for (size_t i = 0; i < count; i++) {
        json_text_comma(text);
        view(text, &rows[i], NULL);
    }
    list_close(text, count > 0 ? rows[0].id : NULL, count > 0 ? rows[count - 1].id : NULL,
               has_more);
    for (size_t i = 0; i < count; i++)
        token_row_release(&rows[i]);
    free(rows);
    return rc;
}

void tokens_handle_list(struct request *request)
{
    struct page page;
    if (list_read_page(request, "tok", &page))
        reply_from_store(request, render_list, &page);
}

static int render_one(struct request *request, const void *argument, struct db *db,
                      struct buffer *text, struct error *err)
{
    (void)argument;
    struct token_row row = {0};
    int rc = tokens_get(db, request_param(request, 0), &row, err);
    if (rc == 0)
        view(text, &row, NULL);
    token_row_release(&row);
    return rc;
}

void tokens_handle_get(struct request *request)
{
    reply_from_store(request, render_one, NULL);
}

/* ---- revoking ---- */

static int run_revocation(struct db *db, struct deletion *deletion, struct error *err)
{
    return tokens_delete(db, deletion->id, err);
}

static void forget_token(const struct deletion *deletion, struct server *server)
{
    (void)deletion;
    http_forget_tokens(server);
}

void tokens_handle_delete(struct request *request)
{
    static const struct deletion_kind kind = {run_revocation, forget_token};
    if (check_identified(request))
        deletion_submit(request, &kind);
}
