/* Log lines, read back from a pipe in the place of standard error. */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define LINE_SIZE 4096

/* Runs one call with standard error in a pipe; ret_line is what it wrote. */
#define CAPTURE(call, ret_line)                                                          \
    do {                                                                                 \
        int ends[2], kept = dup(STDERR_FILENO);                                          \
        assert_true(kept >= 0 && pipe(ends) == 0);                                       \
        dup2(ends[1], STDERR_FILENO);                                                    \
        close(ends[1]);                                                                  \
        call;                                                                            \
        dup2(kept, STDERR_FILENO);                                                       \
        close(kept);                                                                     \
        ssize_t got = read(ends[0], ret_line, LINE_SIZE - 1);                            \
        assert_true(got >= 0);                                                           \
        (ret_line)[got] = '\0';                                                          \
        close(ends[0]);                                                                  \
    } while (0)

static void test_line_has_time_level_event_and_pairs(void **state)
{
    (void)state;
    char line[LINE_SIZE];
    CAPTURE(log_event(LOG_WARN, "job_failed", "job=%s attempt=%d", "job_1", 2), line);
    assert_memory_equal(line, "ts=20", 5);
    assert_non_null(strstr(line, "Z level=warn event=job_failed job=job_1 attempt=2\n"));
    CAPTURE(log_event(LOG_ERROR, "ended", "%s", ""), line);
    assert_non_null(strstr(line, "level=error event=ended"));
    assert_int_equal(line[strlen(line) - 1], '\n');
}

static void test_lower_levels_are_dropped(void **state)
{
    (void)state;
    char line[LINE_SIZE];
    CAPTURE(log_event(LOG_DEBUG, "detail", "%s", ""), line);
    assert_string_equal(line, "");
    log_set_level(LOG_ERROR);
    CAPTURE(log_event(LOG_WARN, "detail", "%s", ""), line);
    assert_string_equal(line, "");
    log_set_level(LOG_DEBUG);
    CAPTURE(log_event(LOG_DEBUG, "detail", "%s", ""), line);
    assert_non_null(strstr(line, "level=debug"));
    log_set_level(LOG_INFO);
}

static void test_long_line_is_cut_and_still_ends(void **state)
{
    (void)state;
    char value[3000], line[LINE_SIZE];
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    CAPTURE(log_event(LOG_INFO, "long", "value=%s", value), line);
    assert_int_equal(strlen(line), 2047);
    assert_int_equal(line[2046], '\n');
    assert_null(memchr(line, '\n', 2046));
}

static void test_quoted_text_cannot_forge_a_line(void **state)
{
    (void)state;
    char buffer[64];
    assert_string_equal(log_quote("plain", buffer, sizeof(buffer)), "\"plain\"");
    assert_string_equal(log_quote("", buffer, sizeof(buffer)), "\"\"");
    assert_string_equal(log_quote("a\"b\\c", buffer, sizeof(buffer)), "\"a\\\"b\\\\c\"");
    assert_string_equal(log_quote("x\nevent=y\x1b\x7f", buffer, sizeof(buffer)),
                        "\"x\\x0aevent=y\\x1b\\x7f\"");
}

static void test_quoted_text_is_cut_to_its_buffer(void **state)
{
    (void)state;
    for (unsigned size = 8; size < 40; size++) {
        char buffer[64], text[64];
        memset(buffer, '#', sizeof(buffer));
        memset(text, '\n', sizeof(text) - 1); /* the longest escapes */
        text[sizeof(text) - 1] = '\0';
        log_quote(text, buffer, size);
        assert_true(strlen(buffer) < size);
        assert_int_equal(buffer[strlen(buffer) - 1], '"');
        assert_int_equal(buffer[size], '#');
    }
}

static void test_json_lines_are_objects(void **state)
{
    (void)state;
    char line[LINE_SIZE];
    log_set_format(LOG_JSON);
    CAPTURE(log_event(LOG_WARN, "job_failed", "job=%s attempt=%d", "job_1", 2), line);
    log_set_format(LOG_LOGFMT);
    assert_memory_equal(line, "{\"ts\":\"20", 9);
    assert_non_null(strstr(line, "\"level\":\"warn\",\"event\":\"job_failed\","
                                 "\"job\":\"job_1\",\"attempt\":2}\n"));
}

static void log_to_journal(void)
{
    struct stat file;
    char stream[64];
    assert_int_equal(fstat(STDERR_FILENO, &file), 0);
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)file.st_dev,
             (unsigned long long)file.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_set_format(LOG_LOGFMT);
    log_event(LOG_ERROR, "broken", "a=1");
    log_event(LOG_WARN, "odd", "a=1");
    log_set_format(LOG_JSON);
    log_event(LOG_INFO, "fine", "a=1");
}

static void test_lines_to_the_journal_have_a_priority(void **state)
{
    (void)state;
    char line[LINE_SIZE];
    CAPTURE(log_to_journal(), line);
    assert_memory_equal(line, "<3>ts=", 6);
    assert_non_null(strstr(line, "\n<4>ts="));
    assert_non_null(strstr(line, "\n<6>{\"ts\":"));
    setenv("JOURNAL_STREAM", "1:1", 1); /* of another descriptor */
    log_set_format(LOG_LOGFMT);
    CAPTURE(log_event(LOG_ERROR, "broken", "a=1"), line);
    assert_memory_equal(line, "ts=", 3);
    unsetenv("JOURNAL_STREAM");
    log_set_format(LOG_LOGFMT);
}

static void test_lines_are_counted_by_level(void **state)
{
    (void)state;
    int64_t warned = log_count(LOG_WARN), debugged = log_count(LOG_DEBUG);
    char line[LINE_SIZE];
    CAPTURE(log_event(LOG_WARN, "counted", "a=1"), line);
    CAPTURE(log_event(LOG_DEBUG, "dropped", "a=1"), line);
    assert_int_equal(log_count(LOG_WARN), warned + 1);
    assert_int_equal(log_count(LOG_DEBUG), debugged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_has_time_level_event_and_pairs),
        cmocka_unit_test(test_lower_levels_are_dropped),
        cmocka_unit_test(test_long_line_is_cut_and_still_ends),
        cmocka_unit_test(test_quoted_text_cannot_forge_a_line),
        cmocka_unit_test(test_quoted_text_is_cut_to_its_buffer),
        cmocka_unit_test(test_json_lines_are_objects),
        cmocka_unit_test(test_lines_to_the_journal_have_a_priority),
        cmocka_unit_test(test_lines_are_counted_by_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
