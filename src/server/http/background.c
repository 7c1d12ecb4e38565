/* See background.h. */
#include "background.h"

#include "base/memory.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct background {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct background_task *first, **last;
    bool stopping;
};

static struct background_task *wait_for_task(struct background *background)
{
    pthread_mutex_lock(&background->lock);
    while (!background->first && !background->stopping)
        pthread_cond_wait(&background->changed, &background->lock);
    struct background_task *task = background->first;
    if (task) {
        background->first = task->next;
        if (!background->first)
            background->last = &background->first;
    }
    pthread_mutex_unlock(&background->lock);
    return task;
}

static void *run_tasks(void *context)
{
    struct background *background = context;
    struct background_task *task;
    while ((task = wait_for_task(background)))
        task->run(task);
    return NULL;
}

int background_start(struct background **ret_background, struct error *err)
{
    struct background *background = mem_alloc(sizeof(*background));
    if (!background)
        return error_set(err, ERR_NOMEM, "no memory for the background thread");
    background->last = &background->first;
    pthread_mutex_init(&background->lock, NULL);
    pthread_cond_init(&background->changed, NULL);
    int failure = pthread_create(&background->thread, NULL, run_tasks, background);
    if (failure != 0) {
        free(background);
        return error_set_errno(err, failure, "cannot start the background thread");
    }
    *ret_background = background;
    return 0;
}

void background_stop(struct background *background)
{
    if (!background)
        return;
    pthread_mutex_lock(&background->lock);
    background->stopping = true;
    pthread_cond_signal(&background->changed);
    pthread_mutex_unlock(&background->lock);
    pthread_join(background->thread, NULL);
    pthread_cond_destroy(&background->changed);
    pthread_mutex_destroy(&background->lock);
    free(background);
}

void background_submit(struct background *background, struct background_task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&background->lock);
    *background->last = task;
    background->last = &task->next;
    pthread_cond_signal(&background->changed);
    pthread_mutex_unlock(&background->lock);
}
