/* See quota.h. */
#include "quota.h"

#include "listener.h"
#include "reply.h"
#include "request_internal.h"
#include "store/datasets.h"

#include <sys/statvfs.h>

/* What is kept free unless the operator says it. */
#define FREE_BYTES (INT64_C(64) << 20)
#define FREE_PART 4 /* of a small disk */

#define BUSY_SECONDS "5" /* until one that was refused may try again */

int64_t quota_resolve_free(const struct server_config *config)
{
    struct statvfs disk;
    if (config->limits.free_bytes != LIMITS_FREE_AUTO)
        return config->limits.free_bytes;
    if (statvfs(config->data_dir, &disk) != 0)
        return 0;
    double part = (double)disk.f_blocks * (double)disk.f_frsize / FREE_PART;
    return part < FREE_BYTES ? (int64_t)part : FREE_BYTES;
}

int64_t quota_room(const struct server *server)
{
    const struct http_limits *limits = &server->listener->limits;
    struct statvfs disk;
    if (limits->free_bytes == 0 || statvfs(server->config.data_dir, &disk) != 0)
        return INT64_MAX;
    double left = (double)disk.f_bavail * (double)disk.f_frsize;
    return left < 9e18 ? (int64_t)left - limits->free_bytes : INT64_MAX;
}

/* Datasets that are stored, and the bytes of all that is. */
static int read_totals(struct request *request, int64_t *ret_datasets, int64_t *ret_bytes,
                       struct error *err)
{
    struct store *store = request_server(request)->store;
    struct db *db = store_read_begin(store, err);
    if (!db)
        return err->code;
    int rc = datasets_total(db, ret_datasets, ret_bytes, err);
    store_read_end(store, db);
    uint64_t database = 0;
    int version;
    if (rc == 0 && store_info(store, &database, &version) == 0)
        *ret_bytes += (int64_t)database;
    return rc;
}

static void refuse_disk(struct request *request)
{
    reply_problem(request, 507, "no_space",
                  "the server's disk is as full as it may get (--min-free): ask the "
                  "operator, or delete datasets and jobs");
}

/* With figures that were read already. */
static bool check_room(struct request *request, uint64_t bytes, int64_t stored)
{
    const struct server_config *config = &request_server(request)->config;
    int64_t most = config->limits.stored_bytes;
    if (most > 0 && (stored >= most || bytes > (uint64_t)(most - stored))) {
        reply_problem(request, 507, "storage_limit",
                      "expected at most %lld stored bytes (--max-stored), there are %lld "
                      "and %llu would come: delete datasets and jobs",
                      (long long)most, (long long)stored, (unsigned long long)bytes);
        return false;
    }
    int64_t left = quota_room(request->server);
    if (left <= 0 || bytes > (uint64_t)left) {
        refuse_disk(request);
        return false;
    }
    return true;
}

bool quota_check_room(struct request *request, uint64_t bytes)
{
    struct error err = {0};
    int64_t datasets = 0, stored = 0;
    if (request_server(request)->config.limits.stored_bytes > 0 &&
        read_totals(request, &datasets, &stored, &err) != 0) {
        reply_error(request, &err);
        return false;
    }
    return check_room(request, bytes, stored);
}

/* A place among the uploads, or a 503. */
static bool take_place(struct request *request)
{
    struct http_listener *listener = request->listener;
    int64_t most = listener->limits.uploads;
    request->has_upload_place = true;
    if (atomic_fetch_add(&listener->uploads, 1) < most || most == 0)
        return true;
    reply_add_header(request, "Retry-After", BUSY_SECONDS);
    reply_problem(request, 503, "too_many_uploads",
                  "%lld uploads are under way, which is the limit (--max-uploads)",
                  (long long)most);
    return false;
}

bool quota_begin_upload(struct request *request)
{
    int64_t most = request->server->config.limits.datasets;
    int64_t datasets = 0, stored = 0;
    struct error err = {0};
    if (!take_place(request))
        return false;
    if (read_totals(request, &datasets, &stored, &err) != 0) {
        reply_error(request, &err);
        return false;
    }
    if (most > 0 && datasets >= most) {
        reply_problem(request, 507, "dataset_limit",
                      "%lld datasets are stored, which is the limit (--max-datasets): "
                      "delete some first",
                      (long long)datasets);
        return false;
    }
    return check_room(request, request->body_announced, stored);
}

int quota_check_upload(struct request *request, uint64_t before, struct error *err)
{
    if (before / QUOTA_STEP_BYTES == request->body_received / QUOTA_STEP_BYTES)
        return 0;
    if (quota_room(request->server) > 0)
        return 0;
    return error_set(err, ERR_NO_SPACE, "the disk is as full as it may get");
}

bool quota_begin_stream(struct request *request, struct peer **ret_peer)
{
    struct http_listener *listener = request->listener;
    const struct http_limits *limits = &listener->limits;
    const union MHD_ConnectionInfo *client =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    enum peers_answer answer = peers_enter(listener->stream_peers,
                                           client ? client->client_addr : NULL, ret_peer);
    if (answer == PEERS_OK)
        return true;
    reply_add_header(request, "Retry-After", BUSY_SECONDS);
    if (answer == PEERS_FULL_HERE)
        reply_problem(request, 429, "too_many_streams",
                      "expected at most %lld event streams from one address "
                      "(--max-streams-per-address)",
                      (long long)limits->streams_per_address);
    else
        reply_problem(request, 503, "too_many_streams",
                      "%lld event streams are open, which is the limit (--max-streams)",
                      (long long)limits->streams);
    return false;
}

void quota_end_stream(struct server *server, struct peer *peer)
{
    peers_leave(server->listener->stream_peers, peer);
}
