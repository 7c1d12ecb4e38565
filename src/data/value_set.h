/*
 * A small set of texts with a place in it for each: the distinct values of a column, in
 * bounded memory. A cell of a table is looked up in one of these for every row, so it is
 * a flat open-addressing table over one block of bytes.
 */
#ifndef BACKPROP_VALUE_SET_H
#define BACKPROP_VALUE_SET_H

#include <stddef.h>
#include <stdint.h>

#define VALUE_SET_FULL (-100)

struct value_entry {
    uint32_t hash;
    uint32_t offset; /* of the text in `bytes` */
    uint16_t length;
    uint16_t code; /* free for the owner; value_set_sort() sets it */
};

struct value_set {
    uint32_t count;
    uint32_t max_count;
    uint32_t slot_count; /* a power of two, 0 while empty */
    uint32_t entry_capacity;
    uint32_t byte_count, byte_capacity;
    uint32_t last;   /* the entry found last: runs of equal cells are common */
    uint16_t *slots; /* entry + 1; 0: free */
    struct value_entry *entries;
    char *bytes;
};

/* Holds at most `max_count` (< 65536 / 2) texts of at most FACTS_MAX_NAME_BYTES.
 * Allocates nothing. */
void value_set_init(struct value_set *set, uint32_t max_count);
void value_set_release(struct value_set *set);

/* The entry of a text, added if it is new. VALUE_SET_FULL when there is no more room or
 * the text is too long, ERR_NOMEM. */
int value_set_add(struct value_set *set, const char *text, size_t length)
    __attribute__((warn_unused_result));

/* The entry of a text, or -1. */
int value_set_find(struct value_set *set, const char *text, size_t length);

/* Text of an entry, not followed by a NUL; borrowed until the next add. */
const char *value_set_text(const struct value_set *set, uint32_t entry,
                           size_t *ret_length);

/* Entries in the order of their bytes: ret_order[count], and entries[ret_order[i]].code =
 * i. */
void value_set_sort(struct value_set *set, uint16_t *ret_order);

/* Memory in use. */
size_t value_set_bytes(const struct value_set *set);

#endif
