/*
 * See tls.h. A handshake borrows chain and key while it lasts, so what a reload replaces
 * is kept for RETIRED_SECONDS, which no handshake survives, and freed by a later reload
 * or at the end.
 */
#include "tls.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PEM_MAX_BYTES ((uint64_t)1 << 20)
#define CHAIN_MAX 16
#define KEY_ID_BYTES 64
#define RETIRED_SECONDS 3600

struct identity {
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned chain_length;
    gnutls_privkey_t key;
    int64_t expires_us;    /* the first certificate; 0: not known */
    struct identity *next; /* of the retired ones */
    int64_t retired_ns;
};

struct tls {
    const char *certificate_path, *key_path; /* borrowed */
    struct identity *retired;
    _Atomic int64_t expires_us; /* of the identity in use */
};

/* libmicrohttpd's callback carries no context of ours, so the identity in use is the
 * process's. */
static _Atomic(struct identity *) current_identity;

static void identity_free(struct identity *identity)
{
    if (!identity)
        return;
    for (unsigned i = 0; i < identity->chain_length; i++)
        gnutls_pcert_deinit(&identity->chain[i]);
    if (identity->key)
        gnutls_privkey_deinit(identity->key);
    free(identity);
}

/* ---- reading the files ---- */

/* The whole file, wiped by release(). `option` is said in errors. */
static int read_pem(const char *path, const char *option, bool is_secret,
                    gnutls_datum_t *ret_text, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "%s cannot be read", option);
    struct stat file;
    uint64_t size = 0;
    int rc = io_file_size(fd, &size);
    if (rc != 0 || size == 0 || size > PEM_MAX_BYTES)
        rc = error_set(err, ERR_INVALID, "%s: expected a PEM file of at most 1 MiB",
                       option);
    unsigned char *bytes = rc == 0 ? mem_alloc_array(size, 1) : NULL;
    if (rc == 0)
        rc = bytes ? io_read_full(fd, bytes, size) : ERR_NOMEM;
    if (rc == 0 && is_secret && fstat(fd, &file) == 0 &&
        (file.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        log_event(LOG_WARN, "tls_key_readable", "mode=%04o expected=0600",
                  (unsigned)(file.st_mode & 07777));
    io_close(&fd);
    if (rc != 0) {
        free(bytes);
        return error_set(err, rc, "%s cannot be read", option);
    }
    *ret_text = (gnutls_datum_t){bytes, (unsigned)size};
    return 0;
}

static void release_pem(gnutls_datum_t *text)
{
    if (text->data)
        gnutls_memset(text->data, 0, text->size);
    free(text->data);
}

static int read_chain(struct identity *identity, const gnutls_datum_t *text,
                      struct error *err)
{
    unsigned count = CHAIN_MAX;
    int code = gnutls_pcert_list_import_x509_raw(
        identity->chain, &count, text, GNUTLS_X509_FMT_PEM,
        GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED |
            GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
    if (code != GNUTLS_E_SUCCESS)
        return error_set(err, ERR_INVALID,
                         "--tls-cert: expected PEM certificates, the server's own first: "
                         "%s",
                         gnutls_strerror(code));
    identity->chain_length = count;
    return 0;
}

static int read_key(struct identity *identity, const gnutls_datum_t *text,
                    struct error *err)
{
    int code = gnutls_privkey_init(&identity->key);
    if (code == GNUTLS_E_SUCCESS)
        code = gnutls_privkey_import_x509_raw(identity->key, text, GNUTLS_X509_FMT_PEM,
                                              NULL, 0);
    if (code == GNUTLS_E_SUCCESS)
        return 0;
    return error_set(err, ERR_INVALID,
                     "--tls-key: expected a PEM key without a password: %s",
                     gnutls_strerror(code));
}

/* Both name the same public key. */
static int check_pair(struct identity *identity, struct error *err)
{
    unsigned char of_chain[KEY_ID_BYTES], of_key[KEY_ID_BYTES];
    size_t chain_size = sizeof(of_chain), key_size = sizeof(of_key);
    gnutls_pubkey_t public_key;
    if (gnutls_pubkey_init(&public_key) != GNUTLS_E_SUCCESS)
        return error_set(err, ERR_NOMEM, "no memory for the key");
    int code = gnutls_pubkey_import_privkey(public_key, identity->key, 0, 0);
    if (code == GNUTLS_E_SUCCESS)
        code = gnutls_pubkey_get_key_id(public_key, GNUTLS_KEYID_USE_SHA256, of_key,
                                        &key_size);
    if (code == GNUTLS_E_SUCCESS)
        code = gnutls_pubkey_get_key_id(identity->chain[0].pubkey,
                                        GNUTLS_KEYID_USE_SHA256, of_chain, &chain_size);
    gnutls_pubkey_deinit(public_key);
    if (code != GNUTLS_E_SUCCESS || chain_size != key_size ||
        memcmp(of_chain, of_key, key_size) != 0)
        return error_set(err, ERR_INVALID,
                         "--tls-key: expected the key of the first certificate of "
                         "--tls-cert, found another");
    return 0;
}

/* Notes and says until when the certificate is valid; an operator may watch for the
 * warning. */
static void note_validity(struct identity *identity)
{
    gnutls_x509_crt_t certificate;
    if (gnutls_pcert_export_x509((gnutls_pcert_st *)(uintptr_t)&identity->chain[0],
                                 &certificate) != GNUTLS_E_SUCCESS)
        return;
    int64_t expires_us =
        (int64_t)gnutls_x509_crt_get_expiration_time(certificate) * 1000000;
    gnutls_x509_crt_deinit(certificate);
    identity->expires_us = expires_us;
    char text[CLOCK_RFC3339_SIZE];
    clock_format(expires_us, text);
    bool is_over = expires_us < clock_wall_us();
    log_event(is_over ? LOG_WARN : LOG_INFO,
              is_over ? "tls_certificate_expired" : "tls_loaded", "expires=%s chain=%u",
              text, identity->chain_length);
}

static int identity_load(const struct tls *tls, struct identity **ret_identity,
                         struct error *err)
{
    struct identity *identity = mem_alloc(sizeof(*identity));
    if (!identity)
        return error_set(err, ERR_NOMEM, "no memory for the certificate");
    gnutls_datum_t certificate = {0}, key = {0};
    int rc = read_pem(tls->certificate_path, "--tls-cert", false, &certificate, err);
    if (rc == 0)
        rc = read_pem(tls->key_path, "--tls-key", true, &key, err);
    if (rc == 0)
        rc = read_chain(identity, &certificate, err);
    if (rc == 0)
        rc = read_key(identity, &key, err);
    if (rc == 0)
        rc = check_pair(identity, err);
    release_pem(&certificate);
    release_pem(&key);
    if (rc != 0) {
        identity_free(identity);
        return rc;
    }
    note_validity(identity);
    *ret_identity = identity;
    return 0;
}

/* ---- its life ---- */

int tls_new(const char *certificate_path, const char *key_path, struct tls **ret_tls,
            struct error *err)
{
    struct tls *tls = mem_alloc(sizeof(*tls));
    if (!tls)
        return error_set(err, ERR_NOMEM, "no memory for TLS");
    tls->certificate_path = certificate_path;
    tls->key_path = key_path;
    struct identity *identity;
    int rc = identity_load(tls, &identity, err);
    if (rc != 0) {
        free(tls);
        return rc;
    }
    atomic_store(&current_identity, identity);
    atomic_store(&tls->expires_us, identity->expires_us);
    *ret_tls = tls;
    return 0;
}

/* Frees those that were retired before `horizon_ns`. */
static void free_retired(struct tls *tls, int64_t horizon_ns)
{
    for (struct identity **at = &tls->retired; *at;) {
        struct identity *identity = *at;
        if (identity->retired_ns >= horizon_ns) {
            at = &identity->next;
            continue;
        }
        *at = identity->next;
        identity_free(identity);
    }
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    free_retired(tls, INT64_MAX);
    identity_free(atomic_exchange(&current_identity, NULL));
    free(tls);
}

int tls_reload(struct tls *tls, struct error *err)
{
    struct identity *identity;
    int rc = identity_load(tls, &identity, err);
    if (rc != 0)
        return rc;
    int64_t now = clock_monotonic_ns();
    struct identity *old = atomic_exchange(&current_identity, identity);
    atomic_store(&tls->expires_us, identity->expires_us);
    old->retired_ns = now;
    old->next = tls->retired;
    tls->retired = old;
    free_retired(tls, now - RETIRED_SECONDS * CLOCK_NS_PER_SECOND);
    return 0;
}

int64_t tls_expires_us(const struct tls *tls)
{
    return tls ? atomic_load(&tls->expires_us) : 0;
}

int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *issuers,
                 int issuer_count, const gnutls_pk_algorithm_t *algorithms,
                 int algorithm_count, gnutls_pcert_st **ret_chain,
                 unsigned *ret_chain_length, gnutls_privkey_t *ret_key)
{
    (void)session;
    (void)issuers;
    (void)issuer_count;
    (void)algorithms;
    (void)algorithm_count;
    struct identity *identity = atomic_load(&current_identity);
    *ret_chain = identity->chain;
    *ret_chain_length = identity->chain_length;
    *ret_key = identity->key;
    return 0;
}
