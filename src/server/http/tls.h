/*
 * The server's certificate and key, for libmicrohttpd with GnuTLS. Both are read from PEM
 * files at the start and again when the operator asks for it; connections keep what they
 * began with. TLS 1.2 and 1.3, key exchange with forward secrecy alone.
 */
#ifndef BACKPROP_HTTP_TLS_H
#define BACKPROP_HTTP_TLS_H

#include "base/error.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

/* For MHD_OPTION_HTTPS_PRIORITIES. */
#define TLS_PRIORITIES                                                                   \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:%SERVER_PRECEDENCE"

struct tls;

/* Reads the files: the certificate with its chain, the server's own first, and its key,
 * which must belong to it. Logs until when the certificate is valid, and warns of a key
 * that others may read. One object a process (see tls_retrieve). The paths are borrowed
 * for its life. New object. ERR_INVALID: the text says what was expected. */
int tls_new(const char *certificate_path, const char *key_path, struct tls **ret_tls,
            struct error *err) __attribute__((warn_unused_result));

/* No handshake may be under way. NULL is allowed. */
void tls_free(struct tls *tls);

/* Reads the files anew, for the connections to come. After a failure all stays as it was.
 * Not for two threads at once. */
int tls_reload(struct tls *tls, struct error *err) __attribute__((warn_unused_result));

/* Until when the certificate in use is valid, since 1970; 0 when that is not known, or
 * `tls` is NULL. Any thread. */
int64_t tls_expires_us(const struct tls *tls);

/* For MHD_OPTION_HTTPS_CERT_CALLBACK: what a handshake uses. Any thread. */
int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *issuers,
                 int issuer_count, const gnutls_pk_algorithm_t *algorithms,
                 int algorithm_count, gnutls_pcert_st **ret_chain,
                 unsigned *ret_chain_length, gnutls_privkey_t *ret_key);

#endif
