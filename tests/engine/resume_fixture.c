/* See resume_fixture.h. */
#include "resume_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

void job_open_with(struct job *job, struct training_data data, const char *spec)
{
    job->data = data;
    training_fixture_open_text(&job->fixture, &job->data, spec);
}

void job_close(struct job *job)
{
    training_fixture_close(&job->fixture);
    made_up_data_release(&job->data);
}

void outcome_release(struct outcome *outcome)
{
    free(outcome->bytes);
    json_decref(outcome->results);
    recorder_release(&outcome->recorder);
}

void run_from(const struct job *job, const struct recorded_checkpoint *checkpoint,
              int64_t pause_after, struct outcome *ret_outcome)
{
    struct trainer *trainer = make_trainer(&job->fixture);
    if (checkpoint) {
        struct error err = {0};
        if (trainer_restore(trainer, checkpoint->bytes, checkpoint->length, &err) != 0)
            fail_msg("restore: %s", err.text);
    }
    struct recorder *recorder = &ret_outcome->recorder;
    recorder_init(recorder);
    recorder->command = TRAIN_PAUSE;
    recorder->command_after = pause_after;
    ret_outcome->end = run_trainer(trainer, &recorder->hooks);
    ret_outcome->bytes = exported_bytes(trainer, &ret_outcome->length);
    ret_outcome->results = trainer_results(trainer);
    trainer_free(trainer);
}

/* The speed differs from run to run; nothing else may. */
static void forget_speed(json_t *results)
{
    json_object_del(json_object_get(results, "latest"), "samples_per_second");
}

void assert_same_outcome(const struct outcome *a, const struct outcome *b)
{
    assert_int_equal(a->end, b->end);
    assert_int_equal(a->length, b->length);
    assert_memory_equal(a->bytes, b->bytes, a->length);
    forget_speed(a->results);
    forget_speed(b->results);
    assert_true(json_equal(a->results, b->results));
}

void run_in_pieces(const struct job *job, int64_t stride, struct outcome *outcome)
{
    struct outcome piece;
    run_from(job, NULL, stride, &piece);
    while (piece.end == TRAIN_PAUSED) {
        struct outcome next;
        const struct recorded_checkpoint *checkpoint =
            recorder_checkpoint(&piece.recorder, CHECKPOINT_LATEST);
        assert_non_null(checkpoint);
        run_from(job, checkpoint, stride, &next);
        outcome_release(&piece);
        piece = next;
    }
    *outcome = piece;
}
