/* See store_scenarios.h. */
#include "store_scenarios.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/blobs.h"
#include "store/checkpoints.h"
#include "store/events.h"
#include "store/metrics.h"
#include "store/models.h"

#include <stdio.h>
#include <string.h>

#define CHUNK_BYTES 60000
#define POINTS 20

static int insert_dataset(struct db *db, void *context, struct error *err)
{
    struct actor *actor = context;
    char name[] = "digits", kind[] = "table", facts[] = "{}", preview[] = "[]";
    struct dataset_row row = {.name = name,
                              .kind = kind,
                              .sha256 = TEST_SHA256,
                              .bytes = 100,
                              .file_sha256 = TEST_SHA256,
                              .file_bytes = 80,
                              .facts = facts,
                              .preview = preview,
                              .created_us = TEST_NOW};
    memcpy(row.id, actor->dataset, sizeof(row.id));
    return datasets_insert(db, &row, err);
}

static int delete_dataset(struct db *db, void *context, struct error *err)
{
    struct actor *actor = context;
    char file[DIGEST_HEX_SIZE];
    bool last_use;
    return datasets_delete(db, actor->dataset, file, &last_use, err);
}

static int insert_job(struct db *db, void *context, struct error *err)
{
    struct actor *actor = context;
    char name[] = "a job", spec[] = "{\"epochs\":1}",
         metadata[] = "{\"team\":\"vision\"}";
    char key[32], existing[ID_SIZE];
    struct job_row row = {.name = name,
                          .threads = 1,
                          .max_attempts = 3,
                          .spec = spec,
                          .metadata = metadata,
                          .created_us = TEST_NOW};
    memcpy(row.id, actor->job, sizeof(row.id));
    memcpy(row.dataset, actor->dataset, sizeof(row.dataset));
    snprintf(key, sizeof(key), "key-%d", actor->number);
    return jobs_insert(db, &row, key, TEST_SHA256, existing, err);
}

static int prepare_job(struct db *db, void *actor, struct error *err)
{
    int rc = insert_dataset(db, actor, err);
    return rc < 0 ? rc : insert_job(db, actor, err);
}

static int start_job(struct db *db, void *context, struct error *err)
{
    struct actor *actor = context;
    int64_t lease = 0;
    int rc = jobs_start(db, actor->job, TEST_NOW, &lease, err);
    if (rc == 0)
        rc = jobs_report(db, actor->job, lease, "{\"epoch\":0}", NULL, err);
    if (rc == 0)
        actor->lease = lease;
    return rc;
}

static int prepare_running(struct db *db, void *actor, struct error *err)
{
    int rc = prepare_job(db, actor, err);
    return rc < 0 ? rc : start_job(db, actor, err);
}

static int append_metrics(struct db *db, void *context, struct error *err)
{
    struct actor *actor = context;
    static const char *const names[] = {"loss", "accuracy", "learning_rate"};
    static const double values[] = {0.5, 0.25, 1e-3};
    struct metric_row points[POINTS];
    for (int i = 0; i < POINTS; i++)
        points[i] = (struct metric_row){.step = i + 1,
                                        .epoch = 0.1 * i,
                                        .time_us = TEST_NOW,
                                        .count = 3,
                                        .names = names,
                                        .values = values};
    int rc = metrics_append(db, actor->job, actor->lease, points, POINTS, err);
    if (rc == 0)
        rc = jobs_report(db, actor->job, actor->lease, "{\"epoch\":1}", "{}", err);
    return rc;
}

static int append_event(struct db *db, void *context, struct error *err)
{
    struct actor *actor = context;
    int64_t sequence;
    return events_append(db, actor->job, TEST_NOW, "epoch", "One more.", "{}", &sequence,
                         err);
}

/* A sealed blob of one short chunk. */
static int store_blob(struct db *db, struct actor *actor, struct error *err)
{
    static unsigned char chunk[CHUNK_BYTES];
    memset(chunk, actor->number, sizeof(chunk));
    int rc = blobs_create(db, &actor->blob, err);
    if (rc == 0)
        rc = blobs_append(db, actor->blob, 0, chunk, sizeof(chunk), err);
    if (rc == 0)
        rc = blobs_seal(db, actor->blob, sizeof(chunk), TEST_SHA256, err);
    return rc;
}

static int store_checkpoint(struct db *db, void *context, struct error *err)
{
    struct actor *actor = context;
    struct checkpoint_row row = {.kind = "latest", .step = 10, .created_us = TEST_NOW};
    memcpy(row.id, actor->checkpoint, sizeof(row.id));
    int rc = store_blob(db, actor, err);
    row.blob = actor->blob;
    if (rc == 0)
        rc = checkpoints_insert(db, actor->job, actor->lease, &row, 1, err);
    return rc;
}

static int prepare_checkpoint(struct db *db, void *actor, struct error *err)
{
    int rc = prepare_running(db, actor, err);
    return rc < 0 ? rc : store_checkpoint(db, actor, err);
}

/* The model and the job's end are one write. */
static int finish_job(struct db *db, void *context, struct error *err)
{
    struct actor *actor = context;
    char spec[] = "{}", facts[] = "{}";
    struct model_row row = {.bytes = CHUNK_BYTES,
                            .sha256 = TEST_SHA256,
                            .parameter_count = CHUNK_BYTES / 4,
                            .spec = spec,
                            .facts = facts,
                            .created_us = TEST_NOW};
    memcpy(row.id, actor->model, sizeof(row.id));
    memcpy(row.job, actor->job, sizeof(row.job));
    int rc = store_blob(db, actor, err);
    row.blob = actor->blob;
    if (rc == 0)
        rc = models_insert(db, &row, err);
    const struct job_end end = {.status = JOB_SUCCEEDED,
                                .stop_reason = "completed",
                                .model = actor->model,
                                .weights_sha256 = TEST_SHA256,
                                .now_us = TEST_NOW};
    if (rc == 0)
        rc = jobs_finish(db, actor->job, actor->lease, &end, err);
    if (rc == 0)
        rc = checkpoints_delete_all(db, actor->job, err);
    return rc;
}

static int prepare_finished(struct db *db, void *actor, struct error *err)
{
    int rc = prepare_checkpoint(db, actor, err);
    if (rc == 0)
        rc = append_metrics(db, actor, err);
    return rc < 0 ? rc : finish_job(db, actor, err);
}

static int delete_job(struct db *db, void *context, struct error *err)
{
    const struct actor *actor = context;
    return jobs_delete(db, actor->job, err);
}

static int cancel_job(struct db *db, void *context, struct error *err)
{
    const struct actor *actor = context;
    enum job_status status;
    bool changed;
    return jobs_act(db, actor->job, JOB_ACTION_CANCEL, TEST_NOW, &status, &changed, err);
}

const struct scenario scenarios[] = {
    {"store a dataset", NULL, insert_dataset},
    {"delete a dataset", insert_dataset, delete_dataset},
    {"create a job", insert_dataset, insert_job},
    {"cancel a job", prepare_job, cancel_job},
    {"start a job", prepare_job, start_job},
    {"append metrics", prepare_running, append_metrics},
    {"append an event", prepare_running, append_event},
    {"store a checkpoint", prepare_checkpoint, store_checkpoint},
    {"store a model and end the job", prepare_checkpoint, finish_job},
    {"delete a job and all of it", prepare_finished, delete_job},
};
const int scenario_count = sizeof(scenarios) / sizeof(scenarios[0]);

void actor_prepare(struct store *store, const struct scenario *scenario,
                   struct actor *ret_actor)
{
    static int number;
    struct actor actor = {.number = ++number};
    id_make("ds", actor.dataset);
    id_make("job", actor.job);
    id_make("mdl", actor.model);
    id_make("ckpt", actor.checkpoint);
    struct error err = {0};
    if (scenario->prepare)
        assert_int_equal(call_wait(store, scenario->prepare, &actor, &err), 0);
    /* The scenario may store another one. */
    id_make("ckpt", actor.checkpoint);
    *ret_actor = actor;
}

void read_state_from(struct db *db, char ret_state[STATE_SIZE])
{
    static const char *const queries[] = {
        "SELECT count(*) FROM datasets",
        "SELECT count(*) + 1000 * coalesce(sum(attempt), 0) FROM jobs",
        "SELECT count(*) FROM jobs WHERE status = 'queued'",
        "SELECT count(*) FROM jobs WHERE status = 'running'",
        "SELECT count(*) FROM jobs WHERE status = 'succeeded'",
        "SELECT coalesce(sum(jobs), 0) FROM job_counts",
        "SELECT coalesce(sum(jobs), 0) FROM queue_blocks",
        "SELECT count(*) FROM job_specs",
        "SELECT count(*) FROM job_metadata",
        "SELECT count(*) FROM idempotency_keys",
        "SELECT count(*) FROM events",
        "SELECT count(*) FROM metric_sets",
        "SELECT count(*) FROM metric_points",
        "SELECT coalesce(sum(metrics_version), 0) FROM jobs",
        "SELECT coalesce(sum(length(progress)), 0) FROM jobs",
        "SELECT count(*) FROM blobs",
        "SELECT coalesce(sum(number), 0) FROM blobs",
        "SELECT coalesce(sum(length(bytes)), 0) FROM blob_chunks",
        "SELECT count(*) FROM blob_seals",
        "SELECT count(*) FROM checkpoints",
        "SELECT count(*) FROM models",
        "SELECT count(*) FROM meta WHERE key <> 'failed_commits'",
    };
    size_t used = 0;
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
        used += (size_t)snprintf(ret_state + used, STATE_SIZE - used, "%lld ",
                                 (long long)sql_int(db, queries[i]));
    assert_true(used < STATE_SIZE);
}

void read_state(struct store *store, char ret_state[STATE_SIZE])
{
    struct error err = {0};
    struct db *db = store_read_begin(store, &err);
    assert_non_null(db);
    read_state_from(db, ret_state);
    store_read_end(store, db);
}

void check_integrity(struct store *store)
{
    struct error err = {0};
    struct db *db = store_read_begin(store, &err);
    assert_non_null(db);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM pragma_integrity_check"
                                 " WHERE integrity_check <> 'ok'"),
                     0);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    store_read_end(store, db);
}
