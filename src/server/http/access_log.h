/*
 * The access log: one line a request when it is over, with its identifier, method, route
 * template, the object named in its path, status, time, bytes of its body and the
 * client's address. Never a path as it came, a query, a header or a token.
 *
 * Failures of the server (5xx) are warnings; other lines are of level debug, or info with
 * --access-log.
 */
#ifndef BACKPROP_HTTP_ACCESS_LOG_H
#define BACKPROP_HTTP_ACCESS_LOG_H

#include "request_internal.h"

#define CLIENT_ADDRESS_SIZE 64

/* The client's number, or "unknown". While the request has no reply, any thread. */
const char *access_log_client(const struct request *request,
                              char ret_text[CLIENT_ADDRESS_SIZE]);

/* `status` 0: the connection was cut before a reply. */
void access_log_write(const struct request *request, unsigned status, int64_t elapsed_ns);

#endif
