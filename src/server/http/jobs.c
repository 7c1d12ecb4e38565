/*
 * POST /v1/jobs, POST /v1/jobs:validate, GET /v1/jobs, GET and DELETE /v1/jobs/{id}.
 *
 * A write goes: check everything on the HTTP thread, queue a store_write, reply when it
 * is committed. The reply's text is made inside the transaction, so that it shows what
 * was committed and not what came after.
 */
#include "jobs.h"

#include "audit_log.h"
#include "base/clock.h"
#include "base/memory.h"
#include "deletion.h"
#include "facts_cache.h"
#include "hub.h"
#include "job_view.h"
#include "json_text.h"
#include "list_reply.h"
#include "listener.h"
#include "quota.h"
#include "reply.h"
#include "route.h"
#include "spec/job_spec.h"
#include "spec/json_parse.h"
#include "store/datasets.h"
#include "store/events.h"
#include "store_reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDEMPOTENCY_KEY_MAX 255
#define QUEUE_RETRY_SECONDS "30" /* a job in a long queue takes its time */
#define ASSUMED_GFLOPS 40.0      /* of one core, for the estimate of jobs:validate */

/* Finds the dataset that the spec names and its facts; 0 with NULL when there is none, so
 * that the rest of the spec is checked all the same. */
static int find_facts(struct request *request, const json_t *body,
                      struct shared_facts **ret_shared, struct error *err)
{
    *ret_shared = NULL;
    const char *id = json_string_value(json_object_get(body, "dataset"));
    if (!id)
        return 0; /* the parser says what is wrong with it */
    struct store *store = request_server(request)->store;
    struct dataset_row row = {0};
    int rc = ERR_NOT_FOUND;
    if (id_is_valid("ds", id)) {
        struct db *db = store_read_begin(store, err);
        if (!db)
            return err->code;
        rc = datasets_get_of(db, request_sees(request), id, &row, err);
        store_read_end(store, db);
    }
    if (rc == ERR_NOT_FOUND) {
        error_clear(err);
        return 0;
    }
    if (rc != 0)
        return rc;
    rc = facts_cache_borrow(request_server(request)->listener->facts, id, row.facts,
                            ret_shared, err);
    dataset_row_release(&row);
    return rc;
}

/* Says that the dataset does not exist, unless it was said that its ID cannot be one. */
static void report_no_dataset(const json_t *body, struct violations *violations)
{
    for (size_t i = 0; i < violations->count; i++)
        if (strcmp(violations->items[i].pointer, "/dataset") == 0)
            return;
    violations_add(violations, "/dataset",
                   "expected the ID of a dataset of this server, found \"%.60s\"",
                   json_string_value(json_object_get(body, "dataset")));
}

/* What the spec asks of the machine. */
static void check_machine(const struct server_config *config, const struct job_spec *spec,
                          struct violations *violations)
{
    if (spec->threads > config->slots)
        violations_add(violations, "/resources/threads",
                       "expected at most %d, the number of slots of this server "
                       "(--workers), found %lld",
                       config->slots, (long long)spec->threads);
    int64_t need_mb = spec->memory_bytes >> 20;
    if (config->memory_mb > 0 && need_mb > config->memory_mb)
        violations_add(
            violations, "/model",
            "the job is predicted to need %lld MB; there are %lld MB for jobs (--memory)",
            (long long)need_mb, (long long)config->memory_mb);
}

struct job_spec *jobs_read_spec(struct request *request)
{
    size_t length;
    const char *body = request_body(request, &length);
    struct violations violations;
    violations_init(&violations);
    struct error err = {0};
    struct shared_facts *shared = NULL;
    struct job_spec *spec = NULL;
    json_t *json = NULL;
    int rc = job_spec_load_json(body, length, &json, &violations);
    bool is_syntax = rc != 0;
    if (rc == 0)
        rc = find_facts(request, json, &shared, &err);
    if (rc == 0) {
        rc = job_spec_parse(json, shared ? shared->facts : NULL, &spec, &violations);
        if (rc == 0)
            check_machine(&request_server(request)->config, spec, &violations);
        if (!shared)
            report_no_dataset(json, &violations);
        if (rc == 0 && violations.total > 0)
            rc = ERR_INVALID;
    }
    if (rc != 0) {
        job_spec_free(spec);
        spec = NULL;
        if (violations.total > 0)
            reply_violations(request, is_syntax ? 400 : 422,
                             is_syntax ? "invalid_json" : "invalid_spec", &violations);
        else {
            error_set(&err, rc, "the job could not be checked");
            reply_error(request, &err);
        }
    }
    facts_cache_give_back(request_server(request)->listener->facts, shared);
    json_decref(json);
    violations_release(&violations);
    return spec;
}

void jobs_handle_validate(struct request *request)
{
    struct job_spec *spec = jobs_read_spec(request);
    if (!spec)
        return;
    json_t *reply = job_spec_describe(spec, ASSUMED_GFLOPS);
    if (reply) {
        json_object_set_new(reply, "object", json_string("validation"));
        json_object_set_new(reply, "valid", json_true());
        json_object_set(reply, "spec", spec->canonical);
    }
    job_spec_free(spec);
    reply_json(request, 200, reply);
}

/* One job on its way into the store. */
struct creation {
    struct store_write write; /* first: a pointer to it is one to this */
    struct request *request;
    struct job_row row;
    char *key; /* owned; NULL without Idempotency-Key */
    char body_sha256[DIGEST_HEX_SIZE];
    char existing[ID_SIZE];
    struct buffer text; /* the job as committed */
};

static void creation_free(struct creation *creation)
{
    job_row_release(&creation->row);
    free(creation->key);
    buffer_release(&creation->text);
    free(creation);
}

/* With this job in the queue; what fails is undone with it. */
static int check_queue(const struct creation *creation, struct db *db, struct error *err)
{
    int64_t most = request_server(creation->request)->config.limits.queued_jobs;
    int64_t counts[JOB_STATUS_COUNT];
    int rc = jobs_count(db, counts, err);
    if (rc == 0 && most > 0 && counts[JOB_QUEUED] > most)
        rc = error_set(err, ERR_BUSY, "%lld jobs are queued, which is the limit",
                       (long long)most);
    return rc;
}

static int creation_run(struct db *db, struct store_write *write, struct error *err)
{
    struct creation *creation = (struct creation *)write;
    int rc = jobs_insert(db, &creation->row, creation->key, creation->body_sha256,
                         creation->existing, err);
    if (rc == 0 && creation->existing[0] == '\0')
        rc = check_queue(creation, db, err);
    if (rc == 0 && creation->existing[0] == '\0')
        rc =
            events_name_request(db, creation->row.id, request_id(creation->request), err);
    if (rc == 0 && creation->existing[0] == '\0')
        rc = audit_note(db, creation->request, creation->row.id, 201, err);
    if (rc != 0)
        return rc;
    const char *id =
        creation->existing[0] != '\0' ? creation->existing : creation->row.id;
    return job_view_read(&creation->text, db, id, err);
}

static void creation_done(struct store_write *write, int rc, const struct error *err)
{
    struct creation *creation = (struct creation *)write;
    struct request *request = creation->request;
    bool existed = creation->existing[0] != '\0';
    if (rc == ERR_CONFLICT) {
        reply_problem(request, 422, "idempotency_key_reused",
                      "the Idempotency-Key was used before with another body; use a new "
                      "key for a new job");
    } else if (rc == ERR_BUSY) {
        reply_add_header(request, "Retry-After", QUEUE_RETRY_SECONDS);
        reply_problem(request, 429, "queue_full", "%s (--max-queue)", err->text);
    } else if (rc == ERR_NOT_FOUND) {
        reply_problem(request, 409, "dataset_deleted",
                      "the dataset was deleted while the job was posted");
    } else if (rc != 0) {
        reply_error(request, err);
    } else {
        char location[ID_SIZE + 16];
        snprintf(location, sizeof(location), "/v1/jobs/%s",
                 existed ? creation->existing : creation->row.id);
        reply_add_header(request, "Location", location);
        if (existed)
            reply_add_header(request, "Idempotent-Replayed", "true");
        else
            sched_wake(request_server(request)->sched);
        reply_json_text(request, 201, creation->text.data, creation->text.length);
    }
    creation_free(creation);
}

static char *dump(const json_t *json)
{
    return json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15));
}

/* What a job shows before its worker says something. */
static char *first_progress(const struct job_spec *spec)
{
    char text[256];
    snprintf(text, sizeof(text),
             "{\"epoch\":0,\"epochs\":%lld,\"step\":0,\"steps\":%lld,\"fraction\":0.0,"
             "\"eta_seconds\":null,\"samples_per_second\":null}",
             (long long)spec->epochs, (long long)(spec->epochs * spec->steps_per_epoch));
    return mem_strdup(text);
}

static int fill_row(struct job_row *row, const struct request *request,
                    const struct job_spec *spec)
{
    id_make("job", row->id);
    memcpy(row->owner, request_caller(request)->owner, sizeof(row->owner));
    snprintf(row->dataset, sizeof(row->dataset), "%.*s", ID_SIZE - 1, spec->dataset);
    row->status = JOB_QUEUED;
    row->priority = (int)spec->priority;
    row->threads = (int)spec->threads;
    row->max_attempts = (int)spec->max_attempts;
    row->created_us = clock_wall_us();
    row->name = mem_strdup(spec->name);
    row->spec = dump(spec->canonical);
    row->metadata = dump(json_object_get(spec->canonical, "metadata"));
    row->progress = first_progress(spec);
    row->metrics = mem_strdup("{\"latest\":{},\"best\":null,\"test\":null}");
    bool whole = row->name && row->spec && row->metadata && row->progress && row->metrics;
    return whole ? 0 : ERR_NOMEM;
}

static void digest_body(struct request *request, char ret_hex[DIGEST_HEX_SIZE])
{
    size_t length;
    const char *body = request_body(request, &length);
    struct digest digest;
    unsigned char bytes[DIGEST_BYTES];
    digest_init(&digest);
    digest_update(&digest, body, length);
    digest_final(&digest, bytes);
    digest_hex(bytes, ret_hex);
}

void jobs_handle_create(struct request *request)
{
    const char *key = request_header(request, "Idempotency-Key");
    if (key && (key[0] == '\0' || strlen(key) > IDEMPOTENCY_KEY_MAX)) {
        reply_problem(request, 400, "invalid_idempotency_key",
                      "Idempotency-Key: expected 1 to %d characters, found %zu",
                      IDEMPOTENCY_KEY_MAX, strlen(key));
        return;
    }
    if (!quota_check_room(request, 0))
        return;
    struct job_spec *spec = jobs_read_spec(request);
    if (!spec)
        return;
    struct error err = {0};
    struct creation *creation = mem_alloc(sizeof(*creation));
    int rc = creation ? fill_row(&creation->row, request, spec) : ERR_NOMEM;
    job_spec_free(spec);
    if (rc == 0 && key) {
        creation->key = mem_strdup(key);
        rc = creation->key ? 0 : ERR_NOMEM;
    }
    if (rc != 0) {
        error_set(&err, rc, "no memory for the job");
        if (creation)
            creation_free(creation);
        reply_error(request, &err);
        return;
    }
    digest_body(request, creation->body_sha256);
    buffer_init(&creation->text, VIEW_MAX_BYTES);
    creation->request = request;
    creation->write.run = creation_run;
    creation->write.done = creation_done;
    store_submit(request_server(request)->store, &creation->write);
}

static int render_job(struct request *request, const void *argument, struct db *db,
                      struct buffer *text, struct error *err)
{
    (void)argument;
    return job_view_read(text, db, request_param(request, 0), err);
}

void jobs_handle_get(struct request *request)
{
    reply_from_store(request, render_job, NULL);
}

/* The filters of a list; replies and returns false on a bad one. */
struct filter_reader {
    struct job_filter filter;
    char key[128];
    const char *fault;
};

static void read_filter(void *context, const char *name, const char *value)
{
    struct filter_reader *reader = context;
    size_t length = strlen(name);
    if (strncmp(name, "metadata[", 9) != 0)
        return;
    if (name[length - 1] != ']' || length < 11 || length - 10 >= sizeof(reader->key)) {
        reader->fault = "metadata filters look like metadata[key]=value";
    } else if (reader->filter.metadata_key) {
        reader->fault = "at most one metadata filter is possible";
    } else {
        memcpy(reader->key, name + 9, length - 10);
        reader->key[length - 10] = '\0';
        reader->filter.metadata_key = reader->key;
        reader->filter.metadata_value = value;
    }
}

static bool read_filters(struct request *request, struct filter_reader *reader)
{
    *reader = (struct filter_reader){.filter = {.status = -1}};
    const char *status = request_query(request, "status");
    if (status) {
        enum job_status parsed = job_status_parse(status);
        if (parsed == JOB_STATUS_COUNT) {
            reply_problem(request, 400, "invalid_argument",
                          "status: expected queued, running, pausing, paused, stopping, "
                          "cancelling, succeeded, failed or cancelled, found \"%.40s\"",
                          status);
            return false;
        }
        reader->filter.status = (int)parsed;
    }
    request_each_query(request, read_filter, reader);
    if (reader->fault)
        reply_problem(request, 400, "invalid_argument", "%s", reader->fault);
    return !reader->fault;
}

/* What a list asks for: the request's state. */
struct job_query {
    struct page page;
    struct filter_reader reader;
};

static int append_job(struct buffer *text, struct db *db, const struct job_row *row,
                      struct error *err)
{
    int64_t position = 0;
    int rc = 0;
    if (row->status == JOB_QUEUED)
        rc = jobs_queue_position(db, row->id, &position, err);
    json_text_comma(text);
    job_view(text, row, position);
    return rc;
}

static int render_jobs(struct request *request, const void *argument, struct db *db,
                       struct buffer *text, struct error *err)
{
    (void)request;
    const struct job_query *query = argument;
    struct job_row *rows = NULL;
    size_t count = 0;
    bool has_more = false;
    int rc =
        jobs_list(db, &query->page, &query->reader.filter, &rows, &count, &has_more, err);
    list_open(text);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = append_job(text, db, &rows[i], err);
    list_close(text, count > 0 ? rows[0].id : NULL, count > 0 ? rows[count - 1].id : NULL,
               has_more);
    for (size_t i = 0; i < count; i++)
        job_row_release(&rows[i]);
    free(rows);
    return rc;
}

void jobs_handle_list(struct request *request)
{
    struct job_query query = {0};
    if (list_read_page(request, "job", &query.page) &&
        read_filters(request, &query.reader))
        reply_from_store(request, render_jobs, &query);
}

static int run_deletion(struct db *db, struct deletion *deletion, struct error *err)
{
    struct job_row row = {0};
    int rc = jobs_get(db, deletion->id, &row, err);
    if (rc != 0)
        return rc;
    snprintf(deletion->dependent, sizeof(deletion->dependent), "%s", row.model);
    job_row_release(&row);
    return jobs_delete(db, deletion->id, err);
}

static void forget_job(const struct deletion *deletion, struct server *server)
{
    hub_publish(server->hub, deletion->id);
    if (deletion->dependent[0] != '\0')
        sched_forget_model(server->sched, deletion->dependent);
}

void jobs_handle_delete(struct request *request)
{
    static const struct deletion_kind kind = {run_deletion, forget_job};
    deletion_submit(request, &kind);
}
