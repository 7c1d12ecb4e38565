/*
 * One exchange: the way of a request through libmicrohttpd's callbacks, from the request
 * line to the last byte of the reply. See request_internal.h for the phases.
 */
#ifndef BACKPROP_HTTP_EXCHANGE_H
#define BACKPROP_HTTP_EXCHANGE_H

#include "request_internal.h"

/* libmicrohttpd's callbacks; `context` is the struct http_listener. */
void *exchange_open(void *context, const char *uri, struct MHD_Connection *connection);
enum MHD_Result exchange_access(void *context, struct MHD_Connection *connection,
                                const char *url, const char *method, const char *version,
                                const char *upload_data, size_t *upload_data_size,
                                void **request_slot);
void exchange_completed(void *context, struct MHD_Connection *connection,
                        void **request_slot, enum MHD_RequestTerminationCode code);

/* The reply is complete: wakes the connection if it sleeps. The request may be gone when
 * this returns. Any thread. */
void exchange_replied(struct request *request);

#endif
