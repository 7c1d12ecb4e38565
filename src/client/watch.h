/* Follows a job until it has ended. */
#ifndef BACKPROP_CLIENT_WATCH_H
#define BACKPROP_CLIENT_WATCH_H

#include "api.h"

/* Prints progress (one line that is rewritten on a terminal, otherwise a line a change)
 * and then the outcome. 0 when the job succeeded, ERR_CANCELLED when it did not. */
int watch_job(struct api *api, const char *job_id);

#endif
