/* Listen addresses. */
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

/* True for names and numbers that only this machine reaches; 127.0.0.1 counts in the form
 * ::ffff:127.0.0.1, too. Nothing is looked up. */
bool address_is_loopback(const char *host);

/* "http://host:port", with brackets around an IPv6 number; `scheme` is "http" or "https".
 */
void address_format_url(const struct address *address, const char *scheme, char *ret_url,
                        unsigned size);

#endif
