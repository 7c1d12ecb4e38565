/* See memory_sweep.h. */
#include "memory_sweep.h"

#include "failing_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

/* Longer sweeps than any here would take: a work that never ends is a fault. */
#define MOST_ALLOCATIONS 10000000

static bool is_answer(int rc, const struct error *err, bool lenient, int expected)
{
    if (rc != ERR_NOMEM && !(lenient && rc == expected))
        return false;
    return err->code == 0 || err->code == rc;
}

static uint64_t sweep(const char *name, sweep_work *work, const void *input, int expected,
                      uint64_t stride, bool lenient)
{
    uint64_t injected = 0;
    for (int mode = FAIL_ONCE; mode <= FAIL_ON; mode++) {
        for (uint64_t nth = 1;; nth += stride) {
            struct error err = {0};
            failing_memory_begin(nth, (enum failing_memory_mode)mode);
            int rc = work(input, &err);
            bool failed = failing_memory_end() > 0;
            if (!failed && rc != expected)
                fail_msg("%s: %d instead of %d: %s", name, rc, expected, err.text);
            if (!failed)
                break;
            injected++;
            if (!is_answer(rc, &err, lenient, expected))
                fail_msg("%s: allocation %llu (mode %d) failed, and the answer is %d: %s",
                         name, (unsigned long long)nth, mode, rc, err.text);
            assert_true(nth < MOST_ALLOCATIONS);
        }
    }
    return injected;
}

uint64_t memory_sweep(const char *name, sweep_work *work, const void *input, int expected,
                      uint64_t stride)
{
    return sweep(name, work, input, expected, stride, false);
}

uint64_t memory_sweep_lenient(const char *name, sweep_work *work, const void *input,
                              int expected, uint64_t stride)
{
    return sweep(name, work, input, expected, stride, true);
}
