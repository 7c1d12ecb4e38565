/*
 * The hub: who is waiting for news of which job. Event streams subscribe; the scheduler's
 * on_change (and the handlers that change a job) publish. A subscriber is only woken: it
 * reads what is new from the store itself, so nothing is lost and nothing piles up.
 */
#ifndef BACKPROP_HTTP_HUB_H
#define BACKPROP_HTTP_HUB_H

#include "base/error.h"

struct hub;
struct hub_subscription;

int hub_new(int max_subscriptions, struct hub **ret_hub, struct error *err);
void hub_free(struct hub *hub);

/* `wake` is called (from the publisher's thread, must not block or call the hub) whenever
 * something about the job was committed. ERR_BUSY when too many are subscribed. */
int hub_subscribe(struct hub *hub, const char *job_id, void (*wake)(void *context),
                  void *context, struct hub_subscription **ret_subscription,
                  struct error *err) __attribute__((warn_unused_result));
void hub_unsubscribe(struct hub *hub, struct hub_subscription *subscription);

/* Subscriptions there are, and may be. Any thread. */
void hub_count(struct hub *hub, int *ret_count, int *ret_maximum);

void hub_publish(struct hub *hub, const char *job_id);

/* Wakes everyone: the daemon is going away, or a heartbeat is due. */
void hub_publish_all(struct hub *hub);

#endif
