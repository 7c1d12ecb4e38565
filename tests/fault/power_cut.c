/* See power_cut.h. */
#include "power_cut.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* xorshift64: Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (2003). */
uint64_t disk_dice(struct disk *disk, uint64_t bound)
{
    disk->random ^= disk->random << 13;
    disk->random ^= disk->random >> 7;
    disk->random ^= disk->random << 17;
    return disk->random % bound;
}

static struct disk_file *find_file(struct disk *disk, const char *path)
{
    struct disk_file *unused = NULL;
    for (int i = 0; i < POWER_CUT_FILES; i++) {
        if (!disk->files[i].path)
            unused = unused ? unused : &disk->files[i];
        else if (strcmp(disk->files[i].path, path) == 0)
            return &disk->files[i];
    }
    assert_non_null(unused);
    *unused = (struct disk_file){.path = strdup(path), .synced_bytes = -1};
    return unused;
}

static void add_change(struct disk_file *file, const struct disk_change *change)
{
    if (file->change_count == file->change_room) {
        file->change_room = 2 * file->change_room + 16;
        file->changes =
            realloc(file->changes, (size_t)file->change_room * sizeof(*file->changes));
        assert_non_null(file->changes);
    }
    file->changes[file->change_count++] = *change;
}

static void drop_changes(struct disk_file *file)
{
    for (int i = 0; i < file->change_count; i++)
        free(file->changes[i].bytes);
    file->change_count = 0;
}

/* A file in memory. */
struct image {
    unsigned char *bytes;
    int64_t length; /* -1: no file */
};

static void set_length(struct image *image, int64_t length)
{
    image->bytes = realloc(image->bytes, (size_t)length + 1);
    assert_non_null(image->bytes);
    if (length > image->length) {
        int64_t from = image->length < 0 ? 0 : image->length;
        memset(image->bytes + from, 0, (size_t)(length - from));
    }
    image->length = length;
}

static void write_range(struct image *image, const struct disk_change *change,
                        int64_t from, int64_t to)
{
    if (to > image->length)
        set_length(image, to);
    memcpy(image->bytes + from, change->bytes + (from - change->offset),
           (size_t)(to - from));
}

/* The sectors of a write that the dice keep. */
static void write_torn(struct disk *disk, struct image *image,
                       const struct disk_change *change)
{
    int64_t end = change->offset + change->length;
    for (int64_t at = change->offset; at < end;) {
        int64_t sector_end = (at / POWER_CUT_SECTOR + 1) * POWER_CUT_SECTOR;
        int64_t to = sector_end < end ? sector_end : end;
        if (disk_dice(disk, 2) == 0)
            write_range(image, change, at, to);
        at = to;
    }
}

static void apply(struct disk *disk, enum power_cut_way way, struct image *image,
                  const struct disk_change *change)
{
    bool chance = way == CUT_SOME_LOST || (way == CUT_TORN && change->length < 0);
    if (way == CUT_ALL_LOST || (chance && disk_dice(disk, 2) == 0))
        return;
    if (change->length == CHANGE_DELETES)
        image->length = -1;
    else if (change->length == CHANGE_TRUNCATES)
        set_length(image, change->offset);
    else if (way == CUT_TORN)
        write_torn(disk, image, change);
    else
        write_range(image, change, change->offset, change->offset + change->length);
}

static struct image build(struct disk *disk, const struct disk_file *file,
                          enum power_cut_way way)
{
    struct image image = {.length = -1};
    if (file->synced_bytes >= 0) {
        set_length(&image, file->synced_bytes);
        if (file->synced_bytes > 0)
            memcpy(image.bytes, file->synced, (size_t)file->synced_bytes);
    }
    for (int i = 0; i < file->change_count; i++)
        apply(disk, way, &image, &file->changes[i]);
    return image;
}

static void sync_file(struct disk *disk, struct disk_file *file)
{
    struct image image = build(disk, file, CUT_ALL_KEPT);
    if (image.length < 0)
        set_length(&image, 0);
    free(file->synced);
    file->synced = image.bytes;
    file->synced_bytes = image.length;
    drop_changes(file);
}

void disk_note(struct disk *disk, const struct vfs_call *call)
{
    if (call->kind == VFS_WRITE) {
        struct disk_change change = {.offset = call->offset,
                                     .length = call->length,
                                     .bytes = malloc((size_t)call->length)};
        assert_non_null(change.bytes);
        memcpy(change.bytes, call->bytes, (size_t)call->length);
        add_change(find_file(disk, call->path), &change);
    } else if (call->kind == VFS_TRUNCATE) {
        add_change(
            find_file(disk, call->path),
            &(struct disk_change){.offset = call->offset, .length = CHANGE_TRUNCATES});
    } else if (call->kind == VFS_DELETE) {
        add_change(find_file(disk, call->path),
                   &(struct disk_change){.length = CHANGE_DELETES});
    } else if (call->kind == VFS_SYNC) {
        sync_file(disk, find_file(disk, call->path));
    }
}

void disk_sync_folder(struct disk *disk)
{
    for (int i = 0; i < POWER_CUT_FILES; i++) {
        struct disk_file *file = &disk->files[i];
        int kept = file->change_count;
        while (kept > 0 && file->changes[kept - 1].length != CHANGE_DELETES)
            kept--;
        for (int j = 0; j < kept; j++)
            free(file->changes[j].bytes);
        for (int j = kept; j < file->change_count; j++)
            file->changes[j - kept] = file->changes[j];
        file->change_count -= kept;
        if (kept > 0)
            file->synced_bytes = -1;
    }
}

void disk_cut(struct disk *disk, enum power_cut_way way, const char *folder)
{
    for (int i = 0; i < POWER_CUT_FILES; i++) {
        const struct disk_file *file = &disk->files[i];
        if (!file->path)
            continue;
        struct image image = build(disk, file, way);
        if (image.length >= 0) {
            char path[4096];
            snprintf(path, sizeof(path), "%s/%s", folder, strrchr(file->path, '/') + 1);
            FILE *out = fopen(path, "w");
            assert_non_null(out);
            assert_int_equal(fwrite(image.bytes, 1, (size_t)image.length, out),
                             image.length);
            assert_int_equal(fclose(out), 0);
        }
        free(image.bytes);
    }
}

void disk_release(struct disk *disk)
{
    for (int i = 0; i < POWER_CUT_FILES; i++) {
        struct disk_file *file = &disk->files[i];
        drop_changes(file);
        free(file->changes);
        free(file->synced);
        free(file->path);
    }
    *disk = (struct disk){0};
}
