/* See post_mortem.h. */
#include "post_mortem.h"

#include "base/buffer.h"

#include <signal.h>
#include <string.h>

#define DETAIL_MAX_BYTES 8192
#define TAIL_LINES 12

/* A worker's sandbox lets it say which system call it was stopped at
 * (worker/syscall_filter.h). */
static void say_escape(const struct worker_end *end, struct error *cause)
{
    static const char words[] = "forbidden system call ";
    const char *line = NULL;
    for (const char *at = end->tail; (at = strstr(at, words)); at += sizeof(words) - 1)
        line = at + sizeof(words) - 1;
    size_t digits = line ? strspn(line, "0123456789") : 0;
    if (digits > 0 && digits < 10)
        error_set(cause, ERR_WORKER,
                  "The worker tried a forbidden system call, number %.*s, and was ended "
                  "by its sandbox.",
                  (int)digits, line);
    else
        error_set(cause, ERR_WORKER,
                  "The worker tried a forbidden system call and was ended by its "
                  "sandbox.");
}

static void say_cause(const struct worker_end *end, struct error *cause)
{
    error_clear(cause);
    if (end->verdict != WORKER_UNHURT) {
        error_set(cause, ERR_WORKER, "The worker was ended: %s.", end->reason.text);
        return;
    }
    if (end->signal == 0) {
        error_set(cause, ERR_WORKER,
                  "The worker ended with exit status %d before its task was done.",
                  end->exit_status);
        return;
    }
    if (end->out_of_memory) {
        error_set(cause, ERR_NOMEM,
                  "The kernel killed the worker because the machine was out of memory.");
        return;
    }
    if (end->signal == SIGSYS) {
        say_escape(end, cause);
        return;
    }
    const char *name = sigabbrev_np(end->signal), *meaning = sigdescr_np(end->signal);
    error_set(cause, ERR_WORKER, "The worker was ended by signal %d (SIG%s, %s).",
              end->signal, name ? name : "?", meaning ? meaning : "unknown");
}

/* The last few lines of the worker's standard error. */
static const char *last_lines(const char *tail)
{
    size_t length = strlen(tail);
    int lines = 0;
    for (size_t i = length; i > 0; i--) {
        /* The newline at the very end closes a line, it does not begin one. */
        if (tail[i - 1] == '\n' && i < length && ++lines == TAIL_LINES)
            return tail + i;
    }
    return tail;
}

char *post_mortem(const struct worker_end *end, int attempt, int max_attempts,
                  const char *progress, struct error *ret_cause)
{
    say_cause(end, ret_cause);
    struct buffer detail;
    buffer_init(&detail, DETAIL_MAX_BYTES);
    if (attempt > 0)
        buffer_printf(&detail, "Attempt %d of %d. ", attempt, max_attempts);
    buffer_printf(&detail, "Last progress: %s.", progress ? progress : "none");
    const char *words = last_lines(end->tail);
    if (words[0] != '\0')
        buffer_printf(&detail, " Last words of the worker:\n%s", words);
    size_t length;
    char *text = buffer_take(&detail, &length);
    if (!text)
        buffer_release(&detail);
    return text;
}
