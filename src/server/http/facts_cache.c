/* See facts_cache.h. So few slots are searched one by one. */
#include "facts_cache.h"

#include "base/id.h"
#include "base/memory.h"
#include "spec/json_parse.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct slot {
    char dataset[ID_SIZE];
    struct shared_facts *shared; /* NULL: free */
    uint64_t used;               /* when, in uses of the cache */
};

struct facts_cache {
    pthread_mutex_t lock;
    uint64_t uses;
    struct slot slots[FACTS_CACHE_SLOTS];
};

struct facts_cache *facts_cache_new(void)
{
    struct facts_cache *cache = mem_alloc(sizeof(*cache));
    if (cache)
        pthread_mutex_init(&cache->lock, NULL);
    return cache;
}

/* With the lock held. */
static void drop(struct shared_facts *shared)
{
    if (!shared || --shared->borrowers > 0)
        return;
    facts_free(shared->facts);
    free(shared);
}

void facts_cache_free(struct facts_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < FACTS_CACHE_SLOTS; i++)
        drop(cache->slots[i].shared);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

static struct shared_facts *find(struct facts_cache *cache, const char *dataset)
{
    struct shared_facts *found = NULL;
    pthread_mutex_lock(&cache->lock);
    cache->uses++;
    for (size_t i = 0; i < FACTS_CACHE_SLOTS && !found; i++) {
        struct slot *slot = &cache->slots[i];
        if (!slot->shared || strcmp(slot->dataset, dataset) != 0)
            continue;
        slot->used = cache->uses;
        found = slot->shared;
        found->borrowers++;
    }
    pthread_mutex_unlock(&cache->lock);
    return found;
}

/* In the place of those that were not used for the longest time. That two requests have
 * parsed the same does no harm. */
static void keep(struct facts_cache *cache, const char *dataset,
                 struct shared_facts *shared)
{
    pthread_mutex_lock(&cache->lock);
    struct slot *oldest = &cache->slots[0];
    for (size_t i = 1; i < FACTS_CACHE_SLOTS; i++)
        if (cache->slots[i].used < oldest->used)
            oldest = &cache->slots[i];
    drop(oldest->shared);
    shared->borrowers++;
    oldest->shared = shared;
    oldest->used = cache->uses;
    snprintf(oldest->dataset, sizeof(oldest->dataset), "%s", dataset);
    pthread_mutex_unlock(&cache->lock);
}

static int parse(const char *text, struct shared_facts **ret_shared, struct error *err)
{
    struct dataset_facts *facts = NULL;
    json_t *json = json_parse_text(text);
    int rc = json ? facts_parse(json, &facts, err)
                  : error_set(err, ERR_INTERNAL, "the dataset's facts cannot be read");
    json_decref(json);
    struct shared_facts *shared = rc == 0 ? mem_alloc(sizeof(*shared)) : NULL;
    if (!shared) {
        facts_free(facts);
        return rc != 0 ? rc : error_set(err, ERR_NOMEM, "no memory for facts");
    }
    *shared = (struct shared_facts){.facts = facts, .borrowers = 1};
    *ret_shared = shared;
    return 0;
}

int facts_cache_borrow(struct facts_cache *cache, const char *dataset, const char *text,
                       struct shared_facts **ret_shared, struct error *err)
{
    struct shared_facts *shared = find(cache, dataset);
    if (!shared) {
        int rc = parse(text, &shared, err);
        if (rc != 0)
            return rc;
        if (strlen(text) <= FACTS_CACHE_MAX_BYTES)
            keep(cache, dataset, shared);
    }
    *ret_shared = shared;
    return 0;
}

void facts_cache_give_back(struct facts_cache *cache, struct shared_facts *shared)
{
    pthread_mutex_lock(&cache->lock);
    drop(shared);
    pthread_mutex_unlock(&cache->lock);
}
