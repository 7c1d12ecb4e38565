/*
 * Every allocation of the data folder fails in turn, Jansson's as well: ingest of tables,
 * arrays and texts, plain and as gzip; files mapped and seen through a pipeline; the
 * preprocessing in and out, and requests read by it.
 */
#include "../data/byte_fixture.h"
#include "../spec/sample_facts.h"
#include "data/byte_source.h"
#include "data/ingest.h"
#include "data/pipeline.h"
#include "memory_sweep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAULTS_CLAIMED 3000
#define PARTS 2

static uint64_t injected;

static void sweep(const char *name, sweep_work *work, const void *input, int expected)
{
    /* A refusal may quote less of what was found. */
    injected += expected == 0 ? memory_sweep(name, work, input, expected, 1)
                              : memory_sweep_lenient(name, work, input, expected, 1);
}

/* ---- ingest ---- */

struct upload {
    struct ingest_part parts[PARTS];
    int count;
};

static int ingest(const void *input, struct error *err)
{
    const struct upload *upload = input;
    const struct ingest_options options = {.header = "auto",
                                           .delimiter = "auto",
                                           .missing = "NA,-1",
                                           .max_expanded_bytes = 1 << 20,
                                           .max_rows = 10000};
    struct violations violations;
    violations_init(&violations);
    int output = fixture_file("", 0);
    json_t *facts = NULL;
    int rc = ingest_run(upload->parts, upload->count, &options, output, NULL, NULL,
                        &facts, &violations, err);
    assert_int_equal(rc == 0, facts != NULL);
    if (rc == ERR_NOMEM)
        assert_int_equal(violations.total, 0); /* nothing is wrong with the file */
    json_decref(facts);
    violations_release(&violations);
    close(output);
    return rc;
}

/* Takes the descriptors. */
static void sweep_upload(const char *first, int first_fd, const char *second,
                         int second_fd, int expected)
{
    struct upload upload = {.parts = {{first, first_fd}, {second, second_fd}},
                            .count = second ? 2 : 1};
    sweep(first, ingest, &upload, expected);
    for (int i = 0; i < upload.count; i++)
        close(upload.parts[i].fd);
}

static const char table[] = "id;Age;Sex;Note;Blank;\"long \"\"name\"\"\"\n"
                            "1;22,5;male;\"a\nb\";;1\n2;NA;female;x;;2\n3;30;male;;;3\n\n"
                            "4;1e3;female;y;;3\n5;12;male;z z;;1\n";

static void test_tables_survive_every_failing_allocation(void **state)
{
    (void)state;
    sweep_upload("table", fixture_text(table), NULL, -1, 0);
    sweep_upload("table", fixture_gzip(table, sizeof(table) - 1), NULL, -1, 0);
    sweep_upload("table", fixture_text("1,2\n3\n"), NULL, -1, ERR_INVALID);
    sweep_upload("table", fixture_text("\x89PNG\r\n\x1a\n"), NULL, -1, ERR_INVALID);
}

static void test_arrays_survive_every_failing_allocation(void **state)
{
    (void)state;
    static const char pixels[] = "\0\0\x08\x03\0\0\0\x04\0\0\0\x03\0\0\0\x02"
                                 "abcdefghijklmnopqrstuvwx";
    static const char labels[] = "\0\0\x08\x01\0\0\0\x04\1\2\1\0";
    static const char npy[] = "\x93NUMPY\1\0\x48\0{'descr': '<f4', 'fortran_order': "
                              "False, 'shape': (4, 1), }            "
                              "\n0123456789abcdef";
    size_t pixel_bytes = sizeof(pixels) - 1, label_bytes = sizeof(labels) - 1;
    sweep_upload("train.features", fixture_file(pixels, pixel_bytes), "train.labels",
                 fixture_file(labels, label_bytes), 0);
    sweep_upload("train.features", fixture_gzip(pixels, pixel_bytes), "train.labels",
                 fixture_gzip(labels, label_bytes), 0);
    sweep_upload("train.features", fixture_file(npy, sizeof(npy) - 1), NULL, -1, 0);
    sweep_upload("train.features", fixture_file(pixels, pixel_bytes - 1), NULL, -1,
                 ERR_INVALID);
}

static void test_texts_survive_every_failing_allocation(void **state)
{
    (void)state;
    static const char text[] = "to be, or not to be: \xc3\xa4\xc3\xb6\xe2\x82\xac\n";
    sweep_upload("text", fixture_text(text), NULL, -1, 0);
    sweep_upload("text", fixture_gzip(text, sizeof(text) - 1), NULL, -1, 0);
    sweep_upload("text", fixture_file("\xff\xfe", 2), NULL, -1, ERR_INVALID);
}

/* ---- mapped files ---- */

/* A file of the fuzzer's corpus (its first byte is a choice), facts and a spec for it. */
struct mapped {
    int fd;
    struct dataset_facts *facts;
    struct job_spec *spec;
};

static int map(const void *input, struct error *err)
{
    const struct mapped *mapped = input;
    struct dataset_file *file = NULL;
    struct pipeline *pipeline = NULL;
    int rc = dataset_file_open(mapped->fd, &file, err);
    if (rc == 0)
        rc = pipeline_open(file, mapped->facts, mapped->spec, &pipeline, err);
    json_t *json = rc == 0 ? preprocess_to_json(pipeline_preprocess(pipeline)) : NULL;
    struct preprocess *preprocess = NULL;
    if (rc == 0)
        rc = json ? preprocess_parse(json, &preprocess, err) : ERR_NOMEM;
    pipeline_close(pipeline);
    pipeline = NULL;
    if (rc == 0)
        rc = pipeline_open_fitted(file, mapped->facts, mapped->spec, &preprocess,
                                  &pipeline, err);
    preprocess_free(preprocess);
    json_decref(json);
    pipeline_close(pipeline);
    dataset_file_close(file);
    return rc;
}

static void sweep_mapped(int seed, const char *facts, const char *spec)
{
    char path[64], bytes[4096];
    snprintf(path, sizeof(path), "tests/fuzz/corpus/dataset_file/seed_%02d", seed);
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    size_t length = fread(bytes, 1, sizeof(bytes), stream);
    fclose(stream);
    assert_true(length > 1);
    struct mapped mapped = {fixture_file(bytes + 1, length - 1), sample_facts(facts),
                            sample_spec(spec, facts)};
    sweep(facts, map, &mapped, 0);
    job_spec_free(mapped.spec);
    facts_free(mapped.facts);
    close(mapped.fd);
}

static void test_mapped_files_survive_every_failing_allocation(void **state)
{
    (void)state;
    sweep_mapped(
        0,
        "{'kind':'table','rows':{'train':8,'test':2},'columns':[{'name':'a','type':"
        "'number','missing':1,'min':0,'max':9,'mean':4,'std':2,'integer':false},{'name':"
        "'b','type':'category','missing':1,'categories':3,'values':['x','y','z']},{'name'"
        ":"
        "'c','type':'category','missing':0,'categories':2,'values':['n','y']}]}",
        "{'dataset':'d','features':{'inputs':[{'name':'a','missing':'median'},{'name':'b'"
        ","
        "'missing':'indicator'}],'target':'c'},'split':{'type':'stratified','fractions':"
        "{'train':0.5,'validation':0.5}},'model':{'layers':[{'type':'dense','units':"
        "'auto'}]}}");
    sweep_mapped(2,
                 "{'kind':'arrays','rows':{'train':6,'test':2},'element':'uint8',"
                 "'sample_shape':[3,2],'columns':[{'name':'label','type':'number',"
                 "'missing':0,'min':0,'max':2,'mean':1,'std':1,'integer':true,"
                 "'categories':3,'values':['0','1','2']}]}",
                 "{'dataset':'d','features':{'normalization':'zscore'},'split':{'type':"
                 "'fixed','fractions':{'train':1}},'model':{'layers':[{'type':'dense',"
                 "'units':'auto'}]}}");
    sweep_mapped(4,
                 "{'kind':'arrays','rows':{'train':6,'test':0},'element':'float32',"
                 "'sample_shape':[4],'columns':[{'name':'label','type':'number',"
                 "'missing':0,'min':-1,'max':1,'mean':0,'std':1,'integer':false,"
                 "'width':2}]}",
                 "{'dataset':'d','split':{'type':'random','fractions':{'train':1}},"
                 "'model':{'layers':[{'type':'dense','units':'auto'}]}}");
    sweep_mapped(
        6,
        "{'kind':'text','rows':{'train':60,'test':0},'columns':[],'text':"
        "{'characters':59,'lines':3,'distinct_characters':6,'alphabet':"
        "'\\n abcö'}}",
        "{'dataset':'d','features':{'tokenizer':'char','context_length':5},"
        "'split':{'type':'contiguous','fractions':{'train':1}},'model':{'layers':"
        "[{'type':'embedding','output_dim':4},{'type':'dense','units':'auto'}]}}");
}

/* ---- requests ---- */

struct question {
    struct preprocess *preprocess;
    json_t *body;
};

static int ask(const void *input, struct error *err)
{
    (void)err;
    const struct question *question = input;
    struct violations violations;
    violations_init(&violations);
    float *x = NULL;
    size_t rows = 0;
    int rc = preprocess_request(question->preprocess, question->body, 100, &x, &rows,
                                &violations);
    if (violations.status != 0)
        rc = violations.status;
    free(x);
    violations_release(&violations);
    return rc;
}

static void sweep_question(const char *preprocess, const char *body, int expected)
{
    json_t *json = sample_json(preprocess);
    struct question question = {.body = sample_json(body)};
    assert_int_equal(preprocess_parse(json, &question.preprocess, NULL), 0);
    sweep(body, ask, &question, expected);
    preprocess_free(question.preprocess);
    json_decref(question.body);
    json_decref(json);
}

static void test_requests_survive_every_failing_allocation(void **state)
{
    (void)state;
    static const char of_table[] =
        "{'kind':'table','inputs':[{'name':'Age','type':'number','fill':1,'shift':2,"
        "'scale':3,'indicator':true},{'name':'Sex','type':'category','values':['f','m'],"
        "'required':true}],'ignored':['Id'],'target':{'name':'y','type':'category',"
        "'values':['0','1']}}";
    static const char of_arrays[] =
        "{'kind':'arrays','sample_shape':[2,2],'element':'uint8','input':{'shift':0,"
        "'scale':255},'target':{'name':'l','type':'number','shift':0,'scale':1,'width':1}"
        "}";
    sweep_question(of_table, "{'rows':[{'Age':1,'Sex':'f','Id':'x'},{'Sex':'m'}]}", 0);
    sweep_question(of_table, "{'rows':[{'Age':'old','Sax':'f'},{},3]}", ERR_INVALID);
    sweep_question(of_arrays, "{'inputs':[[[1,2],[3,4]],[1,2,3,4]]}", 0);
    sweep_question(of_arrays, "{'inputs':[[1,2,3],[[1,2],[3,'x']],[]]}", ERR_INVALID);
}

static void test_as_many_failed_as_is_claimed(void **state)
{
    (void)state;
    print_message("allocations failed: %llu\n", (unsigned long long)injected);
    assert_true(injected >= FAULTS_CLAIMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_survive_every_failing_allocation),
        cmocka_unit_test(test_arrays_survive_every_failing_allocation),
        cmocka_unit_test(test_texts_survive_every_failing_allocation),
        cmocka_unit_test(test_mapped_files_survive_every_failing_allocation),
        cmocka_unit_test(test_requests_survive_every_failing_allocation),
        cmocka_unit_test(test_as_many_failed_as_is_claimed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
