/*
 * Where a request ends (RFC 9112, sections 5 and 6). libmicrohttpd takes more than the
 * RFC allows: a length besides chunks, two lengths, codings that it does not know, names
 * of headers with a space. Where a proxy in front reads such a request in another way,
 * what is a body to the one is the next request to the other. So it is refused here, and
 * the connection closed.
 */
#ifndef BACKPROP_HTTP_FRAMING_H
#define BACKPROP_HTTP_FRAMING_H

#include "request_internal.h"

/* True when the request may go on; replied to with 400 otherwise, and then its
 * body must not be waited for. */
bool framing_check(struct request *request) __attribute__((warn_unused_result));

#endif
