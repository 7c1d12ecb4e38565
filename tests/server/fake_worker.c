/*
 * A worker that does what its script says, for the tests of the scheduler: it crashes,
 * falls silent, lies and babbles on demand.
 *
 * The script is the member "script" of the task's spec (train, serve) or options
 * (ingest): steps separated by ';', each a word and perhaps an argument. "a2:" before a
 * step makes it count in attempt 2 only.
 *
 *   event TEXT        an EVENT of type "note"
 *   resumed           an EVENT that tells how many bytes of a checkpoint came, and their
 *                     sum
 *   progress N        a PROGRESS at step N
 *   metrics N         a METRICS of N points of "loss"
 *   checkpoint N      a checkpoint of N bytes, at step N
 *   model N           a model of N bytes
 *   half N            a MODEL of N bytes of which only half comes
 *   done REASON       DONE
 *   failed CODE       FAILED
 *   json TYPE TEXT    any payload in a frame of that number
 *   raw HEX           any bytes
 *   say TEXT          a line on standard error
 *   crash N           a signal
 *   exit N            an exit status
 *   hang              nothing any more, whatever comes
 *   obey              waits for a COMMAND and does it as a good worker does
 *   flood N           N METRICS frames as fast as it can
 */
#include "base/io.h"
#include "wire/frame.h"

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct worker {
    struct frame_reader reader;
    long attempt;
    char script[4096];
    size_t resumed_bytes;
    unsigned resumed_sum;
};

static void give_up(const char *why)
{
    fprintf(stderr, "fake worker: %s\n", why);
    _exit(99);
}

static void send(unsigned type, const void *payload, size_t length)
{
    if (frame_write(STDOUT_FILENO, (enum message_type)type, payload, length, NULL) != 0)
        _exit(98);
}

static void send_text(unsigned type, const char *text)
{
    send(type, text, strlen(text));
}

static void send_blob(size_t announced, size_t sent)
{
    static unsigned char chunk[MESSAGE_BLOB_BYTES];
    size_t left = sent;
    while (left > 0) {
        size_t count = left < sizeof(chunk) ? left : sizeof(chunk);
        for (size_t i = 0; i < count; i++)
            chunk[i] = (unsigned char)(sent - left + i);
        send(MESSAGE_BLOB, chunk, count);
        left -= count;
    }
    if (sent == announced)
        send(MESSAGE_BLOB_END, NULL, 0);
}

static void send_model(size_t announced, size_t sent)
{
    char text[256];
    snprintf(text, sizeof(text),
             "{\"bytes\":%zu,\"parameters\":%zu,\"preprocessing\":{\"kind\":\"table\"},"
             "\"formats\":{},\"metrics\":{\"latest\":{\"loss\":0.5}}}",
             announced, announced / 4);
    send_text(MESSAGE_MODEL, text);
    send_blob(announced, sent);
}

static void send_checkpoint(size_t bytes)
{
    char text[128];
    snprintf(
        text, sizeof(text),
        "{\"kind\":\"latest\",\"step\":%zu,\"epoch\":1.5,\"bytes\":%zu,\"metrics\":{}}",
        bytes, bytes);
    send_text(MESSAGE_CHECKPOINT, text);
    send_blob(bytes, bytes);
}

static void send_event(const char *text)
{
    char json[512];
    snprintf(json, sizeof(json), "{\"type\":\"note\",\"message\":\"%s\",\"data\":{}}",
             text);
    send_text(MESSAGE_EVENT, json);
}

static void send_progress(long step)
{
    char text[128];
    snprintf(text, sizeof(text), "{\"epoch\":1,\"epochs\":2,\"step\":%ld,\"steps\":100}",
             step);
    send_text(MESSAGE_PROGRESS, text);
}

static void send_metrics(long points)
{
    json_t *list = json_array();
    for (long i = 1; i <= points; i++)
        json_array_append_new(
            list, json_pack("{s:I, s:f, s:I, s:[s,s], s:[f,s]}", "step", (json_int_t)i,
                            "epoch", (double)i / 10, "time", (json_int_t)(1000 + i),
                            "names", "loss", "odd", "values", 1.0 / (double)i, "NaN"));
    json_t *object = json_pack("{s:o}", "points", list);
    char *text = json_dumps(object, JSON_COMPACT);
    send_text(MESSAGE_METRICS, text);
    free(text);
    json_decref(object);
}

static void send_done(const char *reason)
{
    char text[128];
    snprintf(text, sizeof(text),
             "{\"stop_reason\":\"%s\",\"metrics\":{\"latest\":{\"loss\":0.25}}}", reason);
    send_text(MESSAGE_DONE, text);
}

static void send_failed(const char *code)
{
    char text[256];
    snprintf(text, sizeof(text),
             "{\"code\":\"%s\",\"message\":\"It went wrong.\",\"detail\":\"Row 7.\","
             "\"violations\":[{\"pointer\":\"/table\",\"detail\":\"row 7 is odd\"}]}",
             code);
    send_text(MESSAGE_FAILED, text);
}

static void send_raw(const char *hex)
{
    unsigned char bytes[256];
    size_t count = 0;
    unsigned value;
    for (; sscanf(hex, "%2x", &value) == 1 && count < sizeof(bytes); hex += 2)
        bytes[count++] = (unsigned char)value;
    if (io_write_full(STDOUT_FILENO, bytes, count) != 0)
        _exit(98);
}

/* Waits for one COMMAND. A closed input ends the worker, as it should. */
static void obey(struct worker *worker)
{
    struct frame frame;
    if (frame_read(&worker->reader, STDIN_FILENO, &frame, NULL) != 0)
        _exit(0);
    json_t *json = json_loadb((const char *)frame.payload, frame.length, 0, NULL);
    const char *command = json_string_value(json_object_get(json, "command"));
    if (!command)
        give_up("not a command");
    if (strcmp(command, "cancel") == 0) {
        send_done("cancelled");
    } else if (strcmp(command, "pause") == 0) {
        send_checkpoint(100);
        send_done("paused");
    } else {
        send_model(64, 64);
        send_done("user_stopped");
    }
    _exit(0);
}

/* Really by the signal, whatever a sanitizer has in mind with it. */
static void crash(int number)
{
    signal(number, SIG_DFL);
    raise(number);
}

static void hang(void)
{
    for (;;)
        pause();
}

static void tell_resumed(struct worker *worker)
{
    char text[64];
    snprintf(text, sizeof(text), "bytes=%zu sum=%u", worker->resumed_bytes,
             worker->resumed_sum);
    send_event(text);
}

static void run_step(struct worker *worker, const char *word, const char *argument)
{
    long number = strtol(argument, NULL, 10);
    size_t bytes = (size_t)number;
    if (strcmp(word, "event") == 0)
        send_event(argument);
    else if (strcmp(word, "resumed") == 0)
        tell_resumed(worker);
    else if (strcmp(word, "progress") == 0)
        send_progress(number);
    else if (strcmp(word, "metrics") == 0)
        send_metrics(number);
    else if (strcmp(word, "checkpoint") == 0)
        send_checkpoint(bytes);
    else if (strcmp(word, "model") == 0)
        send_model(bytes, bytes);
    else if (strcmp(word, "half") == 0)
        send_model(bytes, bytes / 2);
    else if (strcmp(word, "done") == 0)
        send_done(argument);
    else if (strcmp(word, "failed") == 0)
        send_failed(argument);
    else if (strcmp(word, "json") == 0)
        send_text((unsigned)number, strchr(argument, ' ') + 1);
    else if (strcmp(word, "raw") == 0)
        send_raw(argument);
    else if (strcmp(word, "say") == 0)
        fprintf(stderr, "%s\n", argument);
    else if (strcmp(word, "crash") == 0)
        crash((int)number);
    else if (strcmp(word, "exit") == 0)
        _exit((int)number);
    else if (strcmp(word, "hang") == 0)
        hang();
    else if (strcmp(word, "obey") == 0)
        obey(worker);
    else if (strcmp(word, "flood") == 0)
        for (long i = 0; i < number; i++)
            send_metrics(1000);
    else
        give_up(word);
}

static void run_script(struct worker *worker)
{
    char *rest = worker->script;
    for (char *step = strsep(&rest, ";"); step; step = strsep(&rest, ";")) {
        if (step[0] == 'a' && step[1] >= '1' && step[1] <= '9' && step[2] == ':') {
            if (step[1] - '0' != worker->attempt)
                continue;
            step += 3;
        }
        char *argument = strchr(step, ' ');
        if (argument)
            *argument++ = '\0';
        run_step(worker, step, argument ? argument : "");
    }
}

static void read_blob(struct worker *worker)
{
    conversation_expect_blob(&worker->reader.conversation);
    for (;;) {
        struct frame frame;
        if (frame_read(&worker->reader, STDIN_FILENO, &frame, NULL) != 0)
            _exit(0);
        if (frame.type == MESSAGE_BLOB_END)
            return;
        worker->resumed_bytes += frame.length;
        for (size_t i = 0; i < frame.length; i++)
            worker->resumed_sum = worker->resumed_sum * 31 + frame.payload[i];
    }
}

/* PIECEs, until somebody sends something. */
static void babble(struct worker *worker)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    struct frame frame;
    while (poll(&input, 1, 1) == 0)
        send_text(MESSAGE_PIECE, "{\"text\":\"x\"}");
    if (frame_read(&worker->reader, STDIN_FILENO, &frame, NULL) != 0 ||
        frame.type != MESSAGE_COMMAND)
        _exit(97);
}

/* Answers every question with itself and this process's number; some are commands. */
static void serve(struct worker *worker)
{
    for (;;) {
        struct frame frame;
        if (frame_read(&worker->reader, STDIN_FILENO, &frame, NULL) != 0)
            _exit(0);
        char text[1024];
        int length = snprintf(text, sizeof(text), "%.*s", (int)frame.length,
                              (const char *)frame.payload);
        if (length < 0 || strstr(text, "crash"))
            crash(SIGSEGV);
        if (strstr(text, "hang"))
            hang();
        if (strstr(text, "babble"))
            babble(worker);
        if (strstr(text, "twice"))
            send_text(MESSAGE_REPLY, "{\"status\":200,\"body\":{}}");
        json_t *reply =
            json_pack("{s:i, s:{s:i, s:s, s:i}}", "status", 200, "body", "pid",
                      (int)getpid(), "asked", text, "bytes", (int)worker->resumed_bytes);
        char *json = json_dumps(reply, JSON_COMPACT);
        send_text(MESSAGE_REPLY, json);
        free(json);
        json_decref(reply);
    }
}

/* What was passed is there, and nothing else is. */
static void check_descriptors(int wanted)
{
    for (int fd = 0; fd < 256; fd++)
        if ((fcntl(fd, F_GETFD) >= 0) != (fd < wanted))
            give_up("a descriptor that should not be there, or is missing");
}

int main(void)
{
    static struct worker worker;
    frame_reader_init(&worker.reader, FROM_DAEMON);
    struct frame frame;
    if (frame_read(&worker.reader, STDIN_FILENO, &frame, NULL) != 0)
        return 0;
    json_t *task = json_loadb((const char *)frame.payload, frame.length, 0, NULL);
    const char *name = json_string_value(json_object_get(task, "task"));
    if (!name)
        give_up("no task");
    worker.attempt = (long)json_integer_value(json_object_get(task, "attempt"));
    const json_t *home =
        json_object_get(task, strcmp(name, "ingest") == 0 ? "options" : "spec");
    const char *script = json_string_value(json_object_get(home, "script"));
    snprintf(worker.script, sizeof(worker.script), "%s", script ? script : "");
    if (strncmp(worker.script, "mute", 4) == 0)
        hang();
    bool serves = strcmp(name, "serve") == 0;
    if (serves || json_is_true(json_object_get(task, "resume")))
        read_blob(&worker);
    if (strcmp(name, "train") == 0)
        check_descriptors(4);
    if (strncmp(worker.script, "unready", 7) == 0) {
        send_failed("internal_error");
        return 0;
    }
    send_text(MESSAGE_READY,
              "{\"version\":\"fake\",\"sandbox\":\"none\",\"blas\":\"none\"}");
    if (serves && worker.script[0] == '\0')
        serve(&worker);
    run_script(&worker);
    json_decref(task);
    frame_reader_release(&worker.reader);
    return 0;
}
