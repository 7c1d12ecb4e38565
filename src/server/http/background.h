/*
 * One thread for work that takes long and needs no answer at once: digests and syncs of
 * large files. HTTP threads must not do it (their other connections would wait) and the
 * scheduler's and the store's threads even less.
 */
#ifndef BACKPROP_HTTP_BACKGROUND_H
#define BACKPROP_HTTP_BACKGROUND_H

#include "base/error.h"

struct background;

/* A piece of work, part of the caller's own struct; it lives until `run` begins. */
struct background_task {
    void (*run)(struct background_task *task);
    struct background_task *next; /* the queue's */
};

int background_start(struct background **ret_background, struct error *err)
    __attribute__((warn_unused_result));

/* Runs what is queued, joins the thread, frees. */
void background_stop(struct background *background);

/* Tasks run in the order of their submission. Any thread. */
void background_submit(struct background *background, struct background_task *task);

#endif
