/*
 * What a daemon does to its store, as a table, for sweeps: each scenario is one write
 * that changes several tables, and what must be there before it.
 */
#ifndef BACKPROP_TESTS_STORE_SCENARIOS_H
#define BACKPROP_TESTS_STORE_SCENARIOS_H

#include "store_scene.h"

#define STATE_SIZE 1024

/* The objects of one run of a scenario. */
struct actor {
    int number; /* another one for each run: names follow from it */
    char dataset[ID_SIZE], job[ID_SIZE], model[ID_SIZE], checkpoint[ID_SIZE];
    int64_t lease, blob;
};

struct scenario {
    const char *name;
    int (*prepare)(struct db *db, void *actor, struct error *err); /* or NULL */
    int (*act)(struct db *db, void *actor, struct error *err);
};

extern const struct scenario scenarios[];
extern const int scenario_count;

/* A fresh actor for `scenario`, prepared; asserts that it works. */
void actor_prepare(struct store *store, const struct scenario *scenario,
                   struct actor *ret_actor);

/* What can be seen of the whole store: how many rows each table has, jobs by status, and
 * lengths. Two stores that tell the same hold the same. */
void read_state(struct store *store, char ret_state[STATE_SIZE]);
void read_state_from(struct db *db, char ret_state[STATE_SIZE]);

/* Asserts that PRAGMA integrity_check and foreign_key_check find nothing. */
void check_integrity(struct store *store);

#endif
