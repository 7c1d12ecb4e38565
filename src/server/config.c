/* See config.h. One table says it all: flag, type, default, and
 * which commands take it. */
#include "config.h"

#include "base/memory.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <ini.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum option_type { TYPE_TEXT, TYPE_NUMBER, TYPE_BYTES, TYPE_SWITCH };

struct option_row {
    const char *name; /* of the flag and in the file; BACKPROPD_<NAME> elsewhere */
    enum option_type type;
    unsigned commands; /* that take it */
    size_t offset;     /* of its field in struct config */
    int64_t minimum, maximum;
    const char *fallback; /* NULL: the field stays empty */
    const char *argument, *help;
};

#define FIELD(field) offsetof(struct config, field)
#define GIB (INT64_C(1) << 30)
#define FOLDER_COMMANDS (COMMAND_CHECK | COMMAND_BACKUP | COMMAND_RESTORE)
#define ALL (COMMAND_SERVE | COMMAND_TOKEN | COMMAND_HEALTHCHECK | FOLDER_COMMANDS)

static const struct option_row options[] = {
    {"data", TYPE_TEXT, COMMAND_SERVE | COMMAND_TOKEN | FOLDER_COMMANDS, FIELD(data_dir),
     0, 0, "./data", "DIR", "the data folder (./data)"},
    {"listen", TYPE_TEXT, COMMAND_SERVE | COMMAND_HEALTHCHECK, FIELD(listen), 0, 0,
     "127.0.0.1:8080", "HOST:PORT",
     "where to listen (127.0.0.1:8080); port 0 takes a free one"},
    {"workers", TYPE_NUMBER, COMMAND_SERVE, FIELD(workers), 1, 4096, NULL, "N",
     "slots for training threads (the number of cores)"},
    {"memory", TYPE_BYTES, COMMAND_SERVE, FIELD(memory_bytes), INT64_C(1) << 20,
     1024 * 1024 * GIB, NULL, "SIZE",
     "what jobs may take together, as predicted (the machine's memory)"},
    {"config", TYPE_TEXT, ALL, FIELD(file), 0, 0, NULL, "FILE",
     "an INI file with these options, such as: workers = 4"},
    {"require-token", TYPE_SWITCH, COMMAND_SERVE, FIELD(require_token), 0, 1, NULL, NULL,
     "ask for a token on a loopback address, too"},
    {"allow-host", TYPE_TEXT, COMMAND_SERVE, FIELD(allow_hosts), 0, 0, NULL, "NAMES",
     "names that clients know this server by, beside the address of --listen"},
    {"allow-origin", TYPE_TEXT, COMMAND_SERVE, FIELD(allow_origins), 0, 0, NULL,
     "ORIGINS", "sites whose pages may use the API (https://train.example)"},
    {"tls-cert", TYPE_TEXT, COMMAND_SERVE | COMMAND_HEALTHCHECK, FIELD(tls_certificate),
     0, 0, NULL, "FILE", "speak TLS: PEM certificates, the server's own first"},
    {"tls-key", TYPE_TEXT, COMMAND_SERVE, FIELD(tls_key), 0, 0, NULL, "FILE",
     "its PEM key; both are read anew on SIGHUP"},
    {"hsts", TYPE_NUMBER, COMMAND_SERVE, FIELD(hsts_seconds), 0, INT64_C(63072000), "0",
     "SECONDS", "for so long browsers shall use TLS alone (0: not said)"},
    {"cacert", TYPE_TEXT, COMMAND_HEALTHCHECK, FIELD(ca_certificate), 0, 0, NULL, "FILE",
     "healthcheck: PEM certificates that may vouch for the server's"},
    {"audit-rows", TYPE_NUMBER, COMMAND_SERVE | COMMAND_TOKEN, FIELD(audit_rows), 1000,
     INT64_C(1000000000), "1000000", "N",
     "changes that the audit log remembers (1000000)"},
    {"max-upload", TYPE_BYTES, COMMAND_SERVE, FIELD(max_upload_bytes), 1, 1024 * GIB,
     "8G", "SIZE", "the largest dataset upload (8G)"},
    {"max-expanded", TYPE_BYTES, COMMAND_SERVE, FIELD(max_expanded_bytes), 1, 1024 * GIB,
     "32G", "SIZE", "what a compressed upload may expand to (32G)"},
    {"max-connections", TYPE_NUMBER, COMMAND_SERVE, FIELD(limits.connections), 16, 65536,
     "4096", "N", "connections at once (4096)"},
    {"max-connections-per-address", TYPE_NUMBER, COMMAND_SERVE,
     FIELD(limits.connections_per_address), 0, 65536, "2048", "N",
     "of those, from one address (2048; 0: as many as there may be)"},
    {"header-timeout", TYPE_NUMBER, COMMAND_SERVE, FIELD(limits.header_seconds), 1, 3600,
     "30", "S", "seconds for a request's head to arrive (30)"},
    {"body-timeout", TYPE_NUMBER, COMMAND_SERVE, FIELD(limits.body_seconds), 1, 604800,
     "21600", "S", "seconds for a request's body to arrive (21600)"},
    {"min-rate", TYPE_BYTES, COMMAND_SERVE, FIELD(limits.min_rate), 0, GIB, "1K", "SIZE",
     "bytes a second that a client sends or reads at least (1K; 0: any)"},
    {"max-streams", TYPE_NUMBER, COMMAND_SERVE, FIELD(limits.streams), 1, 65536, "2048",
     "N", "live event streams at once (2048)"},
    {"max-streams-per-address", TYPE_NUMBER, COMMAND_SERVE,
     FIELD(limits.streams_per_address), 0, 65536, "1024", "N",
     "of those, from one address (1024; 0: as many as there may be)"},
    {"max-uploads", TYPE_NUMBER, COMMAND_SERVE, FIELD(limits.uploads), 1, 65536, "1024",
     "N", "uploads at once (1024)"},
    {"max-datasets", TYPE_NUMBER, COMMAND_SERVE, FIELD(limits.datasets), 1, 1000000,
     "10000", "N", "datasets that are kept (10000)"},
    {"max-queue", TYPE_NUMBER, COMMAND_SERVE, FIELD(limits.queued_jobs), 1, 10000000,
     "250000", "N", "jobs that wait in the queue (250000)"},
    {"max-stored", TYPE_BYTES, COMMAND_SERVE, FIELD(limits.stored_bytes), 0,
     1024 * 1024 * GIB, "0", "SIZE",
     "bytes of database and datasets over which nothing new is taken (0: any)"},
    {"min-free", TYPE_BYTES, COMMAND_SERVE, FIELD(limits.free_bytes), 0,
     1024 * 1024 * GIB, NULL, "SIZE",
     "bytes of the disk that nothing new may take (64M, or less of a "
     "small disk)"},
    {"worker", TYPE_TEXT, COMMAND_SERVE, FIELD(worker_path), 0, 0, NULL, "PATH",
     "the backprop-worker program (beside this one)"},
    {"sandbox", TYPE_TEXT, COMMAND_SERVE, FIELD(sandbox), 0, 0, "auto", "HOW",
     "strict: workers are confined fully or nothing starts; auto, none (auto)"},
    {"worker-silence", TYPE_NUMBER, COMMAND_SERVE, FIELD(worker_silence), 1, 86400, "60",
     "SECONDS", "a worker that says nothing for so long is replaced (60)"},
    {"http-threads", TYPE_NUMBER, COMMAND_SERVE, FIELD(http_threads), 1, 64, "4", "N",
     "threads that serve HTTP (4)"},
    {"log-level", TYPE_TEXT, COMMAND_SERVE, FIELD(log_level), 0, 0, "info", "LEVEL",
     "debug, info, warn or error (info)"},
    {"log-format", TYPE_TEXT, COMMAND_SERVE, FIELD(log_format), 0, 0, "logfmt", "FORMAT",
     "logfmt or json (logfmt)"},
    {"access-log", TYPE_SWITCH, COMMAND_SERVE, FIELD(access_log), 0, 1, NULL, NULL,
     "a line for every request at level info, not debug"},
    {"to", TYPE_TEXT, COMMAND_BACKUP, FIELD(to), 0, 0, NULL, "DIR",
     "backup: the folder to make"},
    {"from", TYPE_TEXT, COMMAND_RESTORE, FIELD(from), 0, 0, NULL, "DIR",
     "restore: the backup to take"},
    {"scope", TYPE_TEXT, COMMAND_TOKEN, FIELD(scope), 0, 0, NULL, "SCOPE",
     "token create: read, submit or admin"},
    {"name", TYPE_TEXT, COMMAND_TOKEN, FIELD(name), 0, 0, "", "NAME",
     "token create: a name to know it by"},
    {"owner", TYPE_TEXT, COMMAND_TOKEN, FIELD(owner), 0, 0, NULL, "OWNER",
     "token create: whose objects it sees and makes (its own)"},
    {"expires-days", TYPE_NUMBER, COMMAND_TOKEN, FIELD(expires_days), 1, 36500, NULL, "N",
     "token create: days until it expires (never)"},
};

#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

/* "512M" and the like; false when it is none. */
static bool parse_number(const char *text, bool with_unit, int64_t *ret_value)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || !isdigit((unsigned char)text[0]))
        return false;
    int shift = 0;
    if (with_unit && *end != '\0') {
        static const char units[] = "KMGT";
        const char *unit = strchr(units, toupper((unsigned char)*end));
        if (!unit)
            return false;
        shift = 10 * (int)(unit - units + 1);
        end++;
    }
    if (*end != '\0' || value > INT64_MAX >> shift)
        return false;
    *ret_value = value << shift;
    return true;
}

static bool parse_switch(const char *text, bool *ret_value)
{
    static const char *const words[2][4] = {{"false", "no", "off", "0"},
                                            {"true", "yes", "on", "1"}};
    for (int value = 0; value < 2; value++)
        for (int i = 0; i < 4; i++)
            if (strcmp(words[value][i], text) == 0) {
                *ret_value = value == 1;
                return true;
            }
    return false;
}

/* Sets the option's field from text; `source` is said in errors: "--workers". */
static int set(struct config *config, const struct option_row *option, const char *text,
               const char *source, struct error *err)
{
    char *field = (char *)config + option->offset;
    if (option->type == TYPE_TEXT) {
        char *copy = mem_strdup(text);
        if (!copy)
            return error_set(err, ERR_NOMEM, "no memory for the configuration");
        free(*(char **)field);
        *(char **)field = copy;
        return 0;
    }
    if (option->type == TYPE_SWITCH) {
        if (parse_switch(text, (bool *)field))
            return 0;
        return error_set(err, ERR_INVALID, "%s: expected true or false, found \"%.60s\"",
                         source, text);
    }
    int64_t value;
    if (!parse_number(text, option->type == TYPE_BYTES, &value) ||
        value < option->minimum || value > option->maximum)
        return error_set(
            err, ERR_INVALID, "%s: expected %s from %lld to %lld, found \"%.60s\"",
            source, option->type == TYPE_BYTES ? "a size (such as 512M)" : "a number",
            (long long)option->minimum, (long long)option->maximum, text);
    *(int64_t *)field = value;
    return 0;
}

static const struct option_row *find_option(const char *name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

static int set_defaults(struct config *config, struct error *err)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (!options[i].fallback)
            continue;
        int rc = set(config, &options[i], options[i].fallback, options[i].name, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

struct file_reader {
    struct config *config;
    struct error *err;
};

/* inih's callback: 0 is an error. */
static int read_entry(void *context, const char *section, const char *name,
                      const char *value)
{
    struct file_reader *reader = context;
    if (section[0] != '\0' && strcmp(section, "backpropd") != 0) {
        error_set(reader->err, ERR_INVALID,
                  "the configuration file has an unknown section \"%.60s\"", section);
        return 0;
    }
    const struct option_row *option = find_option(name);
    if (!option || !(option->commands & COMMAND_SERVE)) {
        error_set(reader->err, ERR_INVALID,
                  "the configuration file has an unknown option \"%.60s\"", name);
        return 0;
    }
    return set(reader->config, option, value, name, reader->err) == 0;
}

static int read_file(struct config *config, struct error *err)
{
    if (!config->file)
        return 0;
    struct file_reader reader = {config, err};
    int line = ini_parse(config->file, read_entry, &reader);
    if (line == 0)
        return 0;
    if (line < 0)
        return error_set(err, ERR_INVALID, "the configuration file %.200s cannot be read",
                         config->file);
    return error_set(err, ERR_INVALID, "the configuration file has a mistake in line %d",
                     line);
}

static int read_environment(struct config *config, struct error *err)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (!(options[i].commands & config->command))
            continue;
        char name[64] = "BACKPROPD_";
        size_t length = strlen(name);
        for (const char *c = options[i].name; *c != '\0'; c++)
            name[length++] = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
        name[length] = '\0';
        const char *value = getenv(name);
        int rc = value ? set(config, &options[i], value, name, err) : 0;
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* The command by the first word; an option or nothing: serve. */
static enum config_command find_command(int argc, char **argv)
{
    static const struct {
        const char *word;
        enum config_command command;
    } commands[] = {{"token", COMMAND_TOKEN},
                    {"check", COMMAND_CHECK},
                    {"backup", COMMAND_BACKUP},
                    {"restore", COMMAND_RESTORE},
                    {"healthcheck", COMMAND_HEALTHCHECK}};
    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[1], commands[i].word) == 0)
            return commands[i].command;
    return COMMAND_SERVE;
}

static int read_words(struct config *config, int argc, char **argv, struct error *err)
{
    int first = optind + (config->command != COMMAND_SERVE);
    for (int i = first; i < argc; i++) {
        if (config->command != COMMAND_TOKEN || config->word_count == CONFIG_MAX_WORDS)
            return error_set(err, ERR_INVALID, "unexpected argument \"%.60s\"", argv[i]);
        config->words[config->word_count++] = argv[i];
    }
    return 0;
}

/* One pass over the flags. The first pass wants --config alone, the second sets all. */
static int read_flags(struct config *config, int argc, char **argv, bool only_file,
                      struct error *err)
{
    struct option table[OPTION_COUNT + 3] = {0};
    int count = 0;
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (options[i].commands & config->command)
            table[count++] = (struct option){
                options[i].name,
                options[i].type == TYPE_SWITCH ? no_argument : required_argument, NULL,
                (int)i};
    table[count++] = (struct option){"help", no_argument, NULL, 'h'};
    table[count++] = (struct option){"version", no_argument, NULL, 'V'};
    _Static_assert(OPTION_COUNT < 'A', "an option's index is no letter");
    opterr = 0;
    optind = 0; /* starts anew, in glibc's words */
    int found;
    while ((found = getopt_long(argc, argv, ":hV", table, NULL)) != -1) {
        if (found == '?' || found == ':')
            return error_set(err, ERR_INVALID, "%s %.60s",
                             found == '?' ? "unknown option" : "a value is missing after",
                             argv[optind - 1]);
        if (found == 'h' || found == 'V') {
            config->command = found == 'h' ? COMMAND_HELP : COMMAND_VERSION;
            return 0;
        }
        const struct option_row *option = &options[found];
        if (only_file && option->offset != FIELD(file))
            continue;
        char source[64];
        snprintf(source, sizeof(source), "--%s", option->name);
        int rc = set(config, option, optarg ? optarg : "true", source, err);
        if (rc != 0)
            return rc;
    }
    return only_file ? 0 : read_words(config, argc, argv, err);
}

int config_load(int argc, char **argv, struct config *ret_config, struct error *err)
{
    struct config *config = ret_config;
    *config = (struct config){.command = find_command(argc, argv),
                              .limits.free_bytes = LIMITS_FREE_AUTO};
    int rc = set_defaults(config, err);
    if (rc == 0)
        rc = read_flags(config, argc, argv, true, err);
    if (config->command == COMMAND_HELP || config->command == COMMAND_VERSION)
        return 0;
    const char *file = getenv("BACKPROPD_CONFIG");
    if (rc == 0 && !config->file && file)
        rc = set(config, find_option("config"), file, "BACKPROPD_CONFIG", err);
    if (rc == 0)
        rc = read_file(config, err);
    if (rc == 0)
        rc = read_environment(config, err);
    return rc == 0 ? read_flags(config, argc, argv, false, err) : rc;
}

void config_release(struct config *config)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (options[i].type == TYPE_TEXT)
            free(*(char **)((char *)config + options[i].offset));
    *config = (struct config){0};
}

static void print_options(FILE *stream, unsigned command)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (!(options[i].commands & command))
            continue;
        char flag[64];
        snprintf(flag, sizeof(flag), "--%s%s%s", options[i].name,
                 options[i].argument ? " " : "",
                 options[i].argument ? options[i].argument : "");
        fprintf(stream, "  %-31s %s\n", flag, options[i].help);
    }
}

void config_print_help(FILE *stream)
{
    fputs("usage: backpropd [options]\n"
          "       backpropd token create --scope SCOPE [--owner OWNER] [--name NAME]\n"
          "       backpropd token list [--data DIR]\n"
          "       backpropd token revoke ID [--data DIR]\n"
          "       backpropd check [--data DIR]\n"
          "       backpropd backup --to DIR [--data DIR]\n"
          "       backpropd restore --from DIR [--data DIR]\n"
          "       backpropd healthcheck [--listen HOST:PORT]\n\n"
          "Trains neural networks for those who ask over HTTP.\n\nOptions:\n",
          stream);
    print_options(stream, COMMAND_SERVE);
    fputs("  --help, --version\n\nOptions of token:\n", stream);
    print_options(stream, COMMAND_TOKEN);
    fputs("\nOptions of check, backup and restore:\n", stream);
    print_options(stream, FOLDER_COMMANDS);
    fputs("\nOptions of healthcheck:\n", stream);
    print_options(stream, COMMAND_HEALTHCHECK);
    fputs("\nEach option can be set in the environment, too: BACKPROPD_MAX_UPLOAD for\n"
          "--max-upload. A flag wins over the environment, that over the file.\n",
          stream);
}
