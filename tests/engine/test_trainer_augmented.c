/*
 * Training on augmented images: what a step gets does not depend on threads, a run that
 * was interrupted ends with the bytes of one that was not, and only training rows are
 * changed.
 */
#include "base/error.h"
#include "engine/slices.h"
#include "engine/trainer_batches.h"
#include "training_fixture.h"
#include "training_recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS 90
#define WIDTH (6 * 5 * 2)
/* 72 rows to train on: 5 steps an epoch, the last of 8 rows. */
#define TRAIN_ROWS 72
#define BATCH 16

#define ALL_STEPS                                                                        \
    "'horizontal_flip', 'vertical_flip', {'type': 'shift', 'height_factor': 0.3},"       \
    "{'type': 'crop', 'padding': 2, 'fill_mode': 'reflect'}, 'rotation', {'type':"       \
    "'cutout', 'size': 2, 'probability': 0.5}, {'type': 'mixup', 'alpha': 0.4}"

#define SPEC                                                                             \
    "{'model': {'layers': [{'type': 'flatten'}, {'type': 'dense', 'units': 12,"          \
    " 'activation': 'relu'}, {'type': 'dense', 'units': 'auto'}]}, 'batch_size': 16,"    \
    " 'epochs': 4, 'seed': 11, 'augmentation': [%s]%s}"

struct job {
    struct training_data data;
    struct training_fixture fixture;
};

static void job_open(struct job *job, int classes, const char *steps, const char *more)
{
    char spec[1024];
    snprintf(spec, sizeof(spec), SPEC, steps, more);
    job->data = made_up_data(ROWS, WIDTH, classes, classes > 0 ? 0 : 2);
    memcpy(job->data.image, (int64_t[3]){6, 5, 2}, sizeof(job->data.image));
    training_fixture_open_text(&job->fixture, &job->data, spec);
}

static void job_close(struct job *job)
{
    training_fixture_close(&job->fixture);
    made_up_data_release(&job->data);
}

/* What a whole run leaves behind. */
struct outcome {
    unsigned char *bytes;
    size_t length;
    enum train_end end;
    struct recorder recorder;
};

static void outcome_release(struct outcome *outcome)
{
    free(outcome->bytes);
    recorder_release(&outcome->recorder);
}

/* Runs from `checkpoint` (or from step 0); with `pause_after` > 0 pauses at that poll. */
static void run_from(const struct job *job, const struct recorded_checkpoint *checkpoint,
                     int64_t pause_after, struct outcome *outcome)
{
    struct trainer *trainer = make_trainer(&job->fixture);
    struct error err = {0};
    if (checkpoint &&
        trainer_restore(trainer, checkpoint->bytes, checkpoint->length, &err) != 0)
        fail_msg("restore: %s", err.text);
    recorder_init(&outcome->recorder);
    outcome->recorder.command = TRAIN_PAUSE;
    outcome->recorder.command_after = pause_after;
    outcome->end = run_trainer(trainer, &outcome->recorder.hooks);
    outcome->bytes = exported_bytes(trainer, &outcome->length);
    trainer_free(trainer);
}

static void check_resuming(int classes, const char *steps, const char *more,
                           int64_t stride)
{
    struct job job;
    struct outcome whole, piece;
    job_open(&job, classes, steps, more);
    run_from(&job, NULL, 0, &whole);
    run_from(&job, NULL, stride, &piece);
    int pauses = 0;
    while (piece.end == TRAIN_PAUSED) {
        struct outcome next;
        run_from(&job, recorder_checkpoint(&piece.recorder, CHECKPOINT_LATEST), stride,
                 &next);
        outcome_release(&piece);
        piece = next;
        pauses++;
    }
    assert_true(pauses > 1);
    assert_int_equal(whole.end, TRAIN_COMPLETED);
    assert_int_equal(piece.end, TRAIN_COMPLETED);
    assert_int_equal(whole.length, piece.length);
    assert_memory_equal(whole.bytes, piece.bytes, whole.length);
    outcome_release(&whole);
    outcome_release(&piece);
    job_close(&job);
}

static void test_every_augmentation_resumes_bit_for_bit(void **state)
{
    (void)state;
    static const char *const steps[] = {
        "'horizontal_flip'",
        "'vertical_flip'",
        "{'type': 'shift', 'pixels': 2, 'fill_mode': 'nearest'}",
        "{'type': 'crop', 'padding': 1, 'fill_mode': 'wrap'}",
        "{'type': 'rotation', 'degrees': 40}",
        "{'type': 'rotation', 'interpolation': 'nearest', 'probability': 0.5}",
        "{'type': 'cutout', 'size': 3}",
        "{'type': 'mixup', 'alpha': 1}",
    };
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        check_resuming(3, steps[i], "", 3);
    check_resuming(3, ALL_STEPS, "", 1);
    check_resuming(0, ALL_STEPS, "", 4);
    check_resuming(3, ALL_STEPS, ", 'resources': {'threads': 2}", 7);
    check_resuming(2, ALL_STEPS, ", 'loss': 'focal'", 6);
}

/* The batches of an epoch as slices on `parts` threads would read them. */
static void read_epoch(const struct training_fixture *fixture, int64_t epoch,
                       size_t parts, real *x, struct mixed_label *labels)
{
    struct trainer *trainer = make_trainer(fixture);
    trainer->state.epoch = epoch;
    trainer_batches_begin(trainer);
    for (size_t done = 0; done < TRAIN_ROWS;) {
        struct batch batch;
        trainer_batches_next(trainer, &batch);
        assert_int_equal(batch.first, done);
        for (size_t p = 0; p < parts; p++) {
            size_t first, count;
            slices_cut(batch.rows, 1, (int)p, (int)parts, &first, &count);
            batch.source.fill(batch.source.context, first, count,
                              x + (done + first) * WIDTH, labels + done + first);
        }
        done += batch.rows;
        trainer->state.batch++;
    }
    trainer_batches_end(trainer);
    trainer_free(trainer);
}

static void test_threads_have_no_influence_on_what_a_step_gets(void **state)
{
    (void)state;
    static real expected[TRAIN_ROWS * WIDTH], x[TRAIN_ROWS * WIDTH];
    static struct mixed_label expected_labels[TRAIN_ROWS], labels[TRAIN_ROWS];
    for (size_t threads = 1; threads <= 4; threads++) {
        struct job job;
        char more[64];
        snprintf(more, sizeof(more), ", 'resources': {'threads': %zu}", threads);
        job_open(&job, 3, ALL_STEPS, more);
        if (threads == 1)
            read_epoch(&job.fixture, 2, 1, expected, expected_labels);
        read_epoch(&job.fixture, 2, threads, x, labels);
        assert_memory_equal(x, expected, sizeof(x));
        assert_memory_equal(labels, expected_labels, sizeof(labels));
        job_close(&job);
    }
}

/* With a learning rate of (nearly) nothing the same weights are scored: the validation
 * split's loss is that of a job without augmentation, the training rows' is not. */
static void test_validation_sees_images_as_they_are(void **state)
{
    (void)state;
    static const char more[] =
        ", 'epochs': 1, 'optimizer': {'type': 'sgd', 'learning_rate': 1e-30}";
    double losses[2], val_losses[2];
    for (int augmented = 0; augmented < 2; augmented++) {
        struct job job;
        job_open(&job, 3, augmented ? ALL_STEPS : "", more);
        struct trainer *trainer = make_trainer(&job.fixture);
        run_trainer(trainer, NULL);
        json_t *results = trainer_results(trainer);
        json_t *latest = json_object_get(results, "latest");
        losses[augmented] = json_real_value(json_object_get(latest, "loss"));
        val_losses[augmented] = json_real_value(json_object_get(latest, "val_loss"));
        json_decref(results);
        trainer_free(trainer);
        job_close(&job);
    }
    assert_true(val_losses[0] == val_losses[1]);
    assert_true(losses[0] != losses[1]);
}

/* A value that is no number is found in the data, not in the image made of it. */
static void test_a_bad_pixel_is_found_in_its_own_row(void **state)
{
    (void)state;
    struct job job;
    char spec[1024];
    snprintf(spec, sizeof(spec), SPEC, ALL_STEPS,
             ", 'split': {'fractions': {'train': 1}}");
    job.data = made_up_data(ROWS, WIDTH, 3, 0);
    memcpy(job.data.image, (int64_t[3]){6, 5, 2}, sizeof(job.data.image));
    float *x = (float *)(uintptr_t)job.data.x;
    for (size_t i = 0; i < WIDTH; i++) /* all of it: none of the steps moves it away */
        x[41 * WIDTH + i] = __builtin_inff();
    training_fixture_open_text(&job.fixture, &job.data, spec);
    struct outcome outcome;
    run_from(&job, NULL, 0, &outcome);
    assert_int_equal(outcome.end, TRAIN_DIVERGED);
    const struct recorded_event *event = recorder_event(&outcome.recorder, "diverged");
    assert_non_null(event);
    assert_non_null(strstr(event->message, "Row 41 of the dataset"));
    outcome_release(&outcome);
    job_close(&job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_augmentation_resumes_bit_for_bit),
        cmocka_unit_test(test_threads_have_no_influence_on_what_a_step_gets),
        cmocka_unit_test(test_validation_sees_images_as_they_are),
        cmocka_unit_test(test_a_bad_pixel_is_found_in_its_own_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
