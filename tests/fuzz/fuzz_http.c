/*
 * The HTTP edge: raw bytes to the real listener with the real routes, store, scheduler
 * and workers in a folder of its own. In the input @D, @J and @M stand for the IDs of a
 * dataset, a finished job and a model that are there; a byte 0x01 is a pause in sending.
 *
 * Promises: every reply is HTTP and one that the API promises (see http_replies.h), and
 * afterwards the server still answers /livez. Queued jobs are never started, so that what
 * a fuzzer posts does not train for hours.
 */
#include "base/clock.h"
#include "base/log.h"
#include "fuzz.h"
#include "http/hub.h"
#include "http/server.h"
#include "http_replies.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <ftw.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUIET_MS 12       /* then no more replies are waited for */
#define PATIENCE_MS 20000 /* for what must come */
#define REPLIES_BYTES ((size_t)4 << 20)
#define REQUEST_BYTES 65536
#define FOLDER "/tmp/fuzz_http.XXXXXX"

struct scene {
    char folder[sizeof(FOLDER)];
    struct server server;
    struct http_listener *listener;
    int port;
    char ids[3][64]; /* dataset, job, model */
};

static struct scene *scene;
static char replies[REPLIES_BYTES + 1];

/* ---- a client ---- */

static int connect_to(const struct scene *to)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)to->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    FUZZ_EXPECT(fd >= 0);
    FUZZ_EXPECT(connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

/* A reset, so that no socket of ours lingers. */
static void cut(int fd)
{
    const struct linger none = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    close(fd);
}

/* Reads what comes until nothing did for `quiet_ms` (once something came: for a moment),
 * or the other side closed. */
static void read_more(int fd, size_t *length, int quiet_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    while (*length < REPLIES_BYTES && poll(&poll_fd, 1, quiet_ms) > 0) {
        ssize_t got = recv(fd, replies + *length, REPLIES_BYTES - *length, 0);
        if (got <= 0)
            return;
        *length += (size_t)got;
        quiet_ms = quiet_ms > 2 ? 2 : quiet_ms;
    }
}

static void send_bytes(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent <= 0)
            return; /* it has closed, or will not read: that is its right */
        bytes += sent;
        length -= (size_t)sent;
    }
}

/* Asks and waits; the body is borrowed until the next question. */
static struct http_reply ask(const char *request)
{
    int fd = connect_to(scene);
    send_bytes(fd, request, strlen(request));
    size_t length = 0, before;
    struct http_reply reply;
    for (;;) {
        before = length;
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        FUZZ_EXPECT(poll(&poll_fd, 1, PATIENCE_MS) > 0); /* otherwise it hangs */
        read_more(fd, &length, 0);
        char *at = replies;
        size_t left = length;
        if (http_reply_next(&at, &left, false, &reply))
            break;
        FUZZ_EXPECT(length > before);
    }
    cut(fd);
    replies[length] = '\0';
    return reply;
}

/* ---- the scene ---- */

static int remove_entry(const char *path, const struct stat *status, int flag,
                        struct FTW *walk)
{
    (void)status;
    (void)flag;
    (void)walk;
    return remove(path);
}

static void start_sched(struct scene *of)
{
    const struct sched_config config = {.store = of->server.store,
                                        .data_dir = of->folder,
                                        .worker_path = WORKER,
                                        .slots = 1,
                                        .max_ingests = 1,
                                        .max_serving = 1,
                                        .serving_idle_ns = 300 * CLOCK_NS_PER_SECOND,
                                        .silence_ns = 86400 * CLOCK_NS_PER_SECOND};
    struct error err = {0};
    if (sched_start(&config, &of->server.sched, &err) != 0)
        fuzz_broken(err.text, __FILE__, __LINE__);
}

static void start_http(struct scene *of)
{
    struct error err = {0};
    if (http_listen(&of->server, &of->listener, &of->port, &err) != 0)
        fuzz_broken(err.text, __FILE__, __LINE__);
}

static void stop(void)
{
    http_drain(scene->listener);
    sched_stop(scene->server.sched, clock_monotonic_ns() + CLOCK_NS_PER_SECOND);
    http_close(scene->listener, clock_monotonic_ns() + 5 * CLOCK_NS_PER_SECOND);
    store_close(scene->server.store);
    hub_free(scene->server.hub);
    nftw(scene->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(scene);
}

/* The member `key` of the first object of the reply, which is an ID or a word. */
static void read_member(const struct http_reply *reply, const char *key, char ret[64])
{
    char quoted[32];
    snprintf(quoted, sizeof(quoted), "\"%s\":\"", key);
    const char *at = strstr(reply->body, quoted);
    ret[0] = '\0';
    if (at)
        snprintf(ret, 64, "%.*s", (int)strcspn(at + strlen(quoted), "\""),
                 at + strlen(quoted));
}

static struct http_reply post(const char *path, const char *type, const char *body)
{
    char request[2048];
    snprintf(request, sizeof(request),
             "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             path, type, strlen(body), body);
    return ask(request);
}

/* A dataset, a job that has ended, and its model. */
static void fill(void)
{
    char body[1024], request[256], status[64] = "";
    struct http_reply reply =
        post("/v1/datasets?name=x", "text/csv",
             "a,b,c\n1,2,x\n2,1,y\n3,4,x\n4,3,y\n5,6,x\n6,5,y\n7,8,x\n8,7,y\n9,1,x\n");
    read_member(&reply, "id", scene->ids[0]);
    snprintf(body, sizeof(body),
             "{\"dataset\":\"%s\",\"epochs\":1,\"features\":{\"target\":\"c\"},"
             "\"model\":{\"layers\":[{\"type\":\"dense\",\"units\":\"auto\"}]}}",
             scene->ids[0]);
    reply = post("/v1/jobs", "application/json", body);
    read_member(&reply, "id", scene->ids[1]);
    int64_t deadline = clock_monotonic_ns() + 60 * CLOCK_NS_PER_SECOND;
    snprintf(request, sizeof(request),
             "GET /v1/jobs/%s HTTP/1.1\r\nHost: localhost\r\n\r\n", scene->ids[1]);
    while (strcmp(status, "succeeded") != 0) {
        FUZZ_EXPECT(clock_monotonic_ns() < deadline);
        usleep(20000);
        reply = ask(request);
        read_member(&reply, "status", status);
    }
    read_member(&reply, "model", scene->ids[2]);
    FUZZ_EXPECT(scene->ids[2][0] == 'm');
}

static int count_training(void)
{
    struct sched_stats stats;
    sched_stats(scene->server.sched, &stats);
    return stats.training;
}

/* The process's only child, or 0. It belongs to one of the threads, the scheduler's. */
static pid_t find_child(void)
{
    struct dirent **tasks;
    int count = scandir("/proc/self/task", &tasks, NULL, alphasort), child = 0;
    FUZZ_EXPECT(count > 0);
    for (int i = 0; i < count; i++) {
        char path[300];
        snprintf(path, sizeof(path), "/proc/self/task/%s/children", tasks[i]->d_name);
        FILE *file = fopen(path, "r");
        if (file && fscanf(file, "%d", &child) != 1)
            child = child > 0 ? child : 0;
        if (file)
            fclose(file);
        free(tasks[i]);
    }
    free(tasks);
    return child;
}

/* The one slot gets a job for hours, whose worker is then stopped: nothing that a fuzzer
 * posts will train. */
static void block_slot(void)
{
    char body[256];
    snprintf(body, sizeof(body),
             "{\"dataset\":\"%s\",\"epochs\":1000000,\"features\":{\"target\":\"c\"},"
             "\"priority\":100,\"model\":{\"layers\":[{\"type\":\"dense\",\"units\":"
             "\"auto\"}]}}",
             scene->ids[0]);
    FUZZ_EXPECT(post("/v1/jobs", "application/json", body).status == 201);
    int64_t deadline = clock_monotonic_ns() + 60 * CLOCK_NS_PER_SECOND;
    while (count_training() == 0 || find_child() == 0) {
        FUZZ_EXPECT(clock_monotonic_ns() < deadline);
        usleep(20000);
    }
    FUZZ_EXPECT(kill(find_child(), SIGSTOP) == 0);
}

static void start(void)
{
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_ERROR);
    scene = calloc(1, sizeof(*scene));
    FUZZ_EXPECT(scene);
    strcpy(scene->folder, FOLDER);
    FUZZ_EXPECT(mkdtemp(scene->folder));
    scene->server.config = (struct server_config){.listen = "127.0.0.1:0",
                                                  .data_dir = scene->folder,
                                                  .threads = 1,
                                                  .max_upload_bytes = 1000000,
                                                  .max_expanded_bytes = 1000000,
                                                  .slots = 2,
                                                  .stall_ns = 120 * CLOCK_NS_PER_SECOND,
                                                  .memory_mb = 4096,
                                                  .sandbox = "none"};
    scene->server.started_us = clock_wall_us();
    struct error err = {0};
    if (store_open(scene->folder, &scene->server.store, &err) != 0 ||
        hub_new(64, &scene->server.hub, &err) != 0)
        fuzz_broken(err.text, __FILE__, __LINE__);
    start_sched(scene);
    start_http(scene);
    fill();
    block_slot();
    atexit(stop);
}

/* ---- one input ---- */

/* The input with the IDs in it; returns its length. */
static size_t put_ids(const uint8_t *data, size_t size, char *ret_request)
{
    size_t used = 0;
    for (size_t i = 0; i < size && used < REQUEST_BYTES - 64; i++) {
        const char *names = "DJM";
        const char *found = data[i] == '@' && i + 1 < size && data[i + 1]
                                ? strchr(names, data[i + 1])
                                : NULL;
        if (found) {
            used +=
                (size_t)snprintf(ret_request + used, 64, "%s", scene->ids[found - names]);
            i++;
        } else {
            ret_request[used++] = (char)data[i];
        }
    }
    return used;
}

static void send_in_pieces(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        const char *pause = memchr(bytes, 1, length);
        size_t piece = pause ? (size_t)(pause - bytes) : length;
        send_bytes(fd, bytes, piece);
        if (!pause)
            return;
        usleep(500);
        bytes += piece + 1;
        length -= piece + 1;
    }
}

/* Checks every whole reply; with HEAD the framing is uncertain, so only the first. */
static void check_replies(const char *request, size_t request_length, size_t length)
{
    bool is_head = request_length >= 4 && memcmp(request, "HEAD", 4) == 0;
    bool has_head = memmem(request, request_length, "HEAD", 4) != NULL;
    char *at = replies;
    struct http_reply reply;
    while (http_reply_next(&at, &length, is_head, &reply)) {
        http_reply_check(&reply);
        if (reply.is_stream || has_head)
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char request[REQUEST_BYTES];
    static unsigned count;
    if (!scene)
        start();
    size_t length = put_ids(data, size, request);
    int fd = connect_to(scene);
    send_in_pieces(fd, request, length);
    size_t got = 0;
    read_more(fd, &got, QUIET_MS);
    cut(fd);
    check_replies(request, length, got);
    if (++count % 16 == 0 || count < 100)
        FUZZ_EXPECT(ask("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200);
    return 0;
}
