/* The body of a request as a checked job spec, for the routes that take one. */
#ifndef BACKPROP_HTTP_JOBS_H
#define BACKPROP_HTTP_JOBS_H

#include "request.h"
#include "spec/job_spec.h"

/* The request's body as a checked spec; replies and returns NULL when that fails. */
struct job_spec *jobs_read_spec(struct request *request);

#endif
