/* See job_memory.h. */
#include "job_memory.h"

#include "spec/job_spec.h"

#include <string.h>

/* The prediction, or 0 for a spec that cannot be read any more: its worker will say why.
 */
static int64_t predict(const struct job_row *job, const struct dataset_row *dataset)
{
    json_t *spec_json = json_loads(job->spec, 0, NULL);
    json_t *facts_json = json_loads(dataset->facts, 0, NULL);
    struct dataset_facts *facts = NULL;
    struct job_spec *spec = NULL;
    struct violations violations;
    violations_init(&violations);
    int64_t bytes = 0;
    if (spec_json && facts_json && facts_parse(facts_json, &facts, NULL) == 0 &&
        job_spec_parse(spec_json, facts, &spec, &violations) == 0)
        bytes = spec->memory_bytes;
    job_spec_free(spec);
    facts_free(facts);
    violations_release(&violations);
    json_decref(spec_json);
    json_decref(facts_json);
    return bytes;
}

bool job_memory_fits(struct sched *sched, const struct job_row *job,
                     const struct dataset_row *dataset, int64_t *ret_bytes)
{
    *ret_bytes = 0;
    int64_t most = sched->config.memory_mb << 20;
    if (most <= 0)
        return true;
    if (strcmp(sched->predicted_job, job->id) != 0) {
        sched->predicted_bytes = predict(job, dataset);
        memcpy(sched->predicted_job, job->id, sizeof(sched->predicted_job));
    }
    *ret_bytes = sched->predicted_bytes;
    return sched->memory_used == 0 || sched->predicted_bytes <= most - sched->memory_used;
}
