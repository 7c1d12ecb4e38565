/*
 * See auth.h. The cache is keyed by the token's SHA-256, so that it holds no secret. What
 * was read from the store is remembered with the generation from before the read: if a
 * revocation came between, it is not believed.
 */
#include "auth.h"

#include "base/clock.h"
#include "base/memory.h"
#include "reply.h"
#include "store/digest.h"

#include <nettle/memops.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CACHE_SLOTS 256

struct cache_slot {
    unsigned char digest[DIGEST_BYTES];
    struct caller caller;
    uint64_t generation; /* another than the present: empty */
    int64_t until_ns;
};

struct auth {
    struct store *store;
    bool required;
    _Atomic uint64_t generation; /* counts revocations, from 1 */
    pthread_mutex_t lock;
    struct cache_slot slots[CACHE_SLOTS]; /* by the digest's first byte */
};

struct auth *auth_new(struct store *store, bool required)
{
    struct auth *auth = mem_alloc(sizeof(*auth));
    if (!auth)
        return NULL;
    auth->store = store;
    auth->required = required;
    atomic_store(&auth->generation, 1);
    pthread_mutex_init(&auth->lock, NULL);
    return auth;
}

void auth_free(struct auth *auth)
{
    if (!auth)
        return;
    pthread_mutex_destroy(&auth->lock);
    free(auth);
}

static bool is_expired(const struct caller *caller)
{
    return caller->expires_us != 0 && caller->expires_us <= clock_wall_us();
}

/* The token's holder from the cache; false when it is not there. */
static bool look_up(struct auth *auth, const unsigned char digest[DIGEST_BYTES],
                    struct caller *ret_caller)
{
    int64_t now = clock_monotonic_ns();
    pthread_mutex_lock(&auth->lock);
    const struct cache_slot *slot = &auth->slots[digest[0]];
    bool found = slot->generation == atomic_load(&auth->generation) &&
                 slot->until_ns > now && memeql_sec(slot->digest, digest, DIGEST_BYTES);
    if (found)
        *ret_caller = slot->caller;
    pthread_mutex_unlock(&auth->lock);
    return found && !is_expired(ret_caller);
}

static void remember(struct auth *auth, const unsigned char digest[DIGEST_BYTES],
                     const struct caller *caller, uint64_t generation)
{
    int64_t until = clock_monotonic_ns() + AUTH_CACHE_SECONDS * CLOCK_NS_PER_SECOND;
    pthread_mutex_lock(&auth->lock);
    struct cache_slot *slot = &auth->slots[digest[0]];
    memcpy(slot->digest, digest, DIGEST_BYTES);
    slot->caller = *caller;
    slot->generation = generation;
    slot->until_ns = until;
    pthread_mutex_unlock(&auth->lock);
}

void auth_forget(struct auth *auth)
{
    atomic_fetch_add(&auth->generation, 1);
}

/* The note that a token was used. */
struct touch {
    struct store_write write; /* first: a pointer to it is one to this */
    char id[ID_SIZE];
    int64_t now_us;
};

static int touch_run(struct db *db, struct store_write *write, struct error *err)
{
    const struct touch *touch = (const struct touch *)write;
    return tokens_touch(db, touch->id, touch->now_us, err);
}

static void touch_done(struct store_write *write, int rc, const struct error *err)
{
    (void)rc; /* a note that is lost is made by the next request */
    (void)err;
    free(write);
}

/* The request does not wait for it. */
static void note_use(struct auth *auth, const struct token_row *row, int64_t now_us)
{
    if (row->last_used_us > now_us - TOKEN_TOUCH_US)
        return;
    struct touch *touch = mem_alloc(sizeof(*touch));
    if (!touch)
        return;
    touch->write.run = touch_run;
    touch->write.done = touch_done;
    memcpy(touch->id, row->id, sizeof(touch->id));
    touch->now_us = now_us;
    store_submit(auth->store, &touch->write);
}

/* *ret_caller's scope is 0 for a token that is not alive. */
static int verify(struct auth *auth, const char *token, struct caller *ret_caller,
                  struct error *err)
{
    unsigned char bytes[DIGEST_BYTES];
    struct digest digest;
    digest_init(&digest);
    digest_update(&digest, token, strlen(token));
    digest_final(&digest, bytes);
    if (look_up(auth, bytes, ret_caller))
        return 0;
    *ret_caller = (struct caller){0};
    uint64_t generation = atomic_load(&auth->generation);
    struct db *db = store_read_begin(auth->store, err);
    if (!db)
        return ERR_INTERNAL;
    struct token_row row = {0};
    struct error lookup = {0};
    int64_t now_us = clock_wall_us();
    int rc = tokens_verify(db, token, now_us, &row, &lookup);
    store_read_end(auth->store, db);
    if (rc == ERR_NOT_FOUND)
        return 0;
    if (rc != 0) {
        *err = lookup;
        return rc;
    }
    ret_caller->scope = (int)row.scope;
    ret_caller->expires_us = row.expires_us;
    memcpy(ret_caller->owner, row.owner, sizeof(row.owner));
    memcpy(ret_caller->token, row.id, sizeof(row.id));
    note_use(auth, &row, now_us);
    token_row_release(&row);
    remember(auth, bytes, ret_caller, generation);
    return 0;
}

bool auth_still_holds(struct auth *auth, const struct caller *caller,
                      uint64_t *generation)
{
    if (!auth->required || caller->scope == 0)
        return true;
    if (is_expired(caller))
        return false;
    uint64_t present = atomic_load(&auth->generation);
    if (*generation == present)
        return true;
    struct db *db = store_read_begin(auth->store, NULL);
    if (!db)
        return false;
    struct token_row row = {0};
    int rc = tokens_get(db, caller->token, &row, NULL);
    store_read_end(auth->store, db);
    token_row_release(&row);
    if (rc == 0)
        *generation = present;
    return rc == 0;
}

/* The token of an Authorization header, or NULL when it is no Bearer token. */
static const char *bearer_token(const char *header)
{
    if (!header || strncasecmp(header, "Bearer ", 7) != 0)
        return NULL;
    const char *token = header + 7 + strspn(header + 7, " ");
    return *token != '\0' && strlen(token) < TOKEN_TEXT_SIZE ? token : NULL;
}

static void refuse(struct request *request, bool has_header)
{
    reply_add_header(request, "WWW-Authenticate",
                     has_header ? "Bearer realm=\"backpropd\", error=\"invalid_token\""
                                : "Bearer realm=\"backpropd\"");
    if (has_header)
        reply_problem(request, 401, "invalid_token",
                      "the access token is malformed, unknown, revoked or expired");
    else
        reply_problem(
            request, 401, "token_required",
            "expected \"Authorization: Bearer bp_…\"; the operator makes tokens "
            "with: backpropd token create");
}

static bool check_scope(struct request *request, int held, int scope)
{
    if (held >= scope)
        return true;
    reply_add_header(request, "WWW-Authenticate",
                     "Bearer realm=\"backpropd\", error=\"insufficient_scope\"");
    reply_problem(request, 403, "insufficient_scope",
                  "this needs a token of scope %s; the one given has %s",
                  token_scope_name((enum token_scope)scope),
                  token_scope_name((enum token_scope)held));
    return false;
}

bool auth_check(struct auth *auth, struct request *request, int scope)
{
    if (scope == 0)
        return true;
    if (!auth->required) {
        request->caller = (struct caller){.scope = SCOPE_ADMIN, .owner = OWNER_LOCAL};
        return true;
    }
    const char *header = request_header(request, "Authorization");
    const char *token = bearer_token(header);
    struct caller caller = {0};
    struct error err = {0};
    if (token && verify(auth, token, &caller, &err) != 0) {
        reply_error(request, &err);
        return false;
    }
    if (caller.scope == 0) {
        refuse(request, header != NULL);
        return false;
    }
    request->caller = caller;
    return check_scope(request, caller.scope, scope);
}
