/*
 * Admission: everything that can be said against a request once its headers are known, in
 * the order in which a client should hear it: the way it came (Host, Origin), the route,
 * the caller's scope, the query, the announced body.
 */
#ifndef BACKPROP_HTTP_ADMISSION_H
#define BACKPROP_HTTP_ADMISSION_H

#include "request_internal.h"

/* Finds the route and fills in the request's match, query and what is known of its body.
 * A request that is not admitted has been replied to when this returns. */
void admission_check(struct request *request, const char *method);

#endif
