/*
 * bench_train: the speed of training one workload, measured where a job spends its time:
 * the worker's own path from a dataset file through the pipeline and the trainer.
 *
 *   bench_train WORKLOAD [THREADS [EPOCHS]]
 *
 * The data is random, made before the clock starts. The first epoch warms up; the median
 * of the others is reported. Prints one JSON line.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "data/dataset_file.h"
#include "data/pipeline.h"
#include "engine/trainer.h"
#include "spec/job_spec.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define MAX_EPOCHS 64
#define CHUNK_VALUES 4096

struct workload {
    const char *name;
    int64_t rows, features, classes; /* classes 0: one number to predict */
    int64_t batch;
    int epochs;
    double flops; /* of one sample, forward and backward */
    const char *layers;
};

static const struct workload workloads[] = {
    {"W1", 20000, 13, 0, 32, 30, 28288,
     "[{\"type\":\"dense\",\"units\":64,\"activation\":\"relu\"},"
     "{\"type\":\"dense\",\"units\":64,\"activation\":\"relu\"},"
     "{\"type\":\"dense\",\"units\":\"auto\"}]"},
    {"W2", 60000, 784, 10, 128, 5, 1007104,
     "[{\"type\":\"dense\",\"units\":256,\"activation\":\"relu\"},"
     "{\"type\":\"dense\",\"units\":128,\"activation\":\"relu\"},"
     "{\"type\":\"dense\",\"units\":\"auto\"}]"},
    {"W3", 15360, 784, 10, 256, 5, 15855616,
     "[{\"type\":\"dense\",\"units\":1024,\"activation\":\"relu\"},"
     "{\"type\":\"dense\",\"units\":1024,\"activation\":\"relu\"},"
     "{\"type\":\"dense\",\"units\":1024,\"activation\":\"relu\"},"
     "{\"type\":\"dense\",\"units\":\"auto\"}]"},
};

static int fail(const struct error *err)
{
    fprintf(stderr, "bench_train: %s\n", err->text);
    return 1;
}

static int write_features(struct dataset_writer *writer, const struct workload *workload,
                          struct error *err)
{
    float values[CHUNK_VALUES];
    struct rng rng;
    rng_init(&rng, 1, RNG_SAMPLE, 0);
    for (int64_t left = workload->rows * workload->features; left > 0;) {
        int64_t count = left < CHUNK_VALUES ? left : CHUNK_VALUES;
        for (int64_t i = 0; i < count; i++)
            values[i] = (float)rng_normal(&rng);
        int rc = dataset_writer_append(writer, 0, values, (uint64_t)count * sizeof(float),
                                       err);
        if (rc != 0)
            return rc;
        left -= count;
    }
    return 0;
}

static int write_labels(struct dataset_writer *writer, const struct workload *workload,
                        struct error *err)
{
    struct rng rng;
    rng_init(&rng, 1, RNG_SAMPLE, 1);
    for (int64_t i = 0; i < workload->rows; i++) {
        int32_t label = (int32_t)rng_below(&rng, (uint32_t)(workload->classes + 1));
        float number = (float)rng_normal(&rng);
        if (workload->classes > 0)
            label %= (int32_t)workload->classes;
        const void *value = workload->classes > 0 ? (const void *)&label : &number;
        int rc = dataset_writer_append(writer, 1, value, sizeof(label), err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* The random dataset as an anonymous file in memory. */
static int make_dataset(const struct workload *workload, int fd, struct error *err)
{
    struct dataset_array arrays[2] = {
        {.part = PART_TRAIN,
         .column = DATASET_FEATURES,
         .element = ELEMENT_FLOAT32,
         .rank = 2,
         .dims = {workload->rows, workload->features}},
        {.part = PART_TRAIN,
         .column = 0,
         .element = workload->classes > 0 ? ELEMENT_INT32 : ELEMENT_FLOAT32,
         .rank = 1,
         .dims = {workload->rows}},
    };
    struct dataset_writer *writer = NULL;
    int rc = dataset_writer_open(fd, arrays, 2, &writer, err);
    if (rc == 0)
        rc = write_features(writer, workload, err);
    if (rc == 0)
        rc = write_labels(writer, workload, err);
    if (rc == 0)
        rc = dataset_writer_finish(writer, err);
    dataset_writer_free(writer);
    return rc;
}

static json_t *make_facts(const struct workload *workload)
{
    json_t *label =
        json_pack("{s:s, s:s, s:i, s:f, s:f, s:f, s:f, s:b, s:b}", "name", "label",
                  "type", "number", "missing", 0, "min", -6.0, "max", 6.0, "mean", 0.0,
                  "std", 1.0, "integer", workload->classes > 0, "row_id", 0);
    if (workload->classes > 0) {
        json_t *values = json_array();
        for (int64_t i = 0; i < workload->classes; i++) {
            char text[24];
            snprintf(text, sizeof(text), "%lld", (long long)i);
            json_array_append_new(values, json_string(text));
        }
        json_object_set_new(label, "categories", json_integer(workload->classes));
        json_object_set_new(label, "values", values);
    }
    return json_pack("{s:s, s:{s:I, s:i}, s:s, s:[I], s:[o]}", "kind", "arrays", "rows",
                     "train", (json_int_t)workload->rows, "test", 0, "element", "float32",
                     "sample_shape", (json_int_t)workload->features, "columns", label);
}

static json_t *make_spec(const struct workload *workload, int threads, int epochs)
{
    return json_pack(
        "{s:s, s:{s:o}, s:{s:s, s:f}, s:i, s:I, s:{s:s, s:{s:f}}, s:{s:i, s:i}}",
        "dataset", "ds_00000000000000000000000000", "model", "layers",
        json_loads(workload->layers, 0, NULL), "optimizer", "type", "adam",
        "learning_rate", 1e-3, "epochs", epochs, "batch_size",
        (json_int_t)workload->batch, "split", "type", "random", "fractions", "train", 1.0,
        "resources", "threads", threads, "memory_mb", 8192);
}

/* Takes the time at every end of an epoch. */
struct stopwatch {
    int64_t steps_per_epoch, step;
    int64_t begin_ns;
    int count;
    double seconds[MAX_EPOCHS];
};

static enum train_command tick(void *context)
{
    struct stopwatch *watch = context;
    if (++watch->step % watch->steps_per_epoch == 0 && watch->count < MAX_EPOCHS) {
        int64_t now = clock_monotonic_ns();
        watch->seconds[watch->count++] = (double)(now - watch->begin_ns) * 1e-9;
        watch->begin_ns = now;
    }
    return TRAIN_GO_ON;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const struct workload *workload, int threads, struct stopwatch *watch,
                   double begin_to_end)
{
    double *steady = watch->seconds + 1;
    int count = watch->count - 1;
    qsort(steady, (size_t)count, sizeof(*steady), compare);
    double rows = (double)workload->rows;
    double rate = rows / steady[count / 2];
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"peer\": \"backpropd\", \"workload\": \"%s\", \"threads\": %d, "
           "\"samples_per_second\": %.1f, \"lowest\": %.1f, \"highest\": %.1f, "
           "\"gflops\": %.2f, \"epochs\": %d, \"wall_seconds\": %.3f, \"rss_mb\": %ld}\n",
           workload->name, threads, rate, rows / steady[count - 1], rows / steady[0],
           rate * workload->flops * 1e-9, watch->count, begin_to_end,
           usage.ru_maxrss / 1024);
}

static int train(const struct workload *workload, int threads, int epochs,
                 const struct job_spec *spec, const struct pipeline *pipeline,
                 struct error *err)
{
    struct stopwatch watch = {.steps_per_epoch = spec->steps_per_epoch};
    struct train_hooks hooks = {.context = &watch, .poll = tick};
    struct trainer *trainer = NULL;
    enum train_end end;
    int64_t begin = clock_monotonic_ns();
    int rc = trainer_new(spec, pipeline, &trainer, err);
    watch.begin_ns = clock_monotonic_ns();
    if (rc == 0)
        rc = trainer_run(trainer, &hooks, &end, err);
    if (rc == 0 && watch.count != epochs)
        rc = error_set(err, ERR_INTERNAL, "%d of %d epochs were seen", watch.count,
                       epochs);
    if (rc == 0)
        report(workload, threads, &watch, (double)(clock_monotonic_ns() - begin) * 1e-9);
    trainer_free(trainer);
    return rc;
}

static int run(const struct workload *workload, int threads, int epochs,
               struct error *err)
{
    struct violations violations;
    violations_init(&violations);
    struct dataset_facts *facts = NULL;
    struct job_spec *spec = NULL;
    struct dataset_file *file = NULL;
    struct pipeline *pipeline = NULL;
    json_t *facts_json = make_facts(workload),
           *spec_json = make_spec(workload, threads, epochs);
    int fd = memfd_create("dataset", MFD_CLOEXEC);
    int rc = make_dataset(workload, fd, err);
    if (rc == 0)
        rc = dataset_file_open(fd, &file, err);
    if (rc == 0)
        rc = facts_parse(facts_json, &facts, err);
    if (rc == 0 && (rc = job_spec_parse(spec_json, facts, &spec, &violations)) != 0)
        error_set(err, rc, "%s: %s", violations.items[0].pointer,
                  violations.items[0].detail);
    if (rc == 0)
        rc = pipeline_open(file, facts, spec, &pipeline, err);
    if (rc == 0)
        rc = train(workload, threads, epochs, spec, pipeline, err);
    pipeline_close(pipeline);
    dataset_file_close(file);
    job_spec_free(spec);
    facts_free(facts);
    json_decref(facts_json);
    json_decref(spec_json);
    violations_release(&violations);
    close(fd);
    return rc;
}

int main(int argc, char **argv)
{
    const struct workload *workload = NULL;
    for (size_t i = 0; argc > 1 && i < sizeof(workloads) / sizeof(workloads[0]); i++)
        if (strcmp(argv[1], workloads[i].name) == 0)
            workload = &workloads[i];
    int threads = argc > 2 ? atoi(argv[2]) : 1;
    int epochs = argc > 3 ? atoi(argv[3]) : workload ? workload->epochs : 0;
    if (!workload || threads < 1 || epochs < 2 || epochs > MAX_EPOCHS) {
        fprintf(stderr, "usage: bench_train W1|W2|W3 [threads [epochs, 2 to %d]]\n",
                MAX_EPOCHS);
        return 2;
    }
    struct error err = {0};
    return run(workload, threads, epochs, &err) == 0 ? 0 : fail(&err);
}
