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
    unsigned rules; /* of enum rule */
    const char *name;
    size_t max_payload;
    enum message_sender from;
    bool from_both;
};

static const struct row rows[] = {
    {MESSAGE_TASK, OPENS, "task", MIB(8), FROM_DAEMON, false},
    {MESSAGE_BLOB, IS_BLOB, "blob", MESSAGE_BLOB_BYTES, FROM_DAEMON, true},
    {MESSAGE_BLOB_END, IS_BLOB, "blob_end", 0, FROM_DAEMON, true},
    {MESSAGE_COMMAND, 0, "command", KIB(4), FROM_DAEMON, false},
    {MESSAGE_REQUEST, 0, "request", MIB(32), FROM_DAEMON, false},
    {MESSAGE_READY, OPENS, "ready", KIB(64), FROM_WORKER, false},
    {MESSAGE_PROGRESS, 0, "progress", KIB(64), FROM_WORKER, false},
    {MESSAGE_METRICS, 0, "metrics", MIB(4), FROM_WORKER, false},
    {MESSAGE_EVENT, 0, "event", KIB(64), FROM_WORKER, false},
    {MESSAGE_CHECKPOINT, OPENS_BLOB, "checkpoint", KIB(64), FROM_WORKER, false},
    {MESSAGE_MODEL, OPENS_BLOB, "model", MIB(16), FROM_WORKER, false},
    {MESSAGE_REPLY, 0, "reply", MIB(32), FROM_WORKER, false},
    {MESSAGE_PIECE, 0, "piece", KIB(64), FROM_WORKER, false},
    {MESSAGE_DONE, ENDS, "done", MIB(8), FROM_WORKER, false},
    {MESSAGE_FAILED, ENDS, "failed", KIB(256), FROM_WORKER, false},
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
