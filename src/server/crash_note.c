/* See crash_note.h. The file holds the signal's number; it is open from the start, since
 * the handler may do little more than write(). */
#include "crash_note.h"

#include "base/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME "crash"

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS};
#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

/* Handlers have no context. Set before the first of them can run. */
static int note_fd = -1;
static struct sigaction before[SIGNALS];

static void note_signal(int number)
{
    const char digits[] = {(char)('0' + number / 10), (char)('0' + number % 10)};
    ssize_t put = pwrite(note_fd, digits, sizeof(digits), 0);
    (void)put; /* nothing else can be done */
    for (size_t i = 0; i < SIGNALS; i++)
        if (signals[i] == number)
            sigaction(number, &before[i], NULL);
    raise(number); /* delivered on return, to whom it would have come without us */
}

/* The number in the file; 0 when there is none. */
static int read_note(int fd)
{
    char text[3] = "";
    ssize_t got = pread(fd, text, sizeof(text) - 1, 0);
    int number = got == 2 ? atoi(text) : 0;
    for (size_t i = 0; i < SIGNALS; i++)
        if (signals[i] == number)
            return number;
    return 0;
}

static int open_note(const char *data_dir, struct error *err)
{
    struct buffer path;
    buffer_init(&path, 4096);
    buffer_printf(&path, "%s/" FILE_NAME, data_dir);
    int rc = buffer_status(&path);
    note_fd = rc == 0 ? open(path.data, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    int failure = errno;
    buffer_release(&path);
    if (rc != 0)
        return error_set(err, rc, "the data folder's path is too long");
    if (note_fd < 0)
        return error_set_errno(err, failure, "cannot open the file %s of the data folder",
                               FILE_NAME);
    return 0;
}

int crash_note_begin(const char *data_dir, char ret_note[CRASH_NOTE_SIZE],
                     struct error *err)
{
    int rc = open_note(data_dir, err);
    if (rc != 0)
        return rc;
    int number = read_note(note_fd);
    if (number != 0 && ftruncate(note_fd, 0) != 0)
        return error_set_errno(err, errno, "cannot empty the file %s of the data folder",
                               FILE_NAME);
    ret_note[0] = '\0';
    if (number != 0)
        snprintf(ret_note, CRASH_NOTE_SIZE, "signal %d (SIG%s)", number,
                 sigabbrev_np(number));
    struct sigaction action = {.sa_handler = note_signal};
    for (size_t i = 0; i < SIGNALS; i++)
        if (sigaction(signals[i], &action, &before[i]) != 0)
            return error_set_errno(err, errno, "cannot watch for signal %d", signals[i]);
    return 0;
}
