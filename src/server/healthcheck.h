/* `backpropd healthcheck`: is a daemon alive at this address? For containers. */
#ifndef BACKPROPD_HEALTHCHECK_H
#define BACKPROPD_HEALTHCHECK_H

#include "config.h"

/* Asks GET /livez at host:port, by TLS if the configuration says so; 0 when the answer is
 * 200 within five seconds. A daemon that listens on all addresses is asked on the
 * loopback one. */
int healthcheck_run(const struct config *config, struct error *err)
    __attribute__((warn_unused_result));

#endif
