/* See store_scene.h. */
#include "store_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int scene_setup(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    assert_non_null(scene);
    folder_make(scene->parent);
    snprintf(scene->folder, sizeof(scene->folder), "%s/data", scene->parent);
    snprintf(scene->database, sizeof(scene->database), "%s/backpropd.db", scene->folder);
    snprintf(scene->wal, sizeof(scene->wal), "%s-wal", scene->database);
    *state = scene;
    return 0;
}

int scene_teardown(void **state)
{
    struct scene *scene = *state;
    store_close(scene->store);
    if (access(scene->folder, F_OK) == 0)
        folder_remove(scene->folder);
    folder_remove(scene->parent);
    free(scene);
    return 0;
}

struct store *scene_open(struct scene *scene)
{
    struct error err = {0};
    assert_int_equal(store_open(scene->folder, &scene->store, &err), 0);
    return scene->store;
}

void scene_close(struct scene *scene)
{
    store_close(scene->store);
    scene->store = NULL;
}

int note_key(struct db *db, void *argument, struct error *err)
{
    struct query q;
    query_begin(&q, db, "INSERT INTO meta (key, value) VALUES (:key, 'x')");
    query_bind_text(&q, ":key", argument);
    return query_run(&q, err);
}

void note(struct store *store, const char *key)
{
    struct error err = {0};
    char *copy = strdup(key);
    assert_non_null(copy);
    assert_int_equal(call_wait(store, note_key, copy, &err), 0);
    free(copy);
}

int64_t count_notes(struct db *db, const char *prefix)
{
    struct query q;
    struct error err = {0};
    query_begin(&q, db, "SELECT count(*) FROM meta WHERE key GLOB :prefix || '*'");
    query_bind_text(&q, ":prefix", prefix);
    assert_int_equal(query_step(&q, &err), 1);
    int64_t count = query_int(&q, 0);
    query_end(&q);
    return count;
}

int64_t count_stored(struct store *store, const char *prefix)
{
    struct error err = {0};
    struct db *db = store_read_begin(store, &err);
    assert_non_null(db);
    int64_t count = count_notes(db, prefix);
    store_read_end(store, db);
    return count;
}
