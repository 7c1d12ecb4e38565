/* Listen addresses, and which Host and Origin a request may name. */
#ifndef BACKPROP_HTTP_ADDRESS_H
#define BACKPROP_HTTP_ADDRESS_H

#include "base/error.h"

#include <stdbool.h>

#define ADDRESS_HOST_SIZE 256

struct address {
    char host[ADDRESS_HOST_SIZE]; /* a name or a number, without the brackets of IPv6 */
    int port;                     /* 0 … 65535; -1 when the text has none */
};

/* "127.0.0.1:8080", "[::1]:0", "localhost". ERR_INVALID says what was expected. */
int address_parse(const char *text, struct address *ret_address, struct error *err)
    __attribute__((warn_unused_result));

/* True for names and numbers that only this machine reaches. */
bool address_is_loopback(const char *host);

/* "http://host:port", with brackets around an IPv6 number. */
void address_format_url(const struct address *address, char *ret_url, unsigned size);

/*
 * A page of a stranger's site can make a browser send requests here: under a name of its
 * own that it lets point to 127.0.0.1 (DNS rebinding; Host shows it), or as a form post
 * (Origin shows it). So a daemon on a loopback address answers only to loopback names and
 * to the one it was told to listen on. `host_header` is the header's value.
 */
bool address_allows_host(const char *listen_host, const char *host_header);

/* True when the page at `origin` came from the host that the request names. */
bool address_is_same_origin(const char *origin, const char *host_header);

#endif
