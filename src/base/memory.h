/*
 * Memory with checked sizes. NULL means failure, to be returned up to the caller as
 * ERR_NOMEM. Blocks are freed with free(), but for mem_alloc_aligned's (also free()).
 */
#ifndef BACKPROP_MEMORY_H
#define BACKPROP_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* a * b, or false when the product does not fit in size_t. */
bool mem_multiply(size_t a, size_t b, size_t *ret_product);

/* `count` zeroed elements of `size` bytes; NULL if that overflows or there is no memory.
 * A count of 0 gives a block that may be freed. */
void *mem_alloc_array(size_t count, size_t size);

/* One zeroed object. */
void *mem_alloc(size_t size);

/* Grows or shrinks a block; the old block stays valid on failure. New
 * bytes are not set. */
void *mem_resize_array(void *block, size_t count, size_t size);

/* `count` zeroed elements on a 64-byte boundary (a cache line, an AVX-512 register). */
void *mem_alloc_aligned(size_t count, size_t size);

/* A copy of a string, or of its first `length` bytes and a NUL. */
char *mem_strdup(const char *string);
char *mem_strndup(const char *bytes, size_t length);

#endif
