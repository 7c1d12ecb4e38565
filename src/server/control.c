/* See control.h. The path of a socket has room for 107 characters, so it is named by way
 * of the folder's descriptor, whatever the folder's own name is. */
#include "control.h"

#include "base/io.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_NAME "control"
#define ORDER_MAX_BYTES ((size_t)8192)
#define ANSWER_MAX_BYTES (4 * TOKEN_OUTPUT_MAX)
#define BACKLOG 16
#define PATIENCE_SECONDS 5

struct control {
    struct control_config config;
    pthread_t thread;
    int folder, listening, stopping;
};

static int open_folder(const char *data_dir, int *ret_fd, struct error *err)
{
    int fd = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot open the data folder");
    *ret_fd = fd;
    return 0;
}

static struct sockaddr_un socket_address(int folder)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" SOCKET_NAME,
             folder);
    return address;
}

static void set_patience(int fd)
{
    const struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

/* Everything up to the peer's end. */
static int read_all(int fd, struct buffer *text)
{
    char piece[4096];
    ssize_t length;
    while ((length = recv(fd, piece, sizeof(piece), 0)) > 0)
        buffer_append(text, piece, (size_t)length);
    return length < 0 ? ERR_IO : buffer_status(text);
}

static int send_json(int fd, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    size_t length = text ? strlen(text) : 0;
    int rc = text ? 0 : ERR_NOMEM;
    for (size_t at = 0; rc == 0 && at < length;) {
        ssize_t sent = send(fd, text + at, length - at, MSG_NOSIGNAL);
        if (sent > 0)
            at += (size_t)sent;
        else
            rc = ERR_IO;
    }
    if (text)
        memset(text, 0, length); /* it may hold a token */
    free(text);
    return rc;
}

/* ---- the daemon's side ---- */

static bool is_operator(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

static json_t *run_order(const struct control *control, const json_t *json)
{
    struct token_order order = {0};
    json_int_t days = 0;
    struct error err = {0};
    struct buffer output, notice;
    buffer_init(&output, TOKEN_OUTPUT_MAX);
    buffer_init(&notice, TOKEN_OUTPUT_MAX);
    bool revoked = false;
    int rc = 0;
    if (json_unpack((json_t *)(uintptr_t)json, "{s:s, s?s, s?s, s?s, s?I, s?s}", "verb",
                    &order.verb, "scope", &order.scope, "name", &order.name, "owner",
                    &order.owner, "expires_days", &days, "id", &order.id) != 0)
        rc = error_set(&err, ERR_PROTOCOL, "the daemon is of another version");
    order.expires_days = days;
    if (rc == 0)
        rc = token_verb_run(control->config.store, control->config.audit_rows, &order,
                            &output, &notice, &revoked, &err);
    if (revoked)
        control->config.revoked(control->config.context);
    json_t *answer = rc == 0 ? json_pack("{s:i, s:s, s:s}", "code", 0, "output",
                                         output.data, "notice", notice.data)
                             : json_pack("{s:i, s:s}", "code", rc, "error", err.text);
    memset(output.data, 0, output.length);
    memset(notice.data, 0, notice.length);
    buffer_release(&output);
    buffer_release(&notice);
    return answer;
}

static void serve(const struct control *control, int fd)
{
    set_patience(fd);
    if (!is_operator(fd)) {
        log_event(LOG_WARN, "control_refused", "cause=peer");
        return;
    }
    struct buffer text;
    buffer_init(&text, ORDER_MAX_BYTES);
    json_t *order = NULL;
    if (read_all(fd, &text) == 0)
        order = json_loadb(text.data, text.length, JSON_REJECT_DUPLICATES, NULL);
    buffer_release(&text);
    if (send_json(fd, run_order(control, order)) != 0)
        log_event(LOG_WARN, "control_unanswered", "cause=peer");
    json_decref(order);
}

static void *run(void *context)
{
    const struct control *control = context;
    struct pollfd waits[] = {{.fd = control->listening, .events = POLLIN},
                             {.fd = control->stopping, .events = POLLIN}};
    for (;;) {
        if (poll(waits, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (waits[1].revents != 0)
            return NULL;
        int fd = waits[0].revents != 0
                     ? accept4(control->listening, NULL, NULL, SOCK_CLOEXEC)
                     : -1;
        if (fd >= 0)
            serve(control, fd);
        io_close(&fd);
    }
}

/* Whose folder this is holds the store's lock, so a socket that is there is a leftover.
 */
static int open_socket(struct control *control, struct error *err)
{
    control->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (control->listening < 0)
        return error_set_errno(err, errno, "cannot make the control socket");
    struct sockaddr_un address = socket_address(control->folder);
    unlinkat(control->folder, SOCKET_NAME, 0);
    /* Linux gives the file the mode that its socket has at the bind. */
    if (fchmod(control->listening, 0600) != 0 ||
        bind(control->listening, (const struct sockaddr *)&address, sizeof(address)) !=
            0 ||
        listen(control->listening, BACKLOG) != 0)
        return error_set_errno(err, errno, "cannot listen at the control socket");
    return 0;
}

static void release(struct control *control)
{
    io_close(&control->listening);
    io_close(&control->stopping);
    io_close(&control->folder);
    free(control);
}

int control_start(const struct control_config *config, struct control **ret_control,
                  struct error *err)
{
    struct control *control = mem_alloc(sizeof(*control));
    if (!control)
        return error_set(err, ERR_NOMEM, "no memory for the control socket");
    control->config = *config;
    control->folder = control->listening = -1;
    control->stopping = eventfd(0, EFD_CLOEXEC);
    int rc = control->stopping < 0
                 ? error_set_errno(err, errno, "no descriptor for the control socket")
                 : open_folder(config->data_dir, &control->folder, err);
    if (rc == 0)
        rc = open_socket(control, err);
    if (rc == 0) {
        int failure = pthread_create(&control->thread, NULL, run, control);
        if (failure != 0)
            rc = error_set_errno(err, failure, "cannot start the control thread");
    }
    if (rc != 0)
        release(control);
    else
        *ret_control = control;
    return rc;
}

void control_stop(struct control *control)
{
    if (!control)
        return;
    const uint64_t one = 1;
    if (write(control->stopping, &one, sizeof(one)) == (ssize_t)sizeof(one))
        pthread_join(control->thread, NULL);
    unlinkat(control->folder, SOCKET_NAME, 0);
    release(control);
}

/* ---- the client's side ---- */

static int connect_to(const char *data_dir, int *ret_fd, struct error *err)
{
    int folder = -1;
    int rc = open_folder(data_dir, &folder, err);
    if (rc != 0)
        return rc;
    struct sockaddr_un address = socket_address(folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failure = 0;
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        failure = errno;
    io_close(&folder);
    if (failure == 0) {
        *ret_fd = fd;
        return 0;
    }
    io_close(&fd);
    if (failure == ENOENT || failure == ECONNREFUSED)
        return error_set(err, ERR_BUSY, "the daemon does not answer");
    return error_set_errno(err, failure, "cannot reach the daemon");
}

static json_t *describe(const struct token_order *order)
{
    return json_pack("{s:s, s:s*, s:s*, s:s*, s:I, s:s*}", "verb", order->verb, "scope",
                     order->scope, "name", order->name, "owner", order->owner,
                     "expires_days", (json_int_t)order->expires_days, "id", order->id);
}

static int take_answer(const json_t *answer, struct buffer *output, struct buffer *notice,
                       struct error *err)
{
    const json_t *code = json_object_get(answer, "code");
    const char *fault = json_string_value(json_object_get(answer, "error"));
    const char *text = json_string_value(json_object_get(answer, "output"));
    const char *remark = json_string_value(json_object_get(answer, "notice"));
    if (json_is_integer(code) && json_integer_value(code) < 0)
        return error_set(err, (int)json_integer_value(code), "%s",
                         fault ? fault : "the daemon failed");
    if (!json_is_integer(code) || !text || !remark)
        return error_set(err, ERR_PROTOCOL, "the daemon's answer cannot be read");
    buffer_append_string(output, text);
    buffer_append_string(notice, remark);
    int rc = buffer_status(output) != 0 ? buffer_status(output) : buffer_status(notice);
    return rc == 0 ? 0 : error_set(err, rc, "no memory for the answer");
}

int control_ask(const char *data_dir, const struct token_order *order,
                struct buffer *output, struct buffer *notice, struct error *err)
{
    int fd = -1;
    int rc = connect_to(data_dir, &fd, err);
    if (rc != 0)
        return rc;
    set_patience(fd);
    struct buffer text;
    buffer_init(&text, ANSWER_MAX_BYTES);
    rc = send_json(fd, describe(order));
    if (rc == 0)
        rc = shutdown(fd, SHUT_WR) == 0 ? read_all(fd, &text) : ERR_IO;
    io_close(&fd);
    json_t *answer = rc == 0 ? json_loadb(text.data, text.length, 0, NULL) : NULL;
    if (rc == 0)
        rc = take_answer(answer, output, notice, err);
    else
        error_set(err, rc, "the daemon does not answer");
    json_decref(answer);
    buffer_release(&text);
    return rc;
}
