/*
 * A whole store in a folder of its own, opened and closed by the test, and notes: one-row
 * writes that can be counted afterwards.
 */
#ifndef BACKPROP_TESTS_STORE_SCENE_H
#define BACKPROP_TESTS_STORE_SCENE_H

#include "store_fixture.h"

struct scene {
    char parent[FOLDER_SIZE];
    char folder[FOLDER_SIZE + 16];   /* of the store; made by it */
    char database[FOLDER_SIZE + 32]; /* its file */
    char wal[FOLDER_SIZE + 40];      /* and the log beside it */
    struct store *store;             /* NULL while closed */
};

/* For cmocka_unit_test_setup_teardown: *state is a struct scene with a closed store. */
int scene_setup(void **state);
int scene_teardown(void **state);

struct store *scene_open(struct scene *scene);
void scene_close(struct scene *scene);

/* A write that notes the key `argument` (a string); a key twice is ERR_CONFLICT. */
int note_key(struct db *db, void *argument, struct error *err);

/* The same, waited for. */
void note(struct store *store, const char *key);

/* How many keys with this prefix were noted. */
int64_t count_notes(struct db *db, const char *prefix);
int64_t count_stored(struct store *store, const char *prefix);

#endif
