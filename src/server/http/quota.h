/*
 * What may still be taken in: uploads at once, stored datasets, stored bytes and room on
 * the disk (limits.h). Each check is made before anything is allocated or written for
 * what asks. Checks reply and return false when the answer is no.
 */
#ifndef BACKPROP_HTTP_QUOTA_H
#define BACKPROP_HTTP_QUOTA_H

#include "peers.h"
#include "request.h"

#include <stdint.h>

/* limits.free_bytes, with LIMITS_FREE_AUTO worked out for the disk of the data folder. */
int64_t quota_resolve_free(const struct server_config *config);

/* Bytes of the disk that may still be used; INT64_MAX when nobody can say. */
int64_t quota_room(const struct server *server);

/* May something of about `bytes` be stored? Else 507. */
bool quota_check_room(struct request *request, uint64_t bytes);

/* May an upload begin? Takes a place, which goes with the request. Else 503 or 507. */
bool quota_begin_upload(struct request *request);

/* May a live event stream begin? Else 429 or 503. *ret_peer is for quota_end_stream(). */
bool quota_begin_stream(struct request *request, struct peer **ret_peer);
void quota_end_stream(struct server *server, struct peer *peer);

/* While an upload comes: ERR_NO_SPACE when the disk is filled up to what is kept free.
 * Asks the disk once for each QUOTA_STEP_BYTES. */
#define QUOTA_STEP_BYTES (UINT64_C(4) << 20)
int quota_check_upload(struct request *request, uint64_t before, struct error *err)
    __attribute__((warn_unused_result));

#endif
