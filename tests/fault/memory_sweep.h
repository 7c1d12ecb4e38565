/*
 * A piece of work done again and again while each of its allocations fails in turn:
 * first the 1st alone, then the 2nd, … until the work is done before the nth; then the
 * same with the nth and all that follow. Jansson's allocations count where the spec's
 * json_parse.c is linked, which gives it its functions.
 */
#ifndef BACKPROP_TESTS_MEMORY_SWEEP_H
#define BACKPROP_TESTS_MEMORY_SWEEP_H

#include "base/error.h"

#include <stdint.h>

/* Does the work from its beginning, frees all, returns its code. Sets `err` where the
 * functions under test do, and leaves it alone otherwise. */
typedef int sweep_work(const void *input, struct error *err);

/*
 * Fails the test that calls it unless every failure is answered with ERR_NOMEM and an
 * untroubled run with `expected`. Every `stride`-th allocation fails (1: each). Returns
 * how many failures were injected. A leak is for the sanitizer to see.
 */
uint64_t memory_sweep(const char *name, sweep_work *work, const void *input, int expected,
                      uint64_t stride);

/* The same for work that may bear a failure, as when only an excerpt in a message gets
 * shorter: then `expected` is right as well. */
uint64_t memory_sweep_lenient(const char *name, sweep_work *work, const void *input,
                              int expected, uint64_t stride);

#endif
