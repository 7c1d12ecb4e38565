/* Optimizers against the straightforward formulas of torch.optim, in double, over several
 * steps; and what the stepper relies on: decay only where asked, cuts that change
 * nothing. */
#include "core_fixture.h"
#include "engine/optimizer.h"

#include "spec/training_spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#define COUNT 37
#define STEPS 25

/* Settings of a case and the state of one parameter, in double. */
struct plain {
    double rate, momentum, rho, beta_1, beta_2, epsilon, decay;
    double rate_decay, momentum_decay;
    bool nesterov, centered;
    double p, a, b, c; /* parameter and moments */
};

typedef void plain_step(struct plain *s, double g, int t);

static void plain_sgd(struct plain *s, double g, int t)
{
    g += s->decay * s->p;
    if (s->momentum > 0) {
        s->a = t == 1 ? g : s->momentum * s->a + g;
        g = s->nesterov ? g + s->momentum * s->a : s->a;
    }
    s->p -= s->rate * g;
}

static void plain_rmsprop(struct plain *s, double g, int t)
{
    (void)t;
    g += s->decay * s->p;
    s->a = s->rho * s->a + (1 - s->rho) * g * g;
    double average = sqrt(s->a);
    if (s->centered) {
        s->b = s->rho * s->b + (1 - s->rho) * g;
        average = sqrt(s->a - s->b * s->b);
    }
    average += s->epsilon;
    if (s->momentum > 0) {
        s->c = s->momentum * s->c + g / average;
        s->p -= s->rate * s->c;
    } else {
        s->p -= s->rate * g / average;
    }
}

static void adam_moments(struct plain *s, double g, int t)
{
    s->a = s->beta_1 * s->a + (1 - s->beta_1) * g;
    s->b = s->beta_2 * s->b + (1 - s->beta_2) * g * g;
    double correction_1 = 1 - pow(s->beta_1, t), correction_2 = 1 - pow(s->beta_2, t);
    double denominator = sqrt(s->b) / sqrt(correction_2) + s->epsilon;
    s->p -= s->rate / correction_1 * s->a / denominator;
}

static void plain_adam(struct plain *s, double g, int t)
{
    adam_moments(s, g + s->decay * s->p, t);
}

static void plain_adamw(struct plain *s, double g, int t)
{
    s->p *= 1 - s->rate * s->decay;
    adam_moments(s, g, t);
}

static void plain_adagrad(struct plain *s, double g, int t)
{
    g += s->decay * s->p;
    s->a += g * g;
    s->p -= s->rate / (1 + (t - 1) * s->rate_decay) * g / (sqrt(s->a) + s->epsilon);
}

static void plain_adadelta(struct plain *s, double g, int t)
{
    (void)t;
    g += s->decay * s->p;
    s->a = s->rho * s->a + (1 - s->rho) * g * g;
    double change = sqrt(s->b + s->epsilon) / sqrt(s->a + s->epsilon) * g;
    s->b = s->rho * s->b + (1 - s->rho) * change * change;
    s->p -= s->rate * change;
}

/* c holds the product of the momenta less 1. */
static void plain_nadam(struct plain *s, double g, int t)
{
    g += s->decay * s->p;
    double now = s->beta_1 * (1 - 0.5 * pow(0.96, t * s->momentum_decay));
    double next = s->beta_1 * (1 - 0.5 * pow(0.96, (t + 1) * s->momentum_decay));
    double product = (1 + s->c) * now;
    s->c = product - 1;
    s->a = s->beta_1 * s->a + (1 - s->beta_1) * g;
    s->b = s->beta_2 * s->b + (1 - s->beta_2) * g * g;
    double denominator = sqrt(s->b / (1 - pow(s->beta_2, t))) + s->epsilon;
    s->p -= s->rate * (1 - now) / (1 - product) * g / denominator;
    s->p -= s->rate * next / (1 - product * next) * s->a / denominator;
}

static void plain_radam(struct plain *s, double g, int t)
{
    g += s->decay * s->p;
    s->a = s->beta_1 * s->a + (1 - s->beta_1) * g;
    s->b = s->beta_2 * s->b + (1 - s->beta_2) * g * g;
    double correction_2 = 1 - pow(s->beta_2, t);
    double mean = s->a / (1 - pow(s->beta_1, t));
    double longest = 2 / (1 - s->beta_2) - 1;
    double length = longest - 2 * t * pow(s->beta_2, t) / correction_2;
    if (length > 5)
        mean *= sqrt((length - 4) * (length - 2) * longest /
                     ((longest - 4) * (longest - 2) * length)) *
                sqrt(correction_2) / (sqrt(s->b) + s->epsilon);
    s->p -= s->rate * mean;
}

static void plain_lion(struct plain *s, double g, int t)
{
    (void)t;
    double direction = s->beta_1 * s->a + (1 - s->beta_1) * g;
    s->p *= 1 - s->rate * s->decay;
    s->p -= s->rate * ((direction > 0) - (direction < 0));
    s->a = s->beta_2 * s->a + (1 - s->beta_2) * g;
}

struct optimizer_case {
    const char *spec;
    plain_step *step;
    struct plain settings;
    int moments;
};

static const struct optimizer_case cases[] = {
    {"{'type': 'sgd', 'learning_rate': 0.1}", plain_sgd, {.rate = 0.1}, 0},
    {"{'type': 'sgd', 'learning_rate': 0.1, 'weight_decay': 0.3}",
     plain_sgd,
     {.rate = 0.1, .decay = 0.3},
     0},
    {"{'type': 'sgd', 'learning_rate': 0.05, 'momentum': 0.9, 'weight_decay': 0.01}",
     plain_sgd,
     {.rate = 0.05, .momentum = 0.9, .decay = 0.01},
     1},
    {"{'type': 'sgd', 'learning_rate': 0.05, 'momentum': 0.8, 'nesterov': true,"
     " 'weight_decay': 0.02}",
     plain_sgd,
     {.rate = 0.05, .momentum = 0.8, .nesterov = true, .decay = 0.02},
     1},
    {"{'type': 'rmsprop', 'learning_rate': 0.01, 'rho': 0.95}",
     plain_rmsprop,
     {.rate = 0.01, .rho = 0.95, .epsilon = 1e-8},
     1},
    {"{'type': 'rmsprop', 'learning_rate': 0.01, 'momentum': 0.7, 'weight_decay': 0.1}",
     plain_rmsprop,
     {.rate = 0.01, .rho = 0.9, .momentum = 0.7, .epsilon = 1e-8, .decay = 0.1},
     2},
    {"{'type': 'rmsprop', 'learning_rate': 0.01, 'centered': true, 'epsilon': 1e-3}",
     plain_rmsprop,
     {.rate = 0.01, .rho = 0.9, .centered = true, .epsilon = 1e-3},
     2},
    {"{'type': 'rmsprop', 'learning_rate': 0.01, 'centered': true, 'momentum': 0.5,"
     " 'epsilon': 1e-3}",
     plain_rmsprop,
     {.rate = 0.01, .rho = 0.9, .centered = true, .momentum = 0.5, .epsilon = 1e-3},
     3},
    {"{'type': 'adam', 'learning_rate': 0.01}",
     plain_adam,
     {.rate = 0.01, .beta_1 = 0.9, .beta_2 = 0.999, .epsilon = 1e-8},
     2},
    {"{'type': 'adam', 'learning_rate': 0.02, 'beta_1': 0.8, 'beta_2': 0.95,"
     " 'epsilon': 0.01, 'weight_decay': 0.2}",
     plain_adam,
     {.rate = 0.02, .beta_1 = 0.8, .beta_2 = 0.95, .epsilon = 0.01, .decay = 0.2},
     2},
    {"{'type': 'adamw', 'learning_rate': 0.02, 'weight_decay': 0.5}",
     plain_adamw,
     {.rate = 0.02, .beta_1 = 0.9, .beta_2 = 0.999, .epsilon = 1e-8, .decay = 0.5},
     2},
    {"{'type': 'adagrad', 'learning_rate': 0.05}",
     plain_adagrad,
     {.rate = 0.05, .epsilon = 1e-10},
     1},
    {"{'type': 'adagrad', 'learning_rate': 0.05, 'learning_rate_decay': 0.1, 'epsilon':"
     " 0.01, 'weight_decay': 0.2}",
     plain_adagrad,
     {.rate = 0.05, .rate_decay = 0.1, .epsilon = 0.01, .decay = 0.2},
     1},
    {"{'type': 'adadelta'}", plain_adadelta, {.rate = 1, .rho = 0.9, .epsilon = 1e-6}, 2},
    {"{'type': 'adadelta', 'learning_rate': 0.5, 'rho': 0.8, 'epsilon': 1e-3,"
     " 'weight_decay': 0.1}",
     plain_adadelta,
     {.rate = 0.5, .rho = 0.8, .epsilon = 1e-3, .decay = 0.1},
     2},
    {"{'type': 'nadam', 'learning_rate': 0.01}",
     plain_nadam,
     {.rate = 0.01,
      .beta_1 = 0.9,
      .beta_2 = 0.999,
      .epsilon = 1e-8,
      .momentum_decay = 0.004},
     2},
    {"{'type': 'nadam', 'learning_rate': 0.01, 'beta_1': 0.8, 'beta_2': 0.95,"
     " 'epsilon': 0.01, 'momentum_decay': 0.5, 'weight_decay': 0.2}",
     plain_nadam,
     {.rate = 0.01,
      .beta_1 = 0.8,
      .beta_2 = 0.95,
      .epsilon = 0.01,
      .decay = 0.2,
      .momentum_decay = 0.5},
     2},
    {"{'type': 'radam', 'learning_rate': 0.01}",
     plain_radam,
     {.rate = 0.01, .beta_1 = 0.9, .beta_2 = 0.999, .epsilon = 1e-8},
     2},
    {"{'type': 'radam', 'learning_rate': 0.01, 'beta_2': 0.5, 'weight_decay': 0.2}",
     plain_radam, /* never rectified */
     {.rate = 0.01, .beta_1 = 0.9, .beta_2 = 0.5, .epsilon = 1e-8, .decay = 0.2},
     2},
    {"{'type': 'lion', 'learning_rate': 0.01}",
     plain_lion,
     {.rate = 0.01, .beta_1 = 0.9, .beta_2 = 0.99},
     1},
    {"{'type': 'lion', 'learning_rate': 0.01, 'beta_1': 0.5, 'weight_decay': 0.3}",
     plain_lion,
     {.rate = 0.01, .beta_1 = 0.5, .beta_2 = 0.99, .decay = 0.3},
     1},
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

static double gradient_of(size_t i, int t)
{
    return core_number(i * 31 + (size_t)t * 7) * (i % 5 == 0 ? 10 : 0.1);
}

/* Parameters and moments after STEPS steps, updated in `parts` ranges. */
static void run_engine(const struct optimizer_case *c, bool decays, size_t cut, float *p)
{
    struct choice choice = core_optimizer(c->spec);
    struct optimizer optimizer;
    assert_int_equal(optimizer_init(&optimizer, &choice, NULL), 0);
    assert_int_equal(optimizer.moments, c->moments);
    assert_true(optimizer.learning_rate == c->settings.rate);
    float moments[OPTIMIZER_MAX_MOMENTS][COUNT] = {{0}};
    for (size_t i = 0; i < COUNT; i++)
        p[i] = (float)core_number(i + 500);
    for (int t = 1; t <= STEPS; t++) {
        float g[COUNT];
        for (size_t i = 0; i < COUNT; i++)
            g[i] = (float)gradient_of(i, t);
        struct optimizer_step step;
        optimizer_begin(&optimizer, t, optimizer.learning_rate, &step);
        for (size_t first = 0; first < COUNT; first += cut) {
            float *parts[OPTIMIZER_MAX_MOMENTS];
            for (int m = 0; m < optimizer.moments; m++)
                parts[m] = moments[m] + first;
            size_t count = COUNT - first < cut ? COUNT - first : cut;
            optimizer_update(&step, decays, p + first, g + first, parts, count);
        }
    }
}

static void test_optimizers_follow_torchs_formulas(void **state)
{
    (void)state;
    for (size_t c = 0; c < CASES; c++) {
        float p[COUNT];
        run_engine(&cases[c], true, COUNT, p);
        for (size_t i = 0; i < COUNT; i++) {
            struct plain plain = cases[c].settings;
            plain.p = (double)(float)core_number(i + 500);
            for (int t = 1; t <= STEPS; t++)
                cases[c].step(&plain, (double)(float)gradient_of(i, t), t);
            if (!(fabs((double)p[i] - plain.p) <= 3e-6 * fmax(1, fabs(plain.p))))
                fail_msg("%s: parameter %zu is %.9g, not %.9g", cases[c].spec, i,
                         (double)p[i], plain.p);
        }
    }
}

static void test_weight_decay_spares_what_does_not_decay(void **state)
{
    (void)state;
    for (size_t c = 0; c < CASES; c++) {
        float p[COUNT];
        run_engine(&cases[c], false, COUNT, p);
        for (size_t i = 0; i < COUNT; i++) {
            struct plain plain = cases[c].settings;
            plain.decay = 0;
            plain.p = (double)(float)core_number(i + 500);
            for (int t = 1; t <= STEPS; t++)
                cases[c].step(&plain, (double)(float)gradient_of(i, t), t);
            assert_true(fabs((double)p[i] - plain.p) <= 3e-6 * fmax(1, fabs(plain.p)));
        }
    }
}

static void test_a_cut_into_ranges_does_not_change_the_bits(void **state)
{
    (void)state;
    for (size_t c = 0; c < CASES; c++) {
        float whole[COUNT], parts[COUNT];
        run_engine(&cases[c], true, COUNT, whole);
        run_engine(&cases[c], true, 16, parts);
        assert_memory_equal(whole, parts, sizeof(whole));
    }
}

static void test_zero_gradients_of_zero_parameters_change_nothing(void **state)
{
    (void)state;
    for (size_t c = 0; c < CASES; c++) {
        struct choice choice = core_optimizer(cases[c].spec);
        struct optimizer optimizer;
        assert_int_equal(optimizer_init(&optimizer, &choice, NULL), 0);
        float p[20] = {0}, m[OPTIMIZER_MAX_MOMENTS][20] = {{0}};
        const float zeros[20] = {0};
        float *moments[OPTIMIZER_MAX_MOMENTS] = {m[0], m[1], m[2]};
        struct optimizer_step step;
        optimizer_begin(&optimizer, 1, 0.1, &step);
        optimizer_update(&step, true, p, zeros, moments, 20);
        assert_memory_equal(p, zeros, sizeof(p));
    }
}

static void test_the_tables_of_engine_and_spec_agree(void **state)
{
    (void)state;
    size_t count = 0;
    while (optimizer_names[count])
        count++;
    for (size_t i = 0; i < count; i++) {
        bool found = false, tested = false;
        for (size_t which = 0; optimizer_name(which); which++)
            found = found || strcmp(optimizer_name(which), optimizer_names[i]) == 0;
        for (size_t c = 0; c < CASES; c++)
            tested = tested ||
                     strcmp(core_optimizer(cases[c].spec).type, optimizer_names[i]) == 0;
        assert_true(found && tested);
    }
    assert_non_null(optimizer_name(count - 1));
    assert_null(optimizer_name(count));
}

/* The momenta's product is cut off once it is lost in 1 - product. */
static void test_nadam_forgets_its_product_and_goes_on(void **state)
{
    (void)state;
    struct choice choice = core_optimizer("{'type': 'nadam'}");
    struct optimizer optimizer;
    assert_int_equal(optimizer_init(&optimizer, &choice, NULL), 0);
    float p = 1, g = 1, m = 1, v = 1, *moments[OPTIMIZER_MAX_MOMENTS] = {&m, &v};
    struct optimizer_step step;
    optimizer_begin(&optimizer, INT64_C(1) << 40, 0.1, &step);
    optimizer_update(&step, true, &p, &g, moments, 1);
    /* mean and square stay 1, and the momentum has come to beta_1 */
    assert_true(fabsf(p - (1 - 0.1f * (0.1f + 0.9f))) < 1e-6f);
}

static void test_lion_does_not_hide_a_nan(void **state)
{
    (void)state;
    struct choice choice = core_optimizer("{'type': 'lion'}");
    struct optimizer optimizer;
    assert_int_equal(optimizer_init(&optimizer, &choice, NULL), 0);
    float p = 1, g = NAN, m = 0, *moments[OPTIMIZER_MAX_MOMENTS] = {&m};
    struct optimizer_step step;
    optimizer_begin(&optimizer, 1, 0.1, &step);
    optimizer_update(&step, true, &p, &g, moments, 1);
    assert_true(isnan(p));
}

static void test_unknown_optimizer_is_an_error(void **state)
{
    (void)state;
    struct choice choice = core_optimizer("{'type': 'adam'}");
    choice.type = "no_such";
    struct optimizer optimizer;
    struct error err;
    error_clear(&err);
    assert_int_equal(optimizer_init(&optimizer, &choice, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "no_such"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_optimizers_follow_torchs_formulas),
        cmocka_unit_test(test_weight_decay_spares_what_does_not_decay),
        cmocka_unit_test(test_a_cut_into_ranges_does_not_change_the_bits),
        cmocka_unit_test(test_zero_gradients_of_zero_parameters_change_nothing),
        cmocka_unit_test(test_the_tables_of_engine_and_spec_agree),
        cmocka_unit_test(test_nadam_forgets_its_product_and_goes_on),
        cmocka_unit_test(test_lion_does_not_hide_a_nan),
        cmocka_unit_test(test_unknown_optimizer_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
