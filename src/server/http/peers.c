/* See peers.h. A hash table of the addresses that have a place at this moment. Its seed
 * is random, so that nobody can choose addresses that share a bucket. */
#include "peers.h"

#include "base/memory.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BUCKETS 1024 /* a power of two */
#define KEY_BYTES 16

struct peer {
    struct peer *next;
    unsigned char key[KEY_BYTES];
    int64_t places;
};

struct peers {
    int64_t maximum, maximum_each;
    uint64_t seed;
    pthread_mutex_t lock;
    int64_t count;
    struct peer *buckets[BUCKETS];
};

struct peers *peers_new(int64_t maximum, int64_t maximum_each)
{
    struct peers *peers = mem_alloc(sizeof(*peers));
    if (!peers)
        return NULL;
    peers->maximum = maximum > 0 ? maximum : INT64_MAX;
    peers->maximum_each = maximum_each > 0 ? maximum_each : INT64_MAX;
    if (getrandom(&peers->seed, sizeof(peers->seed), GRND_NONBLOCK) < 0)
        peers->seed = (uint64_t)(uintptr_t)peers;
    pthread_mutex_init(&peers->lock, NULL);
    return peers;
}

void peers_free(struct peers *peers)
{
    if (!peers)
        return;
    pthread_mutex_destroy(&peers->lock);
    free(peers);
}

/* IPv4 in the form of IPv6 (RFC 4291, section 2.5.5.2), so that both ways to the same
 * peer are one. */
static void make_key(const struct sockaddr *address, unsigned char ret_key[KEY_BYTES])
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    memset(ret_key, 0, KEY_BYTES);
    if (address && address->sa_family == AF_INET) {
        struct sockaddr_in four;
        memcpy(&four, address, sizeof(four));
        memcpy(ret_key, mapped, sizeof(mapped));
        memcpy(ret_key + sizeof(mapped), &four.sin_addr, 4);
    } else if (address && address->sa_family == AF_INET6) {
        struct sockaddr_in6 six;
        memcpy(&six, address, sizeof(six));
        bool is_mapped = memcmp(&six.sin6_addr, mapped, sizeof(mapped)) == 0;
        memcpy(ret_key, &six.sin6_addr, is_mapped ? KEY_BYTES : KEY_BYTES / 2);
    }
}

static struct peer **find_bucket(struct peers *peers, const unsigned char key[KEY_BYTES])
{
    uint64_t hash = peers->seed ^ UINT64_C(0xcbf29ce484222325);
    for (int i = 0; i < KEY_BYTES; i++) {
        hash = (hash ^ key[i]) * UINT64_C(0x100000001b3); /* FNV-1a, seeded */
        hash ^= hash >> 29;
    }
    return &peers->buckets[hash & (BUCKETS - 1)];
}

/* With the lock held; NULL for an address that has no place. */
static struct peer *find(struct peers *peers, const unsigned char key[KEY_BYTES])
{
    struct peer *peer = *find_bucket(peers, key);
    while (peer && memcmp(peer->key, key, KEY_BYTES) != 0)
        peer = peer->next;
    return peer;
}

static enum peers_answer look(const struct peers *peers, const struct peer *peer)
{
    if (peer && peer->places >= peers->maximum_each)
        return PEERS_FULL_HERE;
    return peers->count >= peers->maximum ? PEERS_FULL : PEERS_OK;
}

enum peers_answer peers_look(struct peers *peers, const struct sockaddr *address)
{
    unsigned char key[KEY_BYTES];
    make_key(address, key);
    pthread_mutex_lock(&peers->lock);
    enum peers_answer answer = look(peers, find(peers, key));
    pthread_mutex_unlock(&peers->lock);
    return answer;
}

static struct peer *add(struct peers *peers, const unsigned char key[KEY_BYTES])
{
    struct peer *peer = mem_alloc(sizeof(*peer));
    if (!peer)
        return NULL;
    struct peer **bucket = find_bucket(peers, key);
    memcpy(peer->key, key, KEY_BYTES);
    peer->next = *bucket;
    *bucket = peer;
    return peer;
}

enum peers_answer peers_enter(struct peers *peers, const struct sockaddr *address,
                              struct peer **ret_peer)
{
    unsigned char key[KEY_BYTES];
    make_key(address, key);
    pthread_mutex_lock(&peers->lock);
    struct peer *peer = find(peers, key);
    enum peers_answer answer = look(peers, peer);
    if (answer == PEERS_OK && !peer) {
        peer = add(peers, key);
        answer = peer ? PEERS_OK : PEERS_FULL;
    }
    if (answer == PEERS_OK && peer) {
        peer->places++;
        peers->count++;
        *ret_peer = peer;
    }
    pthread_mutex_unlock(&peers->lock);
    return answer;
}

void peers_leave(struct peers *peers, struct peer *peer)
{
    pthread_mutex_lock(&peers->lock);
    peers->count--;
    if (--peer->places == 0) {
        struct peer **at = find_bucket(peers, peer->key);
        while (*at != peer)
            at = &(*at)->next;
        *at = peer->next;
        free(peer);
    }
    pthread_mutex_unlock(&peers->lock);
}

int64_t peers_count(struct peers *peers)
{
    pthread_mutex_lock(&peers->lock);
    int64_t count = peers->count;
    pthread_mutex_unlock(&peers->lock);
    return count;
}
