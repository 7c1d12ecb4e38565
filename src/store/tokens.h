/* Access tokens: 256 random bits shown once; only their SHA-256 is kept. */
#ifndef BACKPROP_STORE_TOKENS_H
#define BACKPROP_STORE_TOKENS_H

#include "base/id.h"
#include "owners.h"
#include "page.h"
#include "store.h"

#include <stdbool.h>
#include <stddef.h>

/* Each includes the ones before it. */
enum token_scope { SCOPE_READ = 1, SCOPE_SUBMIT = 2, SCOPE_ADMIN = 3 };

#define TOKEN_TEXT_SIZE 64
#define TOKEN_NAME_MAX 100
#define TOKEN_TOUCH_US INT64_C(60000000) /* a minute */

/* What a token is to be. */
struct token_wish {
    const char *name; /* for people, at most TOKEN_NAME_MAX bytes; NULL: none */
    const char
        *owner; /* whose objects it sees and makes; NULL: those of no other token */
    enum token_scope scope;
    int64_t expires_us; /* 0: never */
};

struct token_row {
    char id[ID_SIZE]; /* "tok_…" */
    char *name;
    char owner[OWNER_SIZE]; /* the ID of a token that was made without one */
    enum token_scope scope;
    int64_t created_us;
    int64_t expires_us;   /* 0: never */
    int64_t last_used_us; /* to TOKEN_TOUCH_US; 0: not yet */
};

void token_row_release(struct token_row *row);

/* "read" …; and back (0 when unknown). */
const char *token_scope_name(enum token_scope scope);
int token_scope_parse(const char *name);

/* Makes a token; its text "bp_…" is given out this once. ERR_INVALID says what was wrong
 * with the wish; its pointer is "/scope", "/name" or "/owner". */
int tokens_create(struct db *db, const struct token_wish *wish, int64_t now_us,
                  char ret_text[TOKEN_TEXT_SIZE], char ret_id[ID_SIZE],
                  struct error *err);

/* ERR_NOT_FOUND for a text that is not a live token. */
int tokens_verify(struct db *db, const char *text, int64_t now_us,
                  struct token_row *ret_row, struct error *err);

/* Notes the time of use, unless one was noted in the last TOKEN_TOUCH_US: a write, for
 * when tokens_verify() has shown that `last_used_us` is older than that. */
int tokens_touch(struct db *db, const char *id, int64_t now_us, struct error *err);

/* ERR_NOT_FOUND when there is none, or no longer. */
int tokens_get(struct db *db, const char *id, struct token_row *ret_row,
               struct error *err);

/* Newest first, of all owners. */
int tokens_list(struct db *db, const struct page *page, struct token_row **ret_rows,
                size_t *ret_count, bool *ret_has_more, struct error *err);
int tokens_delete(struct db *db, const char *id, struct error *err);
int tokens_any(struct db *db, int64_t now_us, bool *ret_any, struct error *err);

#endif
