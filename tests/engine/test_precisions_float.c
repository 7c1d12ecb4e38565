/* The single precision half of test_precisions. */
#include "core_fixture.h"
#include "engine/stepper.h"
#include "test_precisions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#define INPUTS 6

struct model_spec precisions_model(void)
{
    return core_model("[{'type': 'dense', 'units': 12, 'activation': 'gelu'},"
                      " {'type': 'dropout', 'rate': 0.25},"
                      " {'type': 'dense', 'units': 10, 'activation': 'tanh'},"
                      " {'type': 'dense', 'units': 4}]",
                      (int64_t[SHAPE_MAX_RANK]){INPUTS});
}

void precisions_fill(size_t first, size_t count, float *ret_x, double *ret_x_double,
                     void *ret_target)
{
    int32_t *labels = ret_target;
    for (size_t r = 0; r < count; r++)
        labels[r] = (int32_t)((first + r) % 4);
    for (size_t i = 0; i < count * INPUTS; i++) {
        float number = (float)core_number(first * INPUTS + i);
        if (ret_x)
            ret_x[i] = number;
        else
            ret_x_double[i] = (double)number;
    }
}

static void fill(void *context, size_t first, size_t count, real *ret_x, void *ret_target)
{
    (void)context;
    precisions_fill(first, count, ret_x, NULL, ret_target);
}

size_t precisions_train_float(float ret_exported[PRECISIONS_MOST],
                              double ret_losses[PRECISIONS_STEPS])
{
    struct model_spec model = precisions_model();
    struct choice optimizer = core_optimizer(PRECISIONS_OPTIMIZER);
    struct stepper_options options = {.model = &model,
                                      .loss = {.type = LOSS_CROSS_ENTROPY},
                                      .optimizer = &optimizer,
                                      .seed = PRECISIONS_SEED,
                                      .batch_rows = PRECISIONS_ROWS,
                                      .threads = 1};
    struct stepper *stepper;
    assert_int_equal(stepper_new(&options, &stepper, NULL), 0);
    struct batch_source source = {.fill = fill};
    for (int64_t s = 0; s < PRECISIONS_STEPS; s++) {
        struct step_result result;
        stepper_train(stepper, &source, PRECISIONS_ROWS, s, PRECISIONS_RATE, false,
                      &result);
        ret_losses[s] = loss_sums_loss(&result.sums);
    }
    size_t count = graph_exported_count(stepper_graph(stepper));
    assert_true(count <= PRECISIONS_MOST);
    graph_export(stepper_graph(stepper), stepper_parameters(stepper), ret_exported);
    stepper_free(stepper);
    model_spec_release(&model);
    return count;
}
