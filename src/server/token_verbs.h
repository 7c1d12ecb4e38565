/* What `backpropd token` does to a store: create, list, revoke. The command does it
 * itself while no daemon runs, and has the daemon do it otherwise (control.h). */
#ifndef BACKPROPD_TOKEN_VERBS_H
#define BACKPROPD_TOKEN_VERBS_H

#include "base/buffer.h"
#include "store/store.h"

#include <stdbool.h>

/* Texts are borrowed. */
struct token_order {
    const char *verb;                 /* "create", "list", "revoke" */
    const char *scope, *name, *owner; /* create; NULL: none was given */
    int64_t expires_days;             /* create; 0: never */
    const char *id;                   /* revoke */
};

#define TOKEN_OUTPUT_MAX ((size_t)16 << 20)

/* The number of words of a verb, itself included; 0 when there is no such verb. */
int token_verb_words(const char *verb);

/* Appends what belongs on standard output, and what a person should be told besides.
 * Waits for the store's writer. *ret_revoked: a token was revoked, and whoever remembers
 * tokens must forget them. ERR_INVALID says what was expected. */
int token_verb_run(struct store *store, int64_t audit_rows,
                   const struct token_order *order, struct buffer *output,
                   struct buffer *notice, bool *ret_revoked, struct error *err)
    __attribute__((warn_unused_result));

#endif
