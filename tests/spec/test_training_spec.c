/* Loss, optimizer, schedule, monitors. */
#include "sample_facts.h"
#include "spec/training_spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define HOUSES(more_)                                                                    \
    "{'dataset':'ds_1','features':{'target':'price'},'model':{'layers':[{'type':'dense'" \
    ","                                                                                  \
    "'units':'auto'}]}" more_ "}"
#define TITANIC(more_)                                                                   \
    "{'dataset':'ds_1','features':{'target':'Survived'},'model':{'layers':[{'type':'"    \
    "dense',"                                                                            \
    "'units':'auto'}]}" more_ "}"
#define NO_VALIDATION ",'split':{'fractions':{'train':0.8,'test':0.2}}"

static void test_losses_and_their_aliases(void **state)
{
    (void)state;
    static const struct {
        const char *job, *facts;
        enum loss_type type;
        const char *canonical;
    } rows[] = {
        {TITANIC(""), facts_of_titanic, LOSS_CROSS_ENTROPY,
         "{'type':'cross_entropy','label_smoothing':0,'class_weights':null}"},
        {TITANIC(",'loss':'auto'"), facts_of_titanic, LOSS_CROSS_ENTROPY,
         "{'type':'cross_entropy','label_smoothing':0,'class_weights':null}"},
        {TITANIC(",'loss':{'type':'sparse_categorical_crossentropy'}"), facts_of_titanic,
         LOSS_CROSS_ENTROPY,
         "{'type':'cross_entropy','label_smoothing':0,'class_weights':null}"},
        {TITANIC(",'loss':'binary_crossentropy'"), facts_of_titanic,
         LOSS_BINARY_CROSS_ENTROPY, "{'type':'binary_cross_entropy','pos_weight':1}"},
        {HOUSES(""), facts_of_houses, LOSS_MSE, "{'type':'mse'}"},
        {HOUSES(",'loss':'mean_absolute_error'"), facts_of_houses, LOSS_MAE,
         "{'type':'mae'}"},
        {HOUSES(",'loss':{'type':'huber','delta':0.5}"), facts_of_houses, LOSS_HUBER,
         "{'type':'huber','delta':0.5}"},
        {TITANIC(",'loss':{'type':'cross_entropy','label_smoothing':0.1}"),
         facts_of_titanic, LOSS_CROSS_ENTROPY,
         "{'type':'cross_entropy','label_smoothing':0.1,'class_weights':null}"},
        {TITANIC(",'loss':'focal'"), facts_of_titanic, LOSS_FOCAL,
         "{'type':'focal','gamma':2,'class_weights':null}"},
        {HOUSES(",'loss':'log_cosh'"), facts_of_houses, LOSS_LOG_COSH,
         "{'type':'log_cosh'}"},
        {HOUSES(",'loss':'huber'"), facts_of_houses, LOSS_HUBER,
         "{'type':'huber','delta':1}"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct job_spec *spec = sample_spec(rows[i].job, rows[i].facts);
        assert_int_equal(spec->loss.type, rows[i].type);
        assert_canonical(spec, "loss", rows[i].canonical);
        if (spec->loss.type == LOSS_HUBER)
            assert_true(spec->loss.delta > 0);
        job_spec_free(spec);
    }
}

static void test_class_weights_may_be_named_listed_or_balanced(void **state)
{
    (void)state;
    static const struct {
        const char *weights;
        double first, second;
        bool balanced;
    } rows[] = {{"{'1':2.5}", 1, 2.5, false},
                {"[0.5,3]", 0.5, 3, false},
                {"'balanced'", 1, 1, true}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char job[512];
        snprintf(job, sizeof(job), TITANIC(",'loss':{'type':'focal','class_weights':%s}"),
                 rows[i].weights);
        struct job_spec *spec = sample_spec(job, facts_of_titanic);
        assert_true(spec->loss.class_weights[0] == rows[i].first);
        assert_true(spec->loss.class_weights[1] == rows[i].second);
        assert_int_equal(spec->loss.balanced, rows[i].balanced);
        assert_canonical(spec, "loss/class_weights", rows[i].weights);
        job_spec_free(spec);
    }
    struct job_spec *spec = sample_spec(TITANIC(""), facts_of_titanic);
    assert_null(spec->loss.class_weights);
    job_spec_free(spec);
}

static void test_wrong_class_weights_are_pointed_at(void **state)
{
    (void)state;
    static const struct {
        const char *loss, *pointer, *phrase;
    } rows[] = {
        {"{'type':'focal','class_weights':'even'}", "/loss/class_weights",
         "expected \"balanced\""},
        {"{'type':'focal','class_weights':{}}", "/loss/class_weights", "found {}"},
        {"{'type':'focal','class_weights':[1,2,3]}", "/loss/class_weights",
         "expected 2 weights"},
        {"{'type':'focal','class_weights':[1,0]}", "/loss/class_weights/1",
         "expected a number above 0"},
        {"{'type':'cross_entropy','class_weights':{'0':'x'}}", "/loss/class_weights/0",
         "found \"x\""},
        {"{'type':'cross_entropy','class_weights':{'2':1}}", "/loss/class_weights/2",
         "expected a label of the target"},
        {"{'type':'binary_cross_entropy','class_weights':'balanced'}",
         "/loss/class_weights", "unknown key"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char job[512];
        snprintf(job, sizeof(job), TITANIC(",'loss':%s"), rows[i].loss);
        assert_violation(job, facts_of_titanic, rows[i].pointer, rows[i].phrase);
    }
    assert_violation(TITANIC(",'early_stopping':{'monitor':'val_top5_accuracy'}"),
                     facts_of_titanic, "/early_stopping/monitor", "more than 5");
    assert_violation(
        "{'dataset':'d','model':{'layers':[{'type':'dense','units':'auto'}]},"
        "'early_stopping':{'monitor':'val_auc'}}",
        facts_of_images, "/early_stopping/monitor", "which is for 2");
    assert_violation(HOUSES(",'early_stopping':{'monitor':'val_f1'}"), facts_of_houses,
                     "/early_stopping/monitor", "because the target is a number");
}

static void test_one_unit_and_two_classes_mean_binary_cross_entropy(void **state)
{
    (void)state;
    struct job_spec *spec =
        sample_spec("{'dataset':'d','features':{'target':'Survived'},'model':{'layers':["
                    "{'type':'dense','units':1},{'type':'dropout','rate':0.1},"
                    "{'type':'sigmoid'}]}}",
                    facts_of_titanic);
    assert_int_equal(spec->loss.type, LOSS_BINARY_CROSS_ENTROPY);
    job_spec_free(spec);
    assert_violation("{'dataset':'d','model':{'layers':[{'type':'dense','units':1}]}}",
                     facts_of_images, "/model/layers/0", "its 10 classes), found [1]");
}

static void test_optimizers_have_the_usual_defaults(void **state)
{
    (void)state;
    static const struct {
        const char *optimizer, *canonical;
    } rows[] = {
        {"'sgd'", "{'type':'sgd','learning_rate':0.01,'momentum':0,'nesterov':false,"
                  "'weight_decay':0,'weight_decay_on':'weights'}"},
        {"'rmsprop'",
         "{'type':'rmsprop','learning_rate':0.001,'rho':0.9,'momentum':0,"
         "'centered':false,'epsilon':1e-8,'weight_decay':0,'weight_decay_on':'weights'}"},
        {"'adam'", "{'type':'adam','learning_rate':0.001,'beta_1':0.9,'beta_2':0.999,"
                   "'epsilon':1e-8,'weight_decay':0,'weight_decay_on':'weights'}"},
        {"{'type':'adamw'}", "{'type':'adamw','learning_rate':0.001,'beta_1':0.9,"
                             "'beta_2':0.999,'epsilon':1e-8,'weight_decay':0.01,'weight_"
                             "decay_on':'weights'}"},
        {"'adagrad'", "{'type':'adagrad','learning_rate':0.01,'learning_rate_decay':0,"
                      "'epsilon':1e-10,'weight_decay':0,'weight_decay_on':'weights'}"},
        {"'adadelta'", "{'type':'adadelta','learning_rate':1,'rho':0.9,'epsilon':1e-6,"
                       "'weight_decay':0,'weight_decay_on':'weights'}"},
        {"'nadam'", "{'type':'nadam','learning_rate':0.002,'beta_1':0.9,'beta_2':0.999,"
                    "'epsilon':1e-8,'weight_decay':0,'weight_decay_on':'weights','"
                    "momentum_decay':0.004}"},
        {"'radam'", "{'type':'radam','learning_rate':0.001,'beta_1':0.9,'beta_2':0.999,"
                    "'epsilon':1e-8,'weight_decay':0,'weight_decay_on':'weights'}"},
        {"'lion'", "{'type':'lion','learning_rate':0.0001,'beta_1':0.9,'beta_2':0.99,"
                   "'weight_decay':0,'weight_decay_on':'weights'}"},
        {"{'type':'sgd','momentum':0.9,'nesterov':true,'learning_rate':1}",
         "{'type':'sgd','learning_rate':1,'momentum':0.9,'nesterov':true,'weight_decay':"
         "0,'weight_decay_on':'weights'}"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char job[512];
        snprintf(job, sizeof(job), HOUSES(",'optimizer':%s"), rows[i].optimizer);
        struct job_spec *spec = sample_spec(job, facts_of_houses);
        assert_canonical(spec, "optimizer", rows[i].canonical);
        job_spec_free(spec);
    }
    struct job_spec *spec = sample_spec(HOUSES(""), facts_of_houses);
    assert_string_equal(spec->optimizer.type, "adam");
    assert_true(attrs_number(&spec->optimizer.attrs, "beta_2") == 0.999);
    job_spec_free(spec);
}

/* Matrices, kernels and tables decay; biases and what norms learn do not. */
static void test_weights_decay_and_biases_and_norms_do_not(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(
        "{'dataset':'d','features':{'input_shape':[28,28,1]},'model':{'layers':["
        "{'type':'conv2d','filters':4,'kernel_size':3},{'type':'batch_norm'},"
        "{'type':'reshape','shape':[26,104]},"
        "{'type':'position_embedding'},{'type':'transformer_block','num_heads':2},"
        "{'type':'rms_norm'},{'type':'lstm','units':5},{'type':'layer_norm'},"
        "{'type':'dense','units':'auto'}]}}",
        facts_of_images);
    int decaying = 0, others = 0;
    for (int l = 0; l < spec->model.layer_count; l++) {
        const struct layer *layer = &spec->model.layers[l];
        for (int p = 0; p < layer->param_count; p++) {
            assert_int_equal(layer->params[p].decays, layer->params[p].shape.rank > 1);
            decaying += layer->params[p].decays;
            others += !layer->params[p].decays;
        }
    }
    assert_true(decaying >= 8 && others >= 12);
    job_spec_free(spec);
}

static void test_steps_count_accumulated_batches_once(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(
        HOUSES(",'batch_size':100,'gradient_accumulation':7,'split':{'fractions':"
               "{'train':0.5,'validation':0.5}}"),
        facts_of_houses);
    assert_int_equal(spec->train_rows, 10320);
    assert_int_equal(spec->step_rows, 700);
    assert_int_equal(spec->steps_per_epoch, 15); /* 14.7 */
    job_spec_free(spec);
    assert_violation(HOUSES(",'gradient_accumulation':0"), facts_of_houses,
                     "/gradient_accumulation", "from 1 to 1024");
}

static void test_schedules_have_their_defaults(void **state)
{
    (void)state;
    static const struct {
        const char *schedule, *canonical;
    } rows[] = {
        {"'constant'", "{'type':'constant','warmup_steps':0}"},
        {"{'type':'step','step_epochs':3}",
         "{'type':'step','step_epochs':3,'gamma':0.1,'warmup_steps':0}"},
        {"{'type':'exponential','gamma':0.95,'warmup_steps':10}",
         "{'type':'exponential','gamma':0.95,'warmup_steps':10}"},
        {"'cosine'", "{'type':'cosine','minimum_learning_rate':0,'warmup_steps':0}"},
        {"{'type':'multi_step','milestones':[2,5]}",
         "{'type':'multi_step','milestones':[2,5],'gamma':0.1,'warmup_steps':0}"},
        {"'polynomial'", "{'type':'polynomial','power':1,'minimum_learning_rate':0,"
                         "'warmup_steps':0}"},
        {"{'type':'cosine_restarts','period_epochs':3}",
         "{'type':'cosine_restarts','period_epochs':3,'period_multiplier':1,"
         "'minimum_learning_rate':0,'warmup_steps':0}"},
        {"'one_cycle'", "{'type':'one_cycle','pct_start':0.3,'div_factor':25,"
                        "'final_div_factor':10000,'warmup_steps':0}"},
        {"'reduce_on_plateau'",
         "{'type':'reduce_on_plateau','monitor':'val_loss','factor':0.1,'patience':10,"
         "'min_delta':0.0001,'minimum_learning_rate':0,'warmup_steps':0}"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char job[512];
        snprintf(job, sizeof(job), HOUSES(",'learning_rate_schedule':%s"),
                 rows[i].schedule);
        struct job_spec *spec = sample_spec(job, facts_of_houses);
        assert_canonical(spec, "learning_rate_schedule", rows[i].canonical);
        job_spec_free(spec);
    }
    struct job_spec *spec = sample_spec(HOUSES(""), facts_of_houses);
    assert_string_equal(spec->learning_rate_schedule.type, "constant");
    job_spec_free(spec);
}

static void test_names_cover_the_tables(void **state)
{
    (void)state;
    for (int i = 0; optimizer_names[i]; i++) {
        char job[512];
        snprintf(job, sizeof(job), HOUSES(",'optimizer':'%s'"), optimizer_names[i]);
        struct job_spec *spec = sample_spec(job, facts_of_houses);
        assert_string_equal(spec->optimizer.type, optimizer_names[i]);
        job_spec_free(spec);
    }
    static const struct {
        const char *type, *more;
    } required[] = {{"step", ",'step_epochs':1"},
                    {"exponential", ",'gamma':1"},
                    {"multi_step", ",'milestones':[1]"},
                    {"cosine_restarts", ",'period_epochs':1"}};
    for (int i = 0; schedule_names[i]; i++) {
        char job[512];
        const char *needed = "";
        for (size_t n = 0; n < sizeof(required) / sizeof(required[0]); n++) {
            if (strcmp(schedule_names[i], required[n].type) == 0)
                needed = required[n].more;
        }
        snprintf(job, sizeof(job), HOUSES(",'learning_rate_schedule':{'type':'%s'%s}"),
                 schedule_names[i], needed);
        struct job_spec *spec = sample_spec(job, facts_of_houses);
        assert_string_equal(spec->learning_rate_schedule.type, schedule_names[i]);
        job_spec_free(spec);
    }
}

static void test_plateau_watches_the_training_loss_without_validation(void **state)
{
    (void)state;
    struct job_spec *spec =
        sample_spec(HOUSES(NO_VALIDATION ",'learning_rate_schedule':'reduce_on_plateau'"),
                    facts_of_houses);
    assert_string_equal(attrs_string(&spec->learning_rate_schedule.attrs, "monitor"),
                        "loss");
    assert_canonical(spec, "learning_rate_schedule/monitor", "'loss'");
    job_spec_free(spec);
}

static void test_wrong_choices(void **state)
{
    (void)state;
    static const struct {
        const char *more, *pointer, *phrase;
    } rows[] = {
        {",'loss':'msee'", "/loss", "did you mean \"mse\"?"},
        {",'loss':7", "/loss", "expected one of \"auto\", \"cross_entropy\""},
        {",'loss':null", "/loss", "found null"},
        {",'loss':{}", "/loss/type", "found nothing"},
        {",'loss':{'type':'huber','delta':0}", "/loss/delta", "above 0"},
        {",'loss':{'type':'mse','delta':1}", "/loss/delta", "unknown key"},
        {",'loss':'cross_entropy'", "/loss", "because the target is a number"},
        {",'optimizer':'adm'", "/optimizer", "did you mean \"adam\"?"},
        {",'optimizer':{'learning_rate':1}", "/optimizer/type", "found nothing"},
        {",'optimizer':{'type':'adam','learning_rte':1}", "/optimizer/learning_rte",
         "unknown key \"learning_rte\"; did you mean \"learning_rate\"?"},
        {",'optimizer':{'type':'adam','lr':1}", "/optimizer/lr",
         "did you mean \"learning_rate\"?"},
        {",'optimizer':{'type':'adam','learning_rate':0}", "/optimizer/learning_rate",
         "expected a number above 0 and at most 10000, found 0"},
        {",'optimizer':{'type':'adam','learning_rate':-1}", "/optimizer/learning_rate",
         "found -1"},
        {",'optimizer':{'type':'adam','learning_rate':1e300}", "/optimizer/learning_rate",
         "found"},
        {",'optimizer':{'type':'adam','beta_1':1}", "/optimizer/beta_1",
         "from 0 to below 1"},
        {",'optimizer':{'type':'adam','epsilon':0}", "/optimizer/epsilon", "above 0"},
        {",'optimizer':{'type':'adam','momentum':0.9}", "/optimizer/momentum",
         "unknown key"},
        {",'optimizer':{'type':'sgd','nesterov':true}", "/optimizer/nesterov",
         "because \"momentum\" is 0"},
        {",'optimizer':{'type':'sgd','weight_decay':-0.1}", "/optimizer/weight_decay",
         "found -0.1"},
        {",'learning_rate_schedule':'cosin'", "/learning_rate_schedule",
         "did you mean \"cosine\"?"},
        {",'learning_rate_schedule':'step'", "/learning_rate_schedule/step_epochs",
         "found nothing"},
        {",'learning_rate_schedule':'exponential'", "/learning_rate_schedule/gamma",
         "found nothing"},
        {",'learning_rate_schedule':{'type':'exponential','gamma':1.1}",
         "/learning_rate_schedule/gamma", "found 1.1"},
        {",'learning_rate_schedule':{'type':'cosine','warmup_steps':-1}",
         "/learning_rate_schedule/warmup_steps", "found -1"},
        {",'learning_rate_schedule':{'type':'cosine','minimum_learning_rate':0.1}",
         "/learning_rate_schedule/minimum_learning_rate",
         "at most the optimizer's learning rate 0.001, found 0.1"},
        {",'learning_rate_schedule':'multi_step'", "/learning_rate_schedule/milestones",
         "found nothing"},
        {",'learning_rate_schedule':'cosine_restarts'",
         "/learning_rate_schedule/period_epochs", "found nothing"},
        {",'learning_rate_schedule':{'type':'cosine_restarts','period_epochs':1,"
         "'minimum_learning_rate':0.1}",
         "/learning_rate_schedule/minimum_learning_rate",
         "at most the optimizer's learning rate 0.001, found 0.1"},
        {",'learning_rate_schedule':{'type':'one_cycle','pct_start':1.5}",
         "/learning_rate_schedule/pct_start", "found 1.5"},
        {",'learning_rate_schedule':{'type':'one_cycle','div_factor':0}",
         "/learning_rate_schedule/div_factor", "found 0"},
        {",'learning_rate_schedule':{'type':'reduce_on_plateau','factor':1}",
         "/learning_rate_schedule/factor", "below 1"},
        {",'learning_rate_schedule':{'type':'reduce_on_plateau','monitor':'accuracy'}",
         "/learning_rate_schedule/monitor", "because the target is a number"},
        {NO_VALIDATION ",'learning_rate_schedule':{'type':'reduce_on_plateau','monitor':"
                       "'val_r2'}",
         "/learning_rate_schedule/monitor", "no validation part"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char job[512];
        snprintf(job, sizeof(job), HOUSES("%s"), rows[i].more);
        assert_violation(job, facts_of_houses, rows[i].pointer, rows[i].phrase);
    }
    assert_violation(TITANIC(",'loss':'mse'"), facts_of_titanic, "/loss",
                     "because the target is a category, found \"mse\"");
    assert_violation(TITANIC(",'loss':{'type':'cross_entropy','label_smoothing':1}"),
                     facts_of_titanic, "/loss/label_smoothing", "from 0 to below 1");
    assert_violation(HOUSES(",'loss':'focal'"), facts_of_houses, "/loss",
                     "because the target is a number, found \"focal\"");
    assert_violation("{'dataset':'d','loss':'binary_cross_entropy','model':{'layers':["
                     "{'type':'dense','units':'auto'}]}}",
                     facts_of_images, "/loss", "because the target has 10 classes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_losses_and_their_aliases),
        cmocka_unit_test(test_class_weights_may_be_named_listed_or_balanced),
        cmocka_unit_test(test_wrong_class_weights_are_pointed_at),
        cmocka_unit_test(test_one_unit_and_two_classes_mean_binary_cross_entropy),
        cmocka_unit_test(test_optimizers_have_the_usual_defaults),
        cmocka_unit_test(test_weights_decay_and_biases_and_norms_do_not),
        cmocka_unit_test(test_steps_count_accumulated_batches_once),
        cmocka_unit_test(test_schedules_have_their_defaults),
        cmocka_unit_test(test_names_cover_the_tables),
        cmocka_unit_test(test_plateau_watches_the_training_loss_without_validation),
        cmocka_unit_test(test_wrong_choices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
