/* The whole job: defaults, splits, limits, costs, and the canonical JSON. */
#include "sample_facts.h"
#include "spec/cost_activations.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUSES(more_)                                                                    \
    "{'dataset':'ds_1','features':{'target':'price'},'model':{'layers':[{'type':'dense'" \
    ","                                                                                  \
    "'units':'auto'}]}" more_ "}"
#define TITANIC(more_)                                                                   \
    "{'dataset':'ds_1','features':{'target':'Survived'},'model':{'layers':[{'type':'"    \
    "dense',"                                                                            \
    "'units':'auto'}]}" more_ "}"
#define IMAGES(more_)                                                                    \
    "{'dataset':'ds_1','model':{'layers':[{'type':'dense','units':'auto'}]}" more_ "}"

static void test_only_dataset_and_model_are_needed(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(IMAGES(""), facts_of_images);
    char *text = json_dumps(spec->canonical, JSON_COMPACT | JSON_REAL_PRECISION(15));
    assert_string_equal(
        text,
        "{\"name\":\"job\",\"dataset\":\"ds_1\",\"features\":{\"normalization\":"
        "\"bytes\","
        "\"target\":{\"name\":\"label\",\"type\":\"category\"},\"input_shape\":null},"
        "\"augmentation\":[],"
        "\"model\":{\"layers\":[{\"type\":\"dense\",\"units\":10,\"activation\":"
        "\"linear\","
        "\"use_bias\":true,\"kernel_initializer\":\"glorot_uniform\","
        "\"bias_initializer\":\"zeros\",\"l2\":0}]},\"loss\":{\"type\":\"cross_entropy\","
        "\"label_smoothing\":0,\"class_weights\":null}"
        ","
        "\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.001,\"beta_1\":0.9,"
        "\"beta_2\":0.999,\"epsilon\":1e-8,\"weight_decay\":0,\"weight_decay_on\":"
        "\"weights\"},"
        "\"learning_rate_schedule\":{\"type\":\"constant\",\"warmup_steps\":0},"
        "\"gradient_clip\":{\"norm\":null,\"value\":null},"
        "\"weight_averaging\":null,\"on_divergence\":{\"retries\":0,"
        "\"learning_rate_factor\":0.5},\"epochs\":10,\"steps_per_epoch\":\"auto\","
        "\"batch_size\":32,\"gradient_accumulation\":1,"
        "\"seed\":0,\"split\":{\"type\":\"fixed\",\"fractions\":{\"train\":0.9,"
        "\"validation\":0.1,\"test\":0}},\"early_stopping\":null,"
        "\"checkpoint\":{\"every_seconds\":30,\"keep_best\":1,\"keep_latest\":1},"
        "\"log_every_steps\":17,\"resources\":{\"threads\":1,\"memory_mb\":2048,"
        "\"max_seconds\":0,\"max_attempts\":3},\"priority\":0,\"metadata\":{}}");
    free(text);
    assert_string_equal(spec->name, "job");
    assert_string_equal(spec->dataset, "ds_1");
    assert_int_equal(spec->epochs, 10);
    assert_int_equal(spec->batch_size, 32);
    assert_true(spec->clip_norm == 0 && spec->clip_value == 0);
    assert_false(spec->early_stopping.enabled);
    assert_int_equal(spec->memory_mb, 2048);
    assert_int_equal(spec->max_attempts, 3);
    assert_int_equal(spec->train_rows, 54000);
    assert_int_equal(spec->validation_rows, 6000);
    assert_int_equal(spec->test_rows, 10000);
    assert_int_equal(spec->steps_per_epoch, 1688);
    job_spec_free(spec);
}

static void test_everything_may_be_said(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(
        TITANIC(
            ",'name':'Größe 1','optimizer':{'type':'sgd','momentum':0.9},"
            "'learning_rate_schedule':{'type':'cosine','warmup_steps':100},"
            "'gradient_clip':{'norm':1.0,'value':0.5},'epochs':7,'batch_size':64,"
            "'seed':9007199254740991,'split':{'type':'stratified','fractions':"
            "{'train':0.6,'validation':0.2,'test':0.2}},'early_stopping':{'monitor':"
            "'val_accuracy','patience':3,'min_delta':0.01,'restore_best_weights':false},"
            "'checkpoint':{'every_seconds':5,'keep_best':2,'keep_latest':3},"
            "'log_every_steps':4,'resources':{'threads':2,'memory_mb':512,"
            "'max_seconds':3600,'max_attempts':1},'priority':-7,"
            "'metadata':{'team':'vision','n':1.5,'k':12,'ok':true}"),
        facts_of_titanic);
    assert_string_equal(spec->name, "Größe 1");
    assert_true(spec->clip_norm == 1 && spec->clip_value == 0.5);
    assert_int_equal(spec->seed, UINT64_C(9007199254740991));
    assert_int_equal(spec->split.type, SPLIT_STRATIFIED);
    assert_true(spec->early_stopping.enabled);
    assert_string_equal(spec->early_stopping.monitor, "val_accuracy");
    assert_int_equal(spec->early_stopping.patience, 3);
    assert_false(spec->early_stopping.restore_best_weights);
    assert_int_equal(spec->checkpoint_every_seconds, 5);
    assert_int_equal(spec->checkpoint_keep_best, 2);
    assert_int_equal(spec->checkpoint_keep_latest, 3);
    assert_int_equal(spec->log_every_steps, 4);
    assert_int_equal(spec->threads, 2);
    assert_int_equal(spec->max_seconds, 3600);
    assert_int_equal(spec->priority, -7);
    assert_int_equal(spec->validation_rows, 178);
    assert_int_equal(spec->train_rows, 891 - 2 * 178);
    assert_canonical(spec, "metadata", "{'team':'vision','n':1.5,'k':12,'ok':true}");
    job_spec_free(spec);
}

static void test_empty_name_is_the_default_name(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(IMAGES(",'name':''"), facts_of_images);
    assert_string_equal(spec->name, "job");
    job_spec_free(spec);
}

static void test_splits_count_their_rows(void **state)
{
    (void)state;
    static const struct {
        const char *job, *facts, *canonical;
        uint64_t train, validation, test;
    } rows[] = {
        {HOUSES(""), facts_of_houses,
         "{'type':'random','fractions':{'train':0.8,'validation':0.1,'test':0.1}}", 16512,
         2064, 2064},
        {IMAGES(""), facts_of_images,
         "{'type':'fixed','fractions':{'train':0.9,'validation':0.1,'test':0}}", 54000,
         6000, 10000},
        {IMAGES(",'split':'random'"), facts_of_images,
         "{'type':'random','fractions':{'train':0.8,'validation':0.1,'test':0.1}}", 48000,
         6000, 6000},
        {TITANIC(",'split':'stratified'"), facts_of_titanic,
         "{'type':'stratified','fractions':{'train':0.8,'validation':0.1,'test':0.1}}",
         713, 89, 89},
        {TITANIC(",'split':{'fractions':{'test':0.2,'validation':0.1}}"),
         facts_of_titanic,
         "{'type':'random','fractions':{'train':0.7,'validation':0.1,'test':0.2}}", 624,
         89, 178},
        {TITANIC(",'split':{'fractions':{'train':0.8,'test':0.2}}"), facts_of_titanic,
         "{'type':'random','fractions':{'train':0.8,'validation':0,'test':0.2}}", 713, 0,
         178},
        {TITANIC(",'split':{'type':'random','fractions':{}}"), facts_of_titanic,
         "{'type':'random','fractions':{'train':1,'validation':0,'test':0}}", 891, 0, 0},
        {IMAGES(",'split':{'fractions':{'validation':0.25}}"), facts_of_images,
         "{'type':'fixed','fractions':{'train':0.75,'validation':0.25,'test':0}}", 45000,
         15000, 10000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct job_spec *spec = sample_spec(rows[i].job, rows[i].facts);
        assert_canonical(spec, "split", rows[i].canonical);
        assert_int_equal(spec->train_rows, rows[i].train);
        assert_int_equal(spec->validation_rows, rows[i].validation);
        assert_int_equal(spec->test_rows, rows[i].test);
        job_spec_free(spec);
    }
}

static void test_steps_and_logging_follow_the_rows(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(
        HOUSES(",'batch_size':128,'log_every_steps':'auto'"), facts_of_houses);
    assert_int_equal(spec->steps_per_epoch, 129);
    assert_int_equal(spec->log_every_steps, 2);
    assert_canonical(spec, "log_every_steps", "2");
    job_spec_free(spec);
    spec = sample_spec(TITANIC(",'batch_size':65536"), facts_of_titanic);
    assert_int_equal(spec->steps_per_epoch, 1);
    assert_int_equal(spec->log_every_steps, 1);
    job_spec_free(spec);
}

static void test_wrong_values_are_pointed_at(void **state)
{
    (void)state;
    static const struct {
        const char *more, *pointer, *phrase;
    } rows[] = {
        {",'name':7", "/name", "found 7"},
        {",'name':null", "/name", "found null"},
        {",'name':'a\\nb'", "/name", "without control characters"},
        {",'epochs':0", "/epochs", "expected an integer from 1 to 1000000, found 0"},
        {",'epochs':1000001", "/epochs", "found 1000001"},
        {",'epochs':1.0", "/epochs", "found 1.0"},
        {",'epochs':1e3", "/epochs", "found 1000.0"},
        {",'batch_size':65537", "/batch_size", "from 1 to 65536"},
        {",'batch_size':'32'", "/batch_size", "found \"32\""},
        {",'seed':-1", "/seed", "from 0 to 9007199254740991, found -1"},
        {",'log_every_steps':0", "/log_every_steps", "or \"auto\", found 0"},
        {",'priority':101", "/priority", "from -100 to 100"},
        {",'batchsize':1", "/batchsize", "did you mean \"batch_size\"?"},
        {",'learning_rate':1", "/learning_rate", "unknown key"},
        {",'description':'x'", "/description", "unknown key"},
        {",'':1", "/", "unknown key \"\""},
        {",'a/b~c':1", "/a~1b~0c", "unknown key"},
        {",'gradient_clip':5", "/gradient_clip", "expected an object, found 5"},
        {",'gradient_clip':{'norm':0}", "/gradient_clip/norm", "above 0"},
        {",'gradient_clip':{'nrom':1}", "/gradient_clip/nrom", "did you mean \"norm\"?"},
        {",'split':7", "/split", "found 7"},
        {",'split':'strat'", "/split/type", "did you mean \"stratified\"?"},
        {",'split':{'fraction':{}}", "/split/fraction", "did you mean \"fractions\"?"},
        {",'split':{'fractions':[0.8,0.2]}", "/split/fractions", "found [0.8,0.2]"},
        {",'split':{'fractions':{'train':1.5}}", "/split/fractions/train", "from 0 to 1"},
        {",'split':{'fractions':{'train':0.8}}", "/split/fractions", "found 0.8 + 0 + 0"},
        {",'split':{'fractions':{'test':1}}", "/split/fractions",
         "something to train on"},
        {",'split':{'fractions':{'validation':0.7,'test':0.7}}", "/split/fractions",
         "the sum 1"},
        {",'split':'fixed'", "/split/type", "the dataset has no test part"},
        {",'split':'stratified'", "/split/type", "the target is a number"},
        {",'split':{'fractions':{'test':0.00001}}", "/split/fractions/test",
         "found none"},
        {",'weight_averaging':'ema'", "/weight_averaging", "expected an object"},
        {",'weight_averaging':{'decay':1}", "/weight_averaging/decay", "found 1"},
        {",'weight_averaging':{'type':'swa'}", "/weight_averaging/type", "found"},
        {",'early_stopping':true", "/early_stopping", "found true"},
        {",'early_stopping':{'patience':-1}", "/early_stopping/patience", "found -1"},
        {",'early_stopping':{'monitor':'val_los'}", "/early_stopping/monitor",
         "did you mean \"val_loss\"?"},
        {",'early_stopping':{'monitor':'val_accuracy'}", "/early_stopping/monitor",
         "the target is a number"},
        {",'early_stopping':{},'split':{'fractions':{'train':1}}",
         "/early_stopping/monitor", "no validation part, found \"val_loss\""},
        {",'checkpoint':{'every_seconds':0}", "/checkpoint/every_seconds", "found 0"},
        {",'checkpoint':null", "/checkpoint", "found null"},
        {",'resources':{'threads':257}", "/resources/threads", "from 1 to 256"},
        {",'resources':{'memory':257}", "/resources/memory",
         "did you mean \"memory_mb\"?"},
        {",'resources':{'max_attempts':0}", "/resources/max_attempts", "found 0"},
        {",'metadata':[]", "/metadata", "found []"},
        {",'metadata':{'a/b':[1]}", "/metadata/a~1b", "found [1]"},
        {",'metadata':{'a':null}", "/metadata/a", "found null"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char job[512];
        snprintf(job, sizeof(job), HOUSES("%s"), rows[i].more);
        assert_violation(job, facts_of_houses, rows[i].pointer, rows[i].phrase);
    }
    assert_violation("[]", NULL, "", "expected an object, found []");
    assert_violation("{}", NULL, "/dataset", "found nothing");
    assert_violation("{'dataset':''}", NULL, "/dataset", "found \"\"");
    assert_violation("{'dataset':'../x'}", NULL, "/dataset", "found \"../x\"");
    assert_violation(IMAGES(",'split':{'fractions':{'test':0.1}}"), facts_of_images,
                     "/split/fractions/test", "own test part");
}

static void test_every_violation_is_told_at_once(void **state)
{
    (void)state;
    static const char job[] =
        "{'name':7,'datast':'ds_1','features':{'target':'prise'},'model':{'layers':["
        "{'type':'dense','units':-1},{'type':'dropot','rate':2}]},'loss':'msee',"
        "'optimizer':{'type':'adam','learning_rate':'x'},'learning_rate_schedule':'cos',"
        "'gradient_clip':{'norm':-1},'epochs':0,'batch_size':0,'seed':-1,'split':'fixd',"
        "'early_stopping':{'monitor':1},'checkpoint':{'keep_latest':0},"
        "'resources':{'threads':0},'priority':1000,'metadata':{'k':{}}}";
    static const char *const pointers[] = {"/name",
                                           "/datast",
                                           "/dataset",
                                           "/features/target",
                                           "/model/layers/0/units",
                                           "/model/layers/1/type",
                                           "/loss",
                                           "/optimizer/learning_rate",
                                           "/learning_rate_schedule",
                                           "/gradient_clip/norm",
                                           "/epochs",
                                           "/batch_size",
                                           "/seed",
                                           "/split/type",
                                           "/early_stopping/monitor",
                                           "/checkpoint/keep_latest",
                                           "/resources/threads",
                                           "/priority",
                                           "/metadata/k"};
    for (size_t i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++)
        assert_violation(job, facts_of_houses, pointers[i], "");
    struct violations violations;
    violations_init(&violations);
    struct job_spec *spec = NULL;
    assert_int_equal(sample_parse(job, facts_of_houses, &spec, &violations), ERR_INVALID);
    assert_int_equal(violations.total, sizeof(pointers) / sizeof(pointers[0]));
    violations_release(&violations);
}

static void test_metadata_is_bounded(void **state)
{
    (void)state;
    char *job = malloc(4096);
    assert_non_null(job);
    stpcpy(job, IMAGES(",'metadata':{'k':'"));
    job[strlen(job) - 1] = '\0'; /* the closing brace of the macro */
    char *end = job + strlen(job);
    memset(end, 'v', 513);
    stpcpy(end + 513, "'}}");
    assert_violation(job, facts_of_images, "/metadata/k", "at most 512 bytes");
    stpcpy(end + 512, "'}}");
    job_spec_free(sample_spec(job, facts_of_images));

    stpcpy(job, IMAGES(",'metadata':{"));
    job[strlen(job) - 1] = '\0';
    end = job + strlen(job);
    for (int i = 0; i < 33; i++)
        end += sprintf(end, "%s'k%d':%d", i > 0 ? "," : "", i, i);
    stpcpy(end, "}}");
    assert_violation(job, facts_of_images, "/metadata", "at most 32 keys, found 33");

    stpcpy(job, IMAGES(",'metadata':{'"));
    job[strlen(job) - 1] = '\0';
    end = job + strlen(job);
    memset(end, 'k', 65);
    stpcpy(end + 65, "':1}}");
    assert_violation(job, facts_of_images, "/metadata", "keys of at most 64 bytes");
    free(job);
}

static void test_names_are_bounded(void **state)
{
    (void)state;
    char name[SPEC_MAX_NAME_BYTES + 2], job[512];
    memset(name, 'n', sizeof(name) - 1);
    name[SPEC_MAX_NAME_BYTES] = '\0';
    snprintf(job, sizeof(job), IMAGES(",'name':'%s'"), name);
    job_spec_free(sample_spec(job, facts_of_images));
    name[SPEC_MAX_NAME_BYTES] = 'n';
    name[SPEC_MAX_NAME_BYTES + 1] = '\0';
    snprintf(job, sizeof(job), IMAGES(",'name':'%s'"), name);
    assert_violation(job, facts_of_images, "/name", "at most 200 bytes");
    snprintf(job, sizeof(job), "{'dataset':'%.64s','model':{}}", name);
    assert_violation(job, NULL, "/dataset", "expected the ID of a dataset");
}

static void test_dataset_without_rows_has_nothing_to_train_on(void **state)
{
    (void)state;
    assert_violation("{'dataset':'d','features':{'target':'y','inputs':['x']},"
                     "'model':{'layers':[{'type':'dense','units':1}]}}",
                     "{'kind':'table','rows':{'train':1},'columns':["
                     "{'name':'x','type':'number'},{'name':'y','type':'number'}]}",
                     "/split/fractions/validation", "0.1 of 1 rows");
    assert_violation("{'dataset':'d','split':{'fractions':{'train':1}},"
                     "'model':{'layers':[{'type':'dense','units':1}]}}",
                     "{'kind':'arrays','rows':{'train':0,'test':5},'element':'uint8',"
                     "'sample_shape':[3],'columns':[{'name':'label','type':'category',"
                     "'values':['a','b']}]}",
                     "/split/fractions/train", "1 of 0 rows");
}

static void test_memory_is_predicted_and_limited(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(IMAGES(""), facts_of_images);
    /* P = 7850: weights, gradient, 2 moments, kept weights, checkpoint of 4; 70000 rows
     * with a label and an order; 24 MiB and one for the thread. */
    int64_t numbers = 7850 * (1 + 1 + 2 + 1 + 4) + 70000 * (1 + 4);
    int64_t activations =
        (int64_t)(4 * cost_activations(&spec->model, (double)spec->batch_size));
    assert_true(activations >= 4 * 32 * (784 + 10 + 10));
    assert_true(activations <= 4 * 32 * (784 + 10 + 10) * 5 / 4);
    int64_t one_thread = spec->memory_bytes;
    int64_t rest = one_thread - 4 * numbers - activations - 25 * 1024 * 1024;
    assert_true(rest >= -1 && rest <= 1); /* it is worked out in double */
    job_spec_free(spec);
    spec = sample_spec(IMAGES(",'optimizer':'sgd'"), facts_of_images);
    rest = one_thread - 2 * 2 * 4 * 7850 - spec->memory_bytes;
    assert_true(rest >= -1 && rest <= 1);
    job_spec_free(spec);
    spec = sample_spec(IMAGES(",'resources':{'threads':3}"), facts_of_images);
    int64_t more = 2 * (4 * 7850 + 1024 * 1024); /* and slices are rounded up */
    assert_true(spec->memory_bytes >= one_thread + more);
    assert_true(spec->memory_bytes <= one_thread + more + 4 * 3 * 1000);
    job_spec_free(spec);
    assert_violation(IMAGES(",'resources':{'memory_mb':26}"), facts_of_images,
                     "/resources/memory_mb", "expected at least 27, the megabytes");
    job_spec_free(sample_spec(IMAGES(",'resources':{'memory_mb':27}"), facts_of_images));
}

static void test_description_adds_up(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(
        "{'dataset':'d','epochs':3,'batch_size':100,'model':{'layers':[{'type':'flatten'}"
        ","
        "{'type':'dense','units':20,'activation':'relu'},{'type':'dense','units':10}]}}",
        facts_of_images);
    json_t *json = job_spec_describe(spec, 50);
    const json_t *layers = json_object_get(json, "layers");
    assert_int_equal(json_array_size(layers), 4);
    json_int_t parameters = 0, flops = 0;
    for (size_t i = 0; i < 4; i++) {
        const json_t *layer = json_array_get(layers, i);
        parameters += json_integer_value(json_object_get(layer, "parameters"));
        flops += json_integer_value(json_object_get(layer, "flops"));
    }
    assert_int_equal(parameters, 784 * 20 + 20 + 20 * 10 + 10);
    assert_int_equal(json_integer_value(json_object_get(json, "parameters")), parameters);
    assert_int_equal(spec->model.flops, flops);
    assert_int_equal(json_integer_value(json_object_get(json, "steps")), 3 * 540);
    assert_int_equal(json_integer_value(json_object_get(json, "memory_bytes")),
                     spec->memory_bytes);
    char *text = json_dumps(json_array_get(layers, 2), JSON_COMPACT);
    assert_string_equal(text, "{\"name\":\"layers.1.activation\",\"type\":\"relu\","
                              "\"output_shape\":[20],\"parameters\":0,\"flops\":20}");
    free(text);
    double slow = json_real_value(json_object_get(json, "estimated_seconds"));
    assert_true(slow > 0 && slow < 3600);
    json_t *faster = job_spec_describe(spec, 500);
    assert_true(json_real_value(json_object_get(faster, "estimated_seconds")) < slow);
    json_decref(faster);
    json_decref(json);
    job_spec_free(spec);
}

/* Parsing the canonical JSON, through text as the worker gets it, gives the same text and
 * the same numbers. */
static void assert_fixpoint(const char *job, const char *facts_text)
{
    struct job_spec *first = sample_spec(job, facts_text), *second = NULL;
    char *text = json_dumps(first->canonical, JSON_COMPACT);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    struct dataset_facts *facts = facts_text ? sample_facts(facts_text) : NULL;
    struct violations violations;
    violations_init(&violations);
    if (job_spec_parse(json, facts, &second, &violations) != 0)
        fail_msg("%s: at %s: %s", text, violations.items[0].pointer,
                 violations.items[0].detail);
    char *again = json_dumps(second->canonical, JSON_COMPACT);
    assert_string_equal(text, again);
    assert_int_equal(first->model.parameter_count, second->model.parameter_count);
    assert_int_equal(first->model.layer_count, second->model.layer_count);
    assert_int_equal(first->loss.type, second->loss.type);
    assert_int_equal(first->features.input_count, second->features.input_count);
    assert_int_equal(first->steps_per_epoch, second->steps_per_epoch);
    assert_int_equal(first->memory_bytes, second->memory_bytes);
    free(again);
    free(text);
    json_decref(json);
    facts_free(facts);
    violations_release(&violations);
    job_spec_free(first);
    job_spec_free(second);
}

static void test_canonical_json_is_a_fixpoint_of_every_combination(void **state)
{
    (void)state;
    static const char *const optimizers[] = {
        "", ",'optimizer':'sgd'", ",'optimizer':{'type':'rmsprop','learning_rate':0.3}",
        ",'optimizer':{'type':'adamw','weight_decay':0.1,'learning_rate':1e-5}"};
    static const char *const schedules[] = {
        "", ",'learning_rate_schedule':{'type':'cosine','warmup_steps':3}",
        ",'learning_rate_schedule':'reduce_on_plateau'",
        ",'learning_rate_schedule':{'type':'exponential','gamma':0.333}"};
    static const char *const splits[] = {
        "", ",'split':'random'",
        ",'split':{'fractions':{'test':0.3,'validation':0},'type':'random'}",
        ",'split':{'type':'random','fractions':{'validation':0.1}},'early_stopping':{}"};
    static const char *const models[] = {
        "{'type':'dense','units':'auto'}",
        "{'type':'dense','units':7,'activation':'leaky_relu','name':'a'},"
        "{'type':'elu','alpha':0.7},{'type':'dropout','rate':0.1},"
        "{'type':'dense','units':'auto','kernel_initializer':'pytorch'}",
        "{'type':'flatten'},{'type':'dense','units':'auto','activation':'softmax'}"};
    static const struct {
        const char *features, *facts;
    } data[] = {
        {"", facts_of_images},
        {",'features':{'normalization':'zscore','input_shape':[28,28,1]}",
         facts_of_images},
        {"", facts_of_signals},
        {",'features':{'target':'Survived'}", facts_of_titanic},
        {",'features':{'inputs':[{'name':'Age','missing':'indicator'},{'name':'Pclass',"
         "'type':'category'},'a/b~c'],'target':{'name':'Survived','type':'number'}}",
         facts_of_titanic},
        {",'features':{'target':'price','normalization':'minmax'}", facts_of_houses},
        {",'features':{'target':'price','inputs':['ocean']}", NULL},
    };
#define COUNT(list_) (sizeof(list_) / sizeof((list_)[0]))
    for (size_t i = 0; i < COUNT(data) * COUNT(models); i++) {
        for (size_t o = 0; o < COUNT(optimizers) * COUNT(schedules) * COUNT(splits);
             o++) {
            char job[2048];
            snprintf(job, sizeof(job),
                     "{'dataset':'ds_1','model':{'layers':[%s]}%s%s%s%s}",
                     models[i % COUNT(models)], data[i / COUNT(models)].features,
                     optimizers[o % COUNT(optimizers)],
                     schedules[o / COUNT(optimizers) % COUNT(schedules)],
                     splits[o / COUNT(optimizers) / COUNT(schedules)]);
            assert_fixpoint(job, data[i / COUNT(models)].facts);
        }
    }
}

static void test_limits_of_the_whole_are_fixpoints_too(void **state)
{
    (void)state;
    assert_fixpoint(TITANIC(",'loss':'binary_crossentropy','seed':9007199254740991,"
                            "'early_stopping':{'monitor':'val_accuracy','min_delta':0.1},"
                            "'gradient_clip':{'norm':0.30000000000000004},"
                            "'metadata':{'x':0.1,'y':9223372036854775807,'z':'ü'},"
                            "'split':{'fractions':{'validation':0.3333333333333333}}"),
                    facts_of_titanic);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_dataset_and_model_are_needed),
        cmocka_unit_test(test_everything_may_be_said),
        cmocka_unit_test(test_empty_name_is_the_default_name),
        cmocka_unit_test(test_splits_count_their_rows),
        cmocka_unit_test(test_steps_and_logging_follow_the_rows),
        cmocka_unit_test(test_wrong_values_are_pointed_at),
        cmocka_unit_test(test_every_violation_is_told_at_once),
        cmocka_unit_test(test_metadata_is_bounded),
        cmocka_unit_test(test_names_are_bounded),
        cmocka_unit_test(test_dataset_without_rows_has_nothing_to_train_on),
        cmocka_unit_test(test_memory_is_predicted_and_limited),
        cmocka_unit_test(test_description_adds_up),
        cmocka_unit_test(test_canonical_json_is_a_fixpoint_of_every_combination),
        cmocka_unit_test(test_limits_of_the_whole_are_fixpoints_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
