/*
 * Runs that are paused and resumed: a job on made-up rows, what a run of it leaves
 * behind, and whether two runs left the same.
 */
#ifndef BACKPROP_RESUME_FIXTURE_H
#define BACKPROP_RESUME_FIXTURE_H

#include "training_fixture.h"
#include "training_recorder.h"

struct job {
    struct training_data data;
    struct training_fixture fixture;
};

/* `spec` as for training_fixture_open_text(); takes `data`. */
void job_open_with(struct job *job, struct training_data data, const char *spec);
void job_close(struct job *job);

/* What a whole run leaves behind. */
struct outcome {
    unsigned char *bytes;
    size_t length;
    json_t *results;
    struct recorder recorder;
    enum train_end end;
};

void outcome_release(struct outcome *outcome);

/* Runs from `checkpoint` (or from step 0); with `pause_after` > 0 pauses at that poll. */
void run_from(const struct job *job, const struct recorded_checkpoint *checkpoint,
              int64_t pause_after, struct outcome *ret_outcome);

/* The very same bytes, end and results, but for the speed. */
void assert_same_outcome(const struct outcome *a, const struct outcome *b);

/* Pauses at every `stride`-th poll, resumes in a new trainer, and so on to the end. */
void run_in_pieces(const struct job *job, int64_t stride, struct outcome *outcome);

#endif
