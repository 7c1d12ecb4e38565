/* See memory.h. */
#include "memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64

bool mem_multiply(size_t a, size_t b, size_t *ret_product)
{
    return !__builtin_mul_overflow(a, b, ret_product);
}

void *mem_alloc_array(size_t count, size_t size)
{
    size_t bytes;
    if (!mem_multiply(count, size, &bytes))
        return NULL;
    return bytes > 0 ? calloc(count, size) : calloc(1, 1);
}

void *mem_alloc(size_t size)
{
    return mem_alloc_array(1, size);
}

void *mem_resize_array(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (!mem_multiply(count, size, &bytes))
        return NULL;
    return realloc(block, bytes > 0 ? bytes : 1);
}

void *mem_alloc_aligned(size_t count, size_t size)
{
    size_t bytes;
    if (!mem_multiply(count, size, &bytes) || bytes > SIZE_MAX - ALIGNMENT)
        return NULL;
    bytes = (bytes / ALIGNMENT + 1) * ALIGNMENT;
    void *block = aligned_alloc(ALIGNMENT, bytes);
    if (block)
        memset(block, 0, bytes);
    return block;
}

char *mem_strdup(const char *string)
{
    return mem_strndup(string, strlen(string));
}

char *mem_strndup(const char *bytes, size_t length)
{
    char *copy = length < SIZE_MAX ? malloc(length + 1) : NULL;
    if (copy) {
        memcpy(copy, bytes, length);
        copy[length] = '\0';
    }
    return copy;
}
