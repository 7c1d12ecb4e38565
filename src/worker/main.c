/*
 * backprop-worker: does one task that it is told on standard input and answers on
 * standard output; docs/ARCHITECTURE.md has the protocol. It is confined before it reads
 * anything.
 */
#include "base/log.h"
#include "channel.h"
#include "process_limits.h"
#include "sandbox.h"
#include "session.h"
#include "worker_options.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static void log_failure(const char *event, const struct error *err)
{
    char text[2 * sizeof(err->text)];
    log_event(LOG_ERROR, event, "code=%s reason=%s", error_code_name(err->code),
              log_quote(err->text, text, sizeof(text)));
}

/* What libraries would open files for later. */
static void prepare_libraries(void)
{
    json_object_seed(0); /* the hash tables' secret, from /dev/urandom */
}

/* One line of JSON: how this machine lets workers be confined. */
static int probe(enum sandbox_policy policy, struct error *err)
{
    struct sandbox_state state;
    int rc = sandbox_enter(policy, &state, err);
    if (rc != 0)
        return rc;
    json_t *json = json_pack("{s:s, s:s, s:s*}", "version", BACKPROP_VERSION, "sandbox",
                             sandbox_level_name(state.level), "missing",
                             state.missing.code != 0 ? state.missing.text : NULL);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (!text || puts(text) < 0 || fflush(stdout) != 0)
        rc = error_set(err, ERR_IO, "nobody reads what the sandbox is like");
    free(text);
    json_decref(json);
    return rc;
}

static int run_task(enum sandbox_policy policy, struct error *err)
{
    struct sandbox_state state;
    struct channel *channel = NULL;
    int rc = channel_open(&channel, err);
    if (rc == 0)
        rc = sandbox_enter(policy, &state, err);
    if (rc == 0) {
        channel_set_sandbox(channel, sandbox_level_name(state.level));
        rc = session_run(channel, err);
    }
    channel_close(channel);
    return rc;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    struct worker_options options;
    int rc = worker_options_parse(argc, argv, &options, &err);
    if (rc == 0)
        rc = limits_apply(&options.limits, &err);
    if (rc == 0)
        prepare_libraries();
    if (rc == 0)
        rc = options.probe ? probe(options.sandbox, &err)
                           : run_task(options.sandbox, &err);
    if (err.code != 0 && err.code != ERR_EOF)
        log_failure("task_failed", &err);
    return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
