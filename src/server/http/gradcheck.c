/*
 * POST /v1/jobs:gradcheck: a job's spec goes to a short-lived worker, which checks the
 * gradients of that network on a few rows of its dataset, and the report comes back.
 */
#include "base/io.h"
#include "folders.h"
#include "jobs.h"
#include "reply.h"
#include "route.h"
#include "spec/json_parse.h"
#include "store/datasets.h"

#include <stdlib.h>

static void reply_report(void *context, int rc, const char *json, size_t length,
                         const struct error *err)
{
    struct request *request = context;
    if (rc == 0)
        reply_json_text(request, 200, json, length);
    else if (rc == ERR_INVALID)
        reply_problem(request, 422, "invalid_data", "%s", err->text);
    else
        reply_error(request, err);
}

/* The facts and the open file of the spec's dataset, which was there a moment ago. */
static int open_dataset(struct request *request, const struct job_spec *spec,
                        struct dataset_row *ret_row, int *ret_fd, struct error *err)
{
    struct server *server = request_server(request);
    struct db *db = store_read_begin(server->store, err);
    if (!db)
        return err->code;
    int rc = datasets_get_of(db, request_sees(request), spec->dataset, ret_row, err);
    store_read_end(server->store, db);
    if (rc == 0)
        rc = folders_open_dataset(server, ret_row->file_sha256, ret_fd, err);
    return rc;
}

static char *make_task(const struct job_spec *spec, const struct dataset_row *row)
{
    json_t *json = json_parse_text(row->facts);
    json_t *task =
        json ? json_pack("{s:s, s:s, s:O, s:O}", "task", "gradcheck", "file_sha256",
                         row->file_sha256, "spec", spec->canonical, "facts", json)
             : NULL;
    char *text = task ? json_dumps(task, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(task);
    json_decref(json);
    return text;
}

static void withdraw(struct request *request, uint64_t ticket)
{
    sched_withdraw_task(request_server(request)->sched, ticket);
}

void jobs_handle_gradcheck(struct request *request)
{
    struct job_spec *spec = jobs_read_spec(request);
    if (!spec)
        return;
    struct error err = {0};
    struct dataset_row row = {0};
    int fd = -1;
    char *task = NULL;
    int rc = open_dataset(request, spec, &row, &fd, &err);
    if (rc == 0) {
        task = make_task(spec, &row);
        rc = task ? 0 : error_set(&err, ERR_NOMEM, "no memory for the gradient check");
    }
    if (rc == 0) {
        struct check_job job = {
            .dataset_fd = fd, .task = task, .done = reply_report, .context = request};
        fd = -1;
        uint64_t ticket;
        rc = sched_check(request_server(request)->sched, &job, &ticket, &err);
        if (rc == 0)
            request_on_gone(request, withdraw, ticket);
    }
    if (rc != 0)
        reply_error(request, &err);
    io_close(&fd);
    free(task);
    dataset_row_release(&row);
    job_spec_free(spec);
}
