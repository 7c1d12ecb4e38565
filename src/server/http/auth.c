/* See auth.h. The cache is keyed by the token's SHA-256, so that it holds no secret. */
#include "auth.h"

#include "base/clock.h"
#include "base/memory.h"
#include "reply.h"
#include "store/digest.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CACHE_SLOTS 256

struct cache_slot {
    unsigned char digest[DIGEST_BYTES];
    int scope;
    int64_t until_ns; /* 0: empty */
};

struct auth {
    struct store *store;
    bool required;
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

/* The token's scope from the cache; 0 when it is not there. */
static int look_up(struct auth *auth, const unsigned char digest[DIGEST_BYTES])
{
    int scope = 0;
    int64_t now = clock_monotonic_ns();
    pthread_mutex_lock(&auth->lock);
    const struct cache_slot *slot = &auth->slots[digest[0]];
    if (slot->until_ns > now && memcmp(slot->digest, digest, DIGEST_BYTES) == 0)
        scope = slot->scope;
    pthread_mutex_unlock(&auth->lock);
    return scope;
}

static void remember(struct auth *auth, const unsigned char digest[DIGEST_BYTES],
                     int scope)
{
    int64_t until = clock_monotonic_ns() + AUTH_CACHE_SECONDS * CLOCK_NS_PER_SECOND;
    pthread_mutex_lock(&auth->lock);
    struct cache_slot *slot = &auth->slots[digest[0]];
    memcpy(slot->digest, digest, DIGEST_BYTES);
    slot->scope = scope;
    slot->until_ns = until;
    pthread_mutex_unlock(&auth->lock);
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

/* *ret_scope is 0 for a token that is not alive. */
static int verify(struct auth *auth, const char *token, int *ret_scope, struct error *err)
{
    unsigned char bytes[DIGEST_BYTES];
    struct digest digest;
    digest_init(&digest);
    digest_update(&digest, token, strlen(token));
    digest_final(&digest, bytes);
    *ret_scope = look_up(auth, bytes);
    if (*ret_scope != 0)
        return 0;
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
    *ret_scope = (int)row.scope;
    note_use(auth, &row, now_us);
    token_row_release(&row);
    remember(auth, bytes, *ret_scope);
    return 0;
}

static const char *scope_name(int scope)
{
    static const char *const names[] = {"none", "read", "submit", "admin"};
    return names[scope];
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

bool auth_check(struct auth *auth, struct request *request, int scope)
{
    if (scope == 0 || !auth->required)
        return true;
    const char *header = request_header(request, "Authorization");
    const char *token = bearer_token(header);
    int held = 0;
    struct error err = {0};
    if (token && verify(auth, token, &held, &err) != 0) {
        reply_error(request, &err);
        return false;
    }
    if (held == 0) {
        refuse(request, header != NULL);
        return false;
    }
    if (held >= scope)
        return true;
    reply_add_header(request, "WWW-Authenticate",
                     "Bearer realm=\"backpropd\", error=\"insufficient_scope\"");
    reply_problem(request, 403, "insufficient_scope",
                  "this needs a token of scope %s; the one given has %s",
                  scope_name(scope), scope_name(held));
    return false;
}
