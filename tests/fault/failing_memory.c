/* See failing_memory.h. The linker's --wrap gives `malloc` here as __wrap_malloc, and the
 * real one as __real_malloc. */
#include "failing_memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>

static _Atomic uint64_t allocations, failed;
static _Atomic uint64_t first_failing; /* 0: none */
static _Atomic bool fails_on;

void failing_memory_begin(uint64_t nth, enum failing_memory_mode mode)
{
    first_failing = 0;
    allocations = 0;
    failed = 0;
    fails_on = mode == FAIL_ON;
    first_failing = nth;
}

uint64_t failing_memory_end(void)
{
    first_failing = 0;
    return failed;
}

uint64_t failing_memory_count(void)
{
    return allocations;
}

static bool fails_now(void)
{
    uint64_t index = ++allocations;
    uint64_t first = first_failing;
    if (first == 0 || index < first || (index > first && !fails_on))
        return false;
    failed++;
    errno = ENOMEM;
    return true;
}

/* The names are the linker's. NOLINTBEGIN(bugprone-reserved-identifier) */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails_now() ? NULL : __real_realloc(block, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails_now() ? NULL : __real_aligned_alloc(alignment, size);
}

void *failing_malloc(size_t size)
{
    return __wrap_malloc(size);
}

void *failing_realloc(void *block, size_t size)
{
    return __wrap_realloc(block, size);
}
/* NOLINTEND(bugprone-reserved-identifier) */
