/* See watch.h. Polls: a poll costs the server one row, and a script that follows a job
 * must survive a restart of the server, which it does as long as the server comes back.
 */
#include "watch.h"

#include "base/error.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POLL_NS 250000000L
#define LOST_POLLS_MAX 120 /* half a minute without an answer */
#define LINE_SIZE 256

static double number_at(const json_t *json, const char *object, const char *name)
{
    const json_t *value = json_object_get(json_object_get(json, object), name);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static size_t append_number(char *line, size_t used, const char *label, double value)
{
    if (isnan(value) || used >= LINE_SIZE)
        return used;
    return used +
           (size_t)snprintf(line + used, LINE_SIZE - used, "  %s %.4g", label, value);
}

static void format_line(const json_t *job, char line[LINE_SIZE])
{
    const json_t *latest = json_object_get(json_object_get(job, "metrics"), "latest");
    const char *status = json_string_value(json_object_get(job, "status"));
    size_t used =
        (size_t)snprintf(line, LINE_SIZE, "%-10s %3.0f%%", status ? status : "?",
                         100.0 * number_at(job, "progress", "fraction"));
    used = append_number(line, used, "epoch", number_at(job, "progress", "epoch"));
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)latest, name,
                        value) if (strchr(name, '/') == NULL &&
                                   strcmp(name, "samples_per_second") != 0) used =
        append_number(line, used, name, json_number_value(value));
    double rate = number_at(job, "progress", "samples_per_second");
    if (!isnan(rate) && used < LINE_SIZE)
        snprintf(line + used, LINE_SIZE - used, "  %.0f samples/s", rate);
}

static int report_end(struct api *api, const json_t *job)
{
    const char *status = json_string_value(json_object_get(job, "status"));
    const char *reason = json_string_value(json_object_get(job, "stop_reason"));
    const char *model = json_string_value(json_object_get(job, "model"));
    char *test = json_dumps(json_object_get(json_object_get(job, "metrics"), "test"),
                            JSON_COMPACT | JSON_REAL_PRECISION(6) | JSON_ENCODE_ANY);
    printf("%s (%s)\nmodel %s\ntest %s\n", status, reason ? reason : "-",
           model ? model : "-", test ? test : "null");
    free(test);
    if (strcmp(status, "succeeded") == 0)
        return 0;
    const char *message =
        json_string_value(json_object_get(json_object_get(job, "error"), "message"));
    snprintf(api->message, sizeof(api->message), "the job %s%s%s", status,
             message ? ": " : "", message ? message : "");
    return ERR_CANCELLED;
}

int watch_job(struct api *api, const char *job_id)
{
    char path[128], line[LINE_SIZE], last[LINE_SIZE] = "";
    snprintf(path, sizeof(path), "/v1/jobs/%.64s", job_id);
    bool terminal = isatty(STDOUT_FILENO) != 0;
    for (int lost = 0;;) {
        json_t *job = NULL;
        int rc = api_call(api, "GET", path, NULL, 0, &job);
        bool gone = rc != 0 && rc != ERR_IO && rc != ERR_BUSY;
        if (gone || (rc != 0 && ++lost > LOST_POLLS_MAX))
            return rc;
        if (rc == 0) {
            lost = 0;
            format_line(job, line);
            if (strcmp(line, last) != 0)
                printf(terminal ? "\r\033[K%s" : "%s\n", line);
            fflush(stdout);
            memcpy(last, line, sizeof(last));
            bool ended = json_is_true(json_object_get(job, "terminal"));
            if (ended && terminal)
                putchar('\n');
            if (ended)
                rc = report_end(api, job);
            json_decref(job);
            if (ended)
                return rc;
        }
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
}
