/*
 * "features" as the user wrote it: the syntax alone, before it meets a dataset's facts
 * (features_spec.h does that).
 */
#ifndef BACKPROP_FEATURES_REQUEST_H
#define BACKPROP_FEATURES_REQUEST_H

#include "base/violations.h"
#include "facts.h"
#include "report.h"
#include "shape.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define CHOICE_AUTO (-1) /* the user left it open */

/* A column by name, with what was said about it: indices into the names of the enums
 * column_type (inputs), target_type (target), normalization and missing_rule. */
struct column_request {
    const char *name; /* borrowed from the JSON; NULL: not given */
    int type, normalization, missing;
    char pointer[POINTER_SIZE];      /* of the request */
    char name_pointer[POINTER_SIZE]; /* of the name in it */
};

struct features_request {
    bool has_inputs;
    bool inputs_auto; /* also when there are no "inputs" */
    size_t input_count;
    struct column_request *inputs; /* owned */
    bool has_target;
    bool target_is_input; /* "type": "input"; the string "input" is up to the columns */
    struct column_request target;
    int normalization;        /* for all inputs */
    struct shape input_shape; /* rank 0: not given */
    int tokenizer;            /* index into tokenizer_names; texts, as the next two */
    int64_t context_length;   /* 0: not given */
    int64_t vocabulary;       /* 0: not given */
};

/* Reads the value of "features" (NULL: absent), borrowing its strings. Returns 0, or
 * ERR_INVALID when it added violations; no memory sets the violations' status. Release in
 * any case. */
int features_request_read(const json_t *json, struct features_request *ret_request,
                          struct violations *violations);
void features_request_release(struct features_request *request);

#endif
