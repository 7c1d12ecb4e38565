/*
 * POST /v1/models/{id}/evaluate: a model's figures over a split of a dataset. A
 * short-lived worker gets the model, its preprocessing and the dataset's file; here only
 * facts are compared, so that a dataset with other columns is refused at once and in
 * words.
 */
#include "base/io.h"
#include "folders.h"
#include "reply.h"
#include "route.h"
#include "spec/job_spec.h"
#include "spec/json_parse.h"
#include "store/datasets.h"
#include "store/models.h"

#include <stdlib.h>
#include <string.h>

struct evaluate_request {
    const char *dataset, *split; /* borrowed from the body */
    struct model_row model;
    struct dataset_row data;
    json_t *facts; /* the model's, with the dataset's rows */
    int fd;        /* the dataset's file; -1: not open */
};

static void release(struct evaluate_request *evaluation)
{
    io_close(&evaluation->fd);
    json_decref(evaluation->facts);
    model_row_release(&evaluation->model);
    dataset_row_release(&evaluation->data);
}

static void reply_report(void *context, int rc, const char *json, size_t length,
                         const struct error *err)
{
    struct request *request = context;
    if (rc == 0)
        reply_json_text(request, 200, json, length);
    else if (rc == ERR_INVALID)
        reply_problem(request, 422, "invalid_input", "%s", err->text);
    else
        reply_error(request, err);
}

/* ---- what the user asked for ---- */

static void read_body(const json_t *body, struct evaluate_request *evaluation,
                      struct violations *violations)
{
    static const char *const splits[] = {"train", "validation", "test", "all"};
    const char *key;
    json_t *value;
    if (!json_is_object(body)) {
        violations_add(violations, "",
                       "expected an object with \"dataset\" and \"split\"");
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)body, key, value)
    {
        if (strcmp(key, "dataset") != 0 && strcmp(key, "split") != 0)
            violations_add(violations, "",
                           "expected the keys \"dataset\" and \"split\", found one more");
    }
    evaluation->dataset = json_string_value(json_object_get(body, "dataset"));
    if (!evaluation->dataset)
        violations_add(violations, "/dataset",
                       "expected the ID of a dataset, such as \"ds_…\"");
    const json_t *split = json_object_get(body, "split");
    const char *word = split ? json_string_value(split) : "all";
    for (size_t i = 0; word && i < sizeof(splits) / sizeof(splits[0]); i++) {
        if (strcmp(word, splits[i]) == 0)
            evaluation->split = splits[i];
    }
    if (!evaluation->split)
        violations_add(violations, "/split",
                       "expected one of \"train\", \"validation\", \"test\", \"all\"");
}

/* ---- does the dataset fit ---- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "nothing";
}

/* Is a member of both the same, or in neither? */
static bool is_same(const json_t *a, const json_t *b, const char *key)
{
    json_t *of_a = json_object_get(a, key), *of_b = json_object_get(b, key);
    return of_a == of_b || json_equal(of_a, of_b);
}

/* Codes of a category mean what its list of values says; numbers mean themselves. */
static bool is_coded(const json_t *column, bool arrays)
{
    return arrays ? json_array_size(json_object_get(column, "values")) > 0
                  : strcmp(text_of(column, "type"), "category") == 0;
}

static void compare_column(const json_t *wanted, const json_t *found, size_t index,
                           bool arrays, struct violations *violations)
{
    if (strcmp(text_of(wanted, "name"), text_of(found, "name")) != 0 ||
        strcmp(text_of(wanted, "type"), text_of(found, "type")) != 0)
        violations_add(violations, "/dataset",
                       "expected the model's column \"%.100s\" (%s) as column %zu, found "
                       "\"%.100s\" (%s)",
                       text_of(wanted, "name"), text_of(wanted, "type"), index + 1,
                       text_of(found, "name"), text_of(found, "type"));
    else if (!is_same(wanted, found, "width"))
        violations_add(violations, "/dataset",
                       "expected as many numbers a row of \"%.100s\" as the model's",
                       text_of(wanted, "name"));
    else if (is_coded(wanted, arrays) && !is_same(wanted, found, "values"))
        violations_add(
            violations, "/dataset",
            "expected the %zu values that column \"%.100s\" had when the model "
            "was trained, found %zu, which are others",
            json_array_size(json_object_get(wanted, "values")), text_of(wanted, "name"),
            json_array_size(json_object_get(found, "values")));
}

/* Everything that the file's layout hangs on, but the number of rows. */
static void compare_facts(const json_t *wanted, const json_t *found,
                          struct violations *violations)
{
    static const char *const same[] = {"kind", "element", "sample_shape"};
    bool arrays = strcmp(text_of(wanted, "kind"), "arrays") == 0;
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        if (!is_same(wanted, found, same[i]))
            violations_add(violations, "/dataset",
                           "expected the same %s as the model was trained on", same[i]);
    }
    if (!is_same(json_object_get(wanted, "text"), json_object_get(found, "text"),
                 "alphabet"))
        violations_add(violations, "/dataset",
                       "expected a text of the same characters as the model's");
    const json_t *columns = json_object_get(wanted, "columns");
    const json_t *others = json_object_get(found, "columns");
    if (json_array_size(columns) != json_array_size(others))
        violations_add(violations, "/dataset",
                       "expected the model's %zu columns, found %zu",
                       json_array_size(columns), json_array_size(others));
    for (size_t i = 0; i < json_array_size(columns) && i < json_array_size(others); i++)
        compare_column(json_array_get(columns, i), json_array_get(others, i), i, arrays,
                       violations);
}

static int check_fit(struct evaluate_request *evaluation, struct violations *violations)
{
    json_t *spec = json_parse_text(evaluation->model.spec);
    json_t *facts = json_parse_text(evaluation->data.facts);
    evaluation->facts = json_parse_text(evaluation->model.facts);
    int rc = spec && facts && evaluation->facts ? 0 : ERR_NOMEM;
    if (rc == 0 && strcmp(text_of(spec, "dataset"), evaluation->dataset) != 0) {
        if (strcmp(evaluation->split, "all") != 0)
            violations_add(violations, "/split",
                           "expected \"all\", because the model was trained on another "
                           "dataset, found \"%s\"",
                           evaluation->split);
        compare_facts(evaluation->facts, facts, violations);
        if (strcmp(text_of(facts, "kind"), "text") != 0)
            rc = json_object_set(evaluation->facts, "rows",
                                 json_object_get(facts, "rows")) == 0
                     ? 0
                     : ERR_NOMEM;
        else
            rc = json_object_update(evaluation->facts, facts) == 0 ? 0 : ERR_NOMEM;
    }
    json_decref(spec);
    json_decref(facts);
    if (rc == 0 && violations->total > 0)
        rc = ERR_INVALID;
    return rc;
}

/* The model and the dataset; one that is not there is a 404 or a violation. */
static int find(struct request *request, struct evaluate_request *evaluation,
                struct violations *violations, struct error *err)
{
    struct server *server = request_server(request);
    struct db *db = store_read_begin(server->store, err);
    if (!db)
        return err->code;
    int rc = models_get(db, request_param(request, 0), &evaluation->model, err);
    if (rc == 0) {
        struct error fault = {0};
        rc = datasets_get_of(db, request_sees(request), evaluation->dataset,
                             &evaluation->data, &fault);
        if (rc == ERR_NOT_FOUND)
            rc = violations_add(violations, "/dataset", "there is no such dataset");
        else if (rc != 0)
            error_set(err, rc, "%s", fault.text);
    }
    store_read_end(server->store, db);
    return rc;
}

/* ---- handing over ---- */

static char *make_task(const struct evaluate_request *evaluation)
{
    json_t *spec = json_parse_text(evaluation->model.spec);
    json_t *preprocessing = json_parse_text(evaluation->model.preprocessing);
    json_t *task = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:o?, s:o?, s:O, s:I}", "task", "evaluate",
        "file_sha256", evaluation->data.file_sha256, "model", evaluation->model.id,
        "dataset", evaluation->data.id, "split", evaluation->split, "spec", spec,
        "preprocessing", preprocessing, "facts", evaluation->facts, "bytes",
        (json_int_t)evaluation->model.bytes);
    char *text = task ? json_dumps(task, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(task);
    return text;
}

static void withdraw(struct request *request, uint64_t ticket)
{
    sched_withdraw_task(request_server(request)->sched, ticket);
}

static int hand_over(struct request *request, struct evaluate_request *evaluation,
                     struct error *err)
{
    int rc = folders_open_dataset(request_server(request), evaluation->data.file_sha256,
                                  &evaluation->fd, err);
    char *task = rc == 0 ? make_task(evaluation) : NULL;
    if (rc == 0 && !task)
        rc = error_set(err, ERR_NOMEM, "no memory to evaluate a model");
    if (rc == 0) {
        struct check_job job = {
            .kind = CHECK_EVALUATION,
            .dataset_fd = evaluation->fd,
            .task = task,
            .blob = evaluation->model.blob,
            .bytes = evaluation->model.bytes,
            .done = reply_report,
            .context = request,
        };
        evaluation->fd = -1;
        uint64_t ticket;
        rc = sched_check(request_server(request)->sched, &job, &ticket, err);
        if (rc == 0)
            request_on_gone(request, withdraw, ticket);
    }
    free(task);
    return rc;
}

void model_handle_evaluate(struct request *request)
{
    size_t length;
    const char *body = request_body(request, &length);
    struct evaluate_request evaluation = {.fd = -1};
    struct violations violations;
    violations_init(&violations);
    struct error err = {0};
    json_t *json = NULL;
    int rc = job_spec_load_json(body, length, &json, &violations);
    bool is_syntax = rc != 0;
    if (rc == 0) {
        read_body(json, &evaluation, &violations);
        rc = violations.total > 0 ? ERR_INVALID : 0;
    }
    if (rc == 0)
        rc = find(request, &evaluation, &violations, &err);
    if (rc == 0)
        rc = check_fit(&evaluation, &violations);
    if (rc == 0)
        rc = hand_over(request, &evaluation, &err);
    if (rc != 0 && violations.total > 0) {
        reply_violations(request, is_syntax ? 400 : 422,
                         is_syntax ? "invalid_json" : "invalid_input", &violations);
    } else if (rc != 0) {
        error_set(&err, rc, "no memory to evaluate a model");
        reply_error(request, &err);
    }
    release(&evaluation);
    json_decref(json);
    violations_release(&violations);
}
