/*
 * The table of routes. A handler file exports its handlers; routes.c lists every route
 * once: method, pattern, scope, body, query arguments. From that table come 404, 405 with
 * Allow, 413, 415, the refusal of unknown query arguments and the check of scopes, so
 * that no handler has to.
 */
#ifndef BACKPROP_HTTP_ROUTE_H
#define BACKPROP_HTTP_ROUTE_H

#include "request.h"

enum body_kind {
    BODY_NONE,  /* a body is refused (an empty one is not) */
    BODY_JSON,  /* kept whole up to body_max, Content-Type checked, given to `handle` */
    BODY_UPLOAD /* streamed through upload.h */
};

typedef void request_handler(struct request *request);

struct route {
    const char *method;
    /* "/v1/jobs/{id}/cancel"; {…} matches one whole segment. {*…} is for files, which may
     * not be there: another method is answered with 404 and not 405. */
    const char *pattern;
    int scope; /* enum token_scope; 0: open to everyone (livez, readyz) */
    enum body_kind body;
    size_t body_max;
    request_handler *handle;
    /* Names of the query arguments, with a space between; NULL: there are none. A name
     * that ends in "[]" stands for name[anything]. Others are answered with 400. */
    const char *query;
    /* Called once the headers are known and before the body is read. May reply, which
     * refuses the body. NULL: nothing to do. */
    request_handler *prepare;
};

extern const struct route route_table[]; /* ends with method NULL */

/* The handlers, by the file that has them. */

/* dataset_create.c */
request_handler datasets_prepare_create, datasets_handle_create;
/* datasets.c */
request_handler datasets_handle_list, datasets_handle_get, datasets_handle_preview,
    datasets_handle_delete;
/* jobs.c */
request_handler jobs_handle_create, jobs_handle_validate, jobs_handle_list,
    jobs_handle_get, jobs_handle_delete;
/* evaluate.c */
request_handler model_handle_evaluate;

/* gradcheck.c */
request_handler jobs_handle_gradcheck;
/* job_actions.c */
request_handler job_handle_cancel, job_handle_stop, job_handle_pause, job_handle_resume;
/* job_metrics.c */
request_handler job_handle_metrics;
/* job_events.c */
request_handler job_handle_events, job_handle_checkpoints;
/* models.c */
request_handler models_handle_list, models_handle_get, models_handle_delete;
/* token_routes.c */
request_handler tokens_handle_create, tokens_handle_list, tokens_handle_get,
    tokens_handle_delete;
/* audit_log.c */
request_handler audit_handle_list;
/* weights.c */
request_handler model_handle_weights;
/* generate.c */
request_handler model_handle_generate;
/* predict.c */
request_handler model_handle_predict;
/* operations.c */
request_handler operations_handle_livez, operations_handle_readyz, operations_handle_info;
/* prometheus.c */
request_handler prometheus_handle_metrics;
/* static_files.c */
request_handler static_handle_openapi, static_handle_dashboard;

#endif
