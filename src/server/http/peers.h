/*
 * Places that peers take: connections, event streams. There are so many in all, and so
 * many for one address, so that no stranger takes them all. An IPv6 peer is its network
 * of 64 bits, because a host there has as many addresses as it likes. Any thread.
 */
#ifndef BACKPROP_HTTP_PEERS_H
#define BACKPROP_HTTP_PEERS_H

#include <stdint.h>
#include <sys/socket.h>

struct peers;
struct peer; /* an address that has a place */

/* 0 for either: no such limit. NULL without memory. */
struct peers *peers_new(int64_t maximum, int64_t maximum_each);

/* All places must have been left. NULL is allowed. */
void peers_free(struct peers *peers);

enum peers_answer {
    PEERS_OK,
    PEERS_FULL,     /* nobody gets a place now (or there is no memory for one) */
    PEERS_FULL_HERE /* this address has all that it may have */
};

/* What peers_enter() would say. `address` NULL: of an unknown peer, one like any other.
 */
enum peers_answer peers_look(struct peers *peers, const struct sockaddr *address);

/* Takes a place: *ret_peer is for peers_leave(), and is set for PEERS_OK alone. */
enum peers_answer peers_enter(struct peers *peers, const struct sockaddr *address,
                              struct peer **ret_peer);
void peers_leave(struct peers *peers, struct peer *peer);

/* Places that are taken. */
int64_t peers_count(struct peers *peers);

#endif
