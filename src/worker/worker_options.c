/* See worker_options.h. */
#include "worker_options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

enum option_value {
    OPTION_SANDBOX,
    OPTION_MEMORY,
    OPTION_THREADS,
    OPTION_FILE,
    OPTION_PROBE
};

static int parse_count(const char *name, const char *text, int64_t *ret_count,
                       struct error *err)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || !isdigit((unsigned char)text[0]))
        return error_set(err, ERR_INVALID, "--%s: expected a number, found \"%.40s\"",
                         name, text);
    *ret_count = value;
    return 0;
}

int worker_options_parse(int argc, char **argv, struct worker_options *ret_options,
                         struct error *err)
{
    static const struct option table[] = {
        {"sandbox", required_argument, NULL, OPTION_SANDBOX},
        {"memory-mb", required_argument, NULL, OPTION_MEMORY},
        {"threads", required_argument, NULL, OPTION_THREADS},
        {"file-mb", required_argument, NULL, OPTION_FILE},
        {"probe", no_argument, NULL, OPTION_PROBE},
        {NULL, 0, NULL, 0}};
    struct worker_options options = {.sandbox = SANDBOX_AUTO, .limits = {-1, 1, -1}};
    opterr = 0;
    int found, rc = 0;
    while (rc == 0 && (found = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (found == OPTION_SANDBOX) {
            if (!sandbox_policy_parse(optarg, &options.sandbox))
                rc = error_set(
                    err, ERR_INVALID,
                    "--sandbox: expected strict, auto or none, found \"%.40s\"", optarg);
        } else if (found == OPTION_MEMORY) {
            rc = parse_count("memory-mb", optarg, &options.limits.memory_mb, err);
        } else if (found == OPTION_THREADS) {
            rc = parse_count("threads", optarg, &options.limits.threads, err);
        } else if (found == OPTION_FILE) {
            rc = parse_count("file-mb", optarg, &options.limits.file_mb, err);
        } else if (found == OPTION_PROBE) {
            options.probe = true;
        } else {
            rc =
                error_set(err, ERR_INVALID, "unknown option \"%.40s\"", argv[optind - 1]);
        }
    }
    if (rc == 0 && optind < argc)
        rc = error_set(err, ERR_INVALID, "unexpected argument \"%.40s\"", argv[optind]);
    if (rc == 0)
        *ret_options = options;
    return rc;
}
