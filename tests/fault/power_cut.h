/*
 * A disk that can lose its power: files as they were last synced, and the writes and
 * truncations since then. A cut puts into a folder what might be found afterwards: each
 * unsynced write is there, is not, or is there for some of its sectors.
 *
 * Feed it from the `after` hook of a hooked VFS. One thread at a time.
 */
#ifndef BACKPROP_TESTS_POWER_CUT_H
#define BACKPROP_TESTS_POWER_CUT_H

#include "hooked_vfs.h"

#include <stdint.h>

#define POWER_CUT_FILES 4
#define POWER_CUT_SECTOR 512

enum power_cut_way {
    CUT_ALL_LOST,  /* nothing that was not synced */
    CUT_ALL_KEPT,  /* all of it, as after a crash of the process alone */
    CUT_SOME_LOST, /* each write is there or not */
    CUT_TORN,      /* each sector of each write is there or not */
    CUT_WAYS
};

#define CHANGE_TRUNCATES (-1)
#define CHANGE_DELETES (-2)

struct disk_change {
    int64_t offset; /* of a write; the size of a truncation */
    int64_t length; /* of a write, or … */
    unsigned char *bytes;
};

struct disk_file {
    char *path; /* NULL: the slot is free */
    unsigned char *synced;
    int64_t synced_bytes; /* -1: there was no such file */
    struct disk_change *changes;
    int change_count, change_room;
};

struct disk {
    struct disk_file files[POWER_CUT_FILES];
    uint64_t random; /* the state of its dice; not 0 */
};

void disk_release(struct disk *disk);

/* A call of the VFS that went well. */
void disk_note(struct disk *disk, const struct vfs_call *call);

/* The folder of the files was synced: what was deleted will not be found again. */
void disk_sync_folder(struct disk *disk);

/* Writes what is left after a cut now into `folder`, under the files' last names. */
void disk_cut(struct disk *disk, enum power_cut_way way, const char *folder);

/* A number from 0 to bound - 1. */
uint64_t disk_dice(struct disk *disk, uint64_t bound);

#endif
