/* See owners.h. */
#include "owners.h"

#include "db.h"

#include <ctype.h>
#include <string.h>

bool owner_is_valid(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && length < OWNER_SIZE && isalnum((unsigned char)text[0]) &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789._@-") == length;
}

/* Each finds its answer in an index alone. */
static const struct {
    const char *sql, *name;
} kinds[] = {
    [OWNED_DATASET] = {"SELECT 1 FROM datasets INDEXED BY datasets_by_owner"
                       " WHERE owner = :owner AND id = :id",
                       "dataset"},
    [OWNED_JOB] = {"SELECT 1 FROM jobs INDEXED BY jobs_by_owner"
                   " WHERE owner = :owner AND id = :id",
                   "job"},
    [OWNED_MODEL] = {"SELECT 1 FROM models INDEXED BY models_by_owner"
                     " WHERE owner = :owner AND id = :id",
                     "model"},
};

int owners_check(struct db *db, enum owned_kind kind, const char *owner, const char *id,
                 struct error *err)
{
    struct query q;
    query_begin(&q, db, kinds[kind].sql);
    query_bind_text(&q, ":owner", owner);
    query_bind_text(&q, ":id", id);
    int rc = query_step(&q, err);
    query_end(&q);
    if (rc == 0)
        return error_set(err, ERR_NOT_FOUND, "there is no such %s", kinds[kind].name);
    return rc < 0 ? rc : 0;
}
