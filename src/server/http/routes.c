/* The table of routes: see route.h. */
#include "route.h"

#include "spec/job_spec.h"

#define READ SCOPE_READ
#define SUBMIT SCOPE_SUBMIT
#define ADMIN SCOPE_ADMIN
#define TOKEN_MAX_BYTES ((size_t)4096)
#define EVALUATE_MAX_BYTES ((size_t)4096)
#define PREDICT_MAX_BYTES ((size_t)32 << 20)

#define PAGE_QUERY "limit after"

/* clang-format off */
const struct route route_table[] = {
    /* method, pattern, scope, body, body_max, handle, query, prepare */
    {"GET", "/livez", 0, BODY_NONE, 0, operations_handle_livez, NULL, NULL},
    {"GET", "/readyz", 0, BODY_NONE, 0, operations_handle_readyz, NULL, NULL},
    {"GET", "/metrics", READ, BODY_NONE, 0, prometheus_handle_metrics, NULL, NULL},
    {"GET", "/openapi.json", 0, BODY_NONE, 0, static_handle_openapi, NULL, NULL},
    {"GET", "/", 0, BODY_NONE, 0, static_handle_dashboard, NULL, NULL},
    {"GET", "/v1/info", READ, BODY_NONE, 0, operations_handle_info, NULL, NULL},

    {"POST", "/v1/datasets", SUBMIT, BODY_UPLOAD, 0, datasets_handle_create,
     "name header delimiter missing", datasets_prepare_create},
    {"GET", "/v1/datasets", READ, BODY_NONE, 0, datasets_handle_list, PAGE_QUERY, NULL},
    {"GET", "/v1/datasets/{id}", READ, BODY_NONE, 0, datasets_handle_get, NULL, NULL},
    {"DELETE", "/v1/datasets/{id}", SUBMIT, BODY_NONE, 0, datasets_handle_delete, NULL, NULL},
    {"GET", "/v1/datasets/{id}/preview", READ, BODY_NONE, 0, datasets_handle_preview, NULL,
     NULL},

    {"POST", "/v1/jobs", SUBMIT, BODY_JSON, SPEC_MAX_BYTES, jobs_handle_create, NULL, NULL},
    {"POST", "/v1/jobs:validate", READ, BODY_JSON, SPEC_MAX_BYTES, jobs_handle_validate, NULL,
     NULL},
    {"POST", "/v1/jobs:gradcheck", SUBMIT, BODY_JSON, SPEC_MAX_BYTES, jobs_handle_gradcheck, NULL,
     NULL},
    {"GET", "/v1/jobs", READ, BODY_NONE, 0, jobs_handle_list,
     PAGE_QUERY " status metadata[]", NULL},
    {"GET", "/v1/jobs/{id}", READ, BODY_NONE, 0, jobs_handle_get, NULL, NULL},
    {"DELETE", "/v1/jobs/{id}", SUBMIT, BODY_NONE, 0, jobs_handle_delete, NULL, NULL},
    {"POST", "/v1/jobs/{id}/cancel", SUBMIT, BODY_NONE, 0, job_handle_cancel, NULL, NULL},
    {"POST", "/v1/jobs/{id}/stop", SUBMIT, BODY_NONE, 0, job_handle_stop, NULL, NULL},
    {"POST", "/v1/jobs/{id}/pause", SUBMIT, BODY_NONE, 0, job_handle_pause, NULL, NULL},
    {"POST", "/v1/jobs/{id}/resume", SUBMIT, BODY_NONE, 0, job_handle_resume, NULL, NULL},
    {"GET", "/v1/jobs/{id}/metrics", READ, BODY_NONE, 0, job_handle_metrics,
     "names since_step max_points", NULL},
    {"GET", "/v1/jobs/{id}/events", READ, BODY_NONE, 0, job_handle_events, PAGE_QUERY, NULL},
    {"GET", "/v1/jobs/{id}/checkpoints", READ, BODY_NONE, 0, job_handle_checkpoints, NULL,
     NULL},

    {"GET", "/v1/models", READ, BODY_NONE, 0, models_handle_list, PAGE_QUERY, NULL},
    {"GET", "/v1/models/{id}", READ, BODY_NONE, 0, models_handle_get, NULL, NULL},
    {"DELETE", "/v1/models/{id}", SUBMIT, BODY_NONE, 0, models_handle_delete, NULL, NULL},
    {"GET", "/v1/models/{id}/weights", READ, BODY_NONE, 0, model_handle_weights, "format",
     NULL},
    {"POST", "/v1/models/{id}/evaluate", READ, BODY_JSON, EVALUATE_MAX_BYTES,
     model_handle_evaluate, NULL, NULL},
    {"POST", "/v1/models/{id}/predict", READ, BODY_JSON, PREDICT_MAX_BYTES,
     model_handle_predict, NULL, NULL},
    {"POST", "/v1/models/{id}/generate", READ, BODY_JSON, SPEC_MAX_BYTES,
     model_handle_generate, NULL, NULL},

    {"POST", "/v1/tokens", ADMIN, BODY_JSON, TOKEN_MAX_BYTES, tokens_handle_create, NULL, NULL},
    {"GET", "/v1/tokens", ADMIN, BODY_NONE, 0, tokens_handle_list, PAGE_QUERY, NULL},
    {"GET", "/v1/tokens/{id}", ADMIN, BODY_NONE, 0, tokens_handle_get, NULL, NULL},
    {"DELETE", "/v1/tokens/{id}", ADMIN, BODY_NONE, 0, tokens_handle_delete, NULL, NULL},
    {"GET", "/v1/audit", ADMIN, BODY_NONE, 0, audit_handle_list, PAGE_QUERY, NULL},
    /* The dashboard's files; last, because it would fit /livez as well. */
    {"GET", "/{*file}", 0, BODY_NONE, 0, static_handle_dashboard, NULL, NULL},
    {NULL, NULL, 0, BODY_NONE, 0, NULL, NULL, NULL},
};
/* clang-format on */
