/*
 * POST /v1/datasets: uploaded bytes to a dataset.
 *
 *   HTTP thread     the body goes to unnamed files (upload.h)
 *   a worker        reads them, writes tmp/<id>, says the facts (sched_ingest)
 *   background      digest and sync of tmp/<id>, which may be large
 *   store's writer  in one transaction: rename to datasets/<sha256>, insert the row
 *   store's writer  after the COMMIT: the reply
 *
 * The rename is on the writer thread, as is the look whether a file is still used when a
 * dataset is deleted; so no deletion can take away a file that is just becoming used
 * again.
 */
#include "audit_log.h"
#include "background.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/memory.h"
#include "dataset_view.h"
#include "folders.h"
#include "listener.h"
#include "quota.h"
#include "reply.h"
#include "request_internal.h"
#include "spec/facts.h"
#include "spec/json_parse.h"
#include "upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define NAME_MAX_BYTES 200
#define MISSING_MAX_BYTES 1000
#define MAX_ROWS INT64_C(1000000000)

/* A dataset in the making. */
struct creation {
    struct store_write write; /* first: a pointer to it is one to this */
    struct background_task task;
    struct request *request;
    struct server *server;
    struct dataset_row row;
    int fd;                            /* of the dataset file; -1 before and after */
    char path[FOLDERS_PATH_SIZE];      /* of it, while it is in tmp/; "" otherwise */
    char published[FOLDERS_PATH_SIZE]; /* its final path */
    char *answer;                      /* the worker's facts as JSON text */
    struct buffer text;                /* the reply */
};

static void creation_free(struct creation *creation)
{
    if (creation->path[0] != '\0')
        unlink(creation->path);
    io_close(&creation->fd);
    dataset_row_release(&creation->row);
    free(creation->answer);
    buffer_release(&creation->text);
    free(creation);
}

/* Replies with what went wrong and gives up. */
static void creation_fail(struct creation *creation, int rc, struct error *err)
{
    error_set(err, rc, "the dataset could not be made");
    reply_error(creation->request, err);
    creation_free(creation);
}

/* ---- before the body ---- */

static bool is_one_of(const char *value, const char *const *choices)
{
    while (*choices && strcmp(*choices, value) != 0)
        choices++;
    return *choices != NULL;
}

/* Replies and returns false when an argument is not what it should be. */
static bool check_arguments(struct request *request)
{
    static const char *const headers[] = {"auto", "true", "false", NULL};
    static const char *const delimiters[] = {"auto", ",", ";", "tab", "\t", "|", NULL};
    const char *header = request_query(request, "header");
    const char *delimiter = request_query(request, "delimiter");
    const char *missing = request_query(request, "missing");
    const char *name = request_query(request, "name");
    if (header && !is_one_of(header, headers))
        reply_problem(request, 400, "invalid_argument",
                      "header: expected auto, true or false, found \"%.40s\"", header);
    else if (delimiter && !is_one_of(delimiter, delimiters))
        reply_problem(request, 400, "invalid_argument",
                      "delimiter: expected auto, a comma, a semicolon (%%3B), tab or |, "
                      "found \"%.40s\"",
                      delimiter);
    else if (missing && strlen(missing) > MISSING_MAX_BYTES)
        reply_problem(request, 400, "invalid_argument",
                      "missing: expected at most %d bytes, found %zu", MISSING_MAX_BYTES,
                      strlen(missing));
    else if (name && (name[0] == '\0' || strlen(name) > NAME_MAX_BYTES))
        reply_problem(request, 400, "invalid_argument",
                      "name: expected 1 to %d bytes, found %zu", NAME_MAX_BYTES,
                      strlen(name));
    else
        return true;
    return false;
}

void datasets_prepare_create(struct request *request)
{
    if (!check_arguments(request) || !quota_begin_upload(request))
        return;
    char folder[FOLDERS_PATH_SIZE];
    struct error err = {0};
    int rc = folders_path(request->server, "tmp", "", folder, &err);
    if (rc == 0)
        rc = upload_new(folder, request->server->config.max_upload_bytes,
                        request_header(request, "Content-Type"), &request->upload, &err);
    if (rc == ERR_INVALID)
        reply_problem(request, 415, "unsupported_media_type", "%s", err.text);
    else if (rc != 0)
        reply_error(request, &err);
}

/* ---- after the COMMIT, and in the transaction ---- */

/* Others may have come since the upload began. */
static int check_count(const struct creation *creation, struct db *db, struct error *err)
{
    int64_t most = creation->server->config.limits.datasets, count, bytes;
    int rc = datasets_total(db, &count, &bytes, err);
    if (rc == 0 && most > 0 && count >= most)
        rc = error_set(err, ERR_BUSY,
                       "%lld datasets are stored, which is the limit (--max-datasets)",
                       (long long)most);
    return rc;
}

static int insert_run(struct db *db, struct store_write *write, struct error *err)
{
    struct creation *creation = (struct creation *)write;
    int full = check_count(creation, db, err);
    if (full != 0)
        return full;
    if (rename(creation->path, creation->published) != 0)
        return error_set_errno(err, errno, "cannot name the dataset file");
    creation->path[0] = '\0';
    char folder[FOLDERS_PATH_SIZE];
    int rc = folders_path(creation->server, "datasets", "", folder, err);
    if (rc == 0)
        rc = io_sync_folder(folder, err);
    if (rc == 0)
        rc = datasets_insert(db, &creation->row, err);
    if (rc == 0)
        rc = audit_note(db, creation->request, creation->row.id, 201, err);
    if (rc == 0)
        rc = dataset_view(&creation->text, &creation->row, false, err);
    return rc;
}

/* A file that was renamed and has no row: nobody else can come to use it on this thread.
 */
static void drop_published(struct creation *creation)
{
    struct db *db = creation->path[0] == '\0'
                        ? store_read_begin(creation->server->store, NULL)
                        : NULL;
    if (!db) /* then the next start deletes it */
        return;
    folders_drop_dataset(creation->server, db, creation->row.file_sha256);
    store_read_end(creation->server->store, db);
}

static void insert_done(struct store_write *write, int rc, const struct error *err)
{
    struct creation *creation = (struct creation *)write;
    if (rc != 0) {
        drop_published(creation);
        struct error copy = *err;
        creation_fail(creation, rc, &copy);
        return;
    }
    char location[ID_SIZE + 16];
    snprintf(location, sizeof(location), "/v1/datasets/%s", creation->row.id);
    reply_add_header(creation->request, "Location", location);
    reply_json_text(creation->request, 201, creation->text.data, creation->text.length);
    creation_free(creation);
}

/* ---- on the background thread ---- */

/* One entry for each part of an upload that had several. */
static json_t *describe_parts(struct upload *upload)
{
    int count;
    const struct upload_part *parts = upload_parts(upload, &count);
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:I, s:s}", "name", parts[i].name, "filename",
                            parts[i].filename, "bytes", (json_int_t)parts[i].bytes,
                            "sha256", parts[i].sha256));
    return list;
}

/* Cuts the worker's answer into facts, with the parts, and preview. */
static int fill_facts(struct creation *creation, struct error *err)
{
    struct upload *upload = creation->request->upload;
    struct dataset_row *row = &creation->row;
    json_t *json = json_parse_text(creation->answer);
    struct dataset_facts *facts = NULL;
    int rc = json ? facts_parse(json, &facts, err) : ERR_PROTOCOL;
    facts_free(facts);
    if (rc == 0) {
        json_t *preview = json_object_get(json, "preview");
        row->preview = preview ? dataset_dump(preview) : mem_strdup("[]");
        json_object_del(json, "preview");
        int count;
        upload_parts(upload, &count);
        if (count > 1)
            json_object_set_new(json, "parts", describe_parts(upload));
        row->kind = mem_strdup(json_string_value(json_object_get(json, "kind")));
        row->facts = dataset_dump(json);
        rc = row->preview && row->kind && row->facts ? 0 : ERR_NOMEM;
    }
    json_decref(json);
    return rc;
}

static void publish(struct background_task *task)
{
    struct creation *creation =
        (struct creation *)((char *)task - offsetof(struct creation, task));
    struct dataset_row *row = &creation->row;
    struct error err = {0};
    int rc = fill_facts(creation, &err);
    if (rc == 0)
        rc = digest_file(creation->fd, row->file_sha256, &row->file_bytes, &err);
    if (rc == 0 && fsync(creation->fd) != 0)
        rc = error_set_errno(&err, errno, "cannot sync the dataset file");
    if (rc == 0)
        rc = folders_path(creation->server, "datasets", row->file_sha256,
                          creation->published, &err);
    if (rc != 0) {
        creation_fail(creation, rc, &err);
        return;
    }
    io_close(&creation->fd);
    row->created_us = clock_wall_us();
    creation->write.run = insert_run;
    creation->write.done = insert_done;
    store_submit(creation->server->store, &creation->write);
}

/* ---- on the scheduler's thread ---- */

/* The worker's violations as a reply; false when the text holds none. */
static bool reply_worker_violations(struct request *request, int rc, const char *text)
{
    json_t *list = text ? json_parse_text(text) : NULL;
    struct violations violations;
    violations_init(&violations);
    size_t index;
    const json_t *item;
    json_array_foreach(list, index, item)
    {
        const char *pointer = json_string_value(json_object_get(item, "pointer"));
        const char *detail = json_string_value(json_object_get(item, "detail"));
        if (detail)
            violations_add(&violations, pointer ? pointer : "", "%s", detail);
    }
    bool any = violations.count > 0;
    if (any)
        reply_violations(request, rc == ERR_TOO_LARGE ? 413 : 422,
                         rc == ERR_TOO_LARGE ? "too_large" : "invalid_data", &violations);
    violations_release(&violations);
    json_decref(list);
    return any;
}

static void ingested(void *context, int rc, const char *json, size_t length,
                     const struct error *cause)
{
    struct creation *creation = context;
    if (rc == 0) {
        creation->answer = mem_strndup(json, length);
        rc = creation->answer ? 0 : ERR_NOMEM;
        cause = NULL;
    } else if (reply_worker_violations(creation->request, rc, json)) {
        creation_free(creation);
        return;
    }
    if (rc != 0) {
        struct error err = cause ? *cause : (struct error){0};
        creation_fail(creation, rc, &err);
        return;
    }
    creation->task.run = publish;
    background_submit(creation->server->listener->background, &creation->task);
}

/* ---- the body is whole ---- */

/* "titanic" for titanic.csv.gz; "dataset" when there is nothing better. */
static char *choose_name(struct request *request)
{
    const char *name = request_query(request, "name");
    if (name)
        return mem_strdup(name);
    int count;
    const char *filename = upload_parts(request->upload, &count)[0].filename;
    size_t length = strcspn(filename, ".");
    if (length == 0 || length > NAME_MAX_BYTES)
        return mem_strdup("dataset");
    return mem_strndup(filename, length);
}

static char *make_options(struct request *request)
{
    const char *type = request_header(request, "Content-Type");
    bool is_tsv = type && strncasecmp(type, "text/tab-separated-values", 25) == 0;
    const char *header = request_query(request, "header");
    const char *delimiter = request_query(request, "delimiter");
    const char *missing = request_query(request, "missing");
    json_t *options =
        json_pack("{s:s, s:s, s:I, s:I}", "header", header ? header : "auto", "delimiter",
                  delimiter ? delimiter : (is_tsv ? "tab" : "auto"), "max_expanded_bytes",
                  (json_int_t)request->server->config.max_expanded_bytes, "max_rows",
                  (json_int_t)MAX_ROWS);
    if (options && missing)
        json_object_set_new(options, "missing", json_string(missing));
    char *text = options ? json_dumps(options, JSON_COMPACT) : NULL;
    json_decref(options);
    return text;
}

static int open_output(struct creation *creation, struct error *err)
{
    int rc = folders_path(creation->server, "tmp", creation->row.id, creation->path, err);
    if (rc != 0)
        return rc;
    creation->fd = open(creation->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (creation->fd >= 0)
        return 0;
    rc = error_set_errno(err, errno, "cannot make the dataset file");
    creation->path[0] = '\0';
    return rc;
}

/* What nobody waits for any more would be a dataset that nobody knows of. */
static void withdraw(struct request *request, uint64_t ticket)
{
    sched_withdraw_task(request->server->sched, ticket);
}

/* Hands parts and output to a worker. The descriptors go to the scheduler. */
static int start_ingest(struct creation *creation, struct error *err)
{
    struct ingest_job job = {.done = ingested, .context = creation};
    char *options = make_options(creation->request);
    job.output_fd = options ? fcntl(creation->fd, F_DUPFD_CLOEXEC, 3) : -1;
    if (job.output_fd < 0) {
        int rc = options ? error_set_errno(err, errno, "cannot pass the dataset file on")
                         : error_set(err, ERR_NOMEM, "no memory for the ingest");
        free(options);
        return rc;
    }
    struct upload_part *parts = upload_parts(creation->request->upload, &job.part_count);
    for (int i = 0; i < job.part_count; i++) {
        job.part_names[i] = parts[i].name;
        job.part_fds[i] = parts[i].fd;
        parts[i].fd = -1;
    }
    job.options = options;
    struct request *request = creation->request; /* the creation may be gone then */
    uint64_t ticket;
    int rc = sched_ingest(request->server->sched, &job, &ticket, err);
    if (rc == 0)
        request_on_gone(request, withdraw, ticket);
    free(options);
    return rc;
}

void datasets_handle_create(struct request *request)
{
    struct error err = {0};
    int rc = upload_finish(request->upload, &err);
    if (rc != 0) {
        reply_error(request, &err);
        return;
    }
    struct creation *creation = mem_alloc(sizeof(*creation));
    if (!creation) {
        error_set(&err, ERR_NOMEM, "no memory for the dataset");
        reply_error(request, &err);
        return;
    }
    creation->fd = -1;
    creation->request = request;
    creation->server = request->server;
    buffer_init(&creation->text, DATASET_VIEW_MAX_BYTES);
    id_make("ds", creation->row.id);
    memcpy(creation->row.owner, request->caller.owner, sizeof(creation->row.owner));
    upload_identity(request->upload, &creation->row.bytes, creation->row.sha256);
    creation->row.name = choose_name(request);
    rc = creation->row.name ? open_output(creation, &err) : ERR_NOMEM;
    if (rc == 0)
        rc = start_ingest(creation, &err);
    if (rc != 0)
        creation_fail(creation, rc, &err);
}
