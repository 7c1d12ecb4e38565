/*
 * Checkpoints. The first byte chooses a job and what the rest is: the bytes of a
 * checkpoint as they are, or changes to a real one (offset in two bytes, eight bytes to
 * put there), after which its length and CRC are set right, so that the state behind
 * them is reached.
 *
 * Promises: a refused checkpoint leaves the trainer as it was; from an accepted one it
 * runs to its end.
 */
#include "../engine/resume_fixture.h"
#include "engine/checkpoint.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#define JOBS 3
#define MAX_BYTES 65536

static const char *const specs[JOBS] = {
    "{'epochs':3,'batch_size':8,'model':{'layers':[{'type':'dense','units':3,"
    "'activation':'tanh'},{'type':'dense','units':'auto'}]}}",
    "{'epochs':3,'batch_size':8,'optimizer':'adam','weight_averaging':{'type':'ema',"
    "'decay':0.9},'early_stopping':{'patience':2,'restore_best_weights':true},"
    "'learning_rate_schedule':{'type':'reduce_on_plateau','patience':1},"
    "'on_divergence':{'retries':2},'model':{'layers':[{'type':'dense','units':3},"
    "{'type':'batch_norm'},{'type':'dense','units':'auto'}]}}",
    "{'epochs':2,'batch_size':8,'gradient_accumulation':2,'optimizer':{'type':'sgd',"
    "'learning_rate':0.01,'momentum':0.9},'gradient_clip':{'norm':1},'model':{'layers':["
    "{'type':'dropout','rate':0.5},{'type':'dense','units':'auto'}]}}",
};

struct chosen {
    struct job job;
    struct recorded_checkpoint checkpoint; /* made half-way */
    uint64_t identity;
};

static void prepare(struct chosen *chosen, const char *spec)
{
    job_open_with(&chosen->job, made_up_data(40, 3, 2, 0), spec);
    struct outcome outcome;
    run_from(&chosen->job, NULL, 3, &outcome);
    const struct recorded_checkpoint *made =
        recorder_checkpoint(&outcome.recorder, CHECKPOINT_LATEST);
    FUZZ_EXPECT(made && made->length <= MAX_BYTES / 2);
    chosen->checkpoint = *made;
    chosen->checkpoint.bytes = malloc(made->length);
    FUZZ_EXPECT(chosen->checkpoint.bytes);
    memcpy(chosen->checkpoint.bytes, made->bytes, made->length);
    memcpy(&chosen->identity, made->bytes + 24, sizeof(chosen->identity));
    outcome_release(&outcome);
}

static struct chosen *choose(uint8_t choice)
{
    static struct chosen chosen[JOBS];
    static bool prepared[JOBS];
    int which = choice % JOBS;
    if (!prepared[which])
        prepare(&chosen[which], specs[which]);
    prepared[which] = true;
    return &chosen[which];
}

/* The real checkpoint with the changes; returns its length. */
static size_t change(const struct chosen *chosen, struct fuzz_input *input,
                     uint8_t *ret_bytes)
{
    size_t length = chosen->checkpoint.length;
    memcpy(ret_bytes, chosen->checkpoint.bytes, length);
    while (input->size >= 3) {
        size_t at = (size_t)fuzz_take_byte(input) << 8;
        at |= fuzz_take_byte(input);
        size_t got;
        const uint8_t *bytes = fuzz_take(input, 8, &got);
        if (at % 17 == 16) /* now and then another length */
            length = CHECKPOINT_HEADER_BYTES + at;
        else if (at + got <= length)
            memcpy(ret_bytes + at, bytes, got);
    }
    struct checkpoint_cursor cursor = checkpoint_begin(ret_bytes, length);
    checkpoint_finish(&cursor, chosen->identity);
    return length;
}

/* Neither commands nor a record: runs to its end. */
static void run_to_end(struct trainer *trainer)
{
    const struct train_hooks hooks = {0};
    enum train_end end;
    struct error err = {0};
    FUZZ_EXPECT(trainer_run(trainer, &hooks, &end, &err) == 0);
    json_t *results = trainer_results(trainer);
    FUZZ_EXPECT(results);
    json_decref(results);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t changed[2 * MAX_BYTES];
    struct fuzz_input input = {data, size};
    uint8_t choice = fuzz_take_byte(&input);
    struct chosen *chosen = choose(choice);
    const uint8_t *bytes = input.data;
    size_t length = input.size;
    if (choice & 0x80) {
        length = change(chosen, &input, changed);
        bytes = changed;
    }
    struct trainer *trainer = make_trainer(&chosen->job.fixture);
    struct error err = {0};
    int rc = trainer_restore(trainer, bytes, length, &err);
    FUZZ_EXPECT(fuzz_error_fits(rc, &err));
    FUZZ_EXPECT(rc == 0 || rc == ERR_CORRUPT || rc == ERR_INVALID);
    if (rc == 0)
        run_to_end(trainer);
    trainer_free(trainer);
    return 0;
}
