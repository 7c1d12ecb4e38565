/*
 * The configuration of the daemon and its sub-commands: a flag wins over the environment
 * (BACKPROPD_DATA for --data), that over the file (INI: data = …), that over the default.
 */
#ifndef BACKPROPD_CONFIG_H
#define BACKPROPD_CONFIG_H

#include "base/error.h"
#include "http/limits.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CONFIG_MAX_WORDS 4

enum config_command {
    COMMAND_SERVE = 1,
    COMMAND_TOKEN = 2,
    COMMAND_HEALTHCHECK = 4,
    COMMAND_HELP = 8,
    COMMAND_VERSION = 16,
    COMMAND_CHECK = 32,
    COMMAND_BACKUP = 64,
    COMMAND_RESTORE = 128
};

struct config {
    enum config_command command;
    char *data_dir; /* the strings are owned */
    char *listen;
    char *worker_path; /* NULL: beside this program */
    char *log_level, *log_format;
    char *file;             /* NULL: none */
    int64_t workers;        /* slots; 0: the number of cores */
    int64_t memory_bytes;   /* for jobs; 0: the machine's */
    char *sandbox;          /* of workers: "strict", "auto", "none", not checked */
    int64_t worker_silence; /* seconds */
    int64_t http_threads;
    int64_t max_upload_bytes, max_expanded_bytes;
    char *tls_certificate, *tls_key; /* PEM files; NULL: plain HTTP */
    char *ca_certificate;            /* healthcheck; NULL: it checks no certificate */
    int64_t hsts_seconds;
    int64_t audit_rows;
    char *allow_hosts, *allow_origins; /* lists, see http/site_policy.h; NULL: none */
    struct http_limits limits;
    bool require_token, access_log;

    char *to, *from;            /* backup, restore */
    char *scope, *name, *owner; /* token create */
    int64_t expires_days;
    int word_count; /* what is left of the command line: "create", an ID */
    const char *words[CONFIG_MAX_WORDS];
};

/* Reads command line, environment and file. ERR_INVALID: the text says what is wrong, fit
 * for standard error. The configuration is to be released in either case. */
int config_load(int argc, char **argv, struct config *ret_config, struct error *err)
    __attribute__((warn_unused_result));
void config_release(struct config *config);

/* What --help says. */
void config_print_help(FILE *stream);

#endif
