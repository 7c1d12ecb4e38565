/*
 * Allocations that fail on demand, for sweeps that let each of them fail in turn:
 *
 *   for (uint64_t nth = 1;; nth++) {
 *       failing_memory_begin(nth, FAIL_ONCE);
 *       rc = what_is_tested();
 *       if (failing_memory_end() == 0)
 *           break;                          there are fewer than nth: all were seen
 *       assert_int_equal(rc, ERR_NOMEM);
 *   }
 *
 * A program that links `failing_memory` has its calls of malloc, calloc, realloc and
 * aligned_alloc wrapped by the linker: those of the project's own code, which is linked
 * statically. Shared libraries are told by hand, where they can be:
 *
 *   json_set_alloc_funcs(failing_malloc, free);
 *
 * Nothing of this is in what ships. Counts are of all threads together.
 */
#ifndef BACKPROP_TESTS_FAILING_MEMORY_H
#define BACKPROP_TESTS_FAILING_MEMORY_H

#include <stddef.h>
#include <stdint.h>

enum failing_memory_mode {
    FAIL_ONCE, /* the nth allocation alone */
    FAIL_ON    /* it and all that follow */
};

/* Counts from 1 from here on. With nth 0 none fails. */
void failing_memory_begin(uint64_t nth, enum failing_memory_mode mode);

/* From here on nothing fails. How many failed since failing_memory_begin(). */
uint64_t failing_memory_end(void);

/* Allocations since failing_memory_begin(), with those that failed. */
uint64_t failing_memory_count(void);

/* What the wrapped functions do, for libraries that take functions. */
void *failing_malloc(size_t size);
void *failing_realloc(void *block, size_t size);

#endif
