/*
 * backprop: the command line client of backpropd. Everything it does is a call or two of
 * the HTTP API that curl could make as well; it saves typing.
 */
#include "api.h"
#include "commands.h"

#include <curl/curl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_URL "http://127.0.0.1:8080"

static void print_help(FILE *file)
{
    fprintf(file, "usage: backprop [options] COMMAND [words]\n\n");
    for (const struct command *command = command_table; command->name; command++)
        fprintf(file, "  %-9s %-20s %s\n", command->name, command->usage, command->help);
    fprintf(file, "\n"
                  "  --url URL          the server (BACKPROP_URL, else " DEFAULT_URL ")\n"
                  "  --token TOKEN      an access token (better in BACKPROP_TOKEN)\n"
                  "  --cacert FILE      certificates that may vouch for the server's\n"
                  "                     (BACKPROP_CACERT, else the system's)\n"
                  "  --name NAME        of an upload or a token\n"
                  "  --dataset ID       put into the spec of submit and validate\n"
                  "  --watch            submit: follow the job\n"
                  "  --output FILE      of download and metrics\n"
                  "  --format FORMAT    of download\n"
                  "  --max-tokens N, --temperature T, --top-k K, --seed S   of generate\n"
                  "  --help, --version\n");
}

static const struct command *find_command(const char *name)
{
    for (const struct command *command = command_table; command->name; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}

/* Options: those with a value first, in the order of `values` in read_options(). */
enum option_code {
    URL = 256,
    TOKEN,
    CACERT,
    NAME,
    DATASET,
    OUTPUT,
    FORMAT,
    MAX_TOKENS,
    TEMPERATURE,
    TOP_K,
    SEED,
    VALUES_END,
    WATCH,
    HELP,
    VERSION
};

static const struct option options[] = {
    {"url", required_argument, NULL, URL},
    {"token", required_argument, NULL, TOKEN},
    {"cacert", required_argument, NULL, CACERT},
    {"name", required_argument, NULL, NAME},
    {"dataset", required_argument, NULL, DATASET},
    {"output", required_argument, NULL, OUTPUT},
    {"format", required_argument, NULL, FORMAT},
    {"max-tokens", required_argument, NULL, MAX_TOKENS},
    {"temperature", required_argument, NULL, TEMPERATURE},
    {"top-k", required_argument, NULL, TOP_K},
    {"seed", required_argument, NULL, SEED},
    {"watch", no_argument, NULL, WATCH},
    {"help", no_argument, NULL, HELP},
    {"version", no_argument, NULL, VERSION},
    {NULL, 0, NULL, 0},
};

/* Options into `api` and `arguments`. -1: go on; otherwise the exit status. */
static int read_options(int argc, char **argv, struct api *api,
                        struct arguments *arguments)
{
    const char **const values[VALUES_END - URL] = {&api->url,
                                                   &api->token,
                                                   &api->ca_file,
                                                   &arguments->name,
                                                   &arguments->dataset,
                                                   &arguments->output,
                                                   &arguments->format,
                                                   &arguments->max_tokens,
                                                   &arguments->temperature,
                                                   &arguments->top_k,
                                                   &arguments->seed};
    for (int option; (option = getopt_long(argc, argv, "o:h", options, NULL)) != -1;) {
        if (option >= URL && option < VALUES_END) {
            *values[option - URL] = optarg;
            continue;
        }
        switch (option) {
        case WATCH:
            arguments->watch = 1;
            break;
        case 'o':
            arguments->output = optarg;
            break;
        case 'h':
        case HELP:
            print_help(stdout);
            return 0;
        case VERSION:
            printf("backprop %s\n", BACKPROP_VERSION);
            return 0;
        default:
            return 2;
        }
    }
    return -1;
}

static int run(int argc, char **argv)
{
    const char *url = getenv("BACKPROP_URL"), *token = getenv("BACKPROP_TOKEN");
    const char *ca_file = getenv("BACKPROP_CACERT");
    struct api api = {.url = url && url[0] ? url : DEFAULT_URL,
                      .token = token && token[0] ? token : NULL,
                      .ca_file = ca_file && ca_file[0] ? ca_file : NULL};
    struct arguments arguments = {0};
    int status = read_options(argc, argv, &api, &arguments);
    if (status >= 0)
        return status;
    if (optind == argc) {
        print_help(stderr);
        return 2;
    }
    const struct command *command = find_command(argv[optind]);
    if (!command) {
        fprintf(stderr, "backprop: there is no command \"%s\"; see backprop --help\n",
                argv[optind]);
        return 2;
    }
    arguments.words = argv + optind + 1;
    arguments.count = argc - optind - 1;
    if (arguments.count < command->minimum || arguments.count > command->maximum) {
        fprintf(stderr, "usage: backprop %s %s\n", command->name, command->usage);
        return 2;
    }
    if (command->run(&api, &arguments) == 0)
        return 0;
    fprintf(stderr, "backprop: %s\n", api.message);
    return 1;
}

int main(int argc, char **argv)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int status = run(argc, argv);
    curl_global_cleanup();
    return status;
}
