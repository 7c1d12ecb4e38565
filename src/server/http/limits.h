/*
 * The limits that an operator can set (docs/OPERATIONS.md has the table, /v1/info shows
 * them). 0 stands for "no limit". What is not for an operator to set is beside the code
 * that checks it: see URI_MAX_BYTES and its neighbours below, spec/job_spec.h, query.h.
 */
#ifndef BACKPROP_HTTP_LIMITS_H
#define BACKPROP_HTTP_LIMITS_H

#include <stdint.h>

#define URI_MAX_BYTES 8192
#define LIMITS_FREE_AUTO (-1)  /* 64 MiB, or a quarter of a smaller disk */
#define HEADER_MAX_BYTES 32768 /* of a request: its line and all headers */

struct http_limits {
    int64_t connections, connections_per_address;
    int64_t header_seconds; /* for a connection to bring a whole request head */
    int64_t body_seconds;   /* for a whole body, however fast it comes */
    int64_t min_rate;       /* bytes a second, of bodies and of what a client reads */
    int64_t streams, streams_per_address; /* live event streams */
    int64_t uploads;                      /* at once */
    int64_t datasets, queued_jobs;        /* stored */
    int64_t stored_bytes;                 /* database and dataset files together */
    int64_t free_bytes; /* of the disk, which nothing new may take; LIMITS_FREE_AUTO */
};

#endif
