/* Makes libmicrohttpd's response of a reply. */
#ifndef BACKPROP_HTTP_RESPONSE_H
#define BACKPROP_HTTP_RESPONSE_H

#include "base/buffer.h"
#include "request_internal.h"

/* Queues the request's reply on its connection; on the connection's thread. MHD_NO (close
 * the connection) when that is impossible. */
enum MHD_Result response_queue(struct request *request);

/* The whole reply as HTTP/1.1 text that closes the connection: for a client that is still
 * sending its body, to whom libmicrohttpd cannot reply. Not for streams. */
void response_render(const struct request *request, struct buffer *buffer);

#endif
