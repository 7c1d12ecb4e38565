/*
 * Who may do what: "Authorization: Bearer bp_…" (RFC 6750) against the tokens of the
 * store.
 *
 * Verified tokens are remembered for AUTH_CACHE_SECONDS, so that polling does not ask the
 * store each time. A revocation empties that memory before it is acknowledged: a revoked
 * token gets nothing from then on. Any thread.
 */
#ifndef BACKPROP_HTTP_AUTH_H
#define BACKPROP_HTTP_AUTH_H

#include "request_internal.h"

#define AUTH_CACHE_SECONDS 5

struct auth;

/* `required` false lets everybody do everything. NULL without memory. */
struct auth *auth_new(struct store *store, bool required);
void auth_free(struct auth *auth);

/* True when the request may go on, with its caller filled in; otherwise a 401, 403 or
 * error was replied. `scope` 0 is open to all. */
bool auth_check(struct auth *auth, struct request *request, int scope)
    __attribute__((warn_unused_result));

/* A token was revoked: to be called after the COMMIT and before anybody is told. */
void auth_forget(struct auth *auth);

/* For what lasts longer than a request: does the caller's token still live? Looks into
 * the store only after a revocation; *generation is the caller's note of when it last
 * did, 0 at first. */
bool auth_still_holds(struct auth *auth, const struct caller *caller,
                      uint64_t *generation);

#endif
