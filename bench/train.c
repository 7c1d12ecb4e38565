/*
 * bench_train: the speed of training one workload, measured where a job spends its time:
 * the worker's own path from a dataset file through the pipeline and the trainer.
 *
 *   bench_train WORKLOAD [THREADS [EPOCHS [telemetry]]]
 *
 * The data is random, made before the clock starts. The first epoch warms up; the median
 * of the others is reported. With "telemetry" the trainer has the hooks of a real job, so
 * that layers are observed and events looked for; without it has none. Prints one JSON
 * line.
 */
#include "workload.h"

#include "base/clock.h"
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

static int fail(const struct error *err)
{
    fprintf(stderr, "bench_train: %s\n", err->text);
    return 1;
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

/* Takes the layers' series, as a worker would, and forgets them. */
static int take_point(void *context, const struct metric_point *point)
{
    (void)context;
    (void)point;
    return 0;
}

static int take_event(void *context, const char *type, const char *message,
                      const json_t *data)
{
    (void)context;
    (void)type;
    (void)message;
    (void)data;
    return 0;
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
    double samples = (double)(workload->rows * workload->samples_per_row);
    double rate = samples / steady[count / 2];
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"peer\": \"backpropd\", \"workload\": \"%s\", \"threads\": %d, "
           "\"samples_per_second\": %.1f, \"lowest\": %.1f, \"highest\": %.1f, "
           "\"gflops\": %.2f, \"epochs\": %d, \"wall_seconds\": %.3f, \"rss_mb\": %ld}\n",
           workload->name, threads, rate, samples / steady[count - 1],
           samples / steady[0], rate * workload->flops * 1e-9, watch->count, begin_to_end,
           usage.ru_maxrss / 1024);
}

static int train(const struct workload *workload, int threads, int epochs, bool telemetry,
                 const struct job_spec *spec, const struct pipeline *pipeline,
                 struct error *err)
{
    struct stopwatch watch = {.steps_per_epoch = spec->steps_per_epoch};
    struct train_hooks hooks = {.context = &watch, .poll = tick};
    struct trainer *trainer = NULL;
    enum train_end end;
    if (telemetry) {
        hooks.metrics = take_point;
        hooks.event = take_event;
    }
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

static int run(const struct workload *workload, int threads, int epochs, bool telemetry,
               struct error *err)
{
    struct violations violations;
    violations_init(&violations);
    struct dataset_facts *facts = NULL;
    struct job_spec *spec = NULL;
    struct dataset_file *file = NULL;
    struct pipeline *pipeline = NULL;
    json_t *facts_json = workload_facts(workload);
    json_t *spec_json = workload_spec(workload, threads, epochs);
    int fd = memfd_create("dataset", MFD_CLOEXEC);
    int rc = workload_write_dataset(workload, fd, err);
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
        rc = train(workload, threads, epochs, telemetry, spec, pipeline, err);
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
    struct error err = {0};
    struct workload workload = {0};
    int threads = argc > 2 ? atoi(argv[2]) : 1;
    int rc = argc > 1 ? workload_find(argv[1], &workload, &err) : ERR_INVALID;
    int epochs = argc > 3 ? atoi(argv[3]) : (int)workload.epochs;
    bool telemetry = argc > 4 && strcmp(argv[4], "telemetry") == 0;
    if (rc != 0 || threads < 1 || epochs < 2 || epochs > MAX_EPOCHS) {
        fprintf(stderr,
                "usage: bench_train W1 … W7 [threads [epochs, 2 to %d [telemetry]]]\n",
                MAX_EPOCHS);
        return 2;
    }
    rc = run(&workload, threads, epochs, telemetry, &err);
    workload_release(&workload);
    return rc == 0 ? 0 : fail(&err);
}
