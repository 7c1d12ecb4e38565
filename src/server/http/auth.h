/*
 * Who may do what: "Authorization: Bearer bp_…" (RFC 6750) against the tokens of the
 * store.
 *
 * Verified tokens are remembered for AUTH_CACHE_SECONDS, so that polling does not ask the
 * store each time; a revoked token dies within that time. Any thread.
 */
#ifndef BACKPROP_HTTP_AUTH_H
#define BACKPROP_HTTP_AUTH_H

#include "request.h"
#include "store/tokens.h"

#define AUTH_CACHE_SECONDS 5

struct auth;

/* `required` false lets everybody do everything. NULL without memory. */
struct auth *auth_new(struct store *store, bool required);
void auth_free(struct auth *auth);

/* True when the request may go on; otherwise a 401, 403 or error was replied. `scope` 0
 * is open to all. */
bool auth_check(struct auth *auth, struct request *request, int scope)
    __attribute__((warn_unused_result));

#endif
