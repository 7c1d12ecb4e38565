/* See healthcheck.h. */
#include "healthcheck.h"

#include "base/io.h"
#include "http/address.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PATIENCE_SECONDS 5

static int open_connection(const struct address *address, int *ret_fd, struct error *err)
{
    char port[8];
    snprintf(port, sizeof(port), "%d", address->port);
    const char *host = address->host;
    if (strcmp(host, "0.0.0.0") == 0)
        host = "127.0.0.1";
    else if (strcmp(host, "::") == 0)
        host = "::1";
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICSERV};
    struct addrinfo *info;
    int failure = getaddrinfo(host, port, &hints, &info);
    if (failure != 0)
        return error_set(err, ERR_INVALID, "%s: %s", host, gai_strerror(failure));
    int rc = 0;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    }
    if (fd < 0 || connect(fd, info->ai_addr, info->ai_addrlen) != 0)
        rc = error_set_errno(err, errno, "cannot connect to %s port %s", host, port);
    freeaddrinfo(info);
    if (rc != 0)
        io_close(&fd);
    else
        *ret_fd = fd;
    return rc;
}

int healthcheck_run(const char *listen, struct error *err)
{
    static const char request[] =
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    static const char expected[] = "HTTP/1.1 200 ";
    struct address address;
    int fd = -1;
    int rc = address_parse(listen, &address, err);
    if (rc == 0)
        rc = open_connection(&address, &fd, err);
    char reply[sizeof(expected)] = "";
    if (rc == 0)
        rc = io_write_full(fd, request, sizeof(request) - 1);
    if (rc == 0)
        rc = io_read_full(fd, reply, sizeof(expected) - 1);
    if (rc == 0 && memcmp(reply, expected, sizeof(expected) - 1) != 0)
        rc = error_set(err, ERR_PROTOCOL, "expected \"%s\", found \"%.12s\"", expected,
                       reply);
    else if (rc != 0)
        error_set(err, rc, "there is no answer");
    io_close(&fd);
    return rc;
}
