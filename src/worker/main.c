/*
 * backprop-worker: does one task that it is told on standard input and answers on
 * standard output. It takes no arguments; docs/ARCHITECTURE.md has the protocol.
 */
#include "base/log.h"
#include "channel.h"
#include "process_limits.h"
#include "session.h"

#include <stdlib.h>

int main(void)
{
    struct error err = {0};
    struct channel *channel = NULL;
    int rc = limits_apply(&err);
    if (rc == 0)
        rc = channel_open(&channel, &err);
    if (rc == 0)
        rc = session_run(channel, &err);
    if (err.code != 0 && err.code != ERR_EOF) {
        char text[2 * sizeof(err.text)];
        log_event(LOG_ERROR, "task_failed", "code=%s reason=%s",
                  error_code_name(err.code), log_quote(err.text, text, sizeof(text)));
    }
    channel_close(channel);
    return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
