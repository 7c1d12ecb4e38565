/* See message.h. One table says everything about a type; adding a message adds a row. */
#include "message.h"

#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)

enum rule {
    OPENS = 1,      /* must be the first message of its side */
    OPENS_BLOB = 2, /* blob chunks follow */
    IS_BLOB = 4,    /* legal only inside a blob */
    ENDS = 8        /* nothing may follow */
};

struct row {
    unsigned type;
    const char *name;
    enum message_sender from;
    bool from_both;
    unsigned rules;
    size_t max_payload;
};

static const struct row rows[] = {
    {MESSAGE_TASK, "task", FROM_DAEMON, false, OPENS, MIB(8)},
    {MESSAGE_BLOB, "blob", FROM_DAEMON, true, IS_BLOB, MESSAGE_BLOB_BYTES},
    {MESSAGE_BLOB_END, "blob_end", FROM_DAEMON, true, IS_BLOB, 0},
    {MESSAGE_COMMAND, "command", FROM_DAEMON, false, 0, KIB(4)},
    {MESSAGE_REQUEST, "request", FROM_DAEMON, false, 0, MIB(32)},
    {MESSAGE_READY, "ready", FROM_WORKER, false, OPENS, KIB(64)},
    {MESSAGE_PROGRESS, "progress", FROM_WORKER, false, 0, KIB(64)},
    {MESSAGE_METRICS, "metrics", FROM_WORKER, false, 0, MIB(4)},
    {MESSAGE_EVENT, "event", FROM_WORKER, false, 0, KIB(64)},
    {MESSAGE_CHECKPOINT, "checkpoint", FROM_WORKER, false, OPENS_BLOB, KIB(64)},
    {MESSAGE_MODEL, "model", FROM_WORKER, false, OPENS_BLOB, MIB(16)},
    {MESSAGE_REPLY, "reply", FROM_WORKER, false, 0, MIB(32)},
    {MESSAGE_DONE, "done", FROM_WORKER, false, ENDS, MIB(8)},
    {MESSAGE_FAILED, "failed", FROM_WORKER, false, ENDS, KIB(256)},
};

static const struct row *find(unsigned type)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].type == type)
            return &rows[i];
    return NULL;
}

const char *message_name(unsigned type)
{
    const struct row *row = find(type);
    return row ? row->name : "unknown";
}

size_t message_max_payload(unsigned type)
{
    const struct row *row = find(type);
    return row ? row->max_payload : 0;
}

void conversation_init(struct conversation *conversation, enum message_sender from)
{
    *conversation = (struct conversation){.from = from};
}

void conversation_expect_blob(struct conversation *conversation)
{
    conversation->in_blob = true;
}

bool conversation_accept(struct conversation *conversation, unsigned type, size_t length)
{
    const struct row *row = find(type);
    if (!row || length > row->max_payload || conversation->ended)
        return false;
    if (row->from != conversation->from && !row->from_both)
        return false;
    bool opens = (row->rules & OPENS) != 0;
    /* A worker may fail before it is ready. */
    bool early_failure = type == MESSAGE_FAILED;
    if (opens == conversation->opened && !early_failure)
        return false;
    bool is_blob = (row->rules & IS_BLOB) != 0;
    /* A failure or a command may cut into a blob; nothing else may. */
    bool may_interrupt = type == MESSAGE_FAILED || type == MESSAGE_COMMAND;
    if (is_blob != conversation->in_blob && !may_interrupt)
        return false;

    if (opens)
        conversation->opened = true;
    if (row->rules & OPENS_BLOB)
        conversation->in_blob = true;
    if (type == MESSAGE_BLOB_END)
        conversation->in_blob = false;
    if (row->rules & ENDS)
        conversation->ended = true;
    return true;
}
