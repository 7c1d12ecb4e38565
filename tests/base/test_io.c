/* Whole reads and writes over pipes and files: short counts, signals, ends and refusals.
 */
#include "base/io.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define LARGE_BYTES (1 << 20) /* sixteen times what a pipe holds */

struct transfer {
    int fd;
    int rc;
    unsigned char *bytes;
};

static void *write_all(void *context)
{
    struct transfer *transfer = context;
    transfer->rc = io_write_full(transfer->fd, transfer->bytes, LARGE_BYTES);
    return NULL;
}

static void ignore_signal(int number)
{
    (void)number;
}

/* A writer that is interrupted again and again, and a reader that takes odd pieces. */
static void test_large_transfers_survive_short_counts_and_signals(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = ignore_signal}; /* no SA_RESTART: EINTR */
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct transfer transfer = {.fd = ends[1], .rc = 1, .bytes = malloc(LARGE_BYTES)};
    unsigned char *received = malloc(LARGE_BYTES);
    assert_true(transfer.bytes && received);
    for (int i = 0; i < LARGE_BYTES; i++)
        transfer.bytes[i] = (unsigned char)(i * 7 + (i >> 8));
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, write_all, &transfer), 0);
    size_t filled = 0;
    while (filled < LARGE_BYTES) {
        size_t piece = LARGE_BYTES - filled < 7777 ? LARGE_BYTES - filled : 7777;
        pthread_kill(writer, SIGUSR1);
        assert_int_equal(io_read_full(ends[0], received + filled, piece), 0);
        filled += piece;
    }
    pthread_join(writer, NULL);
    assert_int_equal(transfer.rc, 0);
    assert_memory_equal(received, transfer.bytes, LARGE_BYTES);
    free(received);
    free(transfer.bytes);
    io_close(&ends[0]);
    io_close(&ends[1]);
}

static void test_end_of_stream_is_eof_at_once_and_in_the_middle(void **state)
{
    (void)state;
    int ends[2];
    char bytes[8];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(io_write_full(ends[1], "abc", 3), 0);
    io_close(&ends[1]);
    assert_int_equal(io_read_full(ends[0], bytes, 8), ERR_EOF);
    assert_int_equal(io_read_full(ends[0], bytes, 1), ERR_EOF);
    assert_int_equal(io_read_full(ends[0], bytes, 0), 0);
    io_close(&ends[0]);
}

static void test_writing_to_a_closed_pipe_is_eof(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    io_close(&ends[0]);
    assert_int_equal(io_write_full(ends[1], "abc", 3), ERR_EOF);
    io_close(&ends[1]);
}

static void test_full_device_is_no_space(void **state)
{
    (void)state;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(io_write_full(fd, "abc", 3), ERR_NO_SPACE);
    io_close(&fd);
}

static void test_bad_descriptors_are_io_errors(void **state)
{
    (void)state;
    char byte = 0;
    uint64_t bytes = 7;
    assert_int_equal(io_read_full(-1, &byte, 1), ERR_IO);
    assert_int_equal(io_write_full(-1, &byte, 1), ERR_IO);
    assert_int_equal(io_pread_full(-1, &byte, 1, 0), ERR_IO);
    assert_int_equal(io_pwrite_full(-1, &byte, 1, 0), ERR_IO);
    assert_int_equal(io_file_size(-1, &bytes), ERR_IO);
    assert_int_equal(bytes, 7);
}

static void test_reads_and_writes_at_an_offset(void **state)
{
    (void)state;
    int fd = memfd_create("io", MFD_CLOEXEC);
    assert_true(fd >= 0);
    char bytes[4] = "";
    uint64_t size = 0;
    assert_int_equal(io_pwrite_full(fd, "xyz", 3, 100), 0);
    assert_int_equal(io_pread_full(fd, bytes, 3, 100), 0);
    assert_string_equal(bytes, "xyz");
    assert_int_equal(io_pread_full(fd, bytes, 1, 0), 0);
    assert_int_equal(bytes[0], '\0');
    assert_int_equal(io_pread_full(fd, bytes, 4, 100), ERR_EOF);
    assert_int_equal(io_pread_full(fd, bytes, 1, 5000), ERR_EOF);
    assert_int_equal(io_file_size(fd, &size), 0);
    assert_int_equal(size, 103);
    io_close(&fd);
}

static void test_size_is_only_of_regular_files(void **state)
{
    (void)state;
    int ends[2];
    uint64_t size = 7;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(io_file_size(ends[0], &size), ERR_IO);
    assert_int_equal(size, 7);
    io_close(&ends[0]);
    io_close(&ends[1]);
}

static void test_close_forgets_the_descriptor(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int copy = ends[0];
    io_close(&ends[0]);
    assert_int_equal(ends[0], -1);
    assert_int_equal(fcntl(copy, F_GETFD), -1);
    io_close(&ends[0]);
    io_close(&ends[1]);
}

static void test_folders_can_be_synced_and_files_cannot(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(io_sync_folder("/tmp", &err), 0);
    assert_int_equal(io_sync_folder("/tmp/no such folder", &err), ERR_IO);
    assert_non_null(strstr(err.text, "No such file"));
    assert_null(strstr(err.text, "/tmp")); /* texts reach users */
    assert_int_equal(io_sync_folder("/dev/null", NULL), ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_transfers_survive_short_counts_and_signals),
        cmocka_unit_test(test_end_of_stream_is_eof_at_once_and_in_the_middle),
        cmocka_unit_test(test_writing_to_a_closed_pipe_is_eof),
        cmocka_unit_test(test_full_device_is_no_space),
        cmocka_unit_test(test_bad_descriptors_are_io_errors),
        cmocka_unit_test(test_reads_and_writes_at_an_offset),
        cmocka_unit_test(test_size_is_only_of_regular_files),
        cmocka_unit_test(test_close_forgets_the_descriptor),
        cmocka_unit_test(test_folders_can_be_synced_and_files_cannot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
