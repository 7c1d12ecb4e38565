/* See check.h. */
#include "check.h"

#include "blobs.h"
#include "datasets.h"
#include "db.h"
#include "digest.h"
#include "snapshot.h"

#include "base/io.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check {
    const char *dir;
    struct db *db;
    struct check_report *report;
    unsigned char *chunk;
};

static void say(const struct check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(const struct check *check, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    check->report->problems++;
    check->report->problem(check->report->context, text);
}

/* Damage is a finding; anything else ends the check. */
static int find(const struct check *check, int rc, const char *what,
                const struct error *cause, struct error *err)
{
    if (rc == ERR_CORRUPT) {
        say(check, "%s: %s", what, cause->text);
        return 0;
    }
    return rc < 0 ? error_set(err, rc, "%s: %s", what, cause->text) : 0;
}

/* Says the first column of each row that `q` gives, or all but "ok". */
static int say_rows(const struct check *check, const char *what, const char *sql,
                    struct error *err)
{
    struct query q;
    struct error cause = {0};
    query_begin(&q, check->db, sql);
    int rc;
    while ((rc = query_step(&q, &cause)) > 0)
        if (strcmp(query_text(&q, 0), "ok") != 0)
            say(check, "%s: %s", what, query_text(&q, 0));
    query_end(&q);
    return find(check, rc, what, &cause, err);
}

/* ---- weights and checkpoints ---- */

static int read_blob(const struct check *check, int64_t blob, uint64_t bytes,
                     const char *sha256, struct error *err)
{
    struct digest digest;
    digest_init(&digest);
    for (uint64_t at = 0; at < bytes; at += BLOB_CHUNK_BYTES) {
        uint64_t left = bytes - at;
        size_t length = left < BLOB_CHUNK_BYTES ? (size_t)left : BLOB_CHUNK_BYTES;
        int rc = blobs_read(check->db, blob, at, check->chunk, length, err);
        if (rc < 0)
            return rc;
        digest_update(&digest, check->chunk, length);
    }
    unsigned char actual[DIGEST_BYTES];
    char hex[DIGEST_HEX_SIZE];
    digest_final(&digest, actual);
    digest_hex(actual, hex);
    if (strcmp(hex, sha256) != 0)
        return error_set(err, ERR_CORRUPT, "the stored bytes have another digest");
    return 0;
}

static int check_blobs(const struct check *check, struct error *err)
{
    struct query q;
    struct error cause = {0};
    query_begin(&q, check->db,
                "SELECT s.blob, s.bytes, s.sha256, CASE"
                " WHEN m.id IS NOT NULL THEN 'weights of ' || m.id"
                " WHEN c.id IS NOT NULL THEN 'checkpoint ' || c.id || ' of '"
                " || coalesce(j.id, 'no job')"
                " ELSE 'bytes that nothing refers to' END FROM blob_seals AS s"
                " LEFT JOIN models AS m ON m.blob = s.blob"
                " LEFT JOIN checkpoints AS c ON c.blob = s.blob"
                " LEFT JOIN jobs AS j ON j.number = c.job ORDER BY s.blob");
    int step, rc = 0;
    while (rc == 0 && (step = query_step(&q, &cause)) > 0) {
        struct error damage = {0};
        int64_t bytes = query_int(&q, 1);
        int read = bytes < 0 ? ERR_CORRUPT
                             : read_blob(check, query_int(&q, 0), (uint64_t)bytes,
                                         query_text(&q, 2), &damage);
        if (read == 0) {
            check->report->blobs++;
            check->report->blob_bytes += bytes;
        }
        rc = find(check, read, query_text(&q, 3), &damage, err);
    }
    query_end(&q);
    return rc < 0 ? rc : find(check, step, "weights and checkpoints", &cause, err);
}

/* ---- dataset files ---- */

static int check_file(void *context, const struct dataset_use *use, struct error *err)
{
    const struct check *check = context;
    char path[PATH_MAX], what[200], sha256[DIGEST_HEX_SIZE];
    snprintf(what, sizeof(what), "the file of dataset %.150s", use->ids);
    if (snprintf(path, sizeof(path), "%s/datasets/%s", check->dir, use->file_sha256) >=
        (int)sizeof(path))
        return error_set(err, ERR_TOO_LARGE, "the folder's name is too long");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        say(check, "%s cannot be opened: %s", what,
            errno == ENOENT ? "it is gone" : strerror(errno));
        return 0;
    }
    uint64_t bytes = 0;
    struct error cause = {0};
    int rc = digest_file(fd, sha256, &bytes, &cause);
    io_close(&fd);
    if (rc == ERR_NOMEM)
        return error_set(err, rc, "%s", cause.text);
    if (rc < 0)
        say(check, "%s cannot be read: %s", what, cause.text);
    else if (bytes != use->file_bytes)
        say(check, "%s has %llu bytes instead of %llu", what, (unsigned long long)bytes,
            (unsigned long long)use->file_bytes);
    else if (strcmp(sha256, use->file_sha256) != 0)
        say(check, "%s is damaged: it has another digest", what);
    else {
        check->report->files++;
        check->report->file_bytes += (int64_t)bytes;
    }
    return 0;
}

static int check_all(struct check *check, struct error *err)
{
    struct error cause = {0};
    check->chunk = mem_alloc_array(BLOB_CHUNK_BYTES, 1);
    if (!check->chunk)
        return error_set(err, ERR_NOMEM, "no memory for the check");
    int rc = say_rows(check, "the database",
                      "SELECT integrity_check FROM pragma_integrity_check", err);
    if (rc == 0)
        rc = say_rows(check, "the database",
                      "SELECT 'a row of ' || \"table\" || ' refers to one of ' || parent"
                      " || ' that is not there' FROM pragma_foreign_key_check LIMIT 100",
                      err);
    if (rc == 0)
        rc = check_blobs(check, err);
    if (rc == 0) {
        rc = datasets_each_file(check->db, check_file, check, &cause);
        rc = find(check, rc, "datasets", &cause, err);
    }
    free(check->chunk);
    return rc;
}

int check_folder(const char *dir, struct check_report *report, struct error *err)
{
    struct check check = {.dir = dir, .report = report};
    struct error cause = {0};
    report->problems = report->blobs = report->blob_bytes = 0;
    report->files = report->file_bytes = 0;
    int rc = snapshot_open(dir, &check.db, &cause);
    if (rc < 0)
        return find(&check, rc, "the database", &cause, err);
    rc = check_all(&check, err);
    db_close(check.db);
    return rc;
}
