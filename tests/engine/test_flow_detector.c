/* What the flow detector calls trouble, what it lets pass, and how often it speaks. */
#include "engine/flow_detector.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define LAYERS 6

struct scene {
    struct flow_detector detector;
    struct flow_layer layers[LAYERS];
    struct flow_finding findings[FLOW_TROUBLES];
};

/* A network in good health: gradients of one size, updates of a thousandth. */
static struct scene healthy(void)
{
    struct scene scene;
    flow_detector_init(&scene.detector, 100, true);
    for (int l = 0; l < LAYERS; l++)
        scene.layers[l] = (struct flow_layer){.trained = true,
                                              .rectified = true,
                                              .gradient_norm = 0.1,
                                              .update_ratio = 1e-3,
                                              .dead_fraction = 0.2};
    return scene;
}

static unsigned step(struct scene *scene, double loss, size_t rows)
{
    flow_detector_step(&scene->detector, loss);
    return flow_detector_observe(&scene->detector, scene->layers, LAYERS, rows, loss,
                                 scene->findings);
}

/* How often a trouble is raised in so many equal steps. */
static int count(struct scene *scene, enum flow_trouble trouble, int steps, double loss,
                 size_t rows)
{
    int raised = 0;
    for (int i = 0; i < steps; i++)
        raised += (int)(step(scene, loss, rows) >> trouble & 1U);
    return raised;
}

static void shrink(struct scene *scene, double factor)
{
    for (int l = LAYERS - 2; l >= 0; l--)
        scene->layers[l].gradient_norm = scene->layers[l + 1].gradient_norm * factor;
}

static void test_a_healthy_network_raises_nothing(void **state)
{
    (void)state;
    struct scene scene = healthy();
    for (int i = 0; i < 1000; i++)
        assert_int_equal(step(&scene, 2.3 / (1 + i), 64), 0);
}

static void test_a_gradient_that_shrinks_layer_by_layer_vanishes_once(void **state)
{
    (void)state;
    struct scene scene = healthy();
    shrink(&scene, 0.1);
    assert_int_equal(step(&scene, 2.3, 64), 0);
    assert_int_equal(step(&scene, 2.3, 64), 0);
    assert_int_equal(step(&scene, 2.3, 64), 1U << FLOW_VANISHING);
    const struct flow_finding *finding = &scene.findings[FLOW_VANISHING];
    assert_int_equal(finding->layer, 0);
    assert_int_equal(finding->first, 0);
    assert_int_equal(finding->last, LAYERS - 1);
    assert_true(fabs(finding->first_gradient - 1e-6) < 1e-12);
    assert_true(finding->last_gradient == 0.1);
    assert_int_equal(count(&scene, FLOW_VANISHING, 500, 2.3, 64), 0);
}

static void test_a_trouble_that_comes_back_is_raised_twice_at_most(void **state)
{
    (void)state;
    struct scene scene = healthy();
    int raised = 0;
    for (int round = 0; round < 10; round++) {
        shrink(&scene, 0.1);
        raised += count(&scene, FLOW_VANISHING, 5, 2.3, 64);
        shrink(&scene, 1);
        raised += count(&scene, FLOW_VANISHING, 20, 2.3, 64);
    }
    assert_int_equal(raised, FLOW_MOST_EVENTS);
}

static void test_a_trouble_that_flickers_is_raised_once(void **state)
{
    (void)state;
    struct scene scene = healthy();
    int raised = 0;
    for (int round = 0; round < 10; round++) {
        shrink(&scene, 0.1);
        raised += count(&scene, FLOW_VANISHING, 5, 2.3, 64);
        shrink(&scene, 1);
        raised += count(&scene, FLOW_VANISHING, 2, 2.3, 64);
    }
    assert_int_equal(raised, 1);
}

static void test_small_gradients_everywhere_are_no_trouble(void **state)
{
    (void)state;
    struct scene scene = healthy();
    step(&scene, 2.3, 64);
    for (int l = 0; l < LAYERS; l++)
        scene.layers[l].gradient_norm = 1e-12;
    for (int i = 0; i < 100; i++)
        assert_int_equal(step(&scene, 1e-9, 64), 0);
    for (int l = 0; l < LAYERS; l++)
        scene.layers[l].gradient_norm = 0;
    for (int i = 0; i < 100; i++)
        assert_int_equal(step(&scene, 0, 64), 0);
}

static void test_tiny_or_huge_inputs_are_not_blamed_on_depth(void **state)
{
    (void)state;
    static const double scales[] = {1e-8, 1e8};
    for (int i = 0; i < 2; i++) {
        struct scene scene = healthy();
        scene.layers[0].gradient_norm = scales[i];
        for (int s = 0; s < 100; s++)
            assert_int_equal(step(&scene, 2.3, 64), 0);
    }
}

static void test_three_layers_are_not_deep(void **state)
{
    (void)state;
    struct scene scene = healthy();
    for (int l = 0; l < LAYERS - 3; l++)
        scene.layers[l].trained = false;
    shrink(&scene, 1e-3);
    assert_int_equal(count(&scene, FLOW_VANISHING, 100, 2.3, 64), 0);
}

static void test_a_gradient_that_grows_on_its_way_back_explodes(void **state)
{
    (void)state;
    struct scene scene = healthy();
    shrink(&scene, 20);
    assert_int_equal(count(&scene, FLOW_EXPLODING, 100, 2.3, 64), 1);
    assert_int_equal(scene.findings[FLOW_EXPLODING].layer, 0);
    assert_true(scene.findings[FLOW_EXPLODING].by_depth);
}

static void test_loss_gradient_and_updates_that_rise_together_explode(void **state)
{
    (void)state;
    struct scene scene = healthy();
    assert_int_equal(step(&scene, 1, 64), 0);
    assert_false(flow_detector_step(&scene.detector, 5));
    assert_true(flow_detector_step(&scene.detector, 50));
    for (int l = 0; l < LAYERS; l++)
        scene.layers[l].gradient_norm = 5;
    assert_int_equal(step(&scene, 50, 64), 0); /* updates are small: a bad batch */
    scene.layers[3].gradient_norm = 6;
    scene.layers[3].update_ratio = 0.5;
    assert_int_equal(step(&scene, 50, 64), 1U << FLOW_EXPLODING);
    const struct flow_finding *finding = &scene.findings[FLOW_EXPLODING];
    assert_int_equal(finding->layer, 3);
    assert_false(finding->by_depth);
    assert_true(finding->gradient_norm == 6 && finding->update_ratio == 0.5);
    assert_true(finding->loss == 50 && finding->first_loss == 1);
    assert_false(flow_detector_step(&scene.detector, 5000)); /* it was said */
}

static void test_a_loss_that_stays_high_asks_for_few_observations(void **state)
{
    (void)state;
    struct scene scene = healthy();
    flow_detector_step(&scene.detector, 1);
    int asked = 0;
    for (int i = 0; i < 1000; i++)
        asked += flow_detector_step(&scene.detector, 100);
    assert_in_range(asked, 1, 20);
}

static void test_dead_units_of_a_rectified_layer_are_told_once(void **state)
{
    (void)state;
    struct scene scene = healthy();
    scene.layers[2].dead_fraction = 0.95;
    scene.layers[3].dead_fraction = 0.92;
    for (int l = 0; l < 3; l++)
        scene.layers[l].gradient_norm = 0; /* no vanishing besides */
    assert_int_equal(count(&scene, FLOW_DEAD_UNITS, 2, 2.3, 64), 0);
    assert_int_equal(step(&scene, 2.3, 64), 1U << FLOW_DEAD_UNITS);
    const struct flow_finding *finding = &scene.findings[FLOW_DEAD_UNITS];
    assert_int_equal(finding->layer, 2);
    assert_int_equal(finding->dead_layers, 2);
    assert_true(finding->dead_fraction == 0.95);
    assert_int_equal(count(&scene, FLOW_DEAD_UNITS, 100, 2.3, 64), 0);
}

static void test_units_of_other_functions_are_not_dead(void **state)
{
    (void)state;
    struct scene scene = healthy();
    for (int l = 0; l < LAYERS; l++) {
        scene.layers[l].rectified = false;
        scene.layers[l].dead_fraction = 1;
    }
    for (int i = 0; i < 100; i++)
        assert_int_equal(step(&scene, 2.3, 64), 0);
}

/* One row rests many units: only a layer that is dead for all of many rows counts. */
static void test_small_batches_need_more_of_them(void **state)
{
    (void)state;
    struct scene scene = healthy();
    scene.layers[1].dead_fraction = 0.98;
    assert_int_equal(count(&scene, FLOW_DEAD_UNITS, 1000, 2.3, 1), 0);
    scene.layers[1].dead_fraction = 1;
    assert_int_equal(count(&scene, FLOW_DEAD_UNITS, 127, 2.3, 1), 0);
    assert_int_equal(count(&scene, FLOW_DEAD_UNITS, 1, 2.3, 1), 1);
}

/* ---- plateau ---- */

static void begin(struct flow_detector *detector, int64_t epochs, bool saw_start)
{
    flow_detector_init(detector, epochs, saw_start);
    for (int i = 0; i < 20; i++)
        flow_detector_step(detector, 2.3);
}

/* The epoch, from 1, in which a plateau is raised first; 0: never. */
static int plateau_epoch(struct flow_detector *detector, const double *losses, int count,
                         int64_t steps_per_epoch)
{
    struct flow_finding finding;
    for (int e = 0; e < count; e++) {
        if (flow_detector_epoch(detector, losses[e], (e + 1) * steps_per_epoch,
                                &finding)) {
            assert_int_equal(finding.layer, -1);
            assert_true(finding.loss == losses[e]);
            return e + 1;
        }
    }
    return 0;
}

static void test_a_loss_that_stays_where_it_began_is_a_plateau(void **state)
{
    (void)state;
    double flat[60], slow[60], converged[60], floor[60];
    for (int e = 0; e < 60; e++) {
        flat[e] = 2.302 - 0.0001 * (e % 3);
        slow[e] = 2.3 * pow(0.997, e);
        converged[e] = 1e-7;            /* within the first epoch */
        floor[e] = 0.6 + 1.7 * exp(-e); /* as low as the data allow */
    }
    struct flow_detector detector;
    begin(&detector, 60, true);
    assert_int_equal(plateau_epoch(&detector, flat, 60, 50), 7);
    begin(&detector, 600, true);
    assert_int_equal(plateau_epoch(&detector, flat, 60, 50), 0); /* too early to say */
    begin(&detector, 60, true);
    assert_int_equal(plateau_epoch(&detector, flat, 7, 5), 0); /* few steps */
    begin(&detector, 60, true);
    assert_int_equal(plateau_epoch(&detector, slow, 60, 50), 0);
    begin(&detector, 60, true);
    assert_int_equal(plateau_epoch(&detector, converged, 60, 50), 0);
    begin(&detector, 60, true);
    assert_int_equal(plateau_epoch(&detector, floor, 60, 50), 0);
    begin(&detector, 60, false); /* resumed: how it began is not known */
    assert_int_equal(plateau_epoch(&detector, flat, 60, 50), 0);
}

static void test_a_plateau_is_told_once_until_the_loss_falls(void **state)
{
    (void)state;
    struct flow_detector detector;
    struct flow_finding finding;
    int raised = 0;
    begin(&detector, 40, true);
    for (int e = 1; e <= 40; e++)
        raised += flow_detector_epoch(&detector, e < 20 ? 2.3 : 2.2, e * 50, &finding);
    assert_int_equal(raised, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_healthy_network_raises_nothing),
        cmocka_unit_test(test_a_gradient_that_shrinks_layer_by_layer_vanishes_once),
        cmocka_unit_test(test_a_trouble_that_comes_back_is_raised_twice_at_most),
        cmocka_unit_test(test_a_trouble_that_flickers_is_raised_once),
        cmocka_unit_test(test_small_gradients_everywhere_are_no_trouble),
        cmocka_unit_test(test_tiny_or_huge_inputs_are_not_blamed_on_depth),
        cmocka_unit_test(test_three_layers_are_not_deep),
        cmocka_unit_test(test_a_gradient_that_grows_on_its_way_back_explodes),
        cmocka_unit_test(test_loss_gradient_and_updates_that_rise_together_explode),
        cmocka_unit_test(test_a_loss_that_stays_high_asks_for_few_observations),
        cmocka_unit_test(test_dead_units_of_a_rectified_layer_are_told_once),
        cmocka_unit_test(test_units_of_other_functions_are_not_dead),
        cmocka_unit_test(test_small_batches_need_more_of_them),
        cmocka_unit_test(test_a_loss_that_stays_where_it_began_is_a_plateau),
        cmocka_unit_test(test_a_plateau_is_told_once_until_the_loss_falls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
