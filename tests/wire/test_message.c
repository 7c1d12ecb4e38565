/*
 * Which message is legal when. The rules are written down here a second time, as the
 * conversation of message.h reads, and every message is tried in every state that a
 * conversation can be in.
 */
#include "wire/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MAX_TYPE 300 /* past what a byte holds, to be sure */

static const unsigned daemon_types[] = {MESSAGE_TASK, MESSAGE_BLOB, MESSAGE_BLOB_END,
                                        MESSAGE_COMMAND, MESSAGE_REQUEST};
static const unsigned worker_types[] = {
    MESSAGE_BLOB,    MESSAGE_BLOB_END, MESSAGE_READY,      MESSAGE_PROGRESS,
    MESSAGE_METRICS, MESSAGE_EVENT,    MESSAGE_CHECKPOINT, MESSAGE_MODEL,
    MESSAGE_REPLY,   MESSAGE_DONE,     MESSAGE_FAILED,     MESSAGE_PIECE};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static bool contains(const unsigned *types, size_t count, unsigned type)
{
    for (size_t i = 0; i < count; i++)
        if (types[i] == type)
            return true;
    return false;
}

/* Every state: not opened, open, in a blob, ended. */
enum phase { BEFORE, OPEN, IN_BLOB, ENDED, PHASES };

static struct conversation in_phase(enum message_sender from, enum phase phase)
{
    struct conversation conversation;
    conversation_init(&conversation, from);
    conversation.opened = phase != BEFORE;
    conversation.in_blob = phase == IN_BLOB;
    conversation.ended = phase == ENDED;
    return conversation;
}

/* The rules in words: a side's first message opens; chunks only come within a blob;
 * within a blob only they, a command or a failure; a failure also before opening; nothing
 * after the end. */
static bool is_legal(enum message_sender from, enum phase phase, unsigned type)
{
    bool is_mine = from == FROM_DAEMON
                       ? contains(daemon_types, COUNT(daemon_types), type)
                       : contains(worker_types, COUNT(worker_types), type);
    if (!is_mine || phase == ENDED)
        return false;
    if (type == MESSAGE_FAILED)
        return true;
    if (phase == BEFORE)
        return type == MESSAGE_TASK || type == MESSAGE_READY;
    if (type == MESSAGE_TASK || type == MESSAGE_READY)
        return false;
    bool is_chunk = type == MESSAGE_BLOB || type == MESSAGE_BLOB_END;
    if (phase == IN_BLOB)
        return is_chunk || type == MESSAGE_COMMAND;
    return !is_chunk;
}

static enum phase phase_after(enum phase phase, unsigned type)
{
    if (type == MESSAGE_DONE || type == MESSAGE_FAILED)
        return ENDED;
    if (type == MESSAGE_CHECKPOINT || type == MESSAGE_MODEL)
        return IN_BLOB;
    if (type == MESSAGE_BLOB_END || phase == BEFORE)
        return OPEN;
    return phase;
}

static void test_every_message_in_every_state(void **state)
{
    (void)state;
    for (int from = FROM_DAEMON; from <= FROM_WORKER; from++)
        for (int phase = BEFORE; phase < PHASES; phase++)
            for (unsigned type = 0; type < MAX_TYPE; type++) {
                enum message_sender sender = (enum message_sender)from;
                struct conversation conversation = in_phase(sender, (enum phase)phase);
                struct conversation before = conversation;
                bool legal = is_legal(sender, (enum phase)phase, type);
                if (conversation_accept(&conversation, type, 0) != legal)
                    fail_msg("%s in state %d from %d", message_name(type), phase, from);
                struct conversation expected =
                    legal ? in_phase(sender, phase_after((enum phase)phase, type))
                          : before;
                /* A failure before opening ends a conversation that never opened. */
                if (phase == BEFORE && type == MESSAGE_FAILED)
                    expected.opened = false;
                /* A failure within a blob leaves it open; nothing may follow anyway. */
                if (phase == IN_BLOB && type == MESSAGE_FAILED)
                    expected.in_blob = true;
                assert_int_equal(conversation.from, expected.from);
                assert_int_equal(conversation.opened, expected.opened);
                assert_int_equal(conversation.in_blob, expected.in_blob);
                assert_int_equal(conversation.ended, expected.ended);
            }
}

static void assert_run(enum message_sender from, const unsigned *types, size_t count)
{
    struct conversation conversation;
    conversation_init(&conversation, from);
    for (size_t i = 0; i < count; i++)
        if (!conversation_accept(&conversation, types[i], 0))
            fail_msg("message %zu, %s, was refused", i, message_name(types[i]));
}

static void test_a_training_conversation_is_legal(void **state)
{
    (void)state;
    static const unsigned worker[] = {MESSAGE_READY, MESSAGE_PROGRESS,   MESSAGE_METRICS,
                                      MESSAGE_EVENT, MESSAGE_CHECKPOINT, MESSAGE_BLOB,
                                      MESSAGE_BLOB,  MESSAGE_BLOB_END,   MESSAGE_PROGRESS,
                                      MESSAGE_MODEL, MESSAGE_BLOB_END,   MESSAGE_DONE};
    assert_run(FROM_WORKER, worker, COUNT(worker));
}

static void test_a_resuming_daemon_sends_a_blob_and_commands(void **state)
{
    (void)state;
    struct conversation conversation;
    conversation_init(&conversation, FROM_DAEMON);
    assert_true(conversation_accept(&conversation, MESSAGE_TASK, 10));
    assert_false(conversation_accept(&conversation, MESSAGE_BLOB, 10));
    conversation_expect_blob(&conversation); /* TASK's JSON said so */
    assert_true(conversation_accept(&conversation, MESSAGE_BLOB, 10));
    assert_true(conversation_accept(&conversation, MESSAGE_COMMAND, 10));
    assert_false(conversation_accept(&conversation, MESSAGE_REQUEST, 10));
    assert_true(conversation_accept(&conversation, MESSAGE_BLOB_END, 0));
    assert_false(conversation_accept(&conversation, MESSAGE_BLOB, 10));
    assert_true(conversation_accept(&conversation, MESSAGE_REQUEST, 10));
}

static void test_a_worker_may_fail_before_it_is_ready(void **state)
{
    (void)state;
    struct conversation conversation;
    conversation_init(&conversation, FROM_WORKER);
    assert_true(conversation_accept(&conversation, MESSAGE_FAILED, 10));
    assert_false(conversation_accept(&conversation, MESSAGE_READY, 10));
    assert_false(conversation_accept(&conversation, MESSAGE_FAILED, 10));
}

static void test_payloads_are_capped_for_each_message(void **state)
{
    (void)state;
    for (int from = FROM_DAEMON; from <= FROM_WORKER; from++)
        for (int phase = BEFORE; phase < ENDED; phase++)
            for (unsigned type = 0; type < MAX_TYPE; type++) {
                enum message_sender sender = (enum message_sender)from;
                if (!is_legal(sender, (enum phase)phase, type))
                    continue;
                size_t maximum = message_max_payload(type);
                struct conversation conversation = in_phase(sender, (enum phase)phase);
                struct conversation before = conversation;
                assert_false(conversation_accept(&conversation, type, maximum + 1));
                assert_false(conversation_accept(&conversation, type, SIZE_MAX));
                assert_memory_equal(&conversation, &before, sizeof(before));
                assert_true(conversation_accept(&conversation, type, maximum));
            }
    assert_int_equal(message_max_payload(MESSAGE_BLOB), MESSAGE_BLOB_BYTES);
    assert_int_equal(message_max_payload(MESSAGE_BLOB_END), 0);
}

/* The numbers are on the wire: a renumbering would break a worker of another version. */
static void test_numbers_and_names_are_fixed(void **state)
{
    (void)state;
    static const struct {
        unsigned type;
        const char *name;
    } fixed[] = {{1, "task"},    {2, "blob"},        {3, "blob_end"},  {4, "command"},
                 {5, "request"}, {16, "ready"},      {17, "progress"}, {18, "metrics"},
                 {19, "event"},  {20, "checkpoint"}, {21, "model"},    {22, "reply"},
                 {23, "done"},   {24, "failed"},     {25, "piece"}};
    size_t known = 0;
    for (unsigned type = 0; type < MAX_TYPE; type++) {
        if (known < COUNT(fixed) && fixed[known].type == type) {
            assert_string_equal(message_name(type), fixed[known].name);
            known++;
        } else {
            assert_string_equal(message_name(type), "unknown");
            assert_int_equal(message_max_payload(type), 0);
        }
    }
    assert_int_equal(known, COUNT(fixed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_message_in_every_state),
        cmocka_unit_test(test_a_training_conversation_is_legal),
        cmocka_unit_test(test_a_resuming_daemon_sends_a_blob_and_commands),
        cmocka_unit_test(test_a_worker_may_fail_before_it_is_ready),
        cmocka_unit_test(test_payloads_are_capped_for_each_message),
        cmocka_unit_test(test_numbers_and_names_are_fixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
