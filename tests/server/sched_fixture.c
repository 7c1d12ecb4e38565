/* See sched_fixture.h. The limit only keeps a broken scheduler from hanging the tests. */
#include "sched_fixture.h"

#include "base/clock.h"
#include "store/blobs.h"
#include "store/datasets.h"
#include "store/events.h"
#include "store/models.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_SECONDS 60
#define LOOK_NS 20000000

#define FILE_NAME "00000000000000000000000000000000000000000000000000000000000000aa"

static const char facts[] = "{\"kind\":\"table\",\"rows\":{\"train\":1,\"test\":0},"
                            "\"columns\":[]}";

void fixture_notify(struct sched_fixture *fixture)
{
    pthread_mutex_lock(&fixture->lock);
    fixture->changes++;
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->lock);
}

static void on_change(void *context, const char *job_id)
{
    (void)job_id;
    fixture_notify(context);
}

struct dataset_write {
    struct store_write write;
    struct dataset_row row;
};

static int insert_dataset(struct db *db, struct store_write *write, struct error *err)
{
    return datasets_insert(db, &((struct dataset_write *)write)->row, err);
}

static void add_dataset(struct sched_fixture *fixture)
{
    struct dataset_write insertion = {.row = {.name = (char[]){"d"},
                                              .kind = (char[]){"table"},
                                              .sha256 = FILE_NAME,
                                              .file_sha256 = FILE_NAME,
                                              .preview = (char[]){"[]"}}};
    char text[sizeof(facts)];
    memcpy(text, facts, sizeof(facts));
    insertion.row.facts = text;
    id_make("ds", insertion.row.id);
    memcpy(fixture->dataset, insertion.row.id, sizeof(fixture->dataset));
    fixture_write(fixture, insert_dataset, &insertion.write);
    char path[160];
    snprintf(path, sizeof(path), "%s/datasets", fixture->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/datasets/%s", fixture->dir, FILE_NAME);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "data", 4), 4);
    close(fd);
}

void fixture_init(struct sched_fixture *fixture)
{
    *fixture = (struct sched_fixture){.dir = "/tmp/backprop-sched-XXXXXX"};
    pthread_mutex_init(&fixture->lock, NULL);
    pthread_cond_init(&fixture->changed, NULL);
    assert_non_null(mkdtemp(fixture->dir));
    struct error err = {0};
    if (store_open(fixture->dir, &fixture->store, &err) != 0)
        fail_msg("store_open: %s", err.text);
    add_dataset(fixture);
    fixture->config = (struct sched_config){.store = fixture->store,
                                            .data_dir = fixture->dir,
                                            .worker_path = FAKE_WORKER,
                                            .slots = 2,
                                            .max_ingests = 1,
                                            .max_serving = 2,
                                            .serving_idle_ns = 3600 * CLOCK_NS_PER_SECOND,
                                            .silence_ns = 30 * CLOCK_NS_PER_SECOND,
                                            .on_change = on_change,
                                            .context = fixture};
}

void fixture_start(struct sched_fixture *fixture)
{
    struct error err = {0};
    if (sched_start(&fixture->config, &fixture->sched, &err) != 0)
        fail_msg("sched_start: %s", err.text);
}

void fixture_stop(struct sched_fixture *fixture, int64_t patience_ns)
{
    if (fixture->sched)
        sched_stop(fixture->sched, clock_monotonic_ns() + patience_ns);
    fixture->sched = NULL;
}

static int remove_one(const char *path, const struct stat *status, int type,
                      struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

void fixture_release(struct sched_fixture *fixture)
{
    fixture_stop(fixture, 0);
    store_close(fixture->store);
    nftw(fixture->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    pthread_cond_destroy(&fixture->changed);
    pthread_mutex_destroy(&fixture->lock);
}

void fixture_write(struct sched_fixture *fixture,
                   int (*run)(struct db *, struct store_write *, struct error *),
                   struct store_write *write)
{
    struct error err = {0};
    write->run = run;
    if (store_write_wait(fixture->store, write, &err) != 0)
        fail_msg("write: %s", err.text);
}

struct job_write {
    struct store_write write;
    struct job_row row;
    enum job_action action;
};

static int insert_job(struct db *db, struct store_write *write, struct error *err)
{
    char existing[ID_SIZE];
    return jobs_insert(db, &((struct job_write *)write)->row, NULL, NULL, existing, err);
}

void fixture_queue_job(struct sched_fixture *fixture, const struct job_wish *wish,
                       char ret_id[ID_SIZE])
{
    json_t *spec = json_pack("{s:s, s:s}", "name", "test", "script", wish->script);
    struct job_write write = {
        .row = {.name = (char[]){"test"},
                .metadata = (char[]){"{}"},
                .priority = wish->priority,
                .threads = wish->threads ? wish->threads : 1,
                .max_attempts = wish->max_attempts ? wish->max_attempts : 3,
                .spec = json_dumps(spec, 0),
                .created_us = clock_wall_us()}};
    id_make("job", write.row.id);
    memcpy(write.row.dataset, fixture->dataset, sizeof(fixture->dataset));
    fixture_write(fixture, insert_job, &write.write);
    memcpy(ret_id, write.row.id, ID_SIZE);
    free(write.row.spec);
    json_decref(spec);
}

void fixture_post_job(struct sched_fixture *fixture, const char *script,
                      char ret_id[ID_SIZE])
{
    fixture_queue_job(fixture, &(struct job_wish){.script = script}, ret_id);
    sched_wake(fixture->sched);
}

struct model_write {
    struct store_write write;
    struct model_row row;
    struct job_row job;
    unsigned char *bytes;
};

/* The job that a model belongs to, cancelled before any scheduler can see it. */
static int insert_ended_job(struct db *db, struct model_write *model, struct error *err)
{
    char existing[ID_SIZE];
    enum job_status status;
    bool changed;
    int rc = jobs_insert(db, &model->job, NULL, NULL, existing, err);
    return rc == 0
               ? jobs_act(db, model->job.id, JOB_ACTION_CANCEL, 1, &status, &changed, err)
               : rc;
}

static int insert_model(struct db *db, struct store_write *write, struct error *err)
{
    struct model_write *model = (struct model_write *)write;
    struct model_row *row = &model->row;
    struct digest digest;
    unsigned char sum[DIGEST_BYTES];
    digest_init(&digest);
    digest_update(&digest, model->bytes, row->bytes);
    digest_final(&digest, sum);
    digest_hex(sum, row->sha256);
    int rc = insert_ended_job(db, model, err);
    if (rc == 0)
        rc = blobs_create(db, &row->blob, err);
    for (size_t at = 0; at < row->bytes && rc == 0; at += BLOB_CHUNK_BYTES) {
        size_t left = row->bytes - at;
        rc = blobs_append(db, row->blob, (int64_t)(at / BLOB_CHUNK_BYTES),
                          model->bytes + at,
                          left < BLOB_CHUNK_BYTES ? left : BLOB_CHUNK_BYTES, err);
    }
    if (rc == 0)
        rc = blobs_seal(db, row->blob, row->bytes, row->sha256, err);
    return rc == 0 ? models_insert(db, row, err) : rc;
}

void fixture_add_model(struct sched_fixture *fixture, const char *script, size_t bytes,
                       char ret_id[ID_SIZE])
{
    json_t *spec = json_pack("{s:s}", "script", script);
    struct model_write write = {.row = {.name = (char[]){"m"},
                                        .bytes = bytes,
                                        .spec = json_dumps(spec, 0),
                                        .facts = (char[]){"{}"},
                                        .preprocessing = (char[]){"{}"},
                                        .formats = (char[]){"{}"},
                                        .metrics = (char[]){"{}"}}};
    write.bytes = calloc(bytes, 1);
    id_make("mdl", write.row.id);
    write.job = (struct job_row){.name = (char[]){"m"},
                                 .metadata = (char[]){"{}"},
                                 .threads = 1,
                                 .max_attempts = 1,
                                 .spec = (char[]){"{}"},
                                 .created_us = 1};
    id_make("job", write.job.id);
    memcpy(write.row.job, write.job.id, ID_SIZE);
    memcpy(write.job.dataset, fixture->dataset, ID_SIZE);
    fixture_write(fixture, insert_model, &write.write);
    memcpy(ret_id, write.row.id, ID_SIZE);
    free(write.bytes);
    free(write.row.spec);
    json_decref(spec);
}

static int act_on_job(struct db *db, struct store_write *write, struct error *err)
{
    struct job_write *job = (struct job_write *)write;
    enum job_status status;
    bool changed;
    return jobs_act(db, job->row.id, job->action, clock_wall_us(), &status, &changed,
                    err);
}

void fixture_act(struct sched_fixture *fixture, const char *id, enum job_action action)
{
    struct job_write write = {.action = action};
    memcpy(write.row.id, id, ID_SIZE);
    fixture_write(fixture, act_on_job, &write.write);
    if (fixture->sched)
        sched_act(fixture->sched, id, action);
}

void fixture_get_job(struct sched_fixture *fixture, const char *id,
                     struct job_row *ret_row)
{
    struct error err = {0};
    struct db *db = store_read_begin(fixture->store, &err);
    assert_non_null(db);
    int rc = jobs_get(db, id, ret_row, &err);
    store_read_end(fixture->store, db);
    if (rc != 0)
        fail_msg("jobs_get: %s", err.text);
}

/* Looks again after every notification, and now and then without one: the end of a
 * process is nothing that is notified. */
void fixture_wait_until(struct sched_fixture *fixture, bool (*is_so)(void *context),
                        void *context)
{
    int64_t limit = clock_monotonic_ns() + LIMIT_SECONDS * CLOCK_NS_PER_SECOND;
    for (;;) {
        pthread_mutex_lock(&fixture->lock);
        long seen = fixture->changes;
        pthread_mutex_unlock(&fixture->lock);
        if (is_so(context))
            return;
        if (clock_monotonic_ns() > limit)
            fail_msg("what was waited for did not happen");
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_NS;
        until.tv_sec += until.tv_nsec / CLOCK_NS_PER_SECOND;
        until.tv_nsec %= CLOCK_NS_PER_SECOND;
        pthread_mutex_lock(&fixture->lock);
        int rc = 0;
        while (fixture->changes == seen && rc == 0)
            rc = pthread_cond_timedwait(&fixture->changed, &fixture->lock, &until);
        pthread_mutex_unlock(&fixture->lock);
    }
}

struct status_wait {
    struct sched_fixture *fixture;
    const char *id;
    enum job_status status;
};

static bool has_status(void *context)
{
    struct status_wait *wait = context;
    struct job_row row;
    fixture_get_job(wait->fixture, wait->id, &row);
    bool so = row.status == wait->status;
    if (!so && job_status_is_terminal(row.status))
        fail_msg("the job is %s (%s): %s", job_status_name(row.status),
                 row.stop_reason ? row.stop_reason : "", row.error ? row.error : "");
    job_row_release(&row);
    return so;
}

void fixture_wait(struct sched_fixture *fixture, const char *id, enum job_status status)
{
    struct status_wait wait = {fixture, id, status};
    fixture_wait_until(fixture, has_status, &wait);
}

struct event_wait {
    struct sched_fixture *fixture;
    const char *id, *type;
    char *message;
    size_t size;
    int count;
};

static bool has_event(void *context)
{
    struct event_wait *wait = context;
    struct event_row *rows = NULL;
    size_t count = 0;
    bool more;
    struct error err = {0};
    struct db *db = store_read_begin(wait->fixture->store, &err);
    assert_non_null(db);
    int rc = events_list(db, wait->id, 0, 1000, &rows, &count, &more, &err);
    store_read_end(wait->fixture->store, db);
    assert_int_equal(rc, 0);
    wait->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].type, wait->type) == 0) {
            wait->count++;
            if (wait->message)
                snprintf(wait->message, wait->size, "%s", rows[i].message);
        }
        event_row_release(&rows[i]);
    }
    free(rows);
    return wait->count > 0;
}

void fixture_wait_event(struct sched_fixture *fixture, const char *id, const char *type,
                        char *ret_message, size_t size)
{
    struct event_wait wait = {fixture, id, type, ret_message, size, 0};
    fixture_wait_until(fixture, has_event, &wait);
}

int fixture_count_events(struct sched_fixture *fixture, const char *id, const char *type)
{
    struct event_wait wait = {fixture, id, type, NULL, 0, 0};
    has_event(&wait);
    return wait.count;
}

int fixture_setup(void **state)
{
    struct sched_fixture *fixture = calloc(1, sizeof(*fixture));
    fixture_init(fixture);
    *state = fixture;
    return 0;
}

int fixture_teardown(void **state)
{
    fixture_release(*state);
    free(*state);
    return 0;
}

void answer_take(void *context, int rc, const char *json, size_t length,
                 const struct error *err)
{
    struct answer *answer = context;
    pthread_mutex_lock(&answer->fixture->lock);
    answer->calls++;
    answer->rc = rc;
    snprintf(answer->json, sizeof(answer->json), "%.*s", (int)length, json ? json : "");
    snprintf(answer->text, sizeof(answer->text), "%s", err ? err->text : "");
    pthread_mutex_unlock(&answer->fixture->lock);
    fixture_notify(answer->fixture);
}

bool answer_is_there(void *context)
{
    struct answer *answer = context;
    pthread_mutex_lock(&answer->fixture->lock);
    bool is_there = answer->calls > 0;
    pthread_mutex_unlock(&answer->fixture->lock);
    return is_there;
}

void fixture_expect_text(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, text ? text : "nothing");
}
