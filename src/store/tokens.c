/*
 * See tokens.h. The text is 256 bits of getrandom() in Crockford's base 32 behind "bp_".
 * A digest without salt is enough: there is nothing to guess in 256 random bits. For the
 * same reason the look-up by digest in an index tells nothing by its time.
 */
#include "tokens.h"

#include "db.h"
#include "digest.h"
#include "rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SECRET_BYTES 32
#define PREFIX "bp_"
#define PREFIX_LENGTH (sizeof(PREFIX) - 1)
#define ENCODED_LENGTH ((SECRET_BYTES * 8 + 4) / 5) /* 52 */

_Static_assert(PREFIX_LENGTH + ENCODED_LENGTH < TOKEN_TEXT_SIZE, "a token must fit");

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

#define COLUMNS "id, name, scope, created_us, expires_us, last_used_us"

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

int tokens_create(struct db *db, const char *name, enum token_scope scope,
                  int64_t expires_us, int64_t now_us, char ret_text[TOKEN_TEXT_SIZE],
                  char ret_id[ID_SIZE], struct error *err)
{
    if (scope < SCOPE_READ || scope > SCOPE_ADMIN)
        return error_set(err, ERR_INVALID, "scope must be read, submit or admin");
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
                " last_used_us) VALUES (:id, :name, :scope, :sha256, :created_us,"
                " :expires_us, 0)");
    query_bind_text(&q, ":id", id);
    query_bind_text(&q, ":name", name);
    query_bind_int(&q, ":scope", scope);
    query_bind_blob(&q, ":sha256", sha256, sizeof(sha256));
    query_bind_int(&q, ":created_us", now_us);
    query_bind_int(&q, ":expires_us", expires_us);
    int rc = query_run(&q, err);
    if (rc == 0) {
        memcpy(ret_text, text, sizeof(text));
        memcpy(ret_id, id, sizeof(id));
    }
    return rc;
}

int tokens_verify(struct db *db, const char *text, int64_t now_us,
                  struct token_row *ret_row, struct error *err)
{
    unsigned char sha256[DIGEST_BYTES];
    if (strlen(text) != PREFIX_LENGTH + ENCODED_LENGTH)
        return error_set(err, ERR_NOT_FOUND, "there is no such token");
    digest_text(text, sha256);
    struct query q;
    query_begin(&q, db,
                "SELECT " COLUMNS " FROM tokens WHERE sha256 = :sha256"
                " AND (expires_us = 0 OR expires_us > :now)");
    query_bind_blob(&q, ":sha256", sha256, sizeof(sha256));
    query_bind_int(&q, ":now", now_us);
    return rows_read_one(&q, &token_type, "token", ret_row, err);
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

int tokens_list(struct db *db, struct token_row **ret_rows, size_t *ret_count,
                struct error *err)
{
    struct query q;
    query_begin(&q, db, "SELECT " COLUMNS " FROM tokens ORDER BY id DESC");
    void *rows;
    int rc = rows_read(&q, &token_type, 0, &rows, ret_count, NULL, err);
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
