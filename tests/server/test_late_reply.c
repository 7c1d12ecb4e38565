/* Replies that come later, from other threads, or piece by piece; and the drain. */
#include "http_fixture.h"

#include "http/reply.h"
#include "http/request.h"
#include "http/route.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define HOST "Host: localhost\r\n"

static struct http_fixture fixture;

static void sleep_ms(long milliseconds)
{
    const struct timespec moment = {.tv_nsec = milliseconds * 1000000};
    nanosleep(&moment, NULL);
}

/* ---- handlers ---- */

static void handle_echo(struct request *request)
{
    json_t *json = json_pack("{s:s, s:s*}", "param", request_param(request, 0), "x",
                             request_query(request, "x"));
    reply_json(request, 200, json);
}

static void *reply_later(void *context)
{
    sleep_ms(20);
    reply_json(context, 200, json_pack("{s:b}", "late", 1));
    return NULL;
}

static void *reply_now(void *context)
{
    reply_json(context, 200, json_pack("{s:b}", "now", 1));
    return NULL;
}

static void start_thread(void *(*run)(void *), void *context)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run, context), 0);
    pthread_detach(thread);
}

static void handle_late(struct request *request)
{
    start_thread(reply_later, request);
}

/* Another thread replies while the handler still runs, or just after it. */
static void handle_race(struct request *request)
{
    start_thread(reply_now, request);
}

static struct {
    pthread_mutex_t lock;
    struct stream *stream; /* NULL when none is open */
    int pieces;            /* to be sent */
    atomic_int reads, released;
} live = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int64_t read_live(void *context, uint64_t offset, char *bytes, size_t maximum)
{
    (void)context;
    (void)offset;
    (void)maximum;
    atomic_fetch_add(&live.reads, 1);
    pthread_mutex_lock(&live.lock);
    int64_t got = STREAM_WAIT;
    if (live.pieces > 0) {
        live.pieces--;
        memcpy(bytes, "piece\n", 6);
        got = 6;
    }
    pthread_mutex_unlock(&live.lock);
    return got;
}

static void release_live(void *context)
{
    (void)context;
    pthread_mutex_lock(&live.lock);
    live.stream = NULL;
    pthread_mutex_unlock(&live.lock);
    atomic_fetch_add(&live.released, 1);
}

static void handle_stream(struct request *request)
{
    const struct stream_source source = {"text/plain", UINT64_MAX, read_live,
                                         release_live, NULL};
    reply_stream(request, 200, &source, &live.stream);
}

/* Adds pieces and wakes the stream. */
static void publish(int pieces)
{
    pthread_mutex_lock(&live.lock);
    live.pieces += pieces;
    struct stream *stream = live.stream;
    pthread_mutex_unlock(&live.lock);
    if (stream)
        stream_wake(stream);
}

static int64_t read_counted(void *context, uint64_t offset, char *bytes, size_t maximum)
{
    (void)context;
    memset(bytes, 'a' + (int)(offset % 26), maximum);
    return (int64_t)maximum;
}

static void handle_download(struct request *request)
{
    const struct stream_source source = {"application/octet-stream", 3000000,
                                         read_counted, NULL, NULL};
    reply_stream(request, 200, &source, NULL);
}

/* A request that is answered when its client is gone, as a scheduler does it. */
static struct {
    atomic_int calls, replied, ticket;
} patient;

static void *give_up(void *context)
{
    reply_problem(context, 503, "withdrawn", "nobody waits");
    atomic_fetch_add(&patient.replied, 1);
    return NULL;
}

static void note_gone(struct request *request, uint64_t ticket)
{
    atomic_store(&patient.ticket, (int)ticket);
    atomic_fetch_add(&patient.calls, 1);
    start_thread(give_up, request);
}

static void handle_patient(struct request *request)
{
    request_on_gone(request, note_gone, 77);
}

/* Is answered before its client goes. */
static void handle_quick(struct request *request)
{
    request_on_gone(request, note_gone, 78);
    start_thread(reply_later, request);
}

const struct route route_table[] = {
    {"GET", "/echo/{a}", 0, BODY_NONE, 0, handle_echo, "x y", NULL},
    {"GET", "/late", 0, BODY_NONE, 0, handle_late, NULL, NULL},
    {"GET", "/race", 0, BODY_NONE, 0, handle_race, NULL, NULL},
    {"GET", "/patient", 0, BODY_NONE, 0, handle_patient, NULL, NULL},
    {"GET", "/quick", 0, BODY_NONE, 0, handle_quick, NULL, NULL},
    {"GET", "/stream", 0, BODY_NONE, 0, handle_stream, NULL, NULL},
    {"GET", "/download", 0, BODY_NONE, 0, handle_download, NULL, NULL},
    {NULL, NULL, 0, BODY_NONE, 0, NULL, NULL, NULL},
};

static int set_up(void **state)
{
    (void)state;
    fixture_start(&fixture, false);
    live.pieces = 0;
    atomic_store(&live.reads, 0);
    atomic_store(&live.released, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_release(&fixture);
    return 0;
}

/* ---- tests ---- */

static void test_another_thread_may_reply(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    for (int i = 0; i < 3; i++) {
        client_send(fd, "GET /late HTTP/1.1\r\n" HOST "\r\n");
        client_send(fd, "GET /echo/next HTTP/1.1\r\n" HOST "\r\n"); /* pipelined */
        struct client_reply reply = client_read(fd, false);
        assert_string_equal(reply.body, "{\"late\":true}\n");
        client_reply_release(&reply);
        reply = client_read(fd, false);
        assert_string_equal(reply.body, "{\"param\":\"next\"}\n");
        client_reply_release(&reply);
    }
    close(fd);
}

static void test_a_reply_that_races_the_handler_is_sent_once(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    for (int i = 0; i < 300; i++) {
        client_send(fd, "GET /race HTTP/1.1\r\n" HOST "\r\n");
        struct client_reply reply = client_read(fd, false);
        assert_int_equal(reply.status, 200);
        assert_string_equal(reply.body, "{\"now\":true}\n");
        client_reply_release(&reply);
    }
    close(fd);
}

static void wait_for(atomic_int *value, int wanted)
{
    for (int i = 0; i < 2000 && atomic_load(value) < wanted; i++)
        sleep_ms(5);
    assert_true(atomic_load(value) >= wanted);
}

static void read_text(int fd, const char *expected)
{
    char text[256] = "";
    size_t length = strlen(expected);
    assert_int_equal(recv(fd, text, length, MSG_WAITALL), (ssize_t)length);
    assert_string_equal(text, expected);
}

/* Opens the stream and reads the head of its reply. */
static int open_stream(void)
{
    int fd = client_connect(&fixture);
    client_send(fd, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    char byte = 0;
    for (int ends = 0; ends < 2; ends = byte == '\n' ? ends + 1 : byte == '\r' ? ends : 0)
        assert_int_equal(recv(fd, &byte, 1, 0), 1);
    return fd;
}

static void test_a_stream_sleeps_until_it_is_woken(void **state)
{
    (void)state;
    int fd = open_stream();
    wait_for(&live.reads, 1);
    sleep_ms(100);
    assert_int_equal(atomic_load(&live.reads), 1); /* it does not ask again and again */
    publish(2);
    read_text(fd, "6\r\npiece\n\r\n6\r\npiece\n\r\n");
    wait_for(&live.reads, 4);
    for (int i = 0; i < 50; i++) {
        publish(1);
        read_text(fd, "6\r\npiece\n\r\n");
    }
    close(fd);
    for (int i = 0; i < 1000 && atomic_load(&live.released) == 0; i++) {
        publish(1); /* a sleeping connection learns of the end when it writes */
        sleep_ms(5);
    }
    assert_int_equal(atomic_load(&live.released), 1);
}

static void
test_a_stream_that_is_woken_for_nothing_sees_that_its_client_is_gone(void **state)
{
    (void)state;
    int fd = open_stream();
    wait_for(&live.reads, 1);
    close(fd);
    for (int i = 0; i < 1000 && atomic_load(&live.released) == 0; i++) {
        publish(0);
        sleep_ms(5);
    }
    assert_int_equal(atomic_load(&live.released), 1);
}

static void test_who_waits_for_a_client_that_is_gone_is_told(void **state)
{
    (void)state;
    int fds[20];
    atomic_store(&patient.calls, 0);
    atomic_store(&patient.replied, 0);
    int stays = client_connect(&fixture);
    client_send(stays, "GET /patient HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 20; i++) {
        fds[i] = client_connect(&fixture);
        client_send(fds[i], "GET /patient HTTP/1.1\r\n" HOST "\r\n");
    }
    sleep_ms(100);
    assert_int_equal(atomic_load(&patient.calls), 0);
    for (int i = 0; i < 20; i++)
        close(fds[i]);
    wait_for(&patient.replied, 20);
    assert_int_equal(atomic_load(&patient.ticket), 77);
    sleep_ms(900); /* another look of the watch */
    sleep_ms(900);
    assert_int_equal(atomic_load(&patient.calls), 20); /* not for the one that stays */
    close(stays);
    wait_for(&patient.replied, 21);
}

static void test_who_was_answered_is_not_called_gone(void **state)
{
    (void)state;
    atomic_store(&patient.calls, 0);
    int fds[20];
    for (int i = 0; i < 20; i++) {
        fds[i] = client_connect(&fixture);
        client_send(fds[i], "GET /quick HTTP/1.1\r\n" HOST "\r\n");
    }
    for (int i = 0; i < 20; i++) {
        struct client_reply reply = client_read(fds[i], false);
        assert_int_equal(reply.status, 200);
        client_reply_release(&reply);
        close(fds[i]);
    }
    for (int i = 0; i < 5; i++)
        sleep_ms(500);
    assert_int_equal(atomic_load(&patient.calls), 0);
}

static void test_a_download_of_known_size_is_whole(void **state)
{
    (void)state;
    struct client_reply reply =
        client_ask(&fixture, "GET /download HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.head, "\r\nContent-Length: 3000000\r\n"));
    assert_int_equal(reply.length, 3000000);
    client_reply_release(&reply);
}

static void test_the_drain_ends_streams_and_refuses_the_rest(void **state)
{
    (void)state;
    int fd = open_stream();
    int kept = client_connect(&fixture);
    client_send(kept, "GET /echo/a HTTP/1.1\r\n" HOST "\r\n");
    struct client_reply reply = client_read(kept, false);
    assert_int_equal(reply.status, 200);
    client_reply_release(&reply);

    assert_false(client_is_refused(&fixture));
    http_drain(fixture.listener);
    assert_true(client_is_refused(&fixture));
    read_text(fd, "0\r\n\r\n");
    wait_for(&live.released, 1);
    client_send(kept, "GET /echo/a HTTP/1.1\r\n" HOST "\r\n");
    reply = client_read(kept, false);
    assert_int_equal(reply.status, 503);
    assert_string_equal(reply.code, "shutting_down");
    client_reply_release(&reply);
    close(fd);
    close(kept);
}

static void test_what_waits_is_answered_before_the_close(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    client_send(fd, "GET /late HTTP/1.1\r\n" HOST "\r\n");
    sleep_ms(5);
    fixture_stop(&fixture);
    struct client_reply reply = client_read(fd, false);
    assert_true(reply.status == 200 || reply.status == 503);
    client_reply_release(&reply);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_another_thread_may_reply),
        TEST(test_a_reply_that_races_the_handler_is_sent_once),
        TEST(test_a_stream_sleeps_until_it_is_woken),
        TEST(test_a_stream_that_is_woken_for_nothing_sees_that_its_client_is_gone),
        TEST(test_who_waits_for_a_client_that_is_gone_is_told),
        TEST(test_who_was_answered_is_not_called_gone),
        TEST(test_a_download_of_known_size_is_whole),
        TEST(test_the_drain_ends_streams_and_refuses_the_rest),
        TEST(test_what_waits_is_answered_before_the_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
