/* `backpropd check`: reads a whole data folder and says what is damaged. Also beside a
 * running daemon. */
#ifndef BACKPROPD_CHECK_COMMAND_H
#define BACKPROPD_CHECK_COMMAND_H

#include "config.h"

/* Prints a report on standard output. ERR_CORRUPT when something is damaged. */
int check_command_run(const struct config *config, struct error *err)
    __attribute__((warn_unused_result));

/* The same for any folder; prints problems, and with `summary` what is intact. */
int check_command_look(const char *dir, bool summary, struct error *err)
    __attribute__((warn_unused_result));

#endif
