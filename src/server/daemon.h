/* The daemon from its start to its drain. */
#ifndef BACKPROPD_DAEMON_H
#define BACKPROPD_DAEMON_H

#include "config.h"

/* Serves until SIGTERM or SIGINT; a second one ends the process at once. Call before any
 * thread exists. */
int daemon_run(const struct config *config, struct error *err)
    __attribute__((warn_unused_result));

#endif
