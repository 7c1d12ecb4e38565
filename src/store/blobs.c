/*
 * See blobs.h. Chunks go in order and the digest of each is taken as it comes, so sealing
 * has only to count: it never reads the bytes again on the writer thread.
 */
#include "blobs.h"

#include "db.h"

#include <string.h>

int blobs_create(struct db *db, int64_t *ret_blob, struct error *err)
{
    int rc = db_run(db, "INSERT INTO blobs DEFAULT VALUES", err);
    if (rc == 0)
        *ret_blob = db_last_number(db);
    return rc;
}

/* What is there of a blob. */
struct extent {
    bool exists, sealed;
    int64_t chunks;
    int64_t last_bytes; /* of the last chunk */
};

static int read_extent(struct db *db, int64_t blob, struct extent *ret_extent,
                       struct error *err)
{
    struct query q;
    query_begin(
        &q, db,
        "SELECT EXISTS (SELECT 1 FROM blob_seals WHERE blob = :blob),"
        " coalesce(last.chunk + 1, 0), coalesce(length(last.bytes), 0)"
        " FROM blobs LEFT JOIN blob_chunks AS last ON last.blob = blobs.number"
        " AND last.chunk = (SELECT max(chunk) FROM blob_chunks WHERE blob = :blob)"
        " WHERE blobs.number = :blob");
    query_bind_int(&q, ":blob", blob);
    int rc = query_step(&q, err);
    if (rc > 0)
        *ret_extent = (struct extent){.exists = true,
                                      .sealed = query_int(&q, 0) != 0,
                                      .chunks = query_int(&q, 1),
                                      .last_bytes = query_int(&q, 2)};
    query_end(&q);
    if (rc == 0)
        return error_set(err, ERR_NOT_FOUND, "there is no such blob");
    return rc < 0 ? rc : 0;
}

static int check_append(const struct extent *extent, int64_t index, size_t length,
                        struct error *err)
{
    if (extent->sealed)
        return error_set(err, ERR_CONFLICT, "the blob is sealed");
    if (length == 0 || length > BLOB_CHUNK_BYTES)
        return error_set(err, ERR_INVALID, "a chunk has 1 to %zu bytes, not %zu",
                         BLOB_CHUNK_BYTES, length);
    if (index != extent->chunks)
        return error_set(err, ERR_INVALID, "expected chunk %lld of the blob, got %lld",
                         (long long)extent->chunks, (long long)index);
    if (extent->chunks > 0 && (size_t)extent->last_bytes != BLOB_CHUNK_BYTES)
        return error_set(err, ERR_INVALID, "only the last chunk of a blob may be short");
    return 0;
}

int blobs_append(struct db *db, int64_t blob, int64_t index, const void *bytes,
                 size_t length, struct error *err)
{
    struct extent extent = {0};
    int rc = read_extent(db, blob, &extent, err);
    if (rc == 0)
        rc = check_append(&extent, index, length, err);
    if (rc < 0)
        return rc;
    struct digest digest;
    unsigned char sha256[DIGEST_BYTES];
    digest_init(&digest);
    digest_update(&digest, bytes, length);
    digest_final(&digest, sha256);
    struct query q;
    query_begin(&q, db,
                "INSERT INTO blob_chunks (blob, chunk, sha256, bytes)"
                " VALUES (:blob, :chunk, :sha256, :bytes)");
    query_bind_int(&q, ":blob", blob);
    query_bind_int(&q, ":chunk", index);
    query_bind_blob(&q, ":sha256", sha256, sizeof(sha256));
    query_bind_blob(&q, ":bytes", bytes, length);
    return query_run(&q, err);
}

int blobs_seal(struct db *db, int64_t blob, uint64_t bytes, const char *sha256,
               struct error *err)
{
    struct extent extent = {0};
    int rc = read_extent(db, blob, &extent, err);
    if (rc < 0)
        return rc;
    if (extent.sealed)
        return error_set(err, ERR_CONFLICT, "the blob is sealed");
    uint64_t stored = 0;
    if (extent.chunks > 0)
        stored = (uint64_t)(extent.chunks - 1) * BLOB_CHUNK_BYTES +
                 (uint64_t)extent.last_bytes;
    if (stored != bytes)
        return error_set(err, ERR_CORRUPT, "the blob has %llu bytes, not %llu",
                         (unsigned long long)stored, (unsigned long long)bytes);
    struct query q;
    query_begin(&q, db,
                "INSERT INTO blob_seals (blob, bytes, sha256)"
                " VALUES (:blob, :bytes, :sha256)");
    query_bind_int(&q, ":blob", blob);
    query_bind_int(&q, ":bytes", (int64_t)bytes);
    query_bind_text(&q, ":sha256", sha256);
    return query_run(&q, err);
}

int blobs_delete(struct db *db, int64_t blob, struct error *err)
{
    struct query q;
    query_begin(&q, db, "DELETE FROM blobs WHERE number = :blob");
    query_bind_int(&q, ":blob", blob);
    int rc = query_run(&q, err);
    if (rc == 0 && db_changes(db) == 0)
        rc = error_set(err, ERR_NOT_FOUND, "there is no such blob");
    return rc;
}

int blobs_delete_unsealed(struct db *db, struct error *err)
{
    return db_run(db,
                  "DELETE FROM blobs WHERE NOT EXISTS"
                  " (SELECT 1 FROM blob_seals WHERE blob = blobs.number)",
                  err);
}

int blobs_stat(struct db *db, int64_t blob, uint64_t *ret_bytes,
               char ret_sha256[DIGEST_HEX_SIZE], struct error *err)
{
    struct query q;
    query_begin(&q, db, "SELECT bytes, sha256 FROM blob_seals WHERE blob = :blob");
    query_bind_int(&q, ":blob", blob);
    int rc = query_step(&q, err);
    if (rc > 0) {
        char sha256[DIGEST_HEX_SIZE] = "";
        query_read_text(&q, 1, sha256, sizeof(sha256));
        rc = query_status(&q, err);
        if (rc == 0) {
            *ret_bytes = (uint64_t)query_int(&q, 0);
            memcpy(ret_sha256, sha256, sizeof(sha256));
        }
    } else if (rc == 0) {
        rc = error_set(err, ERR_NOT_FOUND, "there is no such blob");
    }
    query_end(&q);
    return rc;
}

/* The bytes of the chunk that the query stands on, checked against their digest and
 * against the length that a chunk in this place must have. */
static int check_chunk(const struct query *q, size_t expected, const unsigned char **ret,
                       int64_t index, struct error *err)
{
    size_t sha_length, length;
    const unsigned char *sha256 = query_blob(q, 0, &sha_length);
    const unsigned char *bytes = query_blob(q, 1, &length);
    unsigned char actual[DIGEST_BYTES];
    bool intact = bytes && sha256 && sha_length == DIGEST_BYTES && length == expected;
    if (intact) {
        struct digest digest;
        digest_init(&digest);
        digest_update(&digest, bytes, length);
        digest_final(&digest, actual);
        intact = memcmp(actual, sha256, DIGEST_BYTES) == 0;
    }
    if (!intact)
        return error_set(err, ERR_CORRUPT, "chunk %lld of the stored bytes is damaged",
                         (long long)index);
    *ret = bytes;
    return 0;
}

static int read_chunk(struct db *db, int64_t blob, int64_t index, size_t expected,
                      size_t from, void *into, size_t length, struct error *err)
{
    struct query q;
    query_begin(&q, db,
                "SELECT sha256, bytes FROM blob_chunks"
                " WHERE blob = :blob AND chunk = :chunk");
    query_bind_int(&q, ":blob", blob);
    query_bind_int(&q, ":chunk", index);
    int rc = query_step(&q, err);
    if (rc > 0) {
        const unsigned char *bytes = NULL;
        rc = check_chunk(&q, expected, &bytes, index, err);
        if (rc == 0 && bytes)
            memcpy(into, bytes + from, length);
    } else if (rc == 0) {
        rc = error_set(err, ERR_CORRUPT, "chunk %lld of the stored bytes is missing",
                       (long long)index);
    }
    query_end(&q);
    return rc;
}

int blobs_read(struct db *db, int64_t blob, uint64_t offset, void *bytes, size_t length,
               struct error *err)
{
    uint64_t total = 0;
    char sha256[DIGEST_HEX_SIZE];
    int rc = blobs_stat(db, blob, &total, sha256, err);
    if (rc < 0)
        return rc;
    if (offset > total || length > total - offset)
        return error_set(err, ERR_INVALID, "the range ends after the %llu stored bytes",
                         (unsigned long long)total);
    unsigned char *into = bytes;
    while (length > 0) {
        uint64_t index = offset / BLOB_CHUNK_BYTES;
        size_t from = (size_t)(offset % BLOB_CHUNK_BYTES);
        uint64_t rest = total - index * BLOB_CHUNK_BYTES;
        size_t chunk = rest < BLOB_CHUNK_BYTES ? (size_t)rest : BLOB_CHUNK_BYTES;
        size_t part = chunk - from < length ? chunk - from : length;
        rc = read_chunk(db, blob, (int64_t)index, chunk, from, into, part, err);
        if (rc < 0)
            return rc;
        into += part;
        offset += part;
        length -= part;
    }
    return 0;
}
