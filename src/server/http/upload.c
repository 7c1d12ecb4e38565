/* See upload.h. */
#include "upload.h"

#include "base/io.h"
#include "base/memory.h"
#include "multipart.h"
#include "percent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* In the order in which parts are listed and ingested. */
static const char *const part_names[UPLOAD_MAX_PARTS] = {
    "train.features", "train.labels", "test.features", "test.labels", "table", "text"};

#define PART_NAMES                                                                       \
    "train.features, train.labels, test.features, test.labels, table or text"

/* What a body of one type is. The ingest worker looks at the bytes themselves: a "table"
 * may turn out to be an array file. */
static const struct {
    const char *type;
    const char *part;
} content_types[] = {
    {"text/csv", "table"},
    {"text/tab-separated-values", "table"},
    {"application/json", "table"},
    {"application/octet-stream", "table"},
    {"application/gzip", "table"},
    {"application/x-gzip", "table"},
    {"application/x-www-form-urlencoded", "table"}, /* what curl --data-binary says */
    {"text/plain", "text"},
};

struct upload {
    char *folder; /* owned */
    uint64_t max_bytes, bytes;
    struct multipart *multipart; /* NULL for a body of one type */
    struct upload_part *current; /* that data goes to; NULL between parts */
    struct digest digest;        /* of `current` */
    int count;
    struct upload_part parts[UPLOAD_MAX_PARTS];
};

static bool is_media_type(const char *header, const char *type)
{
    size_t length = strlen(type);
    return strncasecmp(header, type, length) == 0 && strchr("; \t", header[length]);
}

static int open_unnamed(const char *folder, struct error *err)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
        return error_set_errno(err, errno, "cannot make a temporary file");
    /* A file system without O_TMPFILE: a name that is gone at once. */
    char path[4096];
    if (snprintf(path, sizeof(path), "%s/upload-XXXXXX", folder) >= (int)sizeof(path))
        return error_set(err, ERR_INTERNAL, "the data folder's name is too long");
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot make a temporary file");
    unlink(path);
    return fd;
}

static void copy_filename(char ret_filename[UPLOAD_FILENAME_SIZE], const char *filename)
{
    const char *slash = strrchr(filename, '/');
    if (slash)
        filename = slash + 1;
    if (utf8_is_valid(filename, strlen(filename)))
        snprintf(ret_filename, UPLOAD_FILENAME_SIZE, "%s", filename);
}

static int begin_part(void *context, const char *name, const char *filename,
                      struct error *err)
{
    struct upload *upload = context;
    const char *known = NULL;
    for (int i = 0; i < UPLOAD_MAX_PARTS; i++)
        if (strcmp(part_names[i], name) == 0)
            known = part_names[i];
    char pointer[128];
    snprintf(pointer, sizeof(pointer), "/%.100s", name);
    if (!known)
        return error_set_at(err, ERR_INVALID, pointer,
                            "expected a part named " PART_NAMES ", found \"%.100s\"",
                            name);
    for (int i = 0; i < upload->count; i++)
        if (upload->parts[i].name == known)
            return error_set_at(err, ERR_INVALID, pointer, "this part comes twice");
    int fd = open_unnamed(upload->folder, err);
    if (fd < 0)
        return fd;
    struct upload_part *part = &upload->parts[upload->count++];
    part->name = known;
    part->fd = fd;
    copy_filename(part->filename, filename);
    upload->current = part;
    digest_init(&upload->digest);
    return 0;
}

static int write_part(void *context, const char *bytes, size_t length, struct error *err)
{
    struct upload *upload = context;
    if (length > upload->max_bytes - upload->bytes)
        return error_set(err, ERR_TOO_LARGE, "expected at most %llu bytes (--max-upload)",
                         (unsigned long long)upload->max_bytes);
    int rc = io_write_full(upload->current->fd, bytes, length);
    if (rc != 0)
        return error_set_errno(err, errno, "cannot write the upload");
    digest_update(&upload->digest, bytes, length);
    upload->current->bytes += length;
    upload->bytes += length;
    return 0;
}

static int end_part(void *context, struct error *err)
{
    struct upload *upload = context;
    struct upload_part *part = upload->current;
    unsigned char bytes[DIGEST_BYTES];
    digest_final(&upload->digest, bytes);
    digest_hex(bytes, part->sha256);
    upload->current = NULL;
    if (part->bytes > 0)
        return 0;
    char pointer[64];
    snprintf(pointer, sizeof(pointer), "/%s", part->name);
    return error_set_at(err, ERR_INVALID, pointer, "expected data, found none");
}

/* Prepares for the body: a multipart parser, or the one part. */
static int open_parts(struct upload *upload, const char *content_type, struct error *err)
{
    if (content_type && is_media_type(content_type, "multipart/form-data")) {
        const struct multipart_events events = {begin_part, write_part, end_part, upload};
        return multipart_new(content_type, &events, &upload->multipart, err);
    }
    const char *part = content_type && content_type[0] != '\0' ? NULL : "table";
    for (size_t i = 0; !part && i < sizeof(content_types) / sizeof(content_types[0]); i++)
        if (is_media_type(content_type, content_types[i].type))
            part = content_types[i].part;
    if (!part)
        return error_set(err, ERR_INVALID,
                         "expected Content-Type text/csv, text/tab-separated-values, "
                         "text/plain, application/json, application/octet-stream or "
                         "multipart/form-data, found \"%.100s\"",
                         content_type);
    return begin_part(upload, part, "", err);
}

int upload_new(const char *folder, uint64_t max_bytes, const char *content_type,
               struct upload **ret_upload, struct error *err)
{
    struct upload *upload = mem_alloc(sizeof(*upload));
    if (!upload)
        return error_set(err, ERR_NOMEM, "no memory for the upload");
    upload->max_bytes = max_bytes;
    upload->folder = mem_strdup(folder);
    int rc = upload->folder ? open_parts(upload, content_type, err)
                            : error_set(err, ERR_NOMEM, "no memory for the upload");
    if (rc != 0) {
        upload_free(upload);
        return rc;
    }
    *ret_upload = upload;
    return 0;
}

void upload_free(struct upload *upload)
{
    if (!upload)
        return;
    for (int i = 0; i < upload->count; i++)
        io_close(&upload->parts[i].fd);
    multipart_free(upload->multipart);
    free(upload->folder);
    free(upload);
}

int upload_write(struct upload *upload, const char *bytes, size_t length,
                 struct error *err)
{
    if (upload->multipart)
        return multipart_write(upload->multipart, bytes, length, err);
    return write_part(upload, bytes, length, err);
}

static int compare_parts(const void *left, const void *right)
{
    const struct upload_part *parts[2] = {left, right};
    int order[2] = {0, 0};
    for (int side = 0; side < 2; side++)
        while (part_names[order[side]] != parts[side]->name)
            order[side]++;
    return order[0] - order[1];
}

int upload_finish(struct upload *upload, struct error *err)
{
    int rc = 0;
    if (upload->multipart)
        rc = multipart_finish(upload->multipart, err);
    else
        rc = end_part(upload, err);
    if (rc == 0 && upload->count == 0)
        rc = error_set(err, ERR_INVALID,
                       "expected at least one part named " PART_NAMES ", found none");
    qsort(upload->parts, (size_t)upload->count, sizeof(upload->parts[0]), compare_parts);
    return rc;
}

struct upload_part *upload_parts(struct upload *upload, int *ret_count)
{
    *ret_count = upload->count;
    return upload->parts;
}

void upload_identity(const struct upload *upload, uint64_t *ret_bytes,
                     char ret_sha256[DIGEST_HEX_SIZE])
{
    *ret_bytes = upload->bytes;
    if (upload->count == 1) {
        memcpy(ret_sha256, upload->parts[0].sha256, DIGEST_HEX_SIZE);
        return;
    }
    struct digest digest;
    unsigned char bytes[DIGEST_BYTES];
    digest_init(&digest);
    for (int i = 0; i < upload->count; i++)
        digest_update(&digest, upload->parts[i].sha256, DIGEST_HEX_SIZE - 1);
    digest_final(&digest, bytes);
    digest_hex(bytes, ret_sha256);
}
