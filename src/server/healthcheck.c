/* See healthcheck.h. */
#include "healthcheck.h"

#include "base/io.h"
#include "http/address.h"

#include <errno.h>
#include <gnutls/gnutls.h>
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

/* ---- what is said over the connection ---- */

static const char request_text[] =
    "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
static const char expected[] = "HTTP/1.1 200 ";

#define EXPECTED_LENGTH (sizeof(expected) - 1)

static int ask(int fd, char ret_reply[EXPECTED_LENGTH + 1], struct error *err)
{
    int rc = io_write_full(fd, request_text, sizeof(request_text) - 1);
    if (rc == 0)
        rc = io_read_full(fd, ret_reply, EXPECTED_LENGTH);
    return rc == 0 ? 0 : error_set(err, rc, "there is no answer");
}

static int exchange_tls(gnutls_session_t session, char *reply, struct error *err)
{
    int code;
    do
        code = gnutls_handshake(session);
    while (code < 0 && gnutls_error_is_fatal(code) == 0 && code != GNUTLS_E_AGAIN);
    if (code < 0)
        return error_set(err, ERR_PROTOCOL, "no TLS connection: %s",
                         gnutls_strerror(code));
    ssize_t sent = gnutls_record_send(session, request_text, sizeof(request_text) - 1);
    ssize_t length = sent;
    for (size_t at = 0; length > 0 && at < EXPECTED_LENGTH; at += (size_t)length)
        length = gnutls_record_recv(session, reply + at, EXPECTED_LENGTH - at);
    return length > 0 ? 0 : error_set(err, ERR_EOF, "there is no answer");
}

/* Without --cacert no certificate is checked: no secret is sent, and the question is
 * whether this machine's own daemon answers. With it, who answers must hold one that was
 * signed by those, for whatever name. */
static int ask_tls(int fd, const char *ca_file, char ret_reply[EXPECTED_LENGTH + 1],
                   struct error *err)
{
    gnutls_certificate_credentials_t credentials = NULL;
    gnutls_session_t session = NULL;
    int code = gnutls_certificate_allocate_credentials(&credentials);
    if (code == GNUTLS_E_SUCCESS && ca_file &&
        gnutls_certificate_set_x509_trust_file(credentials, ca_file,
                                               GNUTLS_X509_FMT_PEM) <= 0)
        code = GNUTLS_E_NO_CERTIFICATE_FOUND;
    if (code == GNUTLS_E_SUCCESS)
        code = gnutls_init(&session, GNUTLS_CLIENT);
    if (code == GNUTLS_E_SUCCESS)
        code = gnutls_set_default_priority(session);
    if (code == GNUTLS_E_SUCCESS)
        code = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    int rc = code == GNUTLS_E_SUCCESS
                 ? 0
                 : error_set(err, ERR_INVALID, "TLS: %s", gnutls_strerror(code));
    if (rc == 0) {
        if (ca_file)
            gnutls_session_set_verify_cert(session, NULL, 0);
        gnutls_transport_set_int(session, fd);
        rc = exchange_tls(session, ret_reply, err);
    }
    if (session)
        gnutls_deinit(session);
    if (credentials)
        gnutls_certificate_free_credentials(credentials);
    return rc;
}

int healthcheck_run(const struct config *config, struct error *err)
{
    struct address address;
    int fd = -1;
    int rc = address_parse(config->listen, &address, err);
    if (rc == 0)
        rc = open_connection(&address, &fd, err);
    char reply[EXPECTED_LENGTH + 1] = "";
    if (rc == 0)
        rc = config->tls_certificate ? ask_tls(fd, config->ca_certificate, reply, err)
                                     : ask(fd, reply, err);
    if (rc == 0 && memcmp(reply, expected, EXPECTED_LENGTH) != 0)
        rc = error_set(err, ERR_PROTOCOL, "expected \"%s\", found \"%.12s\"", expected,
                       reply);
    io_close(&fd);
    return rc;
}
