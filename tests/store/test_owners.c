/* Owners: what is whose, and that nothing of another's is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/models.h"
#include "store/owners.h"
#include "store/schema.h"
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
#define OTHER_SHA256 "0000000000000000000000000000000000000000000000000000000000000000"

static struct db *db_of(void **state)
{
    return ((struct fixture *)*state)->db;
}

static void make_owned_dataset(struct db *db, const char *owner, char ret_id[ID_SIZE])
{
    char name[] = "d", kind[] = "table", facts[] = "{}";
    struct dataset_row row = {.name = name,
                              .kind = kind,
                              .sha256 = TEST_SHA256,
                              .file_sha256 = TEST_SHA256,
                              .facts = facts,
                              .created_us = TEST_NOW};
    struct error err = {0};
    id_make("ds", row.id);
    snprintf(row.owner, sizeof(row.owner), "%s", owner);
    assert_int_equal(datasets_insert(db, &row, &err), 0);
    memcpy(ret_id, row.id, sizeof(row.id));
}

static int insert_job(struct db *db, const char *owner, const char *key,
                      const char *body_sha256, char ret_id[ID_SIZE],
                      char ret_existing[ID_SIZE])
{
    char name[] = "j", spec[] = "{}", metadata[] = "{\"team\":\"vision\"}";
    struct job_row row = {.name = name,
                          .threads = 1,
                          .max_attempts = 1,
                          .spec = spec,
                          .metadata = metadata,
                          .dataset = "ds_shared",
                          .created_us = TEST_NOW};
    struct dataset_row found;
    if (datasets_get(db, "ds_shared", &found, NULL) == ERR_NOT_FOUND)
        make_dataset(db, "ds_shared");
    else
        dataset_row_release(&found);
    id_make("job", row.id);
    snprintf(row.owner, sizeof(row.owner), "%s", owner);
    memcpy(ret_id, row.id, sizeof(row.id));
    return jobs_insert(db, &row, key, body_sha256, ret_existing, NULL);
}

static void make_owned_job(struct db *db, const char *owner, char ret_id[ID_SIZE])
{
    char existing[ID_SIZE];
    assert_int_equal(insert_job(db, owner, NULL, NULL, ret_id, existing), 0);
}

static void make_model(struct db *db, const char *job, char ret_id[ID_SIZE])
{
    char text[] = "{}";
    struct model_row row = {.blob = make_blob(db, 100, 1),
                            .bytes = 100,
                            .sha256 = TEST_SHA256,
                            .spec = text,
                            .facts = text,
                            .created_us = TEST_NOW};
    struct error err = {0};
    id_make("mdl", row.id);
    snprintf(row.job, sizeof(row.job), "%s", job);
    assert_int_equal(models_insert(db, &row, &err), 0);
    memcpy(ret_id, row.id, sizeof(row.id));
}

static void test_an_object_is_there_for_its_owner_alone(void **state)
{
    struct db *db = db_of(state);
    char dataset[ID_SIZE], job[ID_SIZE], model[ID_SIZE];
    make_owned_dataset(db, "alice", dataset);
    make_owned_job(db, "alice", job);
    make_model(db, job, model);
    const char *const ids[] = {
        [OWNED_DATASET] = dataset, [OWNED_JOB] = job, [OWNED_MODEL] = model};
    for (int kind = OWNED_DATASET; kind <= OWNED_MODEL; kind++) {
        struct error another = {0}, none = {0};
        enum owned_kind of = (enum owned_kind)kind;
        assert_int_equal(owners_check(db, of, "alice", ids[kind], NULL), 0);
        assert_int_equal(owners_check(db, of, "bob", ids[kind], &another), ERR_NOT_FOUND);
        assert_int_equal(owners_check(db, of, "", ids[kind], NULL), ERR_NOT_FOUND);
        assert_int_equal(owners_check(db, of, "Alice", ids[kind], NULL), ERR_NOT_FOUND);
        assert_int_equal(owners_check(db, of, "bob", "none", &none), ERR_NOT_FOUND);
        assert_string_equal(another.text, none.text); /* there is no telling */
    }
    assert_int_equal(owners_check(db, OWNED_JOB, "alice", model, NULL), ERR_NOT_FOUND);
    struct dataset_row row;
    assert_int_equal(datasets_get_of(db, "bob", dataset, &row, NULL), ERR_NOT_FOUND);
    assert_int_equal(datasets_get_of(db, NULL, dataset, &row, NULL), 0);
    assert_string_equal(row.owner, "alice");
    dataset_row_release(&row);
}

/* How many of a list are there, all of them the owner's (NULL: anybody's). */
static size_t count_jobs(struct db *db, const char *owner,
                         const struct job_filter *filter)
{
    const struct page page = {.limit = 100, .owner = owner};
    struct job_row *rows = NULL;
    size_t count = 0;
    bool more = true;
    struct error err = {0};
    assert_int_equal(jobs_list(db, &page, filter, &rows, &count, &more, &err), 0);
    assert_false(more);
    for (size_t i = 0; i < count; i++) {
        if (owner)
            assert_string_equal(rows[i].owner, owner);
        if (i > 0)
            assert_true(strcmp(rows[i].id, rows[i - 1].id) < 0);
    }
    for (size_t i = 0; i < count; i++)
        job_row_release(&rows[i]);
    free(rows);
    return count;
}

static void test_lists_have_the_owners_alone(void **state)
{
    struct db *db = db_of(state);
    char id[ID_SIZE], alice[ID_SIZE];
    for (int i = 0; i < 5; i++) {
        make_owned_dataset(db, i < 2 ? "alice" : "bob", id);
        make_owned_job(db, i < 2 ? "alice" : "bob", i == 0 ? alice : id);
        make_model(db, i == 0 ? alice : id, id);
    }
    enum job_status status;
    bool changed;
    struct error err = {0};
    assert_int_equal(
        jobs_act(db, alice, JOB_ACTION_CANCEL, TEST_NOW, &status, &changed, &err), 0);
    const struct job_filter all = {.status = -1}, queued = {.status = JOB_QUEUED};
    const struct job_filter team = {
        .status = -1, .metadata_key = "team", .metadata_value = "vision"};
    const struct job_filter both = {
        .status = JOB_QUEUED, .metadata_key = "team", .metadata_value = "vision"};
    const struct {
        const struct job_filter *filter;
        size_t all, alice, bob;
    } lists[] = {{&all, 5, 2, 3}, {&queued, 4, 1, 3}, {&team, 5, 2, 3}, {&both, 4, 1, 3}};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        assert_int_equal(count_jobs(db, NULL, lists[i].filter), lists[i].all);
        assert_int_equal(count_jobs(db, "alice", lists[i].filter), lists[i].alice);
        assert_int_equal(count_jobs(db, "bob", lists[i].filter), lists[i].bob);
        assert_int_equal(count_jobs(db, "carol", lists[i].filter), 0);
    }
    const struct page page = {.limit = 100, .owner = "alice"};
    struct dataset_row *datasets = NULL;
    struct model_row *models = NULL;
    size_t count = 0;
    bool more;
    assert_int_equal(datasets_list(db, &page, &datasets, &count, &more, &err), 0);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++)
        dataset_row_release(&datasets[i]);
    free(datasets);
    assert_int_equal(models_list(db, &page, &models, &count, &more, &err), 0);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(models[i].owner, "alice");
        model_row_release(&models[i]);
    }
    free(models);
}

static void test_two_owners_may_use_the_same_key(void **state)
{
    struct db *db = db_of(state);
    char alice[ID_SIZE], bob[ID_SIZE], id[ID_SIZE], existing[ID_SIZE];
    assert_int_equal(insert_job(db, "alice", "k", TEST_SHA256, alice, existing), 0);
    assert_string_equal(existing, "");
    assert_int_equal(insert_job(db, "bob", "k", OTHER_SHA256, bob, existing), 0);
    assert_string_equal(existing, "");
    assert_int_equal(insert_job(db, "alice", "k", TEST_SHA256, id, existing), 0);
    assert_string_equal(existing, alice);
    assert_int_equal(insert_job(db, "bob", "k", OTHER_SHA256, id, existing), 0);
    assert_string_equal(existing, bob);
    assert_int_equal(insert_job(db, "bob", "k", TEST_SHA256, id, existing), ERR_CONFLICT);
}

static void test_owners_are_plain_words(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "alice", "A1", "team-1@example.org", "1_2"};
    static const char *const bad[] = {"",    " ",  "-a",   "a b",    "a/b",
                                      ".",   "..", "a\n",  "a:b",    "\xc3\xa9",
                                      "a'b", "@a", "a\\b", "_local", "a;b"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(owner_is_valid(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(owner_is_valid(bad[i]));
}

/* A file as version 1 left it, with a row of everything that the migration touches. */
static void make_version_1(struct db *db)
{
    static char sql[64 << 10];
    FILE *file = fopen("migrations/0001_init.sql", "r");
    assert_non_null(file);
    size_t length = fread(sql, 1, sizeof(sql) - 1, file);
    sql[length] = '\0';
    fclose(file);
    sql_run(db, sql);
    sql_run(db, "PRAGMA user_version = 1;"
                "INSERT INTO datasets VALUES ('ds_1', 'd', 'table', '" TEST_SHA256
                "', 1, '" TEST_SHA256 "', 1, 5, '{}', '[]');"
                "INSERT INTO jobs (id, status, dataset, priority, threads, attempt,"
                " max_attempts, created_us, metadata) VALUES ('job_1', 'queued', 'ds_1',"
                " 0, 1, 0, 1, 5, '{}');"
                "INSERT INTO job_metadata VALUES ('k', 'v', 'job_1');"
                "INSERT INTO idempotency_keys VALUES ('key', 'sha', 'job_1', 5);"
                "INSERT INTO blobs VALUES (1);"
                "INSERT INTO blob_seals VALUES (1, 0, '" TEST_SHA256 "');"
                "INSERT INTO models (id, job, blob, bytes, sha256, parameter_count,"
                " created_us, spec, facts, preprocessing, formats) VALUES ('mdl_1',"
                " 'job_1', 1, 0, 'x', 0, 5, '{}', '{}', '{}', '{}');"
                "INSERT INTO tokens VALUES ('tok_1', 'ci', 2, zeroblob(32), 5, 0, 0);");
}

static void test_what_was_there_before_belongs_to_local(void **state)
{
    (void)state;
    char folder[FOLDER_SIZE], path[FOLDER_SIZE + 16];
    folder_make(folder);
    snprintf(path, sizeof(path), "%s/v1.db", folder);
    struct db *db;
    struct error err = {0};
    int version = 0;
    assert_int_equal(db_open(path, DB_WRITER, &db, &err), 0);
    make_version_1(db);
    assert_int_equal(schema_apply(db, &version, &err), 0);
    assert_true(version >= 2);
    assert_int_equal(owners_check(db, OWNED_DATASET, OWNER_LOCAL, "ds_1", &err), 0);
    assert_int_equal(owners_check(db, OWNED_JOB, OWNER_LOCAL, "job_1", &err), 0);
    assert_int_equal(owners_check(db, OWNED_MODEL, OWNER_LOCAL, "mdl_1", &err), 0);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM idempotency_keys"
                                 " WHERE owner = 'local' AND key = 'key'"),
                     1);
    assert_int_equal(
        sql_int(db, "SELECT count(*) FROM job_metadata WHERE owner = 'local'"), 1);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM tokens WHERE owner = 'tok_1'"), 1);
    sql_run(db, "DELETE FROM jobs"); /* the keys go with the job as before */
    assert_int_equal(sql_int(db, "SELECT count(*) FROM idempotency_keys"), 0);
    db_close(db);
    folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_object_is_there_for_its_owner_alone),
        TEST(test_lists_have_the_owners_alone),
        TEST(test_two_owners_may_use_the_same_key),
        TEST(test_owners_are_plain_words),
        TEST(test_what_was_there_before_belongs_to_local),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
