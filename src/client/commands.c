/* See commands.h. Answers are printed as the server gave them, indented, so that what a
 * script reads here is what docs/API.md describes. */
#include "commands.h"

#include "base/buffer.h"
#include "base/error.h"
#include "generate.h"
#include "watch.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 512
#define FILES_MAX 8
#define INPUT_MAX_BYTES ((size_t)64 << 20)

static int print_json(json_t *json)
{
    if (json) {
        json_dumpf(json, stdout,
                   JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
        putchar('\n');
    }
    json_decref(json);
    return 0;
}

/* GET and print. */
static int show(struct api *api, const char *path)
{
    json_t *json = NULL;
    int rc = api_call(api, "GET", path, NULL, 0, &json);
    return rc != 0 ? rc : print_json(json);
}

static int show_one(struct api *api, const char *prefix, const char *id, const char *rest)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "%s/%.64s%s", prefix, id, rest);
    return show(api, path);
}

/* A whole file ("-": standard input) into a buffer. */
static int read_input(struct api *api, const char *path, struct buffer *ret_text)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (!file) {
        snprintf(api->message, sizeof(api->message), "cannot open %s: %s", path,
                 strerror(errno));
        return ERR_IO;
    }
    char chunk[16384];
    size_t got;
    while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buffer_append(ret_text, chunk, got);
    int rc = ferror(file) ? ERR_IO : buffer_status(ret_text);
    if (rc != 0)
        snprintf(api->message, sizeof(api->message), "cannot read %s", path);
    if (file != stdin)
        fclose(file);
    return rc;
}

static int run_upload(struct api *api, const struct arguments *arguments)
{
    struct api_file files[FILES_MAX];
    for (int i = 0; i < arguments->count; i++) {
        char *equals = strchr(arguments->words[i], '=');
        files[i] = (struct api_file){.path = arguments->words[i]};
        if (equals) {
            *equals = '\0';
            files[i] = (struct api_file){.part = arguments->words[i], .path = equals + 1};
        } else if (arguments->count > 1) {
            snprintf(api->message, sizeof(api->message),
                     "several files need part names: train.features=FILE, found \"%s\"",
                     arguments->words[i]);
            return ERR_INVALID;
        }
    }
    char query[PATH_SIZE] = "";
    if (arguments->name) {
        char *escaped = curl_easy_escape(NULL, arguments->name, 0);
        snprintf(query, sizeof(query), "?name=%s", escaped ? escaped : "");
        curl_free(escaped);
    }
    json_t *json = NULL;
    int rc = api_upload(api, query, files, arguments->count, &json);
    return rc != 0 ? rc : print_json(json);
}

/* Reads a spec and puts --dataset into it. */
static int read_spec(struct api *api, const struct arguments *arguments, char **ret_text)
{
    struct buffer text;
    buffer_init(&text, INPUT_MAX_BYTES);
    int rc = read_input(api, arguments->words[0], &text);
    json_error_t fault;
    json_t *spec = rc == 0 ? json_loadb(text.data, text.length, 0, &fault) : NULL;
    buffer_release(&text);
    if (rc == 0 && !spec) {
        snprintf(api->message, sizeof(api->message), "%s, line %d: %s",
                 arguments->words[0], fault.line, fault.text);
        rc = ERR_INVALID;
    }
    if (rc != 0)
        return rc;
    if (arguments->dataset)
        json_object_set_new(spec, "dataset", json_string(arguments->dataset));
    *ret_text = json_dumps(spec, JSON_COMPACT);
    json_decref(spec);
    return *ret_text ? 0 : ERR_NOMEM;
}

static int post_spec(struct api *api, const struct arguments *arguments, const char *path,
                     json_t **ret_json)
{
    char *text = NULL;
    int rc = read_spec(api, arguments, &text);
    if (rc == 0)
        rc = api_call(api, "POST", path, text, strlen(text), ret_json);
    free(text);
    return rc;
}

static int run_validate(struct api *api, const struct arguments *arguments)
{
    json_t *json = NULL;
    int rc = post_spec(api, arguments, "/v1/jobs:validate", &json);
    return rc != 0 ? rc : print_json(json);
}

static int run_submit(struct api *api, const struct arguments *arguments)
{
    json_t *job = NULL;
    int rc = post_spec(api, arguments, "/v1/jobs", &job);
    if (rc != 0 || !arguments->watch)
        return rc != 0 ? rc : print_json(job);
    const char *id = json_string_value(json_object_get(job, "id"));
    printf("%s\n", id ? id : "");
    rc = id ? watch_job(api, id) : ERR_PROTOCOL;
    json_decref(job);
    return rc;
}

static int run_watch(struct api *api, const struct arguments *arguments)
{
    return watch_job(api, arguments->words[0]);
}

static int run_datasets(struct api *api, const struct arguments *arguments)
{
    if (arguments->count > 0)
        return show_one(api, "/v1/datasets", arguments->words[0], "");
    return show(api, "/v1/datasets?limit=100");
}

static int run_jobs(struct api *api, const struct arguments *arguments)
{
    if (arguments->count > 0)
        return show_one(api, "/v1/jobs", arguments->words[0], "");
    return show(api, "/v1/jobs?limit=100");
}

static int run_models(struct api *api, const struct arguments *arguments)
{
    if (arguments->count > 0)
        return show_one(api, "/v1/models", arguments->words[0], "");
    return show(api, "/v1/models?limit=100");
}

static int run_events(struct api *api, const struct arguments *arguments)
{
    return show_one(api, "/v1/jobs", arguments->words[0], "/events?limit=1000");
}

static int run_info(struct api *api, const struct arguments *arguments)
{
    (void)arguments;
    return show(api, "/v1/info");
}

static int act(struct api *api, const struct arguments *arguments, const char *verb)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "/v1/jobs/%.64s/%s", arguments->words[0], verb);
    json_t *job = NULL;
    int rc = api_call(api, "POST", path, NULL, 0, &job);
    if (rc == 0)
        printf("%s\n", json_string_value(json_object_get(job, "status")));
    json_decref(job);
    return rc;
}

static int run_cancel(struct api *api, const struct arguments *arguments)
{
    return act(api, arguments, "cancel");
}

static int run_stop(struct api *api, const struct arguments *arguments)
{
    return act(api, arguments, "stop");
}

static int run_pause(struct api *api, const struct arguments *arguments)
{
    return act(api, arguments, "pause");
}

static int run_resume(struct api *api, const struct arguments *arguments)
{
    return act(api, arguments, "resume");
}

/* GET into --output, or to standard output. A file that could not be had whole is
 * removed. */
static int download(struct api *api, const char *path, const char *accept,
                    const char *output)
{
    if (!output)
        return api_download(api, path, accept, stdout);
    FILE *file = fopen(output, "wb");
    if (!file) {
        snprintf(api->message, sizeof(api->message), "cannot write %s: %s", output,
                 strerror(errno));
        return ERR_IO;
    }
    int rc = api_download(api, path, accept, file);
    if (fclose(file) != 0 && rc == 0) {
        snprintf(api->message, sizeof(api->message), "cannot write %s: %s", output,
                 strerror(errno));
        rc = ERR_IO;
    }
    if (rc != 0)
        remove(output);
    return rc;
}

static int run_metrics(struct api *api, const struct arguments *arguments)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "/v1/jobs/%.64s/metrics", arguments->words[0]);
    return download(api, path, "text/csv", arguments->output);
}

static int run_download(struct api *api, const struct arguments *arguments)
{
    const char *format = arguments->format ? arguments->format : "safetensors";
    char path[PATH_SIZE], output[PATH_SIZE];
    snprintf(path, sizeof(path), "/v1/models/%.64s/weights?format=%.32s",
             arguments->words[0], format);
    snprintf(output, sizeof(output), "%.64s.%.32s", arguments->words[0], format);
    int rc = download(api, path, NULL, arguments->output ? arguments->output : output);
    if (rc == 0)
        printf("%s\n", arguments->output ? arguments->output : output);
    return rc;
}

static int run_predict(struct api *api, const struct arguments *arguments)
{
    struct buffer text;
    buffer_init(&text, INPUT_MAX_BYTES);
    int rc = read_input(api, arguments->count > 1 ? arguments->words[1] : "-", &text);
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "/v1/models/%.64s/predict", arguments->words[0]);
    json_t *json = NULL;
    if (rc == 0)
        rc = api_call(api, "POST", path, text.data, text.length, &json);
    buffer_release(&text);
    return rc != 0 ? rc : print_json(json);
}

static int run_evaluate(struct api *api, const struct arguments *arguments)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "/v1/models/%.64s/evaluate", arguments->words[0]);
    json_t *body = json_pack("{s:s, s:s}", "dataset", arguments->words[1], "split",
                             arguments->count > 2 ? arguments->words[2] : "all");
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_t *json = NULL;
    int rc = text ? api_call(api, "POST", path, text, strlen(text), &json) : ERR_NOMEM;
    free(text);
    json_decref(body);
    return rc != 0 ? rc : print_json(json);
}

static int delete_one(struct api *api, const struct arguments *arguments)
{
    static const struct {
        const char *prefix, *path;
    } kinds[] = {
        {"ds_", "datasets"}, {"job_", "jobs"}, {"mdl_", "models"}, {"tok_", "tokens"}};
    const char *id = arguments->words[0];
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strncmp(id, kinds[i].prefix, strlen(kinds[i].prefix)) != 0)
            continue;
        char path[PATH_SIZE];
        snprintf(path, sizeof(path), "/v1/%s/%.64s", kinds[i].path, id);
        return api_call(api, "DELETE", path, NULL, 0, NULL);
    }
    snprintf(api->message, sizeof(api->message),
             "expected an ID (ds_…, job_…, mdl_… or tok_…), found \"%.64s\"", id);
    return ERR_INVALID;
}

static int run_tokens(struct api *api, const struct arguments *arguments)
{
    if (arguments->count > 0)
        return show_one(api, "/v1/tokens", arguments->words[0], "");
    return show(api, "/v1/tokens?limit=100");
}

static int run_token(struct api *api, const struct arguments *arguments)
{
    json_t *body = json_pack("{s:s, s:s*, s:s*}", "scope", arguments->words[0], "owner",
                             arguments->count > 1 ? arguments->words[1] : NULL, "name",
                             arguments->name);
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_t *json = NULL;
    int rc =
        text ? api_call(api, "POST", "/v1/tokens", text, strlen(text), &json) : ERR_NOMEM;
    free(text);
    json_decref(body);
    return rc != 0 ? rc : print_json(json);
}

static int run_audit(struct api *api, const struct arguments *arguments)
{
    (void)arguments;
    return show(api, "/v1/audit?limit=100");
}

const struct command command_table[] = {
    {"upload", "FILE | PART=FILE …", "upload a dataset (CSV; or IDX parts); - is stdin",
     1, FILES_MAX, run_upload},
    {"validate", "SPEC.json", "check a job spec: shapes, parameters, memory, time", 1, 1,
     run_validate},
    {"submit", "SPEC.json", "post a job; --watch follows it", 1, 1, run_submit},
    {"watch", "JOB", "follow a job to its end", 1, 1, run_watch},
    {"jobs", "[JOB]", "list jobs, or show one", 0, 1, run_jobs},
    {"datasets", "[DATASET]", "list datasets, or show one", 0, 1, run_datasets},
    {"models", "[MODEL]", "list models, or show one", 0, 1, run_models},
    {"events", "JOB", "what happened to a job", 1, 1, run_events},
    {"metrics", "JOB", "metrics as CSV", 1, 1, run_metrics},
    {"cancel", "JOB", "give a job up", 1, 1, run_cancel},
    {"stop", "JOB", "end a job now and keep its best weights", 1, 1, run_stop},
    {"pause", "JOB", "set a job aside", 1, 1, run_pause},
    {"resume", "JOB", "go on with a paused job", 1, 1, run_resume},
    {"download", "MODEL", "save weights; --format safetensors, npz or onnx", 1, 1,
     run_download},
    {"predict", "MODEL [FILE.json]", "ask a model: {\"rows\": […]} or {\"inputs\": […]}",
     1, 2, run_predict},
    {"generate", "MODEL PROMPT", "go on with a text", 2, 2, run_generate},
    {"evaluate", "MODEL DATASET [SPLIT]",
     "score a model: train, validation, test or all (the default)", 2, 3, run_evaluate},
    {"delete", "ID", "delete a dataset, job or model, revoke a token", 1, 1, delete_one},
    {"tokens", "[TOKEN]", "list access tokens, or show one (scope admin)", 0, 1,
     run_tokens},
    {"token", "SCOPE [OWNER]", "make an access token; --name (scope admin)", 1, 2,
     run_token},
    {"audit", "", "what was changed, by whom (scope admin)", 0, 0, run_audit},
    {"info", "", "what the server is", 0, 0, run_info},
    {NULL, NULL, NULL, 0, 0, NULL},
};
