/* The byte source: plain and gzip bytes come out whole, and no bomb goes off. */
#include "byte_fixture.h"
#include "data/byte_source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NO_LIMIT ((uint64_t)1 << 40)

/* Reads everything in pieces of `piece` bytes. Returns the code of the first failure. */
static int read_all(struct byte_source *source, size_t piece, char *bytes,
                    size_t capacity, size_t *ret_length, struct error *err)
{
    size_t length = 0, got = 0;
    do {
        assert_true(length + piece <= capacity);
        int rc = byte_source_read(source, bytes + length, piece, &got, err);
        if (rc != 0)
            return rc;
        length += got;
    } while (got == piece);
    *ret_length = length;
    return 0;
}

static void assert_gives(int fd, const char *bytes, size_t length)
{
    char *out = malloc(length + 4096);
    assert_non_null(out);
    struct byte_source *source = NULL;
    struct error err = {0};
    assert_int_equal(byte_source_open(fd, NO_LIMIT, NULL, NULL, &source, &err), 0);
    static const size_t pieces[] = {1000, 1, 4096};
    for (size_t i = 0; i < 3; i++) {
        size_t got = 0;
        assert_int_equal(read_all(source, pieces[i], out, length + 4096, &got, &err), 0);
        assert_int_equal(got, length);
        assert_memory_equal(out, bytes, length);
        assert_int_equal(byte_source_rewind(source, &err), 0);
    }
    byte_source_close(source);
    free(out);
}

/* The text of the error that reading `fd` to its end gives. */
static int read_fails(int fd, uint64_t limit, struct error *err)
{
    static char out[1 << 16];
    struct byte_source *source = NULL;
    error_clear(err);
    int rc = byte_source_open(fd, limit, NULL, NULL, &source, err);
    size_t got = sizeof(out);
    while (rc == 0 && got == sizeof(out))
        rc = byte_source_read(source, out, sizeof(out), &got, err);
    byte_source_close(source);
    return rc;
}

static void test_plain_bytes_come_out_as_they_are_in_both_passes(void **state)
{
    (void)state;
    int fd = fixture_text("some plain bytes\n");
    assert_gives(fd, "some plain bytes\n", 17);
    close(fd);
    fd = fixture_text("");
    assert_gives(fd, "", 0);
    close(fd);
    fd = fixture_file("\x1f\x8b", 2); /* too short to be gzip */
    assert_gives(fd, "\x1f\x8b", 2);
    close(fd);
}

static void test_gzip_is_expanded_in_both_passes(void **state)
{
    (void)state;
    enum { LENGTH = 200000 };
    char *bytes = malloc(LENGTH);
    assert_non_null(bytes);
    uint32_t random = 1;
    for (size_t i = 0; i < LENGTH; i++)
        bytes[i] = (char)(fixture_random(&random) % 7 * 30);
    int fd = fixture_gzip(bytes, LENGTH);
    assert_gives(fd, bytes, LENGTH);
    close(fd);
    free(bytes);
}

static void test_gzip_members_follow_one_another(void **state)
{
    (void)state;
    int fd = fixture_gzip("first,", 6);
    fixture_append_gzip(fd, "", 0);
    fixture_append_gzip(fd, "second", 6);
    fixture_append(fd, "\0\0\0\0", 4); /* padding, as tape drives leave it */
    assert_gives(fd, "first,second", 12);
    close(fd);
}

static void test_the_descriptors_position_does_not_matter(void **state)
{
    (void)state;
    int fd = fixture_text("from the start");
    assert_true(lseek(fd, 5, SEEK_SET) == 5);
    assert_gives(fd, "from the start", 14);
    assert_true(lseek(fd, 0, SEEK_CUR) == 5);
    close(fd);
}

static void test_bytes_after_gzip_are_an_error(void **state)
{
    (void)state;
    struct error err;
    int fd = fixture_gzip("abc", 3);
    fixture_append(fd, "tail", 4);
    assert_int_equal(read_fails(fd, NO_LIMIT, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "other bytes follow"));
    close(fd);
}

static void test_truncated_gzip_is_an_error_at_every_length(void **state)
{
    (void)state;
    struct error err;
    int fd = fixture_gzip("a,b\n1,2\n3,4\n1,2\n3,4\n1,2\n", 24);
    for (off_t length = lseek(fd, 0, SEEK_END) - 1; length >= 3; length--) {
        assert_int_equal(ftruncate(fd, length), 0);
        assert_int_equal(read_fails(fd, NO_LIMIT, &err), ERR_INVALID);
        assert_non_null(strstr(err.text, "cut off"));
    }
    close(fd);
}

static void test_damaged_gzip_is_an_error(void **state)
{
    (void)state;
    struct error err;
    int fd = fixture_gzip("a,b\n1,2\n3,4\n5,6\n", 16);
    off_t size = lseek(fd, 0, SEEK_END);
    assert_int_equal(pwrite(fd, "XXXX", 4, size - 8), 4); /* the checksum */
    assert_int_equal(read_fails(fd, NO_LIMIT, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "damaged"));
    close(fd);
}

static void test_bomb_stops_at_the_limit(void **state)
{
    (void)state;
    struct error err;
    char *zeros = calloc(1, 8 << 20);
    assert_non_null(zeros);
    int fd = fixture_gzip(zeros, 8 << 20);
    free(zeros);
    assert_int_equal(read_fails(fd, NO_LIMIT, &err), 0);
    assert_int_equal(read_fails(fd, 8 << 20, &err), 0);
    assert_int_equal(read_fails(fd, (8 << 20) - 1, &err), ERR_TOO_LARGE);
    assert_non_null(strstr(err.text, "8388607"));
    close(fd);
}

static void test_plain_file_over_the_limit_is_refused_at_once(void **state)
{
    (void)state;
    struct error err = {0};
    struct byte_source *source = NULL;
    int fd = fixture_text("twelve bytes");
    assert_int_equal(byte_source_open(fd, 11, NULL, NULL, &source, &err), ERR_TOO_LARGE);
    assert_null(source);
    assert_non_null(strstr(err.text, "11"));
    close(fd);
}

static void test_what_is_no_regular_file_is_refused(void **state)
{
    (void)state;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    struct byte_source *source = NULL;
    assert_int_equal(byte_source_open(pipes[0], NO_LIMIT, NULL, NULL, &source, NULL),
                     ERR_IO);
    assert_null(source);
    close(pipes[0]);
    close(pipes[1]);
}

static int give_up(void *context, uint64_t file_bytes)
{
    uint64_t *told = context;
    *told += file_bytes;
    return *told >= (uint64_t)2 << 20;
}

static void test_watcher_is_told_and_can_give_up(void **state)
{
    (void)state;
    char *bytes = calloc(1, 4 << 20);
    assert_non_null(bytes);
    int fd = fixture_file(bytes, 4 << 20);
    struct byte_source *source = NULL;
    struct error err = {0};
    uint64_t told = 0;
    assert_int_equal(byte_source_open(fd, NO_LIMIT, give_up, &told, &source, &err), 0);
    int rc = 0;
    size_t got = 1;
    while (rc == 0 && got > 0)
        rc = byte_source_read(source, bytes, 100000, &got, &err);
    assert_int_equal(rc, ERR_CANCELLED);
    assert_in_range(told, 2 << 20, 3 << 20);
    byte_source_close(source);
    close(fd);
    free(bytes);
}

static void test_peek_leaves_the_source_at_its_start(void **state)
{
    (void)state;
    int fd = fixture_gzip("abcdef", 6);
    struct byte_source *source = NULL;
    assert_int_equal(byte_source_open(fd, NO_LIMIT, NULL, NULL, &source, NULL), 0);
    char bytes[16];
    size_t got = 0;
    assert_int_equal(byte_source_peek(source, bytes, 3, &got, NULL), 0);
    assert_int_equal(got, 3);
    assert_int_equal(byte_source_read(source, bytes, sizeof(bytes), &got, NULL), 0);
    assert_int_equal(got, 6);
    assert_memory_equal(bytes, "abcdef", 6);
    byte_source_close(source);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_bytes_come_out_as_they_are_in_both_passes),
        cmocka_unit_test(test_gzip_is_expanded_in_both_passes),
        cmocka_unit_test(test_gzip_members_follow_one_another),
        cmocka_unit_test(test_the_descriptors_position_does_not_matter),
        cmocka_unit_test(test_bytes_after_gzip_are_an_error),
        cmocka_unit_test(test_truncated_gzip_is_an_error_at_every_length),
        cmocka_unit_test(test_damaged_gzip_is_an_error),
        cmocka_unit_test(test_bomb_stops_at_the_limit),
        cmocka_unit_test(test_plain_file_over_the_limit_is_refused_at_once),
        cmocka_unit_test(test_what_is_no_regular_file_is_refused),
        cmocka_unit_test(test_watcher_is_told_and_can_give_up),
        cmocka_unit_test(test_peek_leaves_the_source_at_its_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
