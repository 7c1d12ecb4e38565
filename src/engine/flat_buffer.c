/* See flat_buffer.h. */
#include "flat_buffer.h"

#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LINE ((size_t)64)
#define HUGE_PAGE ((size_t)2 * 1024 * 1024)

real *flat_new_unset(size_t count)
{
    size_t bytes;
    if (!mem_multiply(count, sizeof(real), &bytes) || bytes > SIZE_MAX - HUGE_PAGE)
        return NULL;
    size_t alignment = bytes >= 2 * HUGE_PAGE ? HUGE_PAGE : LINE;
    bytes = (bytes / LINE + 1) * LINE;
    void *block = NULL;
    if (posix_memalign(&block, alignment, bytes) != 0)
        return NULL;
    if (alignment == HUGE_PAGE) /* advice: without huge pages it works as well */
        (void)madvise(block, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    return block;
}

real *flat_new(size_t count)
{
    real *block = flat_new_unset(count);
    if (block)
        memset(block, 0, count * sizeof(real));
    return block;
}
