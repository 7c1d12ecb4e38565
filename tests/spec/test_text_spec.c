/* Jobs that train on a text: tokenizers, windows, splits, outputs, and epochs of some
 * steps. */
#include "base/error.h"
#include "sample_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

/* A network that answers at every position. */
#define LAYERS                                                                           \
    "{'layers':[{'type':'reshape','shape':[-1,1]},{'type':'dense','units':'auto'}]}"
#define JOB(features_, more_)                                                            \
    "{'dataset':'ds_1','features':" features_ ",'model':" LAYERS more_ "}"
#define PLAIN(more_) JOB("{'context_length':16}", more_)

static void test_characters_are_the_default(void **state)
{
    (void)state;
    struct job_spec *spec =
        sample_spec("{'dataset':'ds_1','model':" LAYERS
                    ",'split':{'fractions':{'train':0.6,'validation':0.2,'test':0.2}}}",
                    facts_of_text);
    assert_canonical(spec, "features",
                     "{'tokenizer':'char','context_length':128,'vocabulary':5}");
    assert_canonical(spec, "split/type", "'contiguous'");
    assert_canonical(spec, "loss/type", "'cross_entropy'");
    assert_canonical(spec, "model/layers/1/units", "5");
    assert_int_equal(spec->features.vocabulary, 5);
    assert_int_equal(spec->positions, 128);
    assert_int_equal(spec->train_rows, 4);
    assert_int_equal(spec->validation_rows, 1);
    assert_int_equal(spec->test_rows, 1);
    job_spec_free(spec);
}

static void test_bytes_have_a_vocabulary_of_256(void **state)
{
    (void)state;
    struct job_spec *spec =
        sample_spec(JOB("{'tokenizer':'byte','context_length':16}", ""), facts_of_text);
    assert_int_equal(spec->features.vocabulary, 256);
    assert_canonical(spec, "model/layers/1/units", "256");
    assert_int_equal(spec->train_rows,
                     49); /* of 800 bytes, the last of which only ends */
    job_spec_free(spec);
}

static void test_nine_tenths_may_train(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(
        PLAIN(",'split':{'fractions':{'train':0.9,'validation':0.1}}"), facts_of_text);
    assert_int_equal(spec->train_rows, 50);
    assert_int_equal(spec->validation_rows, 5);
    assert_int_equal(spec->test_rows, 0);
    job_spec_free(spec);
}

static void test_a_resolved_spec_reads_back_as_the_same(void **state)
{
    (void)state;
    struct job_spec *first = sample_spec(PLAIN(""), facts_of_text);
    struct dataset_facts *facts = sample_facts(facts_of_text);
    struct violations violations;
    violations_init(&violations);
    struct job_spec *second = NULL;
    assert_int_equal(job_spec_parse(first->canonical, facts, &second, &violations), 0);
    assert_true(json_equal(first->canonical, second->canonical));
    violations_release(&violations);
    facts_free(facts);
    job_spec_free(first);
    job_spec_free(second);
}

static void test_the_last_position_alone_may_answer(void **state)
{
    (void)state;
    struct job_spec *spec =
        sample_spec("{'dataset':'ds_1','features':{'context_length':16},"
                    "'model':{'layers':[{'type':'dense','units':8},{'type':'dense','"
                    "units':'auto'}]}}",
                    facts_of_text);
    assert_int_equal(spec->positions, 1);
    job_spec_free(spec);
}

static void test_outputs_that_fit_no_token_are_refused(void **state)
{
    (void)state;
    assert_violation(
        "{'dataset':'ds_1','features':{'context_length':16},'model':{'layers':[{'type':"
        "'reshape','shape':[-1,1]},{'type':'dense','units':4}]}}",
        facts_of_text, "/model/layers/1", "shape [16, 5]");
    assert_violation(PLAIN(",'loss':'mse'"), facts_of_text, "/loss", "for categories");
    assert_violation(PLAIN(",'loss':'binary_cross_entropy'"), facts_of_text, "/loss",
                     "for a text");
}

static void test_attention_that_sees_the_answer_is_refused(void **state)
{
    (void)state;
#define ATTENTION(layer_)                                                                \
    "{'dataset':'ds_1','features':{'context_length':16},'model':{'layers':[{'type':"     \
    "'embedding','output_dim':4}," layer_ ",{'type':'dense','units':'auto'}]}}"
    assert_violation(ATTENTION("{'type':'transformer_block','num_heads':2}"),
                     facts_of_text, "/model/layers/1", "expected \"causal\": true");
    assert_violation(ATTENTION("{'type':'multi_head_attention','num_heads':2}"),
                     facts_of_text, "/model/layers/1", "expected \"causal\": true");
    struct job_spec *spec =
        sample_spec(ATTENTION("{'type':'transformer_block','num_heads':2,'causal':true}"),
                    facts_of_text);
    assert_int_equal(spec->positions, 16);
    job_spec_free(spec);
    /* After the window it may look everywhere. */
    spec = sample_spec(ATTENTION("{'type':'transformer_block','num_heads':2},{'type':"
                                 "'flatten'}"),
                       facts_of_text);
    assert_int_equal(spec->positions, 1);
    job_spec_free(spec);
}

static void test_two_characters_are_not_a_yes_or_no(void **state)
{
    (void)state;
    static const char two[] =
        "{'kind':'text','rows':{'train':90},'text':{'characters':90,'lines':0,"
        "'distinct_characters':2,'alphabet':'ab'}}";
    assert_violation(
        "{'dataset':'ds_1','features':{'context_length':8},'model':{'layers':"
        "[{'type':'dense','units':1}]}}",
        two, "/model/layers/0", "[2]");
    static const char one[] =
        "{'kind':'text','rows':{'train':90},'text':{'characters':90,'lines':0,"
        "'distinct_characters':1,'alphabet':'a'}}";
    assert_violation(PLAIN(""), one, "/dataset", "two different characters");
}

static void test_windows_longer_than_a_split_are_refused(void **state)
{
    (void)state;
    assert_violation(JOB("{'context_length':90}", ""), facts_of_text,
                     "/features/context_length",
                     "less than the 90 tokens of the validation split, found 90");
    assert_violation(JOB("{'context_length':65536}", ""), facts_of_text,
                     "/features/context_length", "of the train split");
    assert_violation(JOB("{'context_length':65537}", ""), facts_of_text,
                     "/features/context_length", "from 1 to 65536");
    assert_violation(JOB("{'context_length':0}", ""), facts_of_text,
                     "/features/context_length", "from 1 to 65536");
}

static void test_keys_of_other_datasets_are_refused(void **state)
{
    (void)state;
    assert_violation(JOB("{'inputs':'auto','target':'a'}", ""), facts_of_text,
                     "/features/inputs", "the dataset is a text");
    assert_violation(JOB("{'target':'a'}", ""), facts_of_text, "/features/target",
                     "the dataset is a text");
    assert_violation(JOB("{'normalization':'none'}", ""), facts_of_text,
                     "/features/normalization", "the dataset is a text");
    assert_violation(JOB("{'input_shape':[4]}", ""), facts_of_text,
                     "/features/input_shape", "the dataset is a text");
    assert_violation(JOB("{'tokenizer':'char','context_length':3}", ""), facts_of_images,
                     "/features/tokenizer", "is no text");
    assert_violation(JOB("{'context_length':3}", ""), facts_of_images,
                     "/features/context_length", "is no text");
    assert_violation(JOB("{'tokenizer':'word'}", ""), facts_of_text,
                     "/features/tokenizer", "\"char\"");
    assert_violation(JOB("{'context_length':16,'vocabulary':6}", ""), facts_of_text,
                     "/features/vocabulary", "expected \"auto\" or 5");
}

static void test_texts_without_a_short_alphabet_have_bytes(void **state)
{
    (void)state;
    static const char many[] =
        "{'kind':'text','rows':{'train':900000},'text':{'characters':300000,'lines':0,"
        "'distinct_characters':20000}}";
    static const char old[] = "{'kind':'text','rows':{'train':1000}}";
    assert_violation(PLAIN(""), many, "/features/tokenizer", "20000 different");
    assert_violation(PLAIN(""), old, "/features/tokenizer", "upload it again");
    job_spec_free(sample_spec(JOB("{'tokenizer':'byte','context_length':16}", ""), old));
}

static void test_only_texts_are_cut_in_pieces(void **state)
{
    (void)state;
    assert_violation(PLAIN(",'split':'random'"), facts_of_text, "/split/type",
                     "expected \"contiguous\"");
    assert_violation(PLAIN(",'split':'fixed'"), facts_of_text, "/split/type",
                     "expected \"contiguous\"");
    assert_violation("{'dataset':'ds_1','model':{'layers':[{'type':'dense','units':'auto'"
                     "}]},'split':'contiguous'}",
                     facts_of_images, "/split/type", "is no text");
}

static void test_only_texts_have_a_perplexity(void **state)
{
    (void)state;
    job_spec_free(sample_spec(PLAIN(",'early_stopping':{'monitor':'val_perplexity'}"),
                              facts_of_text));
    assert_violation("{'dataset':'ds_1','model':{'layers':[{'type':'dense','units':'auto'"
                     "}]},'early_stopping':{'monitor':'val_perplexity'}}",
                     facts_of_images, "/early_stopping/monitor", "only a text");
}

static void test_an_epoch_may_be_some_steps(void **state)
{
    (void)state;
    struct job_spec *spec = sample_spec(
        PLAIN(",'batch_size':10,'steps_per_epoch':3,'epochs':4"), facts_of_text);
    assert_int_equal(spec->steps_per_epoch, 3);
    assert_int_equal(spec->log_every_steps, 1);
    assert_canonical(spec, "steps_per_epoch", "3");
    json_t *description = job_spec_describe(spec, 10);
    assert_int_equal(json_integer_value(json_object_get(description, "steps")), 12);
    json_decref(description);
    job_spec_free(spec);
    assert_violation(PLAIN(",'batch_size':10,'steps_per_epoch':6"), facts_of_text,
                     "/steps_per_epoch", "at most 5, the steps through 44 training rows");
    assert_violation(PLAIN(",'steps_per_epoch':0"), facts_of_text, "/steps_per_epoch",
                     "expected");
}

static void test_damaged_alphabets_are_refused(void **state)
{
    (void)state;
    static const char *const alphabets[] = {"'ba'", "'aa'", "''", "7", "'abc'"};
    for (size_t i = 0; i < sizeof(alphabets) / sizeof(alphabets[0]); i++) {
        char text[300];
        snprintf(text, sizeof(text),
                 "{'kind':'text','rows':{'train':9},'text':{'characters':9,'lines':0,"
                 "'distinct_characters':2,'alphabet':%s}}",
                 alphabets[i]);
        json_t *json = sample_json(text);
        struct dataset_facts *facts = NULL;
        assert_int_equal(facts_parse(json, &facts, NULL), ERR_INVALID);
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters_are_the_default),
        cmocka_unit_test(test_bytes_have_a_vocabulary_of_256),
        cmocka_unit_test(test_nine_tenths_may_train),
        cmocka_unit_test(test_a_resolved_spec_reads_back_as_the_same),
        cmocka_unit_test(test_the_last_position_alone_may_answer),
        cmocka_unit_test(test_outputs_that_fit_no_token_are_refused),
        cmocka_unit_test(test_attention_that_sees_the_answer_is_refused),
        cmocka_unit_test(test_two_characters_are_not_a_yes_or_no),
        cmocka_unit_test(test_windows_longer_than_a_split_are_refused),
        cmocka_unit_test(test_keys_of_other_datasets_are_refused),
        cmocka_unit_test(test_texts_without_a_short_alphabet_have_bytes),
        cmocka_unit_test(test_only_texts_are_cut_in_pieces),
        cmocka_unit_test(test_only_texts_have_a_perplexity),
        cmocka_unit_test(test_an_epoch_may_be_some_steps),
        cmocka_unit_test(test_damaged_alphabets_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
