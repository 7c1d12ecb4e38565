/*
 * Parsed facts of the datasets that jobs were posted for last: the facts of a table with
 * 65 columns take longer to parse than all the rest of a post. A dataset never changes,
 * so what is here is never old; whether it is still there is for the store to say.
 */
#ifndef BACKPROP_HTTP_FACTS_CACHE_H
#define BACKPROP_HTTP_FACTS_CACHE_H

#include "base/error.h"
#include "spec/facts.h"

#define FACTS_CACHE_SLOTS 16
#define FACTS_CACHE_MAX_BYTES ((size_t)4 << 20) /* of JSON; larger ones are not kept */

struct facts_cache;

/* Facts that are borrowed by some requests. */
struct shared_facts {
    struct dataset_facts *facts; /* read only */
    int borrowers;               /* the cache is one of them; under its lock */
};

/* NULL without memory. */
struct facts_cache *facts_cache_new(void);
/* When nobody borrows any more. */
void facts_cache_free(struct facts_cache *cache);

/* The facts of a dataset, whose JSON `text` is parsed unless they are here. Any thread.
 * To be given back. */
int facts_cache_borrow(struct facts_cache *cache, const char *dataset, const char *text,
                       struct shared_facts **ret_shared, struct error *err)
    __attribute__((warn_unused_result));

/* NULL is allowed. */
void facts_cache_give_back(struct facts_cache *cache, struct shared_facts *shared);

#endif
