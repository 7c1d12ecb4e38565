/* Serving workers: warm reuse, the least recently used one goes first, crashes take only
 * the question that caused them. */
#include "base/clock.h"
#include "sched_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void put(struct sched_fixture *f, const char *model, const char *body,
                struct answer *reply)
{
    *reply = (struct answer){.fixture = f};
    const struct sched_question question = {.model_id = model,
                                            .verb = "predict",
                                            .body = strdup(body),
                                            .length = strlen(body),
                                            .done = answer_take,
                                            .context = reply};
    struct error err = {0};
    uint64_t ticket;
    assert_int_equal(sched_ask(f->sched, &question, &ticket, &err), 0);
}

static void ask(struct sched_fixture *f, const char *model, const char *body,
                struct answer *reply)
{
    put(f, model, body, reply);
    fixture_wait_until(f, answer_is_there, reply);
    assert_int_equal(reply->calls, 1);
}

static int process_of(const struct answer *reply)
{
    const char *at = strstr(reply->json, "\"pid\":");
    assert_non_null(at);
    return (int)strtol(at + 6, NULL, 10);
}

static int64_t started(struct sched_fixture *f)
{
    struct sched_stats stats;
    sched_stats(f->sched, &stats);
    return stats.started;
}

static void test_model_is_loaded_once_and_stays_warm(void **state)
{
    struct sched_fixture *f = *state;
    char model[ID_SIZE];
    struct answer first, second;
    fixture_start(f);
    fixture_add_model(f, "", 2500000, model);
    ask(f, model, "{\"rows\":[]}", &first);
    assert_int_equal(first.rc, 0);
    fixture_expect_text(first.json, "\"status\":200");
    fixture_expect_text(first.json, "predict\\n{\\\"rows\\\":[]}");
    fixture_expect_text(first.json, "\"bytes\":2500000");
    ask(f, model, "again", &second);
    assert_int_equal(process_of(&first), process_of(&second));
    assert_int_equal(started(f), 1);
}

static void test_unknown_model_is_not_found(void **state)
{
    struct sched_fixture *f = *state;
    struct answer reply;
    fixture_start(f);
    ask(f, "mdl_00000000000000000000000000", "x", &reply);
    assert_int_equal(reply.rc, ERR_NOT_FOUND);
}

static void test_longest_unused_model_makes_room(void **state)
{
    struct sched_fixture *f = *state; /* room for two */
    char a[ID_SIZE], b[ID_SIZE], c[ID_SIZE];
    struct answer reply, again;
    fixture_start(f);
    fixture_add_model(f, "", 4, a);
    fixture_add_model(f, "", 4, b);
    fixture_add_model(f, "", 4, c);
    ask(f, a, "x", &reply);
    ask(f, b, "x", &reply);
    ask(f, a, "x", &again); /* so b is the longest unused */
    ask(f, c, "x", &reply);
    assert_int_equal(started(f), 3);
    ask(f, a, "x", &reply);
    assert_int_equal(process_of(&again), process_of(&reply));
    assert_int_equal(started(f), 3);
    ask(f, b, "x", &reply);
    assert_int_equal(started(f), 4);
}

static void test_more_models_than_room_are_all_answered(void **state)
{
    struct sched_fixture *f = *state;
    char models[5][ID_SIZE];
    struct answer replies[25];
    fixture_start(f);
    for (int i = 0; i < 5; i++)
        fixture_add_model(f, "", 4, models[i]);
    for (int i = 0; i < 25; i++)
        put(f, models[i % 5], "x", &replies[i]);
    for (int i = 0; i < 25; i++) {
        fixture_wait_until(f, answer_is_there, &replies[i]);
        assert_int_equal(replies[i].rc, 0);
        struct sched_stats stats;
        sched_stats(f->sched, &stats);
        assert_true(stats.serving <= 2);
    }
}

static void test_crash_takes_only_the_question_that_caused_it(void **state)
{
    struct sched_fixture *f = *state;
    char model[ID_SIZE];
    struct answer replies[5];
    fixture_start(f);
    fixture_add_model(f, "", 4, model);
    for (int i = 0; i < 5; i++)
        put(f, model, i == 2 ? "crash" : "x", &replies[i]);
    for (int i = 0; i < 5; i++) {
        fixture_wait_until(f, answer_is_there, &replies[i]);
        assert_int_equal(replies[i].calls, 1);
        assert_int_equal(replies[i].rc, i == 2 ? ERR_WORKER : 0);
    }
    fixture_expect_text(replies[2].text, "SIGSEGV");
    assert_int_equal(process_of(&replies[0]), process_of(&replies[1]));
    assert_int_not_equal(process_of(&replies[1]), process_of(&replies[3]));
}

static void test_worker_that_cannot_load_fails_all_questions(void **state)
{
    struct sched_fixture *f = *state;
    char crashing[ID_SIZE], failing[ID_SIZE];
    struct answer replies[3];
    fixture_start(f);
    fixture_add_model(f, "crash 11", 4, crashing);
    for (int i = 0; i < 3; i++)
        put(f, crashing, "x", &replies[i]);
    for (int i = 0; i < 3; i++) {
        fixture_wait_until(f, answer_is_there, &replies[i]);
        assert_int_equal(replies[i].rc, ERR_WORKER);
    }
    fixture_add_model(f, "unready", 4, failing);
    ask(f, failing, "x", &replies[0]);
    assert_int_equal(replies[0].rc, ERR_INTERNAL);
    fixture_expect_text(replies[0].text, "It went wrong.");
}

static void test_question_that_is_never_answered_fails_by_silence(void **state)
{
    struct sched_fixture *f = *state;
    char model[ID_SIZE];
    struct answer reply;
    f->config.silence_ns = CLOCK_NS_PER_SECOND / 5;
    fixture_start(f);
    fixture_add_model(f, "", 4, model);
    ask(f, model, "hang", &reply);
    assert_int_equal(reply.rc, ERR_WORKER);
    fixture_expect_text(reply.text, "silent");
}

static bool none_serves(void *context)
{
    struct sched_stats stats;
    sched_stats(((struct sched_fixture *)context)->sched, &stats);
    return stats.serving == 0;
}

static void test_idle_worker_need_not_speak(void **state)
{
    struct sched_fixture *f = *state;
    char model[ID_SIZE];
    struct answer first, second, other;
    f->config.silence_ns = CLOCK_NS_PER_SECOND / 5;
    fixture_start(f);
    fixture_add_model(f, "", 4, model);
    ask(f, model, "x", &first);
    ask(f, model, "hang", &other); /* takes longer than the patience with the silent */
    ask(f, model, "x", &second);
    assert_int_equal(second.rc, 0);
}

static void test_idle_worker_ends_after_its_time(void **state)
{
    struct sched_fixture *f = *state;
    char model[ID_SIZE];
    struct answer reply;
    f->config.serving_idle_ns = CLOCK_NS_PER_SECOND / 10;
    fixture_start(f);
    fixture_add_model(f, "", 4, model);
    ask(f, model, "x", &reply);
    fixture_wait_until(f, none_serves, f);
    ask(f, model, "x", &reply);
    assert_int_equal(reply.rc, 0);
    assert_int_equal(started(f), 2);
}

static void test_answer_that_nobody_asked_for_ends_the_worker(void **state)
{
    struct sched_fixture *f = *state;
    char model[ID_SIZE];
    struct answer reply;
    fixture_start(f);
    fixture_add_model(f, "", 4, model);
    ask(f, model, "twice", &reply);
    assert_int_equal(reply.rc, 0);
    ask(f, model, "x", &reply);
    assert_int_equal(reply.calls, 1);
}

static void test_forgotten_model_loses_its_worker(void **state)
{
    struct sched_fixture *f = *state;
    char model[ID_SIZE];
    struct answer warm, waiting;
    fixture_start(f);
    fixture_add_model(f, "", 4, model);
    ask(f, model, "x", &warm);
    put(f, model, "hang", &waiting);
    sched_forget_model(f->sched, model);
    fixture_wait_until(f, answer_is_there, &waiting);
    assert_int_equal(waiting.rc, ERR_NOT_FOUND);
    fixture_wait_until(f, none_serves, f);
}

static void test_stop_answers_all_questions(void **state)
{
    struct sched_fixture *f = *state;
    char model[ID_SIZE];
    struct answer replies[4];
    fixture_start(f);
    fixture_add_model(f, "", 4, model);
    for (int i = 0; i < 4; i++)
        put(f, model, "hang", &replies[i]);
    fixture_stop(f, CLOCK_NS_PER_SECOND);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(replies[i].calls, 1);
        assert_int_equal(replies[i].rc, ERR_CANCELLED);
    }
}

static void test_too_many_questions_are_refused_at_once(void **state)
{
    struct sched_fixture *f = *state;
    char model[ID_SIZE];
    static struct answer replies[1025];
    fixture_start(f);
    fixture_add_model(f, "", 4, model);
    for (int i = 0; i < 1024; i++)
        put(f, model, "hang", &replies[i]);
    struct error err = {0};
    const struct sched_question question = {.model_id = model,
                                            .verb = "predict",
                                            .body = strdup("x"),
                                            .length = 1,
                                            .done = answer_take,
                                            .context = &replies[1024]};
    uint64_t ticket;
    assert_int_equal(sched_ask(f->sched, &question, &ticket, &err), ERR_BUSY);
    free(question.body); /* still ours */
    fixture_stop(f, CLOCK_NS_PER_SECOND);
    assert_int_equal(replies[1024].calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(test_model_is_loaded_once_and_stays_warm),
        TEST(test_unknown_model_is_not_found),
        TEST(test_longest_unused_model_makes_room),
        TEST(test_more_models_than_room_are_all_answered),
        TEST(test_crash_takes_only_the_question_that_caused_it),
        TEST(test_worker_that_cannot_load_fails_all_questions),
        TEST(test_question_that_is_never_answered_fails_by_silence),
        TEST(test_idle_worker_need_not_speak),
        TEST(test_idle_worker_ends_after_its_time),
        TEST(test_answer_that_nobody_asked_for_ends_the_worker),
        TEST(test_forgotten_model_loses_its_worker),
        TEST(test_stop_answers_all_questions),
        TEST(test_too_many_questions_are_refused_at_once),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
