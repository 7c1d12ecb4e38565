/* See token_command.h. */
#include "token_command.h"

#include "base/clock.h"
#include "store/tokens.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define US_PER_DAY (INT64_C(86400) * 1000000)

static const char *const scope_names[] = {
    [SCOPE_READ] = "read", [SCOPE_SUBMIT] = "submit", [SCOPE_ADMIN] = "admin"};

/* A write and what goes in and out of it. */
struct token_write {
    struct store_write write; /* first: a pointer to it is one to this */
    const struct config *config;
    enum token_scope scope;
    char text[TOKEN_TEXT_SIZE];
    char id[ID_SIZE];
};

static int create_run(struct db *db, struct store_write *write, struct error *err)
{
    struct token_write *token = (struct token_write *)write;
    int64_t now = clock_wall_us();
    int64_t days = token->config->expires_days;
    return tokens_create(db, token->config->name, token->scope,
                         days > 0 ? now + days * US_PER_DAY : 0, now, token->text,
                         token->id, err);
}

static int create(struct store *store, const struct config *config, struct error *err)
{
    struct token_write token = {.write = {.run = create_run}, .config = config};
    for (int scope = SCOPE_READ; scope <= SCOPE_ADMIN; scope++)
        if (config->scope && strcmp(scope_names[scope], config->scope) == 0)
            token.scope = (enum token_scope)scope;
    if (token.scope == 0)
        return error_set(err, ERR_INVALID,
                         "token create: expected --scope read, submit or "
                         "admin");
    int rc = store_write_wait(store, &token.write, err);
    if (rc == 0) {
        printf("%s\n", token.text);
        fprintf(stderr,
                "The token %s (scope %s). It is shown this once; send it as\n"
                "  Authorization: Bearer %s\n",
                token.id, config->scope, token.text);
    }
    return rc;
}

static void print_time(int64_t wall_us, const char *never)
{
    char text[CLOCK_RFC3339_SIZE];
    clock_format(wall_us, text);
    printf("  %-20.19s", wall_us > 0 ? text : never);
}

static int list(struct store *store, const struct config *config, struct error *err)
{
    (void)config;
    struct db *db = store_read_begin(store, err);
    if (!db)
        return ERR_IO;
    struct token_row *rows = NULL;
    size_t count = 0;
    int rc = tokens_list(db, &rows, &count, err);
    store_read_end(store, db);
    if (rc == 0)
        printf("%-31s %-7s  %-20s  %-20s  %-20s %s\n", "id", "scope", "created",
               "expires", "last used", "name");
    for (size_t i = 0; i < count; i++) {
        printf("%-31s %-7s", rows[i].id, scope_names[rows[i].scope]);
        print_time(rows[i].created_us, "-");
        print_time(rows[i].expires_us, "never");
        print_time(rows[i].last_used_us, "never");
        printf(" %s\n", rows[i].name ? rows[i].name : "");
        token_row_release(&rows[i]);
    }
    free(rows);
    return rc;
}

static int revoke_run(struct db *db, struct store_write *write, struct error *err)
{
    const struct token_write *token = (const struct token_write *)write;
    return tokens_delete(db, token->config->words[1], err);
}

static int revoke(struct store *store, const struct config *config, struct error *err)
{
    struct token_write token = {.write = {.run = revoke_run}, .config = config};
    int rc = store_write_wait(store, &token.write, err);
    if (rc == 0)
        printf("revoked %s\n", config->words[1]);
    return rc;
}

static const struct {
    const char *name;
    int words; /* with the verb itself */
    int (*run)(struct store *store, const struct config *config, struct error *err);
} verbs[] = {{"create", 1, create}, {"list", 1, list}, {"revoke", 2, revoke}};

int token_command_run(const struct config *config, struct error *err)
{
    size_t verb = 0;
    size_t count = sizeof(verbs) / sizeof(verbs[0]);
    while (verb < count && (config->word_count != verbs[verb].words ||
                            strcmp(verbs[verb].name, config->words[0]) != 0))
        verb++;
    if (verb == count)
        return error_set(
            err, ERR_INVALID,
            "expected: token create --scope SCOPE, token list, or token revoke "
            "ID");
    if (mkdir(config->data_dir, 0700) != 0 && errno != EEXIST)
        return error_set_errno(err, errno, "cannot make the folder %s", config->data_dir);
    struct store *store;
    struct error fault = {0};
    int rc = store_open(config->data_dir, &store, &fault);
    if (rc == ERR_BUSY)
        return error_set(
            err, rc,
            "a daemon is running on %s; stop it, make or revoke the token, and "
            "start it again",
            config->data_dir);
    if (rc != 0)
        return error_set(err, rc, "%s", fault.text);
    rc = verbs[verb].run(store, config, err);
    store_close(store);
    return rc;
}
