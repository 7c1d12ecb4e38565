/*
 * See tokens.h. The text is 256 bits of getrandom() in Crockford's base 32 behind "bp_".
 * A digest without salt is enough: there is nothing to guess in 256 random bits. A token
 * is found by the first bytes of its digest and compared in constant time with the whole.
 */
#include "tokens.h"

#include "base/utf8.h"
#include "db.h"
#include "digest.h"
#include "rows.h"

#include <errno.h>
#include <nettle/memops.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SECRET_BYTES 32
#define PREFIX "bp_"
#define PREFIX_LENGTH (sizeof(PREFIX) - 1)
#define ENCODED_LENGTH ((SECRET_BYTES * 8 + 4) / 5) /* 52 */

_Static_assert(PREFIX_LENGTH + ENCODED_LENGTH < TOKEN_TEXT_SIZE, "a token must fit");

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

#define COLUMNS "id, name, scope, created_us, expires_us, last_used_us, owner"

/* Of a digest, for the look-up. */
#define LOOKUP_BYTES 8

static const char *const scope_names[] = {
    [SCOPE_READ] = "read", [SCOPE_SUBMIT] = "submit", [SCOPE_ADMIN] = "admin"};

const char *token_scope_name(enum token_scope scope)
{
    return scope_names[scope];
}

int token_scope_parse(const char *name)
{
    for (int scope = SCOPE_READ; scope <= SCOPE_ADMIN; scope++)
        if (strcmp(scope_names[scope], name) == 0)
            return scope;
    return 0;
}

void token_row_release(struct token_row *row)
{
    free(row->name);
    *row = (struct token_row){0};
}

static void read_row(struct query *q, bool is_listed, void *ret_row)
{
    (void)is_listed;
    struct token_row row = {0};
    query_read_text(q, 0, row.id, sizeof(row.id));
    row.name = query_copy_text(q, 1);
    row.scope = (enum token_scope)query_int(q, 2);
    row.created_us = query_int(q, 3);
    row.expires_us = query_int(q, 4);
    row.last_used_us = query_int(q, 5);
    query_read_text(q, 6, row.owner, sizeof(row.owner));
    *(struct token_row *)ret_row = row;
}

static void release(void *row)
{
    token_row_release(row);
}

static const struct row_type token_type = {sizeof(struct token_row), read_row, release};

/* Five bits a character, most significant first. */
static void encode(const unsigned char secret[SECRET_BYTES], char *text)
{
    memcpy(text, PREFIX, PREFIX_LENGTH);
    for (size_t i = 0; i < ENCODED_LENGTH; i++) {
        size_t bit = i * 5;
        unsigned pair = (unsigned)secret[bit / 8] << 8;
        if (bit / 8 + 1 < SECRET_BYTES)
            pair |= secret[bit / 8 + 1];
        text[PREFIX_LENGTH + i] = alphabet[pair >> (11 - bit % 8) & 31];
    }
    text[PREFIX_LENGTH + ENCODED_LENGTH] = '\0';
}

static void digest_text(const char *text, unsigned char ret_bytes[DIGEST_BYTES])
{
    struct digest digest;
    digest_init(&digest);
    digest_update(&digest, text, strlen(text));
    digest_final(&digest, ret_bytes);
}

static bool is_name(const char *name)
{
    size_t length = strlen(name);
    if (length > TOKEN_NAME_MAX || utf8_valid_prefix(name, length) != length)
        return false;
    for (; *name != '\0'; name++)
        if ((unsigned char)*name < 0x20 || *name == 0x7f)
            return false;
    return true;
}

static int check_wish(const struct token_wish *wish, struct error *err)
{
    if (wish->scope < SCOPE_READ || wish->scope > SCOPE_ADMIN)
        return error_set_at(err, ERR_INVALID, "/scope",
                            "expected the scope read, submit or admin");
    if (wish->name && !is_name(wish->name))
        return error_set_at(err, ERR_INVALID, "/name",
                            "expected a name of at most %d bytes without control "
                            "characters",
                            TOKEN_NAME_MAX);
    if (wish->owner && !owner_is_valid(wish->owner))
        return error_set_at(err, ERR_INVALID, "/owner",
                            "expected an owner of 1 to %d letters, digits and \"._@-\", "
                            "the first a letter or digit",
                            OWNER_SIZE - 1);
    return 0;
}

int tokens_create(struct db *db, const struct token_wish *wish, int64_t now_us,
                  char ret_text[TOKEN_TEXT_SIZE], char ret_id[ID_SIZE], struct error *err)
{
    int rc = check_wish(wish, err);
    if (rc < 0)
        return rc;
    unsigned char secret[SECRET_BYTES], sha256[DIGEST_BYTES];
    if (getrandom(secret, sizeof(secret), 0) != (ssize_t)sizeof(secret))
        return error_set_errno(err, errno, "no random numbers for a token");
    char text[TOKEN_TEXT_SIZE], id[ID_SIZE];
    encode(secret, text);
    digest_text(text, sha256);
    id_make("tok", id);
    struct query q;
    query_begin(&q, db,
                "INSERT INTO tokens (id, name, scope, sha256, created_us, expires_us,"
                " last_used_us, owner) VALUES (:id, :name, :scope, :sha256, :created_us,"
                " :expires_us, 0, :owner)");
    query_bind_text(&q, ":id", id);
    query_bind_text(&q, ":name", wish->name);
    query_bind_text(&q, ":owner", wish->owner ? wish->owner : id);
    query_bind_int(&q, ":scope", wish->scope);
    query_bind_blob(&q, ":sha256", sha256, sizeof(sha256));
    query_bind_int(&q, ":created_us", now_us);
    query_bind_int(&q, ":expires_us", wish->expires_us);
    rc = query_run(&q, err);
    if (rc == 0) {
        memcpy(ret_text, text, sizeof(text));
        memcpy(ret_id, id, sizeof(id));
    }
    return rc;
}

/* Steps to the row with the whole digest: 1, or 0 when there is none. */
static int find_digest(struct query *q, const unsigned char sha256[DIGEST_BYTES],
                       struct error *err)
{
    int rc;
    while ((rc = query_step(q, err)) > 0) {
        size_t length;
        const void *stored = query_blob(q, 7, &length);
        if (length == DIGEST_BYTES && memeql_sec(stored, sha256, DIGEST_BYTES))
            return 1;
    }
    return rc;
}

int tokens_verify(struct db *db, const char *text, int64_t now_us,
                  struct token_row *ret_row, struct error *err)
{
    unsigned char sha256[DIGEST_BYTES], first[DIGEST_BYTES], last[DIGEST_BYTES];
    if (strlen(text) != PREFIX_LENGTH + ENCODED_LENGTH)
        return error_set(err, ERR_NOT_FOUND, "there is no such token");
    digest_text(text, sha256);
    memset(first, 0, sizeof(first));
    memset(last, 0xff, sizeof(last));
    memcpy(first, sha256, LOOKUP_BYTES);
    memcpy(last, sha256, LOOKUP_BYTES);
    struct query q;
    query_begin(&q, db,
                "SELECT " COLUMNS ", sha256 FROM tokens"
                " WHERE sha256 BETWEEN :first AND :last"
                " AND (expires_us = 0 OR expires_us > :now)");
    query_bind_blob(&q, ":first", first, sizeof(first));
    query_bind_blob(&q, ":last", last, sizeof(last));
    query_bind_int(&q, ":now", now_us);
    struct token_row row = {0};
    int rc = find_digest(&q, sha256, err);
    if (rc > 0) {
        read_row(&q, false, &row);
        rc = query_status(&q, err);
    } else if (rc == 0) {
        rc = error_set(err, ERR_NOT_FOUND, "there is no such token");
    }
    query_end(&q);
    if (rc == 0)
        *ret_row = row;
    else
        token_row_release(&row);
    return rc;
}

int tokens_touch(struct db *db, const char *id, int64_t now_us, struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "UPDATE tokens SET last_used_us = :now"
                " WHERE id = :id AND last_used_us <= :now - :grain");
    query_bind_text(&q, ":id", id);
    query_bind_int(&q, ":now", now_us);
    query_bind_int(&q, ":grain", TOKEN_TOUCH_US);
    return query_run(&q, err);
}

int tokens_get(struct db *db, const char *id, struct token_row *ret_row,
               struct error *err)
{
    struct query q;
    query_begin(&q, db, "SELECT " COLUMNS " FROM tokens WHERE id = :id");
    query_bind_text(&q, ":id", id);
    return rows_read_one(&q, &token_type, "token", ret_row, err);
}

int tokens_list(struct db *db, const struct page *page, struct token_row **ret_rows,
                size_t *ret_count, bool *ret_has_more, struct error *err)
{
    int rc = page_check(page, err);
    if (rc < 0)
        return rc;
    struct query q;
    query_begin(&q, db,
                "SELECT " COLUMNS " FROM tokens WHERE id < :after"
                " ORDER BY id DESC LIMIT :limit");
    query_bind_text(&q, ":after", page->after ? page->after : PAGE_START);
    query_bind_int(&q, ":limit", page->limit + 1);
    void *rows;
    rc = rows_read(&q, &token_type, (size_t)page->limit, &rows, ret_count, ret_has_more,
                   err);
    if (rc == 0)
        *ret_rows = rows;
    return rc;
}

int tokens_delete(struct db *db, const char *id, struct error *err)
{
    struct query q;
    query_begin(&q, db, "DELETE FROM tokens WHERE id = :id");
    query_bind_text(&q, ":id", id);
    int rc = query_run(&q, err);
    if (rc == 0 && db_changes(db) == 0)
        rc = error_set(err, ERR_NOT_FOUND, "there is no such token");
    return rc;
}

int tokens_any(struct db *db, int64_t now_us, bool *ret_any, struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "SELECT EXISTS (SELECT 1 FROM tokens"
                " WHERE expires_us = 0 OR expires_us > :now)");
    query_bind_int(&q, ":now", now_us);
    int rc = query_step(&q, err);
    if (rc > 0)
        *ret_any = query_int(&q, 0) != 0;
    query_end(&q);
    return rc < 0 ? rc : 0;
}
