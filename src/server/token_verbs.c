/* See token_verbs.h. */
#include "token_verbs.h"

#include "base/clock.h"
#include "store/audit.h"
#include "store/tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define US_PER_DAY (INT64_C(86400) * 1000000)
#define LIST_PAGE 100

/* A write and what goes in and out of it. */
struct token_write {
    struct store_write write; /* first: a pointer to it is one to this */
    const struct token_order *order;
    int64_t audit_rows;
    struct token_wish wish;
    char text[TOKEN_TEXT_SIZE];
    char id[ID_SIZE];
};

/* Whoever can use the data folder is the operator. */
static int note(struct db *db, const struct token_write *token, const char *action,
                int status, struct error *err)
{
    struct audit_row row = {.time_us = clock_wall_us(),
                            .owner = "operator",
                            .address = "local",
                            .request = "",
                            .status = status};
    snprintf(row.action, sizeof(row.action), "%s", action);
    snprintf(row.object, sizeof(row.object), "%s", token->id);
    return audit_append(db, &row, token->audit_rows, err);
}

static int create_run(struct db *db, struct store_write *write, struct error *err)
{
    struct token_write *token = (struct token_write *)write;
    int rc =
        tokens_create(db, &token->wish, clock_wall_us(), token->text, token->id, err);
    return rc != 0 ? rc : note(db, token, "token create", 201, err);
}

static int create(struct store *store, struct token_write *token, struct buffer *output,
                  struct buffer *notice, struct error *err)
{
    const struct token_order *order = token->order;
    int scope = order->scope ? token_scope_parse(order->scope) : 0;
    if (scope == 0)
        return error_set(err, ERR_INVALID,
                         "token create: expected --scope read, submit or admin");
    token->write.run = create_run;
    token->wish = (struct token_wish){
        .name = order->name, .owner = order->owner, .scope = (enum token_scope)scope};
    if (order->expires_days > 0)
        token->wish.expires_us = clock_wall_us() + order->expires_days * US_PER_DAY;
    int rc = store_write_wait(store, &token->write, err);
    if (rc != 0)
        return rc;
    buffer_printf(output, "%s\n", token->text);
    buffer_printf(notice,
                  "The token %s (scope %s, owner %s). It is shown this once; send it as\n"
                  "  Authorization: Bearer %s\n",
                  token->id, order->scope, order->owner ? order->owner : token->id,
                  token->text);
    return 0;
}

static void append_time(struct buffer *output, int64_t wall_us, const char *never)
{
    char text[CLOCK_RFC3339_SIZE];
    clock_format(wall_us, text);
    buffer_printf(output, "  %-20.19s", wall_us > 0 ? text : never);
}

static void append_row(struct buffer *output, const struct token_row *row)
{
    buffer_printf(output, "%-31s %-7s", row->id, token_scope_name(row->scope));
    append_time(output, row->created_us, "-");
    append_time(output, row->expires_us, "never");
    append_time(output, row->last_used_us, "never");
    buffer_printf(output, "  %-31s %s\n", row->owner, row->name ? row->name : "");
}

/* One page; *ret_more: there is another behind `last`. */
static int list_page(struct store *store, char last[ID_SIZE], struct buffer *output,
                     bool *ret_more, struct error *err)
{
    struct db *db = store_read_begin(store, err);
    if (!db)
        return ERR_IO;
    const struct page page = {.limit = LIST_PAGE, .after = last[0] ? last : NULL};
    struct token_row *rows = NULL;
    size_t count = 0;
    int rc = tokens_list(db, &page, &rows, &count, ret_more, err);
    store_read_end(store, db);
    for (size_t i = 0; i < count; i++) {
        append_row(output, &rows[i]);
        memcpy(last, rows[i].id, ID_SIZE);
        token_row_release(&rows[i]);
    }
    free(rows);
    return rc;
}

static int list(struct store *store, struct token_write *token, struct buffer *output,
                struct buffer *notice, struct error *err)
{
    (void)token;
    (void)notice;
    char last[ID_SIZE] = "";
    bool more = true;
    int rc = 0;
    buffer_printf(output, "%-31s %-7s  %-20s  %-20s  %-20s  %-31s %s\n", "id", "scope",
                  "created", "expires", "last used", "owner", "name");
    while (rc == 0 && more)
        rc = list_page(store, last, output, &more, err);
    return rc;
}

static int revoke_run(struct db *db, struct store_write *write, struct error *err)
{
    const struct token_write *token = (const struct token_write *)write;
    int rc = tokens_delete(db, token->id, err);
    return rc != 0 ? rc : note(db, token, "token revoke", 204, err);
}

static int revoke(struct store *store, struct token_write *token, struct buffer *output,
                  struct buffer *notice, struct error *err)
{
    (void)notice;
    const char *id = token->order->id;
    if (!id || !id_is_valid("tok", id))
        return error_set(err, ERR_INVALID, "token revoke: expected an ID (tok_…)");
    snprintf(token->id, sizeof(token->id), "%s", id);
    token->write.run = revoke_run;
    int rc = store_write_wait(store, &token->write, err);
    if (rc == 0)
        buffer_printf(output, "revoked %s\n", token->id);
    return rc;
}

static const struct {
    const char *name;
    int words; /* with the verb itself */
    int (*run)(struct store *store, struct token_write *token, struct buffer *output,
               struct buffer *notice, struct error *err);
} verbs[] = {{"create", 1, create}, {"list", 1, list}, {"revoke", 2, revoke}};

#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

int token_verb_words(const char *verb)
{
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(verbs[i].name, verb) == 0)
            return verbs[i].words;
    return 0;
}

int token_verb_run(struct store *store, int64_t audit_rows,
                   const struct token_order *order, struct buffer *output,
                   struct buffer *notice, bool *ret_revoked, struct error *err)
{
    struct token_write token = {.order = order, .audit_rows = audit_rows};
    size_t i = 0;
    while (i < VERB_COUNT && strcmp(verbs[i].name, order->verb) != 0)
        i++;
    if (i == VERB_COUNT)
        return error_set(err, ERR_INVALID, "expected token create, list or revoke");
    int rc = verbs[i].run(store, &token, output, notice, err);
    if (rc == 0 && (buffer_status(output) != 0 || buffer_status(notice) != 0))
        rc = error_set(err, ERR_NOMEM, "no memory for the answer");
    *ret_revoked = rc == 0 && verbs[i].run == revoke;
    return rc;
}
