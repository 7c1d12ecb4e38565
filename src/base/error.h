/*
 * The one way in which a function of this project says what went wrong.
 *
 * A function that can fail returns 0 or a negative `enum error_code`, and may take a
 * `struct error *` (NULL is allowed) that receives a text for people. The first error
 * wins: once set, later calls to error_set() leave it alone, so that a clean-up path
 * cannot hide the cause.
 */
#ifndef BACKPROP_ERROR_H
#define BACKPROP_ERROR_H

#include <stdarg.h>

enum error_code {
    ERR_NOMEM = -1,      /* an allocation failed */
    ERR_INVALID = -2,    /* the input is wrong: the text says what was expected */
    ERR_TOO_LARGE = -3,  /* the input is over a limit: the text names the limit */
    ERR_NOT_FOUND = -4,  /* what was named does not exist */
    ERR_CONFLICT = -5,   /* impossible in the present state */
    ERR_IO = -6,         /* a system call failed: the text holds strerror() */
    ERR_NO_SPACE = -7,   /* the disk, a quota or a file is full */
    ERR_EOF = -8,        /* the peer or the file ended */
    ERR_CORRUPT = -9,    /* stored bytes do not match their digest or format */
    ERR_CANCELLED = -10, /* given up because somebody asked for it */
    ERR_TIMEOUT = -11,   /* did not happen in the time allowed */
    ERR_BUSY = -12,      /* a limit on concurrent work is reached; try again later */
    ERR_PROTOCOL = -13,  /* a frame or message that is not legal here */
    ERR_INTERNAL = -14,  /* a bug or a broken environment */
    ERR_WORKER = -15     /* a worker process ended without an answer: the text says how */
};

struct error {
    int code;          /* 0 or an enum error_code */
    char pointer[256]; /* JSON Pointer (RFC 6901) of the culprit, or "" */
    char text[512];    /* one sentence of valid UTF-8 without control characters */
};

/* Empties *err for use or reuse. */
void error_clear(struct error *err);

/* Sets *err unless it is NULL or already set. Returns `code`, so that a caller can
 * write `return error_set(err, ERR_INVALID, "…")`. */
int error_set(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with a JSON Pointer. */
int error_set_at(struct error *err, int code, const char *pointer, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));

/* The same for a failed system call: appends strerror(errno_value); the code is
 * ERR_NO_SPACE for ENOSPC, EDQUOT and EFBIG, ERR_NOMEM for ENOMEM, ERR_BUSY for EMFILE,
 * ENFILE and EAGAIN, otherwise ERR_IO. */
int error_set_errno(struct error *err, int errno_value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* For error_set_errno() after pthread_create(): that calls it EAGAIN when there is no
 * memory for the stack. */
int error_of_thread(int errno_value);

/* A snake_case name of a code for logs and replies: "too_large". Never NULL. */
const char *error_code_name(int code);

#endif
