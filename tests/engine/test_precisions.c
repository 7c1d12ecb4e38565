/*
 * Both builds of the engine in one program: that it links shows that double_names.h
 * misses no name, and the gradients of the build that trains must be those of the build
 * that is checked. This file is the double half; test_precisions_float.c is the other.
 */
#include "test_precisions.h"
#include "core_fixture.h"
#include "engine/stepper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

static void fill(void *context, size_t first, size_t count, real *ret_x, void *ret_target)
{
    (void)context;
    precisions_fill(first, count, NULL, ret_x, ret_target);
}

static void test_single_and_double_precision_train_alike(void **state)
{
    (void)state;
    struct model_spec model = precisions_model();
    struct choice optimizer = core_optimizer(PRECISIONS_OPTIMIZER);
    struct stepper_options options = {.model = &model,
                                      .loss = {.type = LOSS_CROSS_ENTROPY},
                                      .optimizer = &optimizer,
                                      .seed = PRECISIONS_SEED,
                                      .batch_rows = PRECISIONS_ROWS,
                                      .threads = 2,
                                      .slice_flops = 1};
    struct stepper *stepper;
    assert_int_equal(stepper_new(&options, &stepper, NULL), 0);
    struct batch_source source = {.fill = fill};
    double losses[PRECISIONS_STEPS];
    for (int64_t s = 0; s < PRECISIONS_STEPS; s++) {
        struct step_result result;
        stepper_train(stepper, &source, PRECISIONS_ROWS, s, PRECISIONS_RATE, false,
                      &result);
        losses[s] = loss_sums_loss(&result.sums);
    }
    const struct graph *graph = stepper_graph(stepper);
    float exported[PRECISIONS_MOST], expected[PRECISIONS_MOST];
    double expected_losses[PRECISIONS_STEPS];
    assert_true(graph_exported_count(graph) <= PRECISIONS_MOST);
    graph_export(graph, stepper_parameters(stepper), exported);
    assert_int_equal(precisions_train_float(expected, expected_losses),
                     graph_exported_count(graph));
    for (int s = 0; s < PRECISIONS_STEPS; s++)
        assert_true(fabs(losses[s] - expected_losses[s]) <= 1e-5);
    for (size_t i = 0; i < graph_exported_count(graph); i++)
        assert_true(fabsf(exported[i] - expected[i]) <= 2e-5f);
    stepper_free(stepper);
    model_spec_release(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_and_double_precision_train_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
