/*
 * POST /v1/jobs/{id}/cancel, stop, pause, resume. The store decides what is possible; the
 * scheduler is told after the commit. 202 when something was set going, 200 when it was
 * so already, 409 when it is impossible.
 */
#include "audit_log.h"
#include "base/clock.h"
#include "base/memory.h"
#include "hub.h"
#include "job_view.h"
#include "reply.h"
#include "route.h"
#include "store/events.h"

#include <stdio.h>
#include <stdlib.h>

struct action {
    struct store_write write;
    struct request *request;
    char id[ID_SIZE];
    enum job_action kind;
    bool changed;
    struct buffer text;
};

static int action_run(struct db *db, struct store_write *write, struct error *err)
{
    struct action *action = (struct action *)write;
    enum job_status status;
    int rc = jobs_act(db, action->id, action->kind, clock_wall_us(), &status,
                      &action->changed, err);
    if (rc == 0 && action->changed)
        rc = events_name_request(db, action->id, request_id(action->request), err);
    if (rc == 0 && action->changed)
        rc = audit_note(db, action->request, action->id, 202, err);
    return rc != 0 ? rc : job_view_read(&action->text, db, action->id, err);
}

static void action_done(struct store_write *write, int rc, const struct error *err)
{
    struct action *action = (struct action *)write;
    struct server *server = request_server(action->request);
    if (rc == 0) {
        if (action->changed) {
            sched_act(server->sched, action->id, action->kind);
            hub_publish(server->hub, action->id);
        }
        reply_json_text(action->request, action->changed ? 202 : 200, action->text.data,
                        action->text.length);
    } else {
        reply_error(action->request, err);
    }
    buffer_release(&action->text);
    free(action);
}

static void act(struct request *request, enum job_action kind)
{
    struct action *action = mem_alloc(sizeof(*action));
    if (!action) {
        reply_no_memory(request);
        return;
    }
    action->request = request;
    action->kind = kind;
    snprintf(action->id, sizeof(action->id), "%s", request_param(request, 0));
    buffer_init(&action->text, VIEW_MAX_BYTES);
    action->write.run = action_run;
    action->write.done = action_done;
    store_submit(request_server(request)->store, &action->write);
}

void job_handle_cancel(struct request *request)
{
    act(request, JOB_ACTION_CANCEL);
}

void job_handle_stop(struct request *request)
{
    act(request, JOB_ACTION_STOP);
}

void job_handle_pause(struct request *request)
{
    act(request, JOB_ACTION_PAUSE);
}

void job_handle_resume(struct request *request)
{
    act(request, JOB_ACTION_RESUME);
}
