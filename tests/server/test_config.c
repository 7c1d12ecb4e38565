/* Flag over environment over file over default; what is wrong is said. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct config config;
static struct error err;

/* Loads the words of a command line behind "backpropd". */
static int load(const char *line)
{
    static char copy[1024];
    char *argv[32] = {(char[]){"backpropd"}};
    int argc = 1;
    snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    error_clear(&err);
    int rc = config_load(argc, argv, &config, &err);
    assert_int_equal(rc != 0, err.code != 0);
    return rc;
}

static void expect_wrong(const char *line, const char *says)
{
    assert_int_equal(load(line), ERR_INVALID);
    assert_non_null(strstr(err.text, says));
    config_release(&config);
}

static void test_defaults_are_those_of_the_contract(void **state)
{
    (void)state;
    assert_int_equal(load(""), 0);
    assert_int_equal(config.command, COMMAND_SERVE);
    assert_string_equal(config.data_dir, "./data");
    assert_string_equal(config.listen, "127.0.0.1:8080");
    assert_int_equal(config.workers, 0);
    assert_false(config.require_token);
    assert_int_equal(config.max_upload_bytes, INT64_C(8) << 30);
    assert_int_equal(config.limits.connections, 4096);
    assert_int_equal(config.limits.min_rate, 1024);
    assert_int_equal(config.limits.free_bytes, LIMITS_FREE_AUTO);
    config_release(&config);
}

static void test_flags_are_read(void **state)
{
    (void)state;
    assert_int_equal(load("--data /d --listen=[::1]:0 --workers 3 --require-token "
                          "--max-upload 512M --max-expanded 1000"),
                     0);
    assert_string_equal(config.data_dir, "/d");
    assert_string_equal(config.listen, "[::1]:0");
    assert_int_equal(config.workers, 3);
    assert_true(config.require_token);
    assert_int_equal(config.max_upload_bytes, INT64_C(512) << 20);
    assert_int_equal(config.max_expanded_bytes, 1000);
    config_release(&config);
}

static void test_flag_wins_over_environment_over_file(void **state)
{
    (void)state;
    char path[] = "/tmp/test_config.XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "; a comment\nworkers = 1\ndata = /file\n[backpropd]\n"
                               "listen = 127.0.0.1:1\nrequire-token = yes\n";
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    setenv("BACKPROPD_CONFIG", path, 1);
    setenv("BACKPROPD_WORKERS", "2", 1);
    setenv("BACKPROPD_DATA", "/environment", 1);
    assert_int_equal(load("--workers 3"), 0);
    unsetenv("BACKPROPD_CONFIG");
    unsetenv("BACKPROPD_WORKERS");
    unsetenv("BACKPROPD_DATA");
    unlink(path);
    assert_int_equal(config.workers, 3);
    assert_string_equal(config.data_dir, "/environment");
    assert_string_equal(config.listen, "127.0.0.1:1");
    assert_true(config.require_token);
    config_release(&config);
}

static void test_mistakes_in_the_file_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {{"wrkers = 1\n", "wrkers"},
                 {"[server]\nworkers = 1\n", "server"},
                 {"workers = many\n", "workers"},
                 {"scope = admin\n", "scope"},
                 {"this is nothing\n", "line 1"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path[] = "/tmp/test_config.XXXXXX";
        int fd = mkstemp(path);
        ssize_t length = (ssize_t)strlen(cases[i].text);
        assert_int_equal(write(fd, cases[i].text, (size_t)length), length);
        close(fd);
        char line[64];
        snprintf(line, sizeof(line), "--config %s", path);
        expect_wrong(line, cases[i].says);
        unlink(path);
    }
    expect_wrong("--config /tmp/there/is/none", "/tmp/there/is/none");
}

static void test_wrong_command_lines_are_refused(void **state)
{
    (void)state;
    expect_wrong("--wrong", "--wrong");
    expect_wrong("--scope admin", "--scope");
    expect_wrong("--data", "--data");
    expect_wrong("serve", "serve");
    expect_wrong("healthcheck now", "now");
    expect_wrong("--workers 0", "--workers");
    expect_wrong("--workers 5000", "--workers");
    expect_wrong("--workers 3x", "3x");
    expect_wrong("--workers -1", "-1");
    expect_wrong("--max-upload 1X", "1X");
    expect_wrong("--max-upload 99999999999999999999", "--max-upload");
    expect_wrong("--max-upload 9223372036854775807T", "--max-upload");
    expect_wrong("token create a b c d", "\"d\"");
}

static void test_commands_have_their_own_options(void **state)
{
    (void)state;
    assert_int_equal(
        load("token create --scope admin --name ci --expires-days 7 --data /d"), 0);
    assert_int_equal(config.command, COMMAND_TOKEN);
    assert_int_equal(config.word_count, 1);
    assert_string_equal(config.words[0], "create");
    assert_string_equal(config.scope, "admin");
    assert_string_equal(config.name, "ci");
    assert_int_equal(config.expires_days, 7);
    config_release(&config);
    assert_int_equal(load("token revoke tok_1"), 0);
    assert_int_equal(config.word_count, 2);
    assert_string_equal(config.words[1], "tok_1");
    config_release(&config);
    assert_int_equal(load("healthcheck --listen 127.0.0.1:9"), 0);
    assert_int_equal(config.command, COMMAND_HEALTHCHECK);
    assert_string_equal(config.listen, "127.0.0.1:9");
    config_release(&config);
    assert_int_equal(load("--help"), 0);
    assert_int_equal(config.command, COMMAND_HELP);
    config_release(&config);
    assert_int_equal(load("--version"), 0);
    assert_int_equal(config.command, COMMAND_VERSION);
    config_release(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_those_of_the_contract),
        cmocka_unit_test(test_flags_are_read),
        cmocka_unit_test(test_flag_wins_over_environment_over_file),
        cmocka_unit_test(test_mistakes_in_the_file_are_named),
        cmocka_unit_test(test_wrong_command_lines_are_refused),
        cmocka_unit_test(test_commands_have_their_own_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
