/* What may stand under "augmentation". */
#include "sample_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#define IMAGES(augmentation_)                                                            \
    "{'dataset':'ds_1','model':{'layers':[{'type':'flatten'},{'type':'dense','units':"   \
    "'auto'}]},'augmentation':" augmentation_ "}"

static void test_no_augmentation_is_the_default(void **state)
{
    (void)state;
    static const char *const jobs[] = {
        IMAGES("[]"), IMAGES("null"),
        "{'dataset':'ds_1','model':{'layers':[{'type':'flatten'},{'type':'dense',"
        "'units':'auto'}]}}"};
    for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
        struct job_spec *spec = sample_spec(jobs[i], facts_of_images);
        assert_false(augment_is_on(&spec->augmentation));
        assert_canonical(spec, "augmentation", "[]");
        job_spec_free(spec);
    }
}

static void test_defaults_are_filled_in(void **state)
{
    (void)state;
    static const struct {
        const char *job, *canonical;
    } rows[] = {
        {IMAGES("['horizontal_flip',{'type':'vertical_flip','probability':0.25}]"),
         "[{'type':'horizontal_flip','probability':0.5},"
         "{'type':'vertical_flip','probability':0.25}]"},
        {IMAGES("['crop']"), "[{'type':'crop','padding':4,'fill_mode':'constant',"
                             "'fill_value':0,'probability':1}]"},
        {IMAGES("[{'type':'shift','width_factor':0.1}]"),
         "[{'type':'shift','height_factor':null,'width_factor':0.1,'pixels':null,"
         "'fill_mode':'constant','fill_value':0,'probability':1}]"},
        {IMAGES("['rotation']"),
         "[{'type':'rotation','degrees':15,'interpolation':'bilinear',"
         "'fill_mode':'constant','fill_value':0,'probability':1}]"},
        {IMAGES("['cutout']"),
         "[{'type':'cutout','size':8,'fill_value':0,'probability':1}]"},
        {IMAGES("['mixup']"), "[{'type':'mixup','alpha':0.2}]"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct job_spec *spec = sample_spec(rows[i].job, facts_of_images);
        assert_true(augment_is_on(&spec->augmentation));
        assert_canonical(spec, "augmentation", rows[i].canonical);
        job_spec_free(spec);
    }
}

static void test_steps_keep_their_order_and_values(void **state)
{
    (void)state;
    struct job_spec *spec =
        sample_spec(IMAGES("[{'type':'crop','padding':3,'fill_mode':'reflect'},"
                           "{'type':'shift','height_factor':0.5,'fill_value':-1},"
                           "{'type':'rotation','degrees':30,'interpolation':'nearest',"
                           "'probability':0.75},{'type':'cutout','size':5},"
                           "{'type':'mixup','alpha':0.4}]"),
                    facts_of_images);
    const struct augment_spec *augment = &spec->augmentation;
    assert_int_equal(augment->count, 4);
    assert_true(augment->mixup_alpha == 0.4);
    assert_int_equal(augment->steps[0].type, AUGMENT_SHIFT);
    assert_int_equal(augment->steps[0].pixels, 3);
    assert_int_equal(augment->steps[0].fill.mode, FILL_REFLECT);
    assert_true(augment->steps[1].height_factor == 0.5);
    assert_true(augment->steps[1].width_factor == 0);
    assert_true(augment->steps[1].pixels < 0);
    assert_true(augment->steps[1].fill.value == -1);
    assert_true(augment->steps[2].degrees == 30 && !augment->steps[2].bilinear);
    assert_true(augment->steps[2].probability == 0.75);
    assert_int_equal(augment->steps[3].size, 5);
    job_spec_free(spec);
}

static void test_violations_say_where_and_what(void **state)
{
    (void)state;
    static const struct {
        const char *job, *pointer, *phrase;
    } rows[] = {
        {IMAGES("'crop'"), "/augmentation", "expected a list"},
        {IMAGES("[{'type':'horizontal_flp'}]"), "/augmentation/0/type",
         "did you mean \"horizontal_flip\"?"},
        {IMAGES("[7]"), "/augmentation/0", "found 7"},
        {IMAGES("['crop',{'type':'horizontal_flip','p':0.5}]"), "/augmentation/1/p",
         "unknown key"},
        {IMAGES("[{'type':'vertical_flip','probability':1.5}]"),
         "/augmentation/0/probability", "found 1.5"},
        {IMAGES("[{'type':'shift'}]"), "/augmentation/0", "found neither"},
        {IMAGES("[{'type':'shift','pixels':2,'width_factor':0.5}]"), "/augmentation/0",
         "found both"},
        {IMAGES("[{'type':'shift','pixels':28}]"), "/augmentation/0",
         "28 rows and 28 columns, found 28"},
        {IMAGES("[{'type':'cutout','size':29}]"), "/augmentation/0", "found 29"},
        {IMAGES("[{'type':'crop','fill_mode':'mirror'}]"), "/augmentation/0/fill_mode",
         "found \"mirror\""},
        {IMAGES("['mixup','crop']"), "/augmentation/1", "nothing after \"mixup\""},
        {IMAGES("[{'type':'mixup','alpha':0}]"), "/augmentation/0/alpha", "found 0"},
        {IMAGES("['crop','crop','crop','crop','crop','crop','crop','crop','crop','crop',"
                "'crop','crop','crop','crop','crop','crop','crop']"),
         "/augmentation", "at most 16 steps, found 17"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_violation(rows[i].job, facts_of_images, rows[i].pointer, rows[i].phrase);
}

static void test_samples_that_are_no_images_are_refused(void **state)
{
    (void)state;
    assert_violation("{'dataset':'ds_1','features':{'target':'price'},'model':{'layers':["
                     "{'type':'dense','units':'auto'}]},'augmentation':['crop']}",
                     facts_of_houses, "/augmentation", "augmentation is for images");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_augmentation_is_the_default),
        cmocka_unit_test(test_defaults_are_filled_in),
        cmocka_unit_test(test_steps_keep_their_order_and_values),
        cmocka_unit_test(test_violations_say_where_and_what),
        cmocka_unit_test(test_samples_that_are_no_images_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
