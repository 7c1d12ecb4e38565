/* backpropd: the daemon and its sub-commands. Exit status: 0, 1 for a failure, 2 for a
 * wrong command line or configuration. */
#include "backup_command.h"
#include "check_command.h"
#include "config.h"
#include "daemon.h"
#include "healthcheck.h"
#include "token_command.h"

#include <stdio.h>

static int run(const struct config *config, struct error *err)
{
    switch (config->command) {
    case COMMAND_SERVE:
        return daemon_run(config, err);
    case COMMAND_TOKEN:
        return token_command_run(config, err);
    case COMMAND_CHECK:
        return check_command_run(config, err);
    case COMMAND_BACKUP:
        return backup_command_run(config, err);
    case COMMAND_RESTORE:
        return restore_command_run(config, err);
    case COMMAND_HEALTHCHECK:
        return healthcheck_run(config, err);
    case COMMAND_HELP:
        config_print_help(stdout);
        return 0;
    case COMMAND_VERSION:
        printf("backpropd %s\n", BACKPROP_VERSION);
        return 0;
    }
    return ERR_INTERNAL;
}

int main(int argc, char **argv)
{
    struct config config;
    struct error err = {0};
    int rc = config_load(argc, argv, &config, &err);
    if (rc == 0)
        rc = run(&config, &err);
    if (rc != 0) {
        fprintf(stderr, "backpropd: %s\n", err.text);
        if (rc == ERR_INVALID)
            fputs("Try backpropd --help.\n", stderr);
    }
    config_release(&config);
    return rc == 0 ? 0 : rc == ERR_INVALID ? 2 : 1;
}
