/* Uploads go to unnamed files with their digests. */
#include "http/upload.h"

#include "base/io.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* echo -n "a,b" | sha256sum */
#define DIGEST_AB "1eb7c54d52831bbfe8942af0b1c56b7409523a59ed6ca99c1174fef7eb32c1b5"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/test_upload.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails if something was left behind */
}

/* The body's fate, in pieces of 3 bytes. */
static int send_body(const char *type, uint64_t maximum, const char *body,
                     struct upload **ret_upload, struct error *err)
{
    char passing[sizeof(folder)]; /* the caller's name of the folder may go away */
    memcpy(passing, folder, sizeof(passing));
    int rc = upload_new(passing, maximum, type, ret_upload, err);
    memset(passing, 'x', sizeof(passing));
    if (rc != 0) {
        *ret_upload = NULL;
        return rc;
    }
    for (size_t at = 0; rc == 0 && at < strlen(body); at += 3)
        rc = upload_write(*ret_upload, body + at, strnlen(body + at, 3), err);
    return rc == 0 ? upload_finish(*ret_upload, err) : rc;
}

static void expect_failure(const char *type, uint64_t maximum, const char *body, int code,
                           const char *pointer)
{
    struct upload *upload;
    struct error err = {0};
    assert_int_equal(send_body(type, maximum, body, &upload, &err), code);
    assert_int_equal(err.code, code);
    assert_string_equal(err.pointer, pointer);
    upload_free(upload);
}

static void expect_file(const struct upload_part *part, const char *text)
{
    char bytes[64] = "";
    assert_int_equal(part->bytes, strlen(text));
    assert_int_equal(io_pread_full(part->fd, bytes, strlen(text), 0), 0);
    assert_string_equal(bytes, text);
}

static void expect_single(const char *type, const char *name)
{
    struct upload *upload;
    struct error err = {0};
    assert_int_equal(send_body(type, 100, "a,b", &upload, &err), 0);
    int count;
    const struct upload_part *parts = upload_parts(upload, &count);
    assert_int_equal(count, 1);
    assert_string_equal(parts[0].name, name);
    expect_file(&parts[0], "a,b");
    uint64_t bytes;
    char sha256[DIGEST_HEX_SIZE];
    upload_identity(upload, &bytes, sha256);
    assert_int_equal(bytes, 3);
    assert_string_equal(sha256, DIGEST_AB);
    assert_string_equal(parts[0].sha256, DIGEST_AB);
    upload_free(upload);
}

static void test_the_content_type_says_what_a_body_is(void **state)
{
    (void)state;
    expect_single("text/csv", "table");
    expect_single("text/csv; charset=utf-8", "table");
    expect_single("Text/Tab-Separated-Values", "table");
    expect_single("text/plain", "text");
    expect_single("application/json", "table");
    expect_single("application/octet-stream", "table");
    expect_single("application/x-www-form-urlencoded", "table");
    expect_single("", "table");
    expect_single(NULL, "table");
}

static void test_other_content_types_are_refused(void **state)
{
    (void)state;
    expect_failure("image/png", 100, "a,b", ERR_INVALID, "");
    expect_failure("text/csvx", 100, "a,b", ERR_INVALID, "");
    expect_failure("multipart/form-data", 100, "a,b", ERR_INVALID, "");
}

static void test_form_parts_become_files_in_a_fixed_order(void **state)
{
    (void)state;
    struct upload *upload;
    struct error err = {0};
    assert_int_equal(
        send_body(
            "multipart/form-data; boundary=B", 100,
            "--B\r\nContent-Disposition: form-data; name=\"train.labels\"\r\n\r\n123\r\n"
            "--B\r\nContent-Disposition: form-data; name=\"train.features\"; "
            "filename=\"C/images.idx\"\r\n\r\na,b\r\n--B--\r\n",
            &upload, &err),
        0);
    int count;
    const struct upload_part *parts = upload_parts(upload, &count);
    assert_int_equal(count, 2);
    assert_string_equal(parts[0].name, "train.features");
    assert_string_equal(parts[0].filename, "images.idx");
    assert_string_equal(parts[0].sha256, DIGEST_AB);
    expect_file(&parts[0], "a,b");
    assert_string_equal(parts[1].name, "train.labels");
    assert_string_equal(parts[1].filename, "");
    expect_file(&parts[1], "123");
    uint64_t bytes;
    char sha256[DIGEST_HEX_SIZE];
    upload_identity(upload, &bytes, sha256);
    assert_int_equal(bytes, 6);

    struct digest digest; /* of the digests, joined in that order */
    unsigned char raw[DIGEST_BYTES];
    char expected[DIGEST_HEX_SIZE];
    digest_init(&digest);
    digest_update(&digest, parts[0].sha256, 64);
    digest_update(&digest, parts[1].sha256, 64);
    digest_final(&digest, raw);
    digest_hex(raw, expected);
    assert_string_equal(sha256, expected);
    upload_free(upload);
}

static void test_unknown_doubled_and_empty_parts_are_named(void **state)
{
    (void)state;
    static const char type[] = "multipart/form-data; boundary=B";
    expect_failure(
        type, 100,
        "--B\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n1\r\n--B--",
        ERR_INVALID, "/file");
    expect_failure(
        type, 100,
        "--B\r\nContent-Disposition: form-data; name=\"table\"\r\n\r\n1\r\n"
        "--B\r\nContent-Disposition: form-data; name=\"table\"\r\n\r\n1\r\n--B--",
        ERR_INVALID, "/table");
    expect_failure(
        type, 100,
        "--B\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\n\r\n--B--",
        ERR_INVALID, "/text");
    expect_failure(type, 100, "--B--", ERR_INVALID, "");
    expect_failure(type, 100,
                   "--B\r\nContent-Disposition: form-data; name=\"table\"\r\n\r\ncut",
                   ERR_INVALID, "");
}

static void test_an_empty_body_is_refused(void **state)
{
    (void)state;
    expect_failure("text/csv", 100, "", ERR_INVALID, "/table");
}

static void test_the_limit_holds_to_the_byte(void **state)
{
    (void)state;
    struct upload *upload;
    struct error err = {0};
    assert_int_equal(send_body("text/csv", 10, "0123456789", &upload, &err), 0);
    upload_free(upload);
    expect_failure("text/csv", 10, "0123456789a", ERR_TOO_LARGE, "");
    expect_failure(
        "multipart/form-data; boundary=B", 3,
        "--B\r\nContent-Disposition: form-data; name=\"table\"\r\n\r\n1234\r\n--B--",
        ERR_TOO_LARGE, "");
}

static void test_no_upload_has_a_name_in_the_folder(void **state)
{
    (void)state;
    struct upload *upload;
    struct error err = {0};
    assert_int_equal(send_body("text/csv", 100, "a,b", &upload, &err), 0);
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    while ((entry = readdir(dir)))
        assert_true(entry->d_name[0] == '.');
    closedir(dir);
    upload_free(upload);
}

static void test_a_folder_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    struct upload *upload;
    struct error err = {0};
    assert_int_equal(upload_new("/tmp/there/is/none", 10, "text/csv", &upload, &err),
                     ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_content_type_says_what_a_body_is),
        cmocka_unit_test(test_other_content_types_are_refused),
        cmocka_unit_test(test_form_parts_become_files_in_a_fixed_order),
        cmocka_unit_test(test_unknown_doubled_and_empty_parts_are_named),
        cmocka_unit_test(test_an_empty_body_is_refused),
        cmocka_unit_test(test_the_limit_holds_to_the_byte),
        cmocka_unit_test(test_no_upload_has_a_name_in_the_folder),
        cmocka_unit_test(test_a_folder_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
