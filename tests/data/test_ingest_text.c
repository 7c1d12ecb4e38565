/* Ingest of plain text: stored byte for byte, UTF-8 checked across chunks, refusals. */
#include "byte_fixture.h"
#include "ingest_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct dataset_array *stored(const struct ingest_run *run)
{
    if (run->rc != 0)
        fail_msg("%s", run->err.text);
    const struct dataset_array *array =
        dataset_file_find(run->file, PART_TRAIN, DATASET_FEATURES);
    assert_non_null(array);
    assert_int_equal(array->element, ELEMENT_UINT8);
    return array;
}

static void test_text_is_stored_byte_for_byte(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_text(&run, "text", "To be,\nor n\xc3\xb6t.\n");
    assert_int_equal(stored(&run)->bytes, 16);
    assert_memory_equal(stored(&run)->data, "To be,\nor n\xc3\xb6t.\n", 16);
    assert_string_equal(json_string_value(json_object_get(run.facts, "kind")), "text");
    assert_note(&run, "16 bytes, 15 characters (12 different ones), 2 lines");
    const json_t *text = json_object_get(run.facts, "text");
    assert_int_equal(json_integer_value(json_object_get(text, "characters")), 15);
    assert_int_equal(json_integer_value(json_object_get(text, "lines")), 2);
    assert_int_equal(json_integer_value(json_object_get(text, "distinct_characters")),
                     12);
    assert_string_equal(json_string_value(json_object_get(text, "alphabet")),
                        "\n ,.Tbenort\xc3\xb6");
    const json_t *shown = json_array_get(json_object_get(run.facts, "preview"), 0);
    assert_string_equal(json_string_value(json_object_get(shown, "text")),
                        "To be,\nor n\xc3\xb6t.\n");
    ingest_run_release(&run);
}

static void test_byte_order_mark_is_left_out(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_text(&run, "text", "\xef\xbb\xbfword");
    assert_int_equal(stored(&run)->bytes, 4);
    assert_memory_equal(stored(&run)->data, "word", 4);
    ingest_run_release(&run);
    ingest_run_text(&run, "text", "\xef\xbb\xbf");
    assert_refused(&run, ERR_INVALID, "/text", "an empty file");
    ingest_run_release(&run);
}

/* Characters of three bytes lie across every border of chunks for one of the offsets. */
static void test_characters_across_chunks_are_kept(void **state)
{
    (void)state;
    enum { LENGTH = 300000 };
    char *text = malloc(LENGTH + 3);
    assert_non_null(text);
    for (size_t offset = 0; offset < 3; offset++) {
        memset(text, 'x', offset);
        for (size_t i = offset; i < LENGTH; i += 3)
            memcpy(text + i, "\xe2\x82\xac", 3);
        size_t length = offset + (LENGTH - offset) / 3 * 3;
        struct ingest_run run;
        ingest_run_init(&run);
        ingest_run_add(&run, "text", fixture_gzip(text, length));
        ingest_run_go(&run);
        assert_int_equal(stored(&run)->bytes, length);
        assert_memory_equal(stored(&run)->data, text, length);
        ingest_run_release(&run);
    }
    free(text);
}

static void test_bytes_that_are_not_utf8_are_refused_with_their_line(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_text(&run, "text", "one\ntwo\ncaf\xe9 au lait\n");
    assert_refused(&run, ERR_INVALID, "/text", "line 3: the byte 0xE9 is not UTF-8");
    ingest_run_release(&run);
    char long_text[1000]; /* what is looked at first has no NUL */
    memset(long_text, '\n', sizeof(long_text));
    long_text[600] = '\0';
    ingest_run_init(&run);
    ingest_run_add(&run, "text", fixture_file(long_text, sizeof(long_text)));
    ingest_run_go(&run);
    assert_refused(&run, ERR_INVALID, "/text", "line 601: the byte 0x00 is not text");
    ingest_run_release(&run);
    ingest_run_text(&run, "text", "cut \xe2\x82");
    assert_refused(&run, ERR_INVALID, "/text", "line 1: the byte 0xE2");
    ingest_run_release(&run);
}

static void test_markup_is_text_too(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_text(&run, "text", "<html>\n");
    assert_int_equal(stored(&run)->bytes, 7);
    ingest_run_release(&run);
    ingest_run_text(&run, "text", "{\"a\": 1}\n");
    assert_int_equal(stored(&run)->bytes, 9);
    ingest_run_release(&run);
}

static void test_what_is_no_text_is_named(void **state)
{
    (void)state;
    struct ingest_run run;
    ingest_run_init(&run);
    ingest_run_add(&run, "text", fixture_file("\0\0\x08\x01\0\0\0\x01\x05", 9));
    ingest_run_go(&run);
    assert_refused(&run, ERR_INVALID, "/text", "this looks like an IDX array");
    ingest_run_release(&run);
    ingest_run_text(&run, "text", "");
    assert_refused(&run, ERR_INVALID, "/text", "an empty file");
    ingest_run_release(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_stored_byte_for_byte),
        cmocka_unit_test(test_byte_order_mark_is_left_out),
        cmocka_unit_test(test_characters_across_chunks_are_kept),
        cmocka_unit_test(test_bytes_that_are_not_utf8_are_refused_with_their_line),
        cmocka_unit_test(test_markup_is_text_too),
        cmocka_unit_test(test_what_is_no_text_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
