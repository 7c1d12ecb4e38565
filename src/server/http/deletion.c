/* See deletion.h. */
#include "deletion.h"

#include "audit_log.h"
#include "base/memory.h"
#include "reply.h"

#include <stdio.h>
#include <stdlib.h>

static int run(struct db *db, struct store_write *write, struct error *err)
{
    struct deletion *deletion = (struct deletion *)write;
    int rc = deletion->kind->run(db, deletion, err);
    return rc != 0 ? rc : audit_note(db, deletion->request, deletion->id, 204, err);
}

static void done(struct store_write *write, int rc, const struct error *err)
{
    struct deletion *deletion = (struct deletion *)write;
    if (rc != 0) {
        reply_error(deletion->request, err);
    } else {
        if (deletion->kind->deleted)
            deletion->kind->deleted(deletion, request_server(deletion->request));
        reply_empty(deletion->request, 204);
    }
    free(deletion);
}

void deletion_submit(struct request *request, const struct deletion_kind *kind)
{
    struct deletion *deletion = mem_alloc(sizeof(*deletion));
    if (!deletion) {
        reply_no_memory(request);
        return;
    }
    deletion->write.run = run;
    deletion->write.done = done;
    deletion->kind = kind;
    deletion->request = request;
    snprintf(deletion->id, sizeof(deletion->id), "%s", request_param(request, 0));
    store_submit(request_server(request)->store, &deletion->write);
}
