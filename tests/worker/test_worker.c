/*
 * The real backprop-worker over its pipes: it ingests, trains and serves, obeys commands,
 * and ends decently whatever it is told.
 */
#include "base/io.h"
#include "worker_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FLIPS 40 /* of bits of the dataset file, over its length */

static void expect_text(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, text ? text : "nothing");
}

static void expect_member(const json_t *object, const char *key, const char *value)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (!text || strcmp(text, value) != 0) {
        char *whole = json_dumps(object, JSON_COMPACT);
        fail_msg("\"%s\" is not \"%s\" in %s", key, value, whole);
    }
}

static double number_at(const json_t *object, const char *first, const char *second)
{
    const json_t *value = json_object_get(json_object_get(object, first), second);
    if (!json_is_number(value)) {
        char *whole = json_dumps(object, JSON_COMPACT);
        fail_msg("no number %s/%s in %s", first, second, whole);
    }
    return json_number_value(value);
}

/* ---- ingest ---- */

static void test_ingest_gives_facts_and_a_file(void **state)
{
    const struct world *world = *state;
    expect_member(world->facts, "kind", "table");
    assert_true(number_at(world->facts, "rows", "train") == 400.0);
    assert_int_equal(json_array_size(json_object_get(world->facts, "columns")), 4);
    assert_non_null(json_object_get(world->facts, "preview"));
    uint64_t bytes;
    assert_int_equal(io_file_size(world->file, &bytes), 0);
    assert_true(bytes > 400 * 4 * 4);
}

static void test_ingest_of_bad_data_names_row_and_column(void **state)
{
    (void)state;
    struct worker_client client;
    int output = memfd_create("dataset", MFD_CLOEXEC);
    start_ingest(&client, "a,b\n1,2\n3,4,5\n", output);
    const json_t *failed = client_read_end(&client, MESSAGE_FAILED);
    expect_member(failed, "code", "invalid_data");
    const json_t *violation = json_array_get(json_object_get(failed, "violations"), 0);
    expect_member(violation, "pointer", "/table");
    assert_int_equal(client_end(&client), 0);
    close(output);
}

static void test_ingest_of_nothing_is_refused(void **state)
{
    (void)state;
    struct worker_client client;
    int output = memfd_create("dataset", MFD_CLOEXEC);
    start_ingest(&client, "", output);
    expect_member(client_read_end(&client, MESSAGE_FAILED), "code", "invalid_data");
    assert_int_equal(client_end(&client), 0);
    close(output);
}

/* ---- train ---- */

static void test_training_gives_a_model_that_has_learned(void **state)
{
    const struct world *world = *state;
    struct worker_client client;
    start_train(&client, world, 60);
    const json_t *done = client_read_end(&client, MESSAGE_DONE);
    expect_member(done, "stop_reason", "completed");
    assert_true(number_at(json_object_get(done, "metrics"), "test", "accuracy") > 0.8);
    const json_t *model = client.last[MESSAGE_MODEL];
    size_t bytes = (size_t)json_integer_value(json_object_get(model, "bytes"));
    assert_int_equal(bytes, client.blob.length);
    assert_int_equal(bytes, 4 * (2 * 8 + 8 + 8 * 2 + 2));
    assert_int_equal(json_integer_value(json_object_get(model, "parameters")), bytes / 4);
    assert_non_null(json_object_get(json_object_get(model, "formats"), "safetensors"));
    expect_text(client.metrics.data, "\"loss\"");
    expect_text(client.metrics.data, "\"val_loss\"");
    const json_t *progress = client.last[MESSAGE_PROGRESS];
    assert_true(json_number_value(json_object_get(progress, "fraction")) == 1.0);
    assert_int_equal(json_integer_value(json_object_get(progress, "epoch")), 60);
    assert_true(number_at(json_object_get(progress, "metrics"), "latest", "loss") > 0.0);
    assert_int_equal(client_end(&client), 0);
}

static void test_same_task_gives_the_same_bits(void **state)
{
    const struct world *world = *state;
    char first[200];
    for (int i = 0; i < 2; i++) {
        struct worker_client client;
        start_train(&client, world, 5);
        client_read_end(&client, MESSAGE_DONE);
        assert_true(client.blob.length <= sizeof(first));
        if (i == 0)
            memcpy(first, client.blob.data, client.blob.length);
        else
            assert_memory_equal(first, client.blob.data, client.blob.length);
        assert_int_equal(client_end(&client), 0);
    }
}

static void test_no_point_is_dropped(void **state)
{
    const struct world *world = *state;
    struct worker_client client;
    start_train(&client, world, 40);
    client_read_end(&client, MESSAGE_DONE);
    /* One validation loss an epoch, however the points were put into frames. */
    int found = 0;
    for (const char *at = client.metrics.data; (at = strstr(at, "\"val_loss\"")); at++)
        found++;
    assert_int_equal(found, 40);
    assert_int_equal(client_end(&client), 0);
}

static void expect_command(const struct world *world, const char *command,
                           const char *reason)
{
    struct worker_client client;
    char text[64];
    snprintf(text, sizeof(text), "{\"command\":\"%s\"}", command);
    start_train(&client, world, 1000000);
    assert_non_null(client_read_until(&client, MESSAGE_PROGRESS));
    assert_true(client_send(&client, MESSAGE_COMMAND, text));
    expect_member(client_read_end(&client, MESSAGE_DONE), "stop_reason", reason);
    assert_int_equal(client.counts[MESSAGE_MODEL], strcmp(command, "stop") == 0);
    assert_int_equal(client_end(&client), 0);
}

static void test_cancel_ends_without_a_model(void **state)
{
    expect_command(*state, "cancel", "cancelled");
}

static void test_stop_ends_with_a_model(void **state)
{
    expect_command(*state, "stop", "user_stopped");
}

static void test_paused_training_goes_on_to_the_same_bits(void **state)
{
    const struct world *world = *state;
    struct worker_client whole, first, second;
    start_train(&whole, world, 3000);
    client_read_end(&whole, MESSAGE_DONE);

    start_train(&first, world, 3000);
    assert_non_null(client_read_until(&first, MESSAGE_METRICS));
    assert_true(client_send(&first, MESSAGE_COMMAND, "{\"command\":\"pause\"}"));
    const json_t *done = client_read_end(&first, MESSAGE_DONE);
    expect_member(done, "stop_reason", "paused");
    assert_true(first.counts[MESSAGE_CHECKPOINT] > 0);

    client_start(&second, &world->file, 1);
    json_t *task = train_task(world, 3000, true);
    assert_true(client_send_json(&second, MESSAGE_TASK, task));
    assert_true(client_send_blob(&second, first.blob.data, first.blob.length));
    client_read_end(&second, MESSAGE_DONE);
    assert_int_equal(whole.blob.length, second.blob.length);
    assert_memory_equal(whole.blob.data, second.blob.data, whole.blob.length);
    json_decref(task);
    assert_int_equal(client_end(&whole), 0);
    assert_int_equal(client_end(&first), 0);
    assert_int_equal(client_end(&second), 0);
}

static void test_damaged_checkpoint_is_called_unusable(void **state)
{
    const struct world *world = *state;
    struct worker_client client;
    client_start(&client, &world->file, 1);
    json_t *task = train_task(world, 5, true);
    assert_true(client_send_json(&client, MESSAGE_TASK, task));
    assert_true(client_send_blob(&client, "not a checkpoint", 16));
    expect_member(client_read_end(&client, MESSAGE_FAILED), "code",
                  "checkpoint_unusable");
    json_decref(task);
    assert_int_equal(client_end(&client), 0);
}

static void test_diverging_training_says_so(void **state)
{
    const struct world *world = *state;
    struct worker_client client;
    client_start(&client, &world->file, 1);
    json_t *task = train_task(world, 200, false);
    json_t *spec = json_object_get(task, "spec");
    json_object_set_new(json_object_get(spec, "features"), "target", json_string("y"));
    json_object_set_new(spec, "optimizer",
                        json_pack("{s:s, s:f}", "type", "sgd", "learning_rate", 1e4));
    assert_true(client_send_json(&client, MESSAGE_TASK, task));
    expect_member(client_read_end(&client, MESSAGE_FAILED), "code", "diverged");
    expect_text(client.events.data, "\"diverged\"");
    json_decref(task);
    assert_int_equal(client_end(&client), 0);
}

static void test_closed_input_ends_a_training_at_once(void **state)
{
    const struct world *world = *state;
    struct worker_client client;
    start_train(&client, world, 1000000);
    assert_non_null(client_read_until(&client, MESSAGE_PROGRESS));
    close(client.input);
    client.input = -1;
    assert_null(client_read_until(&client, MESSAGE_DONE));
    int status = client_end(&client);
    assert_true(WIFEXITED(status));
}

static void test_worker_gives_way_to_the_daemon(void **state)
{
    const struct world *world = *state;
    struct worker_client client;
    start_train(&client, world, 1000000);
    assert_non_null(client_read_until(&client, MESSAGE_PROGRESS));
    assert_int_equal(getpriority(PRIO_PROCESS, (id_t)client.pid), 10);
    assert_int_equal(sched_getscheduler(client.pid), SCHED_BATCH);
    struct rlimit core;
    assert_int_equal(prlimit(client.pid, RLIMIT_CORE, NULL, &core), 0);
    assert_int_equal(core.rlim_max, 0);
    assert_true(client_send(&client, MESSAGE_COMMAND, "{\"command\":\"cancel\"}"));
    client_read_end(&client, MESSAGE_DONE);
    assert_int_equal(client_end(&client), 0);
}

/* ---- hostile tasks ---- */

static void test_malformed_tasks_are_refused(void **state)
{
    (void)state;
    static const char *const tasks[] = {
        "",
        "nonsense",
        "[]",
        "{}",
        "{\"task\":7}",
        "{\"task\":\"dance\"}",
        "{\"task\":\"train\"}",
        "{\"task\":\"train\",\"facts\":{},\"spec\":{}}",
        "{\"task\":\"ingest\"}",
        "{\"task\":\"ingest\",\"parts\":[1]}",
        "{\"task\":\"ingest\",\"parts\":[\"table\"],\"options\":{}}",
        "{\"task\":\"ingest\",\"parts\":[\"table\"],\"options\":{\"max_rows\":-1}}",
        "{\"task\":\"serve\"}",
        "{\"task\":\"serve\",\"model\":\"m\"}",
        "{\"task\":\"train\",\"task\":\"serve\"}",
    };
    for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++) {
        struct worker_client client;
        client_start(&client, NULL, 0);
        assert_true(client_send(&client, MESSAGE_TASK, tasks[i]));
        expect_member(client_read_end(&client, MESSAGE_FAILED), "code", "internal_error");
        assert_int_equal(client_end(&client), 0);
    }
}

static void test_other_frames_than_a_task_end_the_worker(void **state)
{
    (void)state;
    struct worker_client client;
    client_start(&client, NULL, 0);
    assert_true(client_send(&client, MESSAGE_COMMAND, "{\"command\":\"stop\"}"));
    assert_null(client_read_until(&client, MESSAGE_READY));
    int status = client_end(&client);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0);
}

static void test_input_that_is_closed_at_once_ends_the_worker(void **state)
{
    (void)state;
    struct worker_client client;
    client_start(&client, NULL, 0);
    int status = client_end(&client);
    assert_true(WIFEXITED(status));
}

static void expect_refusal(const struct world *world, json_t *facts, int file)
{
    struct worker_client client;
    struct world lies = {.file = file, .facts = facts ? facts : world->facts};
    start_train(&client, &lies, 2);
    const json_t *failed = client_read_end(&client, MESSAGE_FAILED);
    const char *code = json_string_value(json_object_get(failed, "code"));
    assert_true(strcmp(code, "damaged") == 0 || strcmp(code, "invalid_data") == 0 ||
                strcmp(code, "internal_error") == 0);
    assert_int_equal(client_end(&client), 0);
    json_decref(facts);
}

static void test_facts_that_disagree_with_the_file_are_refused(void **state)
{
    const struct world *world = *state;
    json_t *more = json_deep_copy(world->facts);
    json_object_set_new(json_object_get(more, "rows"), "train", json_integer(4000000));
    expect_refusal(world, more, world->file);

    json_t *fewer = json_deep_copy(world->facts);
    json_object_set_new(json_object_get(fewer, "rows"), "train", json_integer(3));
    expect_refusal(world, fewer, world->file);

    json_t *shorter = json_deep_copy(world->facts);
    json_array_remove(json_object_get(shorter, "columns"), 0);
    expect_refusal(world, shorter, world->file);
}

/* Every byte of the file counts, not only those that are read as numbers. */
static void test_a_dataset_file_with_a_flipped_bit_is_refused(void **state)
{
    const struct world *world = *state;
    struct stat status;
    assert_int_equal(fstat(world->file, &status), 0);
    for (int i = 0; i < FLIPS; i++) {
        off_t at = (off_t)((uint64_t)status.st_size * (uint64_t)i / FLIPS);
        unsigned char byte, flipped;
        json_t *task = train_task(world, 2, false);
        assert_int_equal(pread(world->file, &byte, 1, at), 1);
        flipped = (unsigned char)(byte ^ (1U << i % 8));
        assert_int_equal(pwrite(world->file, &flipped, 1, at), 1);
        struct worker_client client;
        client_start(&client, &world->file, 1);
        assert_true(client_send_json(&client, MESSAGE_TASK, task));
        json_decref(task);
        const json_t *failed = client_read_end(&client, MESSAGE_FAILED);
        expect_member(failed, "code", "damaged");
        assert_int_equal(client_end(&client), 0);
        assert_int_equal(pwrite(world->file, &byte, 1, at), 1);
    }
}

static void test_gradient_check_reports_each_layer(void **state)
{
    const struct world *world = *state;
    struct worker_client client;
    client_start(&client, &world->file, 1);
    json_t *task = train_task(world, 5, false);
    json_object_set_new(task, "task", json_string("gradcheck"));
    assert_true(client_send_json(&client, MESSAGE_TASK, task));
    json_decref(task);
    const json_t *report =
        json_object_get(client_read_end(&client, MESSAGE_DONE), "report");
    expect_member(report, "object", "gradcheck");
    assert_true(json_is_true(json_object_get(report, "passed")));
    const json_t *layers = json_object_get(report, "layers");
    assert_int_equal(json_array_size(layers), 2);
    const json_t *first = json_array_get(layers, 0);
    expect_member(first, "layer", "layers.0");
    assert_int_equal(json_integer_value(json_object_get(first, "parameters_checked")),
                     24);
    double error = json_number_value(json_object_get(first, "max_relative_error"));
    assert_true(error > 0 && error < 1e-4);
    assert_int_equal(client_end(&client), 0);
}

static void test_file_that_is_no_dataset_is_refused(void **state)
{
    const struct world *world = *state;
    int empty = memory_file(""), junk = memory_file("BPDATA\r\nand nothing that fits");
    expect_refusal(world, NULL, empty);
    expect_refusal(world, NULL, junk);
    close(empty);
    close(junk);
}

/* ---- serve ---- */

static void start_serve(struct worker_client *client, const struct world *world)
{
    struct worker_client trainer;
    json_t *trained = train_task(world, 60, false);
    client_start(&trainer, &world->file, 1);
    assert_true(client_send_json(&trainer, MESSAGE_TASK, trained));
    client_read_end(&trainer, MESSAGE_DONE);
    json_t *task =
        json_pack("{s:s, s:s, s:O, s:O, s:O, s:I}", "task", "serve", "model", "mdl_x",
                  "spec", json_object_get(trained, "spec"), "preprocessing",
                  json_object_get(trainer.last[MESSAGE_MODEL], "preprocessing"), "facts",
                  world->facts, "bytes", (json_int_t)trainer.blob.length);
    client_start(client, NULL, 0);
    assert_true(client_send_json(client, MESSAGE_TASK, task));
    assert_true(client_send_blob(client, trainer.blob.data, trainer.blob.length));
    assert_non_null(client_read_until(client, MESSAGE_READY));
    json_decref(task);
    json_decref(trained);
    assert_int_equal(client_end(&trainer), 0);
}

/* Asks, and gives the reply's body; the status has to be `status`. */
static const json_t *ask(struct worker_client *client, const char *request, int status)
{
    assert_true(client_send(client, MESSAGE_REQUEST, request));
    const json_t *reply = client_read_until(client, MESSAGE_REPLY);
    assert_non_null(reply);
    if (json_integer_value(json_object_get(reply, "status")) != status) {
        char *whole = json_dumps(reply, JSON_COMPACT);
        fail_msg("not %d: %s", status, whole);
    }
    return json_object_get(reply, "body");
}

static void test_served_model_predicts(void **state)
{
    struct worker_client client;
    start_serve(&client, *state);
    const json_t *body =
        ask(&client, "predict\n{\"rows\":[{\"a\":90,\"b\":5},{\"a\":5,\"b\":90}]}", 200);
    expect_member(body, "object", "predictions");
    expect_member(body, "model", "mdl_x");
    const json_t *predictions = json_object_get(body, "predictions");
    assert_int_equal(json_array_size(predictions), 2);
    expect_member(json_array_get(predictions, 0), "label", "left");
    expect_member(json_array_get(predictions, 1), "label", "right");
    double sum = number_at(json_array_get(predictions, 0), "probabilities", "left") +
                 number_at(json_array_get(predictions, 0), "probabilities", "right");
    assert_true(fabs(sum - 1) < 1e-9);
    close(client.input);
    client.input = -1;
    assert_int_equal(client_end(&client), 0);
}

static void test_bad_requests_are_refused_and_the_worker_goes_on(void **state)
{
    struct worker_client client;
    start_serve(&client, *state);
    expect_member(ask(&client, "predict\nnot json", 400), "code", "invalid_json");
    expect_member(ask(&client, "predict\n", 400), "code", "invalid_json");
    const json_t *body = ask(&client, "predict\n{\"rows\":[{\"a\":1,\"zebra\":2}]}", 422);
    expect_member(body, "code", "invalid_input");
    assert_true(json_array_size(json_object_get(body, "errors")) > 0);
    ask(&client, "predict\n{\"rows\":7}", 422);
    ask(&client, "predict\n[]", 422);
    ask(&client, "dance\n{}", 404);
    ask(&client, "", 404);
    assert_int_equal(
        json_array_size(json_object_get(
            ask(&client, "predict\n{\"rows\":[{\"a\":1,\"b\":2}]}", 200), "predictions")),
        1);
    assert_int_equal(client_end(&client), 0);
}

static void test_too_many_rows_are_refused(void **state)
{
    struct worker_client client;
    struct buffer request;
    buffer_init(&request, 1 << 20);
    buffer_append_string(&request, "predict\n{\"rows\":[{}");
    for (int i = 0; i < 10000; i++)
        buffer_append_string(&request, ",{}");
    buffer_append_string(&request, "]}");
    start_serve(&client, *state);
    ask(&client, request.data, 422);
    assert_int_equal(client_end(&client), 0);
    buffer_release(&request);
}

static void test_parameters_of_the_wrong_size_are_refused(void **state)
{
    const struct world *world = *state;
    struct worker_client client, trainer;
    json_t *trained = train_task(world, 1, false);
    client_start(&trainer, &world->file, 1);
    assert_true(client_send_json(&trainer, MESSAGE_TASK, trained));
    client_read_end(&trainer, MESSAGE_DONE);
    json_t *task =
        json_pack("{s:s, s:s, s:O, s:O, s:O, s:i}", "task", "serve", "model", "m", "spec",
                  json_object_get(trained, "spec"), "preprocessing",
                  json_object_get(trainer.last[MESSAGE_MODEL], "preprocessing"), "facts",
                  world->facts, "bytes", 4);
    client_start(&client, NULL, 0);
    assert_true(client_send_json(&client, MESSAGE_TASK, task));
    assert_true(client_send_blob(&client, "four", 4));
    assert_non_null(client_read_end(&client, MESSAGE_FAILED));
    json_decref(task);
    json_decref(trained);
    assert_int_equal(client_end(&client), 0);
    assert_int_equal(client_end(&trainer), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ingest_gives_facts_and_a_file),
        cmocka_unit_test(test_ingest_of_bad_data_names_row_and_column),
        cmocka_unit_test(test_ingest_of_nothing_is_refused),
        cmocka_unit_test(test_training_gives_a_model_that_has_learned),
        cmocka_unit_test(test_same_task_gives_the_same_bits),
        cmocka_unit_test(test_no_point_is_dropped),
        cmocka_unit_test(test_cancel_ends_without_a_model),
        cmocka_unit_test(test_stop_ends_with_a_model),
        cmocka_unit_test(test_paused_training_goes_on_to_the_same_bits),
        cmocka_unit_test(test_damaged_checkpoint_is_called_unusable),
        cmocka_unit_test(test_diverging_training_says_so),
        cmocka_unit_test(test_gradient_check_reports_each_layer),
        cmocka_unit_test(test_closed_input_ends_a_training_at_once),
        cmocka_unit_test(test_worker_gives_way_to_the_daemon),
        cmocka_unit_test(test_malformed_tasks_are_refused),
        cmocka_unit_test(test_other_frames_than_a_task_end_the_worker),
        cmocka_unit_test(test_input_that_is_closed_at_once_ends_the_worker),
        cmocka_unit_test(test_facts_that_disagree_with_the_file_are_refused),
        cmocka_unit_test(test_a_dataset_file_with_a_flipped_bit_is_refused),
        cmocka_unit_test(test_file_that_is_no_dataset_is_refused),
        cmocka_unit_test(test_served_model_predicts),
        cmocka_unit_test(test_bad_requests_are_refused_and_the_worker_goes_on),
        cmocka_unit_test(test_too_many_rows_are_refused),
        cmocka_unit_test(test_parameters_of_the_wrong_size_are_refused),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
