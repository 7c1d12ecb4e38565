/* A child process that enters the workers' sandbox and does one thing there. */
#ifndef BACKPROP_TESTS_SANDBOX_CHILD_H
#define BACKPROP_TESTS_SANDBOX_CHILD_H

#include <stdbool.h>

/* What became of it. */
struct child_end {
    int signal;      /* that ended it, or 0 */
    int exit_status; /* what the function returned, when signal is 0 */
    char words[512]; /* its standard error */
};

/* Runs function(context) in a child, inside the sandbox unless `open_air`. */
void child_run(int (*function)(const void *context), const void *context, bool open_air,
               struct child_end *ret_end);

#endif
