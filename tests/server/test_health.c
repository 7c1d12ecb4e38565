/* Liveness and readiness: threads that hang, a disk that is full, and when it is over. */
#include "http/health.h"
#include "http/reply.h"
#include "http/route.h"
#include "http_fixture.h"
#include "store/db.h"

#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define STALL_NS (50 * INT64_C(1000000))

/* What hangs waits here. */
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;
static bool gate_open, gate_reached;

static void wait_at_gate(void)
{
    pthread_mutex_lock(&gate_lock);
    gate_reached = true;
    pthread_cond_broadcast(&gate_changed);
    while (!gate_open)
        pthread_cond_wait(&gate_changed, &gate_lock);
    pthread_mutex_unlock(&gate_lock);
}

static void handle_hang(struct request *request)
{
    wait_at_gate();
    reply_empty(request, 204);
}

const struct route route_table[] = {
    {"GET", "/hang", 0, BODY_NONE, 0, handle_hang, NULL, NULL},
    {"GET", "/livez", 0, BODY_NONE, 0, operations_handle_livez, NULL, NULL},
    {"GET", "/readyz", 0, BODY_NONE, 0, operations_handle_readyz, NULL, NULL},
    {NULL, NULL, 0, BODY_NONE, 0, NULL, NULL, NULL},
};

static int set_up(void **state)
{
    static struct http_fixture fixture;
    fixture_start(&fixture, false);
    fixture.server.config.stall_ns = STALL_NS;
    gate_open = gate_reached = false;
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    fixture_release(*state);
    return 0;
}

/* Until something is at the gate, and for longer than a thread may hang there. */
static void await_stall(void)
{
    pthread_mutex_lock(&gate_lock);
    while (!gate_reached)
        pthread_cond_wait(&gate_changed, &gate_lock);
    pthread_mutex_unlock(&gate_lock);
    const struct timespec moment = {.tv_nsec = 2 * STALL_NS};
    nanosleep(&moment, NULL);
}

static void open_gate(void)
{
    pthread_mutex_lock(&gate_lock);
    gate_open = true;
    pthread_cond_broadcast(&gate_changed);
    pthread_mutex_unlock(&gate_lock);
}

static void expect_life(struct http_fixture *fixture, const char *reasons)
{
    struct health health;
    char text[256];
    health_check_life(&fixture->server, &health);
    assert_string_equal(health_list(&health, text, sizeof(text)), reasons);
    assert_int_equal(health_is_well(&health), reasons[0] == '\0');
}

/* What hung needs a moment to get on. */
static void await_life(struct http_fixture *fixture)
{
    struct health health;
    int64_t end = clock_monotonic_ns() + 20 * CLOCK_NS_PER_SECOND;
    do
        health_check_life(&fixture->server, &health);
    while (!health_is_well(&health) && clock_monotonic_ns() < end);
    assert_true(health_is_well(&health));
}

static void test_a_hanging_http_thread_is_noticed(void **state)
{
    struct http_fixture *fixture = *state;
    expect_life(fixture, "");
    int fd = client_connect(fixture);
    client_send(fd, "GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await_stall();
    expect_life(fixture, "http_stalled");
    open_gate();
    struct client_reply reply = client_read(fd, false);
    assert_int_equal(reply.status, 204);
    client_reply_release(&reply);
    close(fd);
    await_life(fixture);
}

static int hang_in_write(struct db *db, struct store_write *write, struct error *err)
{
    (void)db;
    (void)write;
    (void)err;
    wait_at_gate();
    return 0;
}

static void test_a_hanging_writer_is_noticed_and_told(void **state)
{
    struct http_fixture *fixture = *state;
    struct store_write write = {.run = hang_in_write};
    store_submit(fixture->server.store, &write);
    await_stall();
    expect_life(fixture, "writer_stalled");
    struct client_reply reply =
        client_ask(fixture, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_int_equal(reply.status, 503);
    assert_string_equal(reply.code, "stalled");
    assert_non_null(strstr(reply.body, "\"reasons\":[{\"code\":\"writer_stalled\","));
    client_reply_release(&reply);
    client_expect(fixture, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n", 503,
                  "not_ready");
    open_gate();
    await_life(fixture);
    client_expect(fixture, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", 200, "");
}

static int fail_for_space(struct db *db, struct store_write *write, struct error *err)
{
    (void)db;
    (void)write;
    return error_set(err, ERR_NO_SPACE, "as it was told");
}

static void test_a_store_that_cannot_write_is_tried_again(void **state)
{
    struct http_fixture *fixture = *state;
    struct server *server = &fixture->server;
    struct health health;
    health_check_readiness(server, &health);
    assert_true(health_is_well(&health));
    struct store_write write = {.run = fail_for_space};
    assert_int_equal(store_write_wait(server->store, &write, NULL), ERR_NO_SPACE);
    health_check_readiness(server, &health);
    char text[256];
    assert_string_equal(health_list(&health, text, sizeof(text)), "no_disk_space");
    int64_t end = clock_monotonic_ns() + 20 * CLOCK_NS_PER_SECOND;
    do {
        health_tend(server);
        health_check_readiness(server, &health);
    } while (!health_is_well(&health) && clock_monotonic_ns() < end);
    assert_true(health_is_well(&health));
}

static void test_a_list_is_cut_to_its_buffer(void **state)
{
    (void)state;
    struct health health;
    memset(&health.has, true, sizeof(health.has));
    for (size_t size = 1; size < 64; size++) {
        char text[64];
        memset(text, '#', sizeof(text));
        assert_true(strlen(health_list(&health, text, size)) < size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_hanging_http_thread_is_noticed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_hanging_writer_is_noticed_and_told, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_store_that_cannot_write_is_tried_again,
                                        set_up, tear_down),
        cmocka_unit_test(test_a_list_is_cut_to_its_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
