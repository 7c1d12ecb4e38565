/* `backpropd token create | list | revoke`: on the store itself while no daemon runs on
 * it, by the running daemon otherwise. */
#ifndef BACKPROPD_TOKEN_COMMAND_H
#define BACKPROPD_TOKEN_COMMAND_H

#include "config.h"

/* Prints what was asked for on standard output. ERR_INVALID for a wrong command line. */
int token_command_run(const struct config *config, struct error *err)
    __attribute__((warn_unused_result));

#endif
