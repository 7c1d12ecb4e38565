/* The command line of backprop-worker. The daemon writes it; people do to look around. */
#ifndef BACKPROP_WORKER_OPTIONS_H
#define BACKPROP_WORKER_OPTIONS_H

#include "process_limits.h"
#include "sandbox.h"

#include <stdbool.h>

struct worker_options {
    enum sandbox_policy sandbox; /* --sandbox=strict|auto|none; auto */
    struct limits limits;        /* --memory-mb=N, --threads=N, --file-mb=N; none */
    bool probe;                  /* --probe: say what the sandbox is like here, and end */
};

/* ERR_INVALID: the text says what is wrong. */
int worker_options_parse(int argc, char **argv, struct worker_options *ret_options,
                         struct error *err) __attribute__((warn_unused_result));

#endif
