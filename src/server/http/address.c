/* See address.h. */
#include "address.h"

#include "server.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int parse_port(const char *text, int *ret_port)
{
    size_t length = strlen(text);
    if (length == 0 || length > 5 || strspn(text, "0123456789") != length)
        return ERR_INVALID;
    long port = strtol(text, NULL, 10);
    if (port > 65535)
        return ERR_INVALID;
    *ret_port = (int)port;
    return 0;
}

int address_parse(const char *text, struct address *ret_address, struct error *err)
{
    struct address address = {.port = -1};
    const char *host = text;
    const char *host_end;
    const char *after;
    if (text[0] == '[') {
        host = text + 1;
        host_end = strchr(host, ']');
        after = host_end ? host_end + 1 : "";
    } else {
        host_end = text + strcspn(text, ":");
        after = host_end;
    }
    size_t length = host_end ? (size_t)(host_end - host) : 0;
    bool fits = host_end && length > 0 && length < sizeof(address.host);
    if (!fits || (after[0] != '\0' && after[0] != ':') ||
        (after[0] == ':' && parse_port(after + 1, &address.port) != 0))
        return error_set(
            err, ERR_INVALID,
            "expected an address such as 127.0.0.1:8080 or [::1]:8080, found "
            "\"%.100s\"",
            text);
    memcpy(address.host, host, length);
    *ret_address = address;
    return 0;
}

bool address_is_loopback(const char *host)
{
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &six) == 1)
        return IN6_IS_ADDR_LOOPBACK(&six) ||
               (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127);
    return strcasecmp(host, "localhost") == 0;
}

bool http_is_loopback(const char *listen)
{
    struct address address;
    return address_parse(listen, &address, NULL) == 0 &&
           address_is_loopback(address.host);
}

void address_format_url(const struct address *address, const char *scheme, char *ret_url,
                        unsigned size)
{
    bool is_ipv6 = strchr(address->host, ':') != NULL;
    snprintf(ret_url, size, "%s://%s%s%s:%d", scheme, is_ipv6 ? "[" : "", address->host,
             is_ipv6 ? "]" : "", address->port);
}
