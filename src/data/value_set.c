/* See value_set.h. Slots are at most half full; linear probing. */
#include "value_set.h"

#include "base/error.h"
#include "base/memory.h"
#include "spec/facts.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 16
#define FIRST_BYTES 64

void value_set_init(struct value_set *set, uint32_t max_count)
{
    assert(max_count < UINT16_MAX / 2);
    *set = (struct value_set){.max_count = max_count};
}

void value_set_release(struct value_set *set)
{
    free(set->slots);
    free(set->entries);
    free(set->bytes);
    value_set_init(set, set->max_count);
}

/* Eight bytes at a time, each folded in by a multiplication that is rotated into the
 * next. */
static uint32_t hash_text(const char *text, size_t length)
{
    uint64_t hash = length * UINT64_C(0x9e3779b97f4a7c15);
    while (length >= 8) {
        uint64_t word;
        memcpy(&word, text, sizeof(word));
        hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
        text += 8;
        length -= 8;
    }
    uint64_t word = 0;
    for (size_t i = 0; i < length; i++)
        word |= (uint64_t)(unsigned char)text[i] << (8 * i);
    hash = (hash ^ word) * UINT64_C(0xc4ceb9fe1a85ec53);
    return (uint32_t)(hash >> 32);
}

static bool is_entry(const struct value_set *set, uint32_t entry, uint32_t hash,
                     const char *text, size_t length)
{
    const struct value_entry *at = &set->entries[entry];
    return at->hash == hash && at->length == length &&
           memcmp(set->bytes + at->offset, text, length) == 0;
}

static bool is_last(const struct value_set *set, const char *text, size_t length)
{
    if (set->last >= set->count)
        return false;
    const struct value_entry *at = &set->entries[set->last];
    return at->length == length && memcmp(set->bytes + at->offset, text, length) == 0;
}

/* The slot of a text: its own, or the free one where it would go. */
static uint32_t find_slot(const struct value_set *set, uint32_t hash, const char *text,
                          size_t length)
{
    uint32_t mask = set->slot_count - 1;
    uint32_t slot = hash & mask;
    while (set->slots[slot] != 0 &&
           !is_entry(set, set->slots[slot] - 1U, hash, text, length))
        slot = (slot + 1) & mask;
    return slot;
}

int value_set_find(struct value_set *set, const char *text, size_t length)
{
    if (is_last(set, text, length))
        return (int)set->last;
    if (set->count == 0)
        return -1;
    uint32_t slot = find_slot(set, hash_text(text, length), text, length);
    if (set->slots[slot] == 0)
        return -1;
    set->last = set->slots[slot] - 1U;
    return (int)set->last;
}

/* Doubles the slots. */
static int grow_slots(struct value_set *set)
{
    uint32_t slot_count = set->slot_count > 0 ? set->slot_count * 2 : FIRST_SLOTS;
    uint16_t *slots = mem_alloc_array(slot_count, sizeof(*slots));
    if (!slots)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < set->count; i++) {
        uint32_t slot = set->entries[i].hash & (slot_count - 1);
        while (slots[slot] != 0)
            slot = (slot + 1) & (slot_count - 1);
        slots[slot] = (uint16_t)(i + 1);
    }
    free(set->slots);
    set->slots = slots;
    set->slot_count = slot_count;
    return 0;
}

/* Room for one more entry of `length` bytes. */
static int make_room(struct value_set *set, size_t length)
{
    if ((set->count + 1) * 2 > set->slot_count) {
        int rc = grow_slots(set);
        if (rc != 0)
            return rc;
    }
    if (set->count == set->entry_capacity) {
        uint32_t capacity = set->slot_count / 2;
        struct value_entry *entries =
            mem_resize_array(set->entries, capacity, sizeof(*entries));
        if (!entries)
            return ERR_NOMEM;
        set->entries = entries;
        set->entry_capacity = capacity;
    }
    size_t needed = set->byte_count + length;
    if (needed > set->byte_capacity || !set->bytes) {
        size_t capacity = set->byte_capacity > 0 ? set->byte_capacity : FIRST_BYTES;
        while (capacity < needed)
            capacity *= 2;
        char *bytes = mem_resize_array(set->bytes, capacity, 1);
        if (!bytes)
            return ERR_NOMEM;
        set->bytes = bytes;
        set->byte_capacity = (uint32_t)capacity;
    }
    return 0;
}

int value_set_add(struct value_set *set, const char *text, size_t length)
{
    if (is_last(set, text, length))
        return (int)set->last;
    if (length > FACTS_MAX_NAME_BYTES)
        return VALUE_SET_FULL;
    uint32_t hash = hash_text(text, length);
    if (set->count > 0) {
        uint32_t slot = find_slot(set, hash, text, length);
        if (set->slots[slot] != 0) {
            set->last = set->slots[slot] - 1U;
            return (int)set->last;
        }
    }
    if (set->count == set->max_count)
        return VALUE_SET_FULL;
    int rc = make_room(set, length);
    if (rc != 0)
        return rc;
    memcpy(set->bytes + set->byte_count, text, length);
    set->entries[set->count] = (struct value_entry){
        .hash = hash, .offset = set->byte_count, .length = (uint16_t)length};
    set->byte_count += (uint32_t)length;
    set->slots[find_slot(set, hash, text, length)] = (uint16_t)(set->count + 1);
    set->last = set->count;
    return (int)set->count++;
}

const char *value_set_text(const struct value_set *set, uint32_t entry,
                           size_t *ret_length)
{
    assert(entry < set->count);
    *ret_length = set->entries[entry].length;
    return set->bytes + set->entries[entry].offset;
}

static int compare_entries(const void *a, const void *b, void *context)
{
    const struct value_set *set = context;
    const struct value_entry *x = &set->entries[*(const uint16_t *)a];
    const struct value_entry *y = &set->entries[*(const uint16_t *)b];
    size_t shorter = x->length < y->length ? x->length : y->length;
    int order = memcmp(set->bytes + x->offset, set->bytes + y->offset, shorter);
    return order != 0 ? order : (int)x->length - (int)y->length;
}

void value_set_sort(struct value_set *set, uint16_t *ret_order)
{
    if (set->count == 0)
        return;
    for (uint32_t i = 0; i < set->count; i++)
        ret_order[i] = (uint16_t)i;
    qsort_r(ret_order, set->count, sizeof(*ret_order), compare_entries, set);
    for (uint32_t i = 0; i < set->count; i++)
        set->entries[ret_order[i]].code = (uint16_t)i;
}

size_t value_set_bytes(const struct value_set *set)
{
    return set->slot_count * sizeof(*set->slots) +
           set->entry_capacity * sizeof(*set->entries) + set->byte_capacity;
}
