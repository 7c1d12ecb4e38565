/*
 * `backpropd backup --to DIR` and `backpropd restore --from DIR`.
 *
 * A backup is a data folder: the database as of one moment, and the dataset files that it
 * names. It is made beside a running daemon or without one, and is there only once it is
 * whole, synced and checked; a restore checks it again first, and only fills a data
 * folder that holds no store.
 */
#ifndef BACKPROPD_BACKUP_COMMAND_H
#define BACKPROPD_BACKUP_COMMAND_H

#include "config.h"

/* ERR_CONFLICT when the target exists, ERR_CORRUPT when what is there is damaged: then no
 * backup is left behind. */
int backup_command_run(const struct config *config, struct error *err)
    __attribute__((warn_unused_result));

/* ERR_CONFLICT when the data folder holds a store, ERR_BUSY when a daemon holds it. */
int restore_command_run(const struct config *config, struct error *err)
    __attribute__((warn_unused_result));

#endif
