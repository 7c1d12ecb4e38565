/* See trainer_batches.h. */
#include "trainer_batches.h"

#include "base/memory.h"

#include <stdlib.h>

static void fill_augmented(void *context, size_t first, size_t count, real *ret_x,
                           void *ret_target)
{
    augmented_fill(context, first, count, ret_x, ret_target);
}

int trainer_batches_init(struct trainer *trainer, struct error *err)
{
    const struct job_spec *spec = trainer->spec;
    struct trainer_batches *batches = &trainer->batches;
    if (!augment_is_on(&spec->augmentation))
        return 0;
    batches->augmented = (struct augmented_rows){
        .pipeline = trainer->pipeline,
        .spec = spec,
        .order = trainer->order,
        .room = mem_alloc_array(augmented_room(spec), sizeof(float)),
    };
    if (!batches->augmented.room)
        return error_set(err, ERR_NOMEM, "no memory for augmented images");
    size_t rows = pipeline_rows(trainer->pipeline, IN_TRAIN);
    size_t most = (size_t)spec->step_rows;
    struct batch_source source = {
        .context = &batches->augmented,
        .fill = fill_augmented,
        .mixed = spec->augmentation.mixup_alpha > 0 && loss_takes_labels(spec->loss.type),
    };
    return prefetcher_new(&source, most < rows ? most : rows,
                          graph_input_width(stepper_graph(trainer->stepper)),
                          augmented_target_bytes(spec), &batches->prefetcher, err);
}

void trainer_batches_release(struct trainer *trainer)
{
    prefetcher_free(trainer->batches.prefetcher);
    free(trainer->batches.augmented.room);
}

void trainer_batches_begin(struct trainer *trainer)
{
    struct trainer_batches *batches = &trainer->batches;
    uint64_t epoch = (uint64_t)trainer->state.epoch;
    pipeline_shuffle(trainer->pipeline, epoch, trainer->order);
    if (!batches->prefetcher)
        return;
    batches->augmented.epoch = epoch;
    size_t rows = pipeline_rows(trainer->pipeline, IN_TRAIN);
    size_t most = (size_t)trainer->spec->step_rows;
    size_t taken = (size_t)trainer->steps_per_epoch * most;
    prefetcher_begin(batches->prefetcher, (size_t)trainer->state.batch * most,
                     taken < rows ? taken : rows);
}

void trainer_batches_next(struct trainer *trainer, struct batch *ret_batch)
{
    struct trainer_batches *batches = &trainer->batches;
    size_t most = (size_t)trainer->spec->step_rows;
    size_t first = (size_t)trainer->state.batch * most;
    size_t left = pipeline_rows(trainer->pipeline, IN_TRAIN) - first;
    ret_batch->first = first;
    ret_batch->rows = left < most ? left : most;
    if (batches->prefetcher) {
        ret_batch->source = prefetcher_take(batches->prefetcher);
        return;
    }
    batches->plain =
        (struct split_rows){trainer->pipeline, IN_TRAIN, trainer->order, first};
    ret_batch->source = split_source(&batches->plain);
}

void trainer_batches_end(struct trainer *trainer)
{
    if (trainer->batches.prefetcher)
        prefetcher_end(trainer->batches.prefetcher);
}
