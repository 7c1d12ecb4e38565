/*
 * The writer: the one thread that changes the store.
 *
 * It takes writes in the order of their submission and puts what is there into one
 * transaction. It does not wait for company: a lone write is committed at once, and while
 * one COMMIT waits for the disk the next group gathers by itself. A group ends at
 * STORE_GROUP_MAX writes or when it is STORE_GROUP_MS old. Checkpoints of the WAL happen
 * here too, between groups, so that no reader or writer ever pays for one by surprise.
 */
#ifndef BACKPROP_STORE_WRITER_H
#define BACKPROP_STORE_WRITER_H

#include "db.h"
#include "store.h"
#include "writer_stats.h"

struct writer;

/* Starts the thread; `db` is borrowed, and the thread's alone until writer_stop(). */
int writer_start(struct db *db, struct writer **ret_writer, struct error *err)
    __attribute__((warn_unused_result));

/* Runs what was submitted before, refuses what comes later, ends the thread. */
void writer_stop(struct writer *writer);
void writer_free(struct writer *writer);

/* See store_submit(). */
void writer_submit(struct writer *writer, struct store_write *write);

/* Any thread. */
void writer_stats(struct writer *writer, struct writer_stats *ret_stats);

/* True on the writer thread itself. */
bool writer_is_current(const struct writer *writer);

#endif
