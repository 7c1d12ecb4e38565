/* See violations.h. */
#include "violations.h"

#include "error.h"
#include "memory.h"
#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define DETAIL_MAX_BYTES 1024

void violations_init(struct violations *violations)
{
    *violations = (struct violations){0};
}

void violations_release(struct violations *violations)
{
    for (size_t i = 0; i < violations->count; i++) {
        free(violations->items[i].pointer);
        free(violations->items[i].detail);
    }
    free(violations->items);
    violations_init(violations);
}

static int keep(struct violations *violations, const char *pointer, const char *detail)
{
    struct violation *items =
        mem_resize_array(violations->items, violations->count + 1, sizeof(*items));
    if (!items)
        return ERR_NOMEM;
    violations->items = items;
    struct violation added = {mem_strdup(pointer), mem_strdup(detail)};
    if (!added.pointer || !added.detail) {
        free(added.pointer);
        free(added.detail);
        return ERR_NOMEM;
    }
    utf8_mend(added.pointer);
    utf8_mend(added.detail);
    items[violations->count++] = added;
    return 0;
}

int violations_add(struct violations *violations, const char *pointer, const char *format,
                   ...)
{
    violations->total++;
    if (violations->count < VIOLATIONS_MAX) {
        char detail[DETAIL_MAX_BYTES];
        va_list args;
        va_start(args, format);
        vsnprintf(detail, sizeof(detail), format, args);
        va_end(args);
        if (keep(violations, pointer, detail) != 0)
            violations->status = ERR_NOMEM;
    }
    return ERR_INVALID;
}
