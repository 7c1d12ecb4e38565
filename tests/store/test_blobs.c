/* Blobs: chunks in order, nothing seen before the seal, every damage noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/blobs.h"
#include "store_fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static struct db *db_of(void **state)
{
    return ((struct fixture *)*state)->db;
}

/* A blob whose byte at position i is i * 7 + i / 251, sealed if so wished. */
static unsigned char pattern_at(size_t i)
{
    return (unsigned char)(i * 7 + i / 251);
}

static int64_t make_pattern(struct db *db, size_t bytes, bool sealed)
{
    struct error err = {0};
    int64_t blob = 0;
    unsigned char *all = malloc(bytes + 1);
    assert_non_null(all);
    for (size_t i = 0; i < bytes; i++)
        all[i] = pattern_at(i);
    assert_int_equal(blobs_create(db, &blob, &err), 0);
    for (size_t at = 0, index = 0; at < bytes; at += BLOB_CHUNK_BYTES, index++) {
        size_t length = bytes - at < BLOB_CHUNK_BYTES ? bytes - at : BLOB_CHUNK_BYTES;
        assert_int_equal(blobs_append(db, blob, (int64_t)index, all + at, length, &err),
                         0);
    }
    if (sealed)
        assert_int_equal(blobs_seal(db, blob, bytes, TEST_SHA256, &err), 0);
    free(all);
    return blob;
}

static void check_range(struct db *db, int64_t blob, size_t offset, size_t length)
{
    unsigned char *bytes = malloc(length + 1);
    assert_non_null(bytes);
    struct error err = {0};
    assert_int_equal(blobs_read(db, blob, offset, bytes, length, &err), 0);
    for (size_t i = 0; i < length; i++)
        if (bytes[i] != pattern_at(offset + i))
            fail_msg("byte %zu differs", offset + i);
    free(bytes);
}

static void test_any_range_reads_back(void **state)
{
    struct db *db = db_of(state);
    const size_t chunk = BLOB_CHUNK_BYTES, total = 3 * chunk + 777;
    int64_t blob = make_pattern(db, total, true);
    const size_t ranges[][2] = {
        {0, total},       {0, 1},
        {total - 1, 1},   {chunk - 1, 2},
        {chunk, chunk},   {chunk - 5, 2 * chunk + 10},
        {3 * chunk, 777}, {3 * chunk + 1, 0},
        {total, 0},       {0, 0},
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        check_range(db, blob, ranges[i][0], ranges[i][1]);
    uint64_t bytes = 0;
    char sha256[DIGEST_HEX_SIZE];
    struct error err = {0};
    assert_int_equal(blobs_stat(db, blob, &bytes, sha256, &err), 0);
    assert_int_equal(bytes, total);
    assert_string_equal(sha256, TEST_SHA256);
}

static void test_sizes_around_a_chunk_are_exact(void **state)
{
    struct db *db = db_of(state);
    const size_t sizes[] = {0, 1, BLOB_CHUNK_BYTES - 1, BLOB_CHUNK_BYTES,
                            BLOB_CHUNK_BYTES + 1};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        check_range(db, make_pattern(db, sizes[i], true), 0, sizes[i]);
}

static void test_a_range_beyond_the_end_is_refused(void **state)
{
    struct db *db = db_of(state);
    int64_t blob = make_pattern(db, 100, true);
    const uint64_t ranges[][2] = {
        {0, 101}, {100, 1}, {101, 0}, {UINT64_MAX, 1}, {50, 51}};
    unsigned char bytes[200];
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        assert_int_equal(
            blobs_read(db, blob, ranges[i][0], bytes, (size_t)ranges[i][1], NULL),
            ERR_INVALID);
}

static void test_an_unsealed_blob_is_seen_by_nobody(void **state)
{
    struct db *db = db_of(state);
    int64_t blob = make_pattern(db, BLOB_CHUNK_BYTES + 5, false);
    uint64_t bytes;
    char sha256[DIGEST_HEX_SIZE], byte;
    assert_int_equal(blobs_stat(db, blob, &bytes, sha256, NULL), ERR_NOT_FOUND);
    assert_int_equal(blobs_read(db, blob, 0, &byte, 1, NULL), ERR_NOT_FOUND);
}

static void test_unsealed_blobs_are_cleared_away_and_sealed_ones_stay(void **state)
{
    struct db *db = db_of(state);
    make_pattern(db, BLOB_CHUNK_BYTES + 5, false);
    int64_t kept = make_pattern(db, 10, true);
    struct error err = {0};
    assert_int_equal(blobs_delete_unsealed(db, &err), 0);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM blobs"), 1);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM blob_chunks"), 1);
    check_range(db, kept, 0, 10);
}

static int make_torn(struct db *db, void *argument, struct error *err)
{
    (void)err;
    *(int64_t *)argument = make_pattern(db, 10, false);
    return 0;
}

static int append_late(struct db *db, void *argument, struct error *err)
{
    return blobs_append(db, *(int64_t *)argument, 1, "late", 4, err);
}

static void test_opening_the_store_clears_torn_uploads_away(void **state)
{
    struct fixture *fixture = *state;
    char folder[FOLDER_SIZE + 8];
    snprintf(folder, sizeof(folder), "%s/data", fixture->folder);
    struct store *store = NULL;
    struct error err = {0};
    int64_t blob = 0;
    assert_int_equal(store_open(folder, &store, &err), 0);
    assert_int_equal(call_wait(store, make_torn, &blob, &err), 0);
    store_close(store);
    assert_int_equal(store_open(folder, &store, &err), 0);
    assert_int_equal(call_wait(store, append_late, &blob, NULL), ERR_NOT_FOUND);
    store_close(store);
    folder_remove(folder);
}

static void test_chunks_come_in_order_and_full(void **state)
{
    struct db *db = db_of(state);
    unsigned char *chunk = calloc(1, BLOB_CHUNK_BYTES + 1);
    int64_t blob = 0;
    struct error err = {0};
    assert_int_equal(blobs_create(db, &blob, &err), 0);
    assert_int_equal(blobs_append(db, blob, 1, chunk, 10, NULL), ERR_INVALID);
    assert_int_equal(blobs_append(db, blob, -1, chunk, 10, NULL), ERR_INVALID);
    assert_int_equal(blobs_append(db, blob, 0, chunk, 0, NULL), ERR_INVALID);
    assert_int_equal(blobs_append(db, blob, 0, chunk, BLOB_CHUNK_BYTES + 1, NULL),
                     ERR_INVALID);
    assert_int_equal(blobs_append(db, blob, 0, chunk, 10, &err), 0);
    assert_int_equal(blobs_append(db, blob, 0, chunk, 10, NULL), ERR_INVALID);
    assert_int_equal(blobs_append(db, blob, 1, chunk, 10, NULL), ERR_INVALID);
    assert_int_equal(blobs_append(db, blob + 1, 0, chunk, 10, NULL), ERR_NOT_FOUND);
    free(chunk);
}

static void test_a_seal_that_does_not_add_up_is_refused(void **state)
{
    struct db *db = db_of(state);
    int64_t blob = make_pattern(db, 100, false);
    struct error err = {0};
    assert_int_equal(blobs_seal(db, blob, 101, TEST_SHA256, NULL), ERR_CORRUPT);
    assert_int_equal(blobs_seal(db, blob, 99, TEST_SHA256, NULL), ERR_CORRUPT);
    assert_int_equal(blobs_seal(db, blob + 1, 0, TEST_SHA256, NULL), ERR_NOT_FOUND);
    assert_int_equal(blobs_seal(db, blob, 100, TEST_SHA256, &err), 0);
    assert_int_equal(blobs_seal(db, blob, 100, TEST_SHA256, NULL), ERR_CONFLICT);
    assert_int_equal(blobs_append(db, blob, 1, "x", 1, NULL), ERR_CONFLICT);
}

static void test_a_number_is_never_used_again(void **state)
{
    struct db *db = db_of(state);
    struct error err = {0};
    int64_t first = make_pattern(db, 10, true), second = 0;
    assert_int_equal(blobs_delete(db, first, &err), 0);
    assert_int_equal(blobs_delete(db, first, NULL), ERR_NOT_FOUND);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM blob_chunks"), 0);
    assert_int_equal(sql_int(db, "SELECT count(*) FROM blob_seals"), 0);
    assert_int_equal(blobs_create(db, &second, &err), 0);
    assert_true(second > first);
}

/* Changes one bit of chunk 1 behind the store's back. */
static void flip_bit(const char *path, int64_t row, int byte)
{
    sqlite3 *handle = NULL;
    sqlite3_blob *bytes = NULL;
    unsigned char value;
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    assert_int_equal(
        sqlite3_blob_open(handle, "main", "blob_chunks", "bytes", row, 1, &bytes),
        SQLITE_OK);
    assert_int_equal(sqlite3_blob_read(bytes, &value, 1, byte), SQLITE_OK);
    value ^= 0x10;
    assert_int_equal(sqlite3_blob_write(bytes, &value, 1, byte), SQLITE_OK);
    sqlite3_blob_close(bytes);
    sqlite3_close(handle);
}

static void test_a_flipped_bit_is_noticed_and_its_chunk_named(void **state)
{
    struct fixture *fixture = *state;
    struct db *db = fixture->db;
    int64_t blob = make_pattern(db, 2 * BLOB_CHUNK_BYTES + 10, true);
    int64_t row = sql_int(db, "SELECT rowid FROM blob_chunks WHERE chunk = 1");
    sql_run(db, "COMMIT");
    flip_bit(fixture->path, row, 12345);
    unsigned char bytes[64];
    struct error err = {0};
    /* Far from the bit, but in its chunk. */
    assert_int_equal(blobs_read(db, blob, BLOB_CHUNK_BYTES, bytes, 64, &err),
                     ERR_CORRUPT);
    assert_non_null(strstr(err.text, "chunk 1 "));
    check_range(db, blob, 0, BLOB_CHUNK_BYTES);
    check_range(db, blob, 2 * BLOB_CHUNK_BYTES, 10);
}

static void test_a_lost_or_cut_chunk_is_noticed(void **state)
{
    struct db *db = db_of(state);
    int64_t cut = make_pattern(db, 2 * BLOB_CHUNK_BYTES, true);
    sql_run(db, "UPDATE blob_chunks SET bytes = x'00' WHERE chunk = 1");
    unsigned char byte;
    assert_int_equal(blobs_read(db, cut, BLOB_CHUNK_BYTES, &byte, 1, NULL), ERR_CORRUPT);
    sql_run(db, "DELETE FROM blob_chunks WHERE chunk = 1");
    assert_int_equal(blobs_read(db, cut, BLOB_CHUNK_BYTES, &byte, 1, NULL), ERR_CORRUPT);
    check_range(db, cut, 0, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_any_range_reads_back),
        TEST(test_sizes_around_a_chunk_are_exact),
        TEST(test_a_range_beyond_the_end_is_refused),
        TEST(test_an_unsealed_blob_is_seen_by_nobody),
        TEST(test_unsealed_blobs_are_cleared_away_and_sealed_ones_stay),
        TEST(test_opening_the_store_clears_torn_uploads_away),
        TEST(test_chunks_come_in_order_and_full),
        TEST(test_a_seal_that_does_not_add_up_is_refused),
        TEST(test_a_number_is_never_used_again),
        TEST(test_a_flipped_bit_is_noticed_and_its_chunk_named),
        TEST(test_a_lost_or_cut_chunk_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
