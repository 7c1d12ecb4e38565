/* See hub.h. A list under one lock: publishing passes over every subscriber, which is a
 * few microseconds for a thousand of them. */
#include "hub.h"

#include "base/id.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hub_subscription {
    struct hub_subscription *next, **previous;
    char job_id[ID_SIZE];
    void (*wake)(void *context);
    void *context;
};

struct hub {
    pthread_mutex_t lock; /* held while `wake` runs, so that unsubscribing waits for it */
    struct hub_subscription *first;
    int count, maximum;
};

int hub_new(int max_subscriptions, struct hub **ret_hub, struct error *err)
{
    struct hub *hub = mem_alloc(sizeof(*hub));
    if (!hub)
        return error_set(err, ERR_NOMEM, "no memory for the hub");
    pthread_mutex_init(&hub->lock, NULL);
    hub->maximum = max_subscriptions;
    *ret_hub = hub;
    return 0;
}

void hub_free(struct hub *hub)
{
    if (!hub)
        return;
    while (hub->first)
        hub_unsubscribe(hub, hub->first);
    pthread_mutex_destroy(&hub->lock);
    free(hub);
}

int hub_subscribe(struct hub *hub, const char *job_id, void (*wake)(void *context),
                  void *context, struct hub_subscription **ret_subscription,
                  struct error *err)
{
    struct hub_subscription *subscription = mem_alloc(sizeof(*subscription));
    if (!subscription)
        return error_set(err, ERR_NOMEM, "no memory for a subscription");
    snprintf(subscription->job_id, sizeof(subscription->job_id), "%s", job_id);
    subscription->wake = wake;
    subscription->context = context;
    pthread_mutex_lock(&hub->lock);
    bool fits = hub->count < hub->maximum;
    if (fits) {
        subscription->next = hub->first;
        subscription->previous = &hub->first;
        if (hub->first)
            hub->first->previous = &subscription->next;
        hub->first = subscription;
        hub->count++;
    }
    pthread_mutex_unlock(&hub->lock);
    if (!fits) {
        free(subscription);
        return error_set(err, ERR_BUSY, "%d event streams are open, which is the limit",
                         hub->maximum);
    }
    *ret_subscription = subscription;
    return 0;
}

void hub_unsubscribe(struct hub *hub, struct hub_subscription *subscription)
{
    pthread_mutex_lock(&hub->lock);
    *subscription->previous = subscription->next;
    if (subscription->next)
        subscription->next->previous = subscription->previous;
    hub->count--;
    pthread_mutex_unlock(&hub->lock);
    free(subscription);
}

void hub_count(struct hub *hub, int *ret_count, int *ret_maximum)
{
    pthread_mutex_lock(&hub->lock);
    *ret_count = hub->count;
    *ret_maximum = hub->maximum;
    pthread_mutex_unlock(&hub->lock);
}

void hub_publish(struct hub *hub, const char *job_id)
{
    pthread_mutex_lock(&hub->lock);
    for (struct hub_subscription *at = hub->first; at; at = at->next)
        if (strcmp(at->job_id, job_id) == 0)
            at->wake(at->context);
    pthread_mutex_unlock(&hub->lock);
}

void hub_publish_all(struct hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    for (struct hub_subscription *at = hub->first; at; at = at->next)
        at->wake(at->context);
    pthread_mutex_unlock(&hub->lock);
}
