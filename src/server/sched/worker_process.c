/*
 * See worker_process.h.
 *
 * The end of a process is told by its pidfd and not by its pipes, because a child of its
 * own may hold those open. When it has ended, what is still in the pipes is read (nobody
 * can add to it for long) and then `ended` is called.
 */
#include "worker_process.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/memory.h"
#include "launch.h"
#include "oom_count.h"
#include "tallies.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_BYTES 65536
#define READS_A_TURN 8 /* then the other workers have their turn */
#define OUTPUT_MAX_BYTES ((size_t)96 * 1024 * 1024) /* a few of the largest requests */

struct worker_process {
    const struct worker_setting *setting;
    struct worker_handlers handlers;
    pid_t pid; /* 0 once it was waited for */
    struct loop_source input, output, errors, notice;
    struct frame_reader reader;
    struct buffer outgoing;
    size_t sent; /* bytes of `outgoing` that are in the pipe */
    char tail[WORKER_TAIL_BYTES + 1];
    size_t tail_length;
    struct loop_timer silence;
    bool busy, held, closing_input;
    bool spoke;         /* a frame came */
    bool ended;         /* waited for; what is left in the pipes comes next */
    uint64_t oom_kills; /* the kernel's count when it started */
    struct worker_end end;
};

static struct loop *loop_of(const struct worker_process *worker)
{
    return worker->setting->loop;
}

static void close_source(struct worker_process *worker, struct loop_source *source)
{
    loop_unwatch(loop_of(worker), source);
    io_close(&source->fd);
}

/* Starts the patience anew, or ends the watch while nothing is to be expected. */
static void heard(struct worker_process *worker)
{
    if (worker->busy && !worker->held && !worker->ended)
        loop_set_timer(loop_of(worker), &worker->silence,
                       clock_monotonic_ns() + worker->setting->silence_ns);
    else
        loop_cancel_timer(loop_of(worker), &worker->silence);
}

static void fell_silent(struct loop_timer *timer)
{
    struct worker_process *worker = LOOP_OWNER(timer, struct worker_process, silence);
    char reason[64];
    snprintf(reason, sizeof(reason), "silent for %.3g s",
             (double)worker->setting->silence_ns / (double)CLOCK_NS_PER_SECOND);
    worker_process_kill(worker, WORKER_SILENT, reason);
}

void worker_process_kill(struct worker_process *worker, enum worker_verdict verdict,
                         const char *reason)
{
    if (worker->end.verdict == WORKER_UNHURT && !worker->ended) {
        worker->end.verdict = verdict;
        error_set(&worker->end.reason, ERR_PROTOCOL, "%s", reason);
    }
    /* The group: a launcher's children as well. Until it is waited for, the number is
     * its. */
    if (worker->pid > 0) {
        kill(-worker->pid, SIGKILL);
        kill(worker->pid, SIGKILL);
    }
}

/* Gives out the frames in `bytes`. False when the worker broke the protocol. */
static bool take_bytes(struct worker_process *worker, const unsigned char *bytes,
                       size_t length)
{
    struct error err = {0};
    int rc = 0;
    while (rc >= 0) {
        struct frame frame;
        rc = frame_reader_push(&worker->reader, &bytes, &length, &frame, &err);
        if (rc == 0)
            return true;
        if (rc > 0 && !worker->spoke)
            tallies_spoke(worker->setting->tallies);
        worker->spoke = worker->spoke || rc > 0;
        if (rc > 0 && worker->end.verdict == WORKER_UNHURT)
            rc = worker->handlers.frame(worker->handlers.context, &frame, &err);
    }
    char reason[sizeof(err.text) + 32];
    snprintf(reason, sizeof(reason), "spoke out of protocol: %s", err.text);
    worker_process_kill(worker, WORKER_BROKE_PROTOCOL, reason);
    return false;
}

/* Reads one portion of frames. Returns 1 when there may be more, 0 when there is nothing
 * now, negative when there will be nothing any more. */
static int read_frames(struct worker_process *worker)
{
    unsigned char bytes[READ_BYTES];
    ssize_t got = read(worker->output.fd, bytes, sizeof(bytes));
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return errno == EINTR ? 1 : 0;
    if (got <= 0)
        return ERR_EOF;
    heard(worker);
    return take_bytes(worker, bytes, (size_t)got) ? 1 : ERR_PROTOCOL;
}

/* Keeps the last WORKER_TAIL_BYTES, with what a terminal or JSON
 * could not bear replaced. */
static void keep_tail(struct worker_process *worker, const char *bytes, size_t length)
{
    if (length > WORKER_TAIL_BYTES) {
        bytes += length - WORKER_TAIL_BYTES;
        length = WORKER_TAIL_BYTES;
    }
    size_t room = WORKER_TAIL_BYTES - worker->tail_length;
    if (length > room) {
        size_t dropped = length - room;
        memmove(worker->tail, worker->tail + dropped, worker->tail_length - dropped);
        worker->tail_length -= dropped;
    }
    for (size_t i = 0; i < length; i++) {
        char c = bytes[i];
        bool fine = c == '\n' || (c >= ' ' && c <= '~');
        worker->tail[worker->tail_length++] = fine ? c : '?';
    }
    worker->tail[worker->tail_length] = '\0';
}

static int read_errors(struct worker_process *worker)
{
    char bytes[WORKER_TAIL_BYTES];
    ssize_t got = read(worker->errors.fd, bytes, sizeof(bytes));
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return errno == EINTR ? 1 : 0;
    if (got <= 0)
        return ERR_EOF;
    keep_tail(worker, bytes, (size_t)got);
    return 1;
}

static enum worker_exit exit_of(const struct worker_end *end)
{
    switch (end->verdict) {
    case WORKER_STOPPED:
        return WORKER_EXIT_STOPPED;
    case WORKER_SILENT:
        return WORKER_EXIT_SILENT;
    case WORKER_BROKE_PROTOCOL:
        return WORKER_EXIT_PROTOCOL;
    case WORKER_UNHURT:
        break;
    }
    if (end->signal != 0)
        return end->out_of_memory ? WORKER_EXIT_OUT_OF_MEMORY : WORKER_EXIT_SIGNAL;
    return end->exit_status == 0 ? WORKER_EXIT_CLEAN : WORKER_EXIT_FAILURE;
}

/* After the process was waited for: takes what is left, then says that it ended. A held
 * worker's frames stay in the pipe until it is let go. */
static void finish(struct worker_process *worker)
{
    while (worker->output.fd >= 0 && !worker->held)
        if (read_frames(worker) <= 0)
            close_source(worker, &worker->output);
    if (worker->output.fd >= 0)
        return;
    while (worker->errors.fd >= 0)
        if (read_errors(worker) <= 0)
            close_source(worker, &worker->errors);
    worker->end.tail = worker->tail;
    tallies_exit(worker->setting->tallies, exit_of(&worker->end), worker->spoke);
    worker->handlers.ended(worker->handlers.context, &worker->end);
}

static void output_ready(struct loop_source *source, uint32_t events)
{
    (void)events;
    struct worker_process *worker = LOOP_OWNER(source, struct worker_process, output);
    int rc = 1;
    for (int i = 0; i < READS_A_TURN && rc > 0 && !worker->held; i++)
        rc = read_frames(worker);
    if (rc < 0)
        close_source(worker, &worker->output);
}

static void errors_ready(struct loop_source *source, uint32_t events)
{
    (void)events;
    struct worker_process *worker = LOOP_OWNER(source, struct worker_process, errors);
    if (read_errors(worker) < 0)
        close_source(worker, &worker->errors);
}

/* The process has ended: takes its status, which also frees its number. */
static void notice_ready(struct loop_source *source, uint32_t events)
{
    (void)events;
    struct worker_process *worker = LOOP_OWNER(source, struct worker_process, notice);
    siginfo_t info = {0};
    if (waitid(P_PIDFD, (id_t)worker->notice.fd, &info, WEXITED | WNOHANG) != 0)
        log_event(LOG_ERROR, "worker_wait_failed", "pid=%d errno=%d", (int)worker->pid,
                  errno);
    else if (info.si_pid == 0)
        return;
    if (info.si_code == CLD_EXITED)
        worker->end.exit_status = info.si_status;
    else
        worker->end.signal = info.si_status;
    worker->end.out_of_memory = worker->end.signal == SIGKILL &&
                                worker->end.verdict == WORKER_UNHURT &&
                                oom_count() > worker->oom_kills;
    worker->pid = 0;
    worker->ended = true;
    heard(worker);
    close_source(worker, &worker->notice);
    close_source(worker, &worker->input);
    finish(worker);
}

/* Moves what is to be sent into the pipe, as far as it goes. */
static void push_output(struct worker_process *worker)
{
    while (worker->input.fd >= 0 && worker->sent < worker->outgoing.length) {
        ssize_t put = write(worker->input.fd, worker->outgoing.data + worker->sent,
                            worker->outgoing.length - worker->sent);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno == EAGAIN)
            break;
        if (put < 0) { /* it reads no more; how it ends will tell why */
            close_source(worker, &worker->input);
            return;
        }
        worker->sent += (size_t)put;
        heard(worker); /* reading is a sign of life too */
    }
    if (worker->input.fd < 0)
        return;
    bool all = worker->sent == worker->outgoing.length;
    if (all) {
        buffer_clear(&worker->outgoing);
        worker->sent = 0;
    }
    if (all && worker->closing_input)
        close_source(worker, &worker->input);
    else if (loop_watch(loop_of(worker), &worker->input, all ? 0 : EPOLLOUT,
                        &worker->end.reason) != 0)
        worker_process_kill(worker, WORKER_STOPPED, worker->end.reason.text);
}

static void input_ready(struct loop_source *source, uint32_t events)
{
    (void)events;
    struct worker_process *worker = LOOP_OWNER(source, struct worker_process, input);
    push_output(worker);
    if (worker->input.fd >= 0 && worker->outgoing.length == 0 && worker->handlers.drained)
        worker->handlers.drained(worker->handlers.context);
}

int worker_process_send(struct worker_process *worker, enum message_type type,
                        const void *payload, size_t length, struct error *err)
{
    if (worker->input.fd < 0)
        return error_set(err, ERR_EOF, "the worker reads no more");
    int rc = frame_append(&worker->outgoing, type, payload, length);
    if (rc != 0) {
        worker_process_kill(worker, WORKER_STOPPED, "it does not read what it is sent");
        return error_set(err, rc,
                         "a %s message of %zu bytes cannot be sent to the worker",
                         message_name(type), length);
    }
    /* Handed to the loop when the pipe is full, and always when someone waits for
     * `drained`: that callback never comes from within a call to send. */
    push_output(worker);
    if (worker->handlers.drained && worker->input.fd >= 0 && !worker->closing_input)
        rc = loop_watch(loop_of(worker), &worker->input, EPOLLOUT, err);
    return rc;
}

void worker_process_close_input(struct worker_process *worker)
{
    worker->closing_input = true;
    push_output(worker);
}

void worker_process_hold(struct worker_process *worker, bool hold)
{
    if (worker->held == hold)
        return;
    worker->held = hold;
    heard(worker);
    if (worker->ended) {
        if (!hold)
            finish(worker);
        return;
    }
    if (worker->output.fd >= 0 &&
        loop_watch(loop_of(worker), &worker->output, hold ? 0 : EPOLLIN,
                   &worker->end.reason) != 0)
        worker_process_kill(worker, WORKER_STOPPED, worker->end.reason.text);
}

void worker_process_expect(struct worker_process *worker, bool busy)
{
    worker->busy = busy;
    heard(worker);
}

pid_t worker_process_id(const struct worker_process *worker)
{
    return worker->pid;
}

static struct loop_source source_of(int fd, void (*ready)(struct loop_source *, uint32_t))
{
    return (struct loop_source){.fd = fd, .ready = ready};
}

static int watch_all(struct worker_process *worker, struct error *err)
{
    int rc = loop_watch(loop_of(worker), &worker->output, EPOLLIN, err);
    if (rc == 0)
        rc = loop_watch(loop_of(worker), &worker->errors, EPOLLIN, err);
    if (rc == 0)
        rc = loop_watch(loop_of(worker), &worker->notice, EPOLLIN, err);
    return rc;
}

int worker_process_start(const struct worker_setting *setting,
                         const struct worker_needs *needs,
                         const struct worker_handlers *handlers,
                         struct worker_process **ret_worker, struct error *err)
{
    struct worker_process *worker = mem_alloc(sizeof(*worker));
    if (!worker)
        return error_set(err, ERR_NOMEM, "no memory for a worker");
    worker->setting = setting;
    worker->handlers = *handlers;
    worker->busy = true;
    worker->silence.fire = fell_silent;
    worker->oom_kills = oom_count();
    buffer_init(&worker->outgoing, OUTPUT_MAX_BYTES);
    frame_reader_init(&worker->reader, FROM_WORKER);
    struct launched launched = {0, -1, -1, -1, -1};
    const struct launch_order order = {.path = setting->path,
                                       .sandbox = setting->sandbox,
                                       .memory_mb = needs->memory_mb,
                                       .threads = needs->threads,
                                       .file_mb = needs->file_mb,
                                       .fds = needs->fds,
                                       .fd_count = needs->fd_count};
    int rc = launch_worker(&order, &launched, err);
    worker->pid = launched.pid;
    worker->input = source_of(launched.input, input_ready);
    worker->output = source_of(launched.output, output_ready);
    worker->errors = source_of(launched.errors, errors_ready);
    worker->notice = source_of(launched.pid_fd, notice_ready);
    if (rc == 0)
        rc = watch_all(worker, err);
    tallies_start(setting->tallies, rc == 0);
    if (rc != 0) {
        worker_process_free(worker);
        return rc;
    }
    heard(worker);
    *ret_worker = worker;
    return 0;
}

void worker_process_free(struct worker_process *worker)
{
    if (!worker)
        return;
    if (worker->pid > 0) {
        worker_process_kill(worker, WORKER_STOPPED, "given up");
        waitpid(worker->pid, NULL, 0);
        tallies_exit(worker->setting->tallies, WORKER_EXIT_STOPPED, worker->spoke);
    }
    loop_cancel_timer(loop_of(worker), &worker->silence);
    close_source(worker, &worker->input);
    close_source(worker, &worker->output);
    close_source(worker, &worker->errors);
    close_source(worker, &worker->notice);
    frame_reader_release(&worker->reader);
    buffer_release(&worker->outgoing);
    free(worker);
}
