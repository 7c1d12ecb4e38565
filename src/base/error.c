/* See error.h. Texts are cut, never overrun; a cut text still ends in NUL and is one line
 * of UTF-8. */
#include "error.h"

#include "utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void error_clear(struct error *err)
{
    if (err) {
        err->code = 0;
        err->pointer[0] = '\0';
        err->text[0] = '\0';
    }
}

/* Texts of libraries and bytes from outside may have line ends. */
static void make_one_line(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = ' ';
}

__attribute__((format(printf, 4, 0))) static void
set(struct error *err, int code, const char *pointer, const char *format, va_list args)
{
    if (!err || err->code != 0)
        return;
    err->code = code;
    snprintf(err->pointer, sizeof(err->pointer), "%s", pointer);
    vsnprintf(err->text, sizeof(err->text), format, args);
    utf8_mend(err->pointer);
    utf8_mend(err->text);
    make_one_line(err->text);
}

int error_set(struct error *err, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set(err, code, "", format, args);
    va_end(args);
    return code;
}

int error_set_at(struct error *err, int code, const char *pointer, const char *format,
                 ...)
{
    va_list args;
    va_start(args, format);
    set(err, code, pointer, format, args);
    va_end(args);
    return code;
}

static int code_of_errno(int errno_value)
{
    switch (errno_value) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return ERR_NO_SPACE;
    case ENOMEM:
        return ERR_NOMEM;
    case EMFILE: /* descriptors or processes: some are given back soon */
    case ENFILE:
    case EAGAIN:
        return ERR_BUSY;
    default:
        return ERR_IO;
    }
}

int error_set_errno(struct error *err, int errno_value, const char *format, ...)
{
    int code = code_of_errno(errno_value);
    if (!err || err->code != 0)
        return code;
    va_list args;
    va_start(args, format);
    set(err, code, "", format, args);
    va_end(args);
    size_t used = strlen(err->text);
    char reason[128];
    snprintf(err->text + used, sizeof(err->text) - used, ": %s",
             strerror_r(errno_value, reason, sizeof(reason)));
    return code;
}

int error_of_thread(int errno_value)
{
    return errno_value == EAGAIN ? ENOMEM : errno_value;
}

const char *error_code_name(int code)
{
    static const char *const names[] = {
        "ok",   "out_of_memory", "invalid",  "too_large",      "not_found", "conflict",
        "io",   "no_space",      "eof",      "corrupt",        "cancelled", "timeout",
        "busy", "protocol",      "internal", "worker_crashed",
    };
    size_t index = code <= 0 ? (size_t)(-(long long)code) : sizeof(names);
    return index < sizeof(names) / sizeof(names[0]) ? names[index] : "unknown";
}
