/*
 * Calls to a backpropd server: one function for JSON in and out, one for uploads, one for
 * downloads. An answer of 400 and above becomes an error whose text is the problem's
 * detail, each violation on a line of its own.
 */
#ifndef BACKPROP_CLIENT_API_H
#define BACKPROP_CLIENT_API_H

#include "event_reader.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#define API_MESSAGE_SIZE 8192

struct api {
    const char *url;     /* "http://127.0.0.1:8080", borrowed */
    const char *token;   /* borrowed; NULL: none */
    const char *ca_file; /* PEM certificates in place of the system's; or NULL */
    char message[API_MESSAGE_SIZE]; /* what went wrong, after a negative return */
};

/* Sends `body` (NULL: none) and parses the answer. *ret_json (may be NULL) is a new
 * reference, or NULL when the answer had no body. 0 or a negative enum error_code. */
int api_call(struct api *api, const char *method, const char *path, const char *body,
             size_t length, json_t **ret_json) __attribute__((warn_unused_result));

/* Posts JSON and gives `handle` the events of the answer as they come; unlike 0, its
 * return ends the exchange and is returned. */
int api_stream(struct api *api, const char *path, const char *body, size_t length,
               event_handler *handle, void *context) __attribute__((warn_unused_result));

/* One file of an upload: `part` is NULL for a body that is the file itself. */
struct api_file {
    const char *part;
    const char *path; /* "-" is standard input, for a single file */
};

/* Streams the files to POST /v1/datasets?name=…; query is appended as it is. */
int api_upload(struct api *api, const char *query, const struct api_file *files,
               int count, json_t **ret_json) __attribute__((warn_unused_result));

/* Streams a GET to a file. `accept` may be NULL. */
int api_download(struct api *api, const char *path, const char *accept, FILE *file)
    __attribute__((warn_unused_result));

#endif
