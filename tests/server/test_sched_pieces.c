/* Answers that come in pieces, and questions that nobody wants answered any more. */
#include "base/clock.h"
#include "sched_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct asker {
    struct answer answer;
    atomic_int pieces;
    uint64_t ticket;
};

static void take_piece(void *context, const char *json, size_t length)
{
    struct asker *asker = context;
    assert_int_equal(length, strlen("{\"text\":\"x\"}"));
    assert_memory_equal(json, "{\"text\":\"x\"}", length);
    assert_int_equal(asker->answer.calls, 0);
    atomic_fetch_add(&asker->pieces, 1);
}

static void take_answer(void *context, int rc, const char *json, size_t length,
                        const struct error *err)
{
    struct asker *asker = context;
    answer_take(&asker->answer, rc, json, length, err);
}

static void put(struct sched_fixture *f, const char *model, const char *body,
                struct asker *asker)
{
    *asker = (struct asker){.answer = {.fixture = f}};
    const struct sched_question question = {.model_id = model,
                                            .verb = "generate",
                                            .body = strdup(body),
                                            .length = strlen(body),
                                            .piece = take_piece,
                                            .done = take_answer,
                                            .context = asker};
    struct error err = {0};
    assert_int_equal(sched_ask(f->sched, &question, &asker->ticket, &err), 0);
}

static void wait_for(struct sched_fixture *f, struct asker *asker)
{
    fixture_wait_until(f, answer_is_there, &asker->answer);
    assert_int_equal(asker->answer.calls, 1);
}

static void wait_for_pieces(struct asker *asker)
{
    while (atomic_load(&asker->pieces) < 3)
        usleep(1000);
}

static void test_a_withdrawn_question_is_cut_short(void **state)
{
    struct sched_fixture *f = *state;
    char model[ID_SIZE];
    struct asker first, second;
    fixture_start(f);
    fixture_add_model(f, "", 4, model);
    put(f, model, "babble", &first);
    put(f, model, "x", &second);
    wait_for_pieces(&first);
    assert_int_equal(second.answer.calls, 0);
    sched_withdraw(f->sched, model, first.ticket);
    sched_withdraw(f->sched, model, first.ticket);
    wait_for(f, &first);
    assert_int_equal(first.answer.rc, 0);
    wait_for(f, &second);
    assert_int_equal(second.answer.rc, 0);
    struct sched_stats stats;
    sched_stats(f->sched, &stats);
    assert_int_equal(stats.started, 1);
    sched_withdraw(f->sched, model, first.ticket); /* it was answered */
    put(f, model, "x", &first);
    wait_for(f, &first);
    assert_int_equal(first.answer.rc, 0);
}

static void test_a_waiting_question_can_be_withdrawn(void **state)
{
    struct sched_fixture *f = *state;
    char model[ID_SIZE];
    struct asker first, second, third;
    fixture_start(f);
    fixture_add_model(f, "", 4, model);
    put(f, model, "babble", &first);
    put(f, model, "x", &second);
    put(f, model, "x", &third);
    sched_withdraw(f->sched, model, second.ticket);
    wait_for(f, &second);
    assert_int_equal(second.answer.rc, ERR_CANCELLED);
    sched_withdraw(f->sched, model, first.ticket);
    wait_for(f, &first);
    wait_for(f, &third);
    assert_int_equal(third.answer.rc, 0);
}

static void test_unknown_tickets_are_passed_over(void **state)
{
    struct sched_fixture *f = *state;
    char model[ID_SIZE];
    struct asker asker;
    fixture_start(f);
    fixture_add_model(f, "", 4, model);
    sched_withdraw(f->sched, model, 77);
    sched_withdraw(f->sched, "mdl_00000000000000000000000000", 1);
    put(f, model, "x", &asker);
    wait_for(f, &asker);
    assert_int_equal(asker.answer.rc, 0);
    assert_int_equal(atomic_load(&asker.pieces), 0);
}

static void test_pieces_that_nobody_asked_for_end_the_worker(void **state)
{
    struct sched_fixture *f = *state;
    char model[ID_SIZE];
    struct answer reply = {.fixture = f};
    fixture_start(f);
    fixture_add_model(f, "", 4, model);
    const struct sched_question question = {.model_id = model,
                                            .verb = "predict",
                                            .body = strdup("babble"),
                                            .length = 6,
                                            .done = answer_take,
                                            .context = &reply};
    struct error err = {0};
    uint64_t ticket;
    assert_int_equal(sched_ask(f->sched, &question, &ticket, &err), 0);
    fixture_wait_until(f, answer_is_there, &reply);
    assert_int_equal(reply.rc, ERR_WORKER);
    fixture_expect_text(reply.text, "piece");
}

static void test_stop_answers_a_question_in_pieces(void **state)
{
    struct sched_fixture *f = *state;
    char model[ID_SIZE];
    struct asker asker;
    fixture_start(f);
    fixture_add_model(f, "", 4, model);
    put(f, model, "babble", &asker);
    wait_for_pieces(&asker);
    fixture_stop(f, CLOCK_NS_PER_SECOND);
    assert_int_equal(asker.answer.calls, 1);
    assert_int_equal(asker.answer.rc, ERR_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(test_a_withdrawn_question_is_cut_short),
        TEST(test_a_waiting_question_can_be_withdrawn),
        TEST(test_unknown_tickets_are_passed_over),
        TEST(test_pieces_that_nobody_asked_for_end_the_worker),
        TEST(test_stop_answers_a_question_in_pieces),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
