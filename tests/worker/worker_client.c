/* See worker_client.h. */
#include "worker_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HIGH_FD 100
#define KEPT_BYTES ((size_t)64 << 20)

/* A pipe whose ends are above all targets. */
static void make_pipe(int ends[2])
{
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    for (int i = 0; i < 2; i++) {
        int high = fcntl(ends[i], F_DUPFD_CLOEXEC, HIGH_FD);
        assert_true(high >= 0);
        close(ends[i]);
        ends[i] = high;
    }
}

void client_start(struct worker_client *client, const int *fds, int count)
{
    *client = (struct worker_client){0};
    signal(SIGPIPE, SIG_IGN);
    int input[2], output[2];
    make_pipe(input);
    make_pipe(output);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input[0], 0);
    posix_spawn_file_actions_adddup2(&actions, output[1], 1);
    int high[16];
    for (int i = 0; i < count; i++) {
        high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, HIGH_FD);
        posix_spawn_file_actions_adddup2(&actions, high[i], 3 + i);
    }
    posix_spawn_file_actions_addclosefrom_np(&actions, 3 + count);
    char name[] = "backprop-worker", threads[] = "OPENBLAS_NUM_THREADS=1";
    char *arguments[] = {name, NULL}, *environment[] = {threads, NULL};
    int failed =
        posix_spawn(&client->pid, WORKER, &actions, NULL, arguments, environment);
    assert_int_equal(failed, 0);
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < count; i++)
        close(high[i]);
    close(input[0]);
    close(output[1]);
    client->input = input[1];
    client->output = output[0];
    frame_reader_init(&client->reader, FROM_WORKER);
    buffer_init(&client->blob, KEPT_BYTES);
    buffer_init(&client->metrics, KEPT_BYTES);
    buffer_init(&client->events, KEPT_BYTES);
}

int client_end(struct worker_client *client)
{
    if (client->input >= 0)
        close(client->input);
    close(client->output);
    int status = 0;
    assert_int_equal(waitpid(client->pid, &status, 0), client->pid);
    for (size_t i = 0; i < 32; i++)
        json_decref(client->last[i]);
    frame_reader_release(&client->reader);
    buffer_release(&client->blob);
    buffer_release(&client->metrics);
    buffer_release(&client->events);
    return status;
}

bool client_send(struct worker_client *client, enum message_type type, const char *text)
{
    return frame_write(client->input, type, text, strlen(text), NULL) == 0;
}

bool client_send_json(struct worker_client *client, enum message_type type, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    bool sent = client_send(client, type, text);
    free(text);
    return sent;
}

bool client_send_blob(struct worker_client *client, const void *bytes, size_t length)
{
    const char *at = bytes;
    bool sent = true;
    while (length > 0 && sent) {
        size_t count = length < MESSAGE_BLOB_BYTES ? length : MESSAGE_BLOB_BYTES;
        sent = frame_write(client->input, MESSAGE_BLOB, at, count, NULL) == 0;
        at += count;
        length -= count;
    }
    return sent && frame_write(client->input, MESSAGE_BLOB_END, NULL, 0, NULL) == 0;
}

static void keep_line(struct buffer *lines, const struct frame *frame)
{
    buffer_append(lines, frame->payload, frame->length);
    buffer_append_char(lines, '\n');
}

static void keep(struct worker_client *client, const struct frame *frame)
{
    unsigned type = (unsigned)frame->type % 32;
    client->counts[type]++;
    if (frame->type == MESSAGE_BLOB) {
        buffer_append(&client->blob, frame->payload, frame->length);
        return;
    }
    if (frame->type == MESSAGE_CHECKPOINT || frame->type == MESSAGE_MODEL)
        buffer_clear(&client->blob);
    if (frame->type == MESSAGE_METRICS)
        keep_line(&client->metrics, frame);
    if (frame->type == MESSAGE_EVENT)
        keep_line(&client->events, frame);
    if (frame->type == MESSAGE_BLOB_END)
        return;
    json_t *json = json_loadb((const char *)frame->payload, frame->length,
                              JSON_REJECT_DUPLICATES, NULL);
    assert_true(json_is_object(json));
    json_decref(client->last[type]);
    client->last[type] = json;
}

const json_t *client_read_until(struct worker_client *client, enum message_type type)
{
    static const char nothing[] = "the frame has no object";
    for (;;) {
        struct frame frame;
        struct error err = {0};
        int rc = frame_read(&client->reader, client->output, &frame, &err);
        if (rc == ERR_EOF)
            return NULL;
        if (rc != 0)
            fail_msg("the worker broke the protocol: %s", err.text);
        keep(client, &frame);
        if (frame.type != type)
            continue;
        const json_t *object = client->last[(unsigned)type % 32];
        if (!object)
            fail_msg("%s", nothing);
        return object;
    }
}

const json_t *client_read_end(struct worker_client *client, enum message_type type)
{
    struct error err = {0};
    for (;;) {
        struct frame frame;
        if (frame_read(&client->reader, client->output, &frame, &err) != 0)
            fail_msg("the worker ended without a last word: %s", err.text);
        keep(client, &frame);
        if (frame.type != MESSAGE_DONE && frame.type != MESSAGE_FAILED)
            continue;
        json_t *object = client->last[(unsigned)frame.type % 32];
        if (frame.type != type) {
            char *text = json_dumps(object, JSON_COMPACT);
            fail_msg("%s: %s", message_name(frame.type), text);
        }
        return object;
    }
}
