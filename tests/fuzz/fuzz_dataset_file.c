/*
 * The file that a worker maps: a byte that chooses facts and a spec, then the bytes of
 * the file. Whatever they are, it is refused as corrupt, or every array lies in the file
 * and a pipeline over it fills its rows.
 */
#include "../spec/sample_facts.h"
#include "data/dataset_file.h"
#include "data/pipeline.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct kind {
    const char *facts_text, *spec_text;
    struct dataset_facts *facts; /* made of the texts at first use */
    struct job_spec *spec;
};

#define KINDS 4

static struct kind kinds[KINDS] = {
    {.facts_text =
         "{'kind':'table','rows':{'train':8,'test':2},'columns':["
         "{'name':'a','type':'number','missing':1,'min':0,'max':9,'mean':4,'std':2,"
         "'integer':false},"
         "{'name':'b','type':'category','missing':1,'categories':3,'values':['x','y','z']"
         "},"
         "{'name':'c','type':'category','missing':0,'categories':2,'values':['n','y']}]}",
     .spec_text = "{'dataset':'d','features':{'inputs':['a',{'name':'b','missing':"
                  "'indicator'}],'target':'c'},'split':{'type':'fixed','fractions':"
                  "{'train':1}},'model':{'layers':[{'type':'dense','units':'auto'}]}}"},
    {.facts_text =
         "{'kind':'arrays','rows':{'train':6,'test':2},'element':'uint8','sample_shape':"
         "[3,2],'columns':[{'name':'label','type':'number','missing':0,'min':0,'max':2,"
         "'mean':1,'std':1,'integer':true,'categories':3,'values':['0','1','2']}]}",
     .spec_text =
         "{'dataset':'d','split':{'type':'fixed','fractions':{'train':1}},"
         "'model':{'layers':[{'type':'flatten'},{'type':'dense','units':'auto'}]}}"},
    {.facts_text =
         "{'kind':'arrays','rows':{'train':6,'test':0},'element':'float32',"
         "'sample_shape':[4],'columns':[{'name':'label','type':'number','missing':0,"
         "'min':-1,'max':1,'mean':0,'std':1,'integer':false,'width':2}]}",
     .spec_text = "{'dataset':'d','split':{'type':'random','fractions':{'train':1}},"
                  "'model':{'layers':[{'type':'dense','units':'auto'}]}}"},
    {.facts_text =
         "{'kind':'text','rows':{'train':60,'test':0},'columns':[],'text':{'characters':"
         "55,'lines':3,'distinct_characters':6,'alphabet':'\\n abcö'}}",
     .spec_text = "{'dataset':'d','features':{'tokenizer':'char','context_length':5},"
                  "'split':{'type':'contiguous','fractions':{'train':1}},'model':{"
                  "'layers':[{'type':'embedding','output_dim':4},{'type':'dense','units':"
                  "'auto'}]}}"},
};

static const struct kind *choose(uint8_t choice)
{
    struct kind *kind = &kinds[choice % KINDS];
    if (!kind->facts) {
        kind->facts = sample_facts(kind->facts_text);
        kind->spec = sample_spec(kind->spec_text, kind->facts_text);
    }
    return kind;
}

static void touch_arrays(const struct dataset_file *file)
{
    for (int part = 0; part < PART_COUNT; part++) {
        for (int32_t column = DATASET_FEATURES; column < 8; column++) {
            const struct dataset_array *array =
                dataset_file_find(file, (enum dataset_part)part, column);
            if (array)
                fuzz_touch(array->data, array->bytes);
        }
    }
}

static void fill_rows(const struct pipeline *pipeline, const struct job_spec *spec)
{
    size_t features = (size_t)shape_elements(&spec->features.input_shape);
    size_t widest = (size_t)(spec->features.target_width + spec->positions);
    float *x = malloc((features + 1) * sizeof(*x));
    float *target = malloc((widest + features) * sizeof(*target));
    FUZZ_EXPECT(x && target);
    for (int split = 0; split < SPLIT_COUNT; split++)
        for (size_t row = 0; row < pipeline_rows(pipeline, (enum split)split); row++)
            pipeline_fill(pipeline, (enum split)split, NULL, row, 1, x, target);
    size_t rows = pipeline_rows(pipeline, IN_TRAIN);
    uint32_t *order = malloc((rows + 1) * sizeof(*order));
    FUZZ_EXPECT(order);
    pipeline_shuffle(pipeline, 3, order);
    for (size_t row = 0; row < rows; row++)
        pipeline_fill(pipeline, IN_TRAIN, order, row, 1, x, target);
    free(order);
    free(target);
    free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    const struct kind *kind = choose(fuzz_take_byte(&input));
    int fd = fuzz_file(input.data, input.size);
    struct dataset_file *file = NULL;
    struct error err = {0};
    int rc = dataset_file_open(fd, &file, &err);
    close(fd);
    FUZZ_EXPECT(fuzz_error_fits(rc, &err));
    FUZZ_EXPECT(rc == 0 || rc == ERR_CORRUPT);
    if (rc != 0)
        return 0;
    touch_arrays(file);
    struct pipeline *pipeline = NULL;
    rc = pipeline_open(file, kind->facts, kind->spec, &pipeline, &err);
    FUZZ_EXPECT(fuzz_error_fits(rc, &err));
    FUZZ_EXPECT(rc == 0 || rc == ERR_CORRUPT || rc == ERR_INVALID);
    if (rc == 0)
        fill_rows(pipeline, kind->spec);
    pipeline_close(pipeline);
    dataset_file_close(file);
    return 0;
}
