/* See access_log.h. */
#include "access_log.h"

#include "base/log.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

const char *access_log_client(const struct request *request,
                              char ret_text[CLIENT_ADDRESS_SIZE])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    if (address) {
        socklen_t size = address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                        : sizeof(struct sockaddr_in);
        if (getnameinfo(address, size, ret_text, CLIENT_ADDRESS_SIZE, NULL, 0,
                        NI_NUMERICHOST) == 0)
            return ret_text;
    }
    return "unknown";
}

/* The path's first {…} if it has the form of an identifier, "none" else: what else may
 * stand there is the client's text. */
static const char *named_object(const struct request *request)
{
    const char *id = request->match.params[0];
    size_t length = strlen(id);
    size_t plain = strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return request->match.route && length > 0 && length < ID_SIZE && plain == length
               ? id
               : "none";
}

void access_log_write(const struct request *request, unsigned status, int64_t elapsed_ns)
{
    enum log_level level = request->server->config.access_log ? LOG_INFO : LOG_DEBUG;
    if (status >= 500)
        level = LOG_WARN;
    if (!log_is_on(level))
        return;
    const struct route *route = request->match.route;
    char address[CLIENT_ADDRESS_SIZE];
    log_event(level, "request",
              "request=\"%s\" method=%s route=%s object=%s status=%u us=%lld bytes=%llu "
              "client=%s",
              request->id, route ? route->method : "none",
              route ? route->pattern : "none", named_object(request), status,
              (long long)(elapsed_ns / 1000), (unsigned long long)request->body_received,
              access_log_client(request, address));
}
