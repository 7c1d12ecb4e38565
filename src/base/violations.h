/*
 * All that is wrong with one input, gathered so that a user is told everything at once.
 * Each entry is a JSON Pointer (RFC 6901) and a sentence with what was expected and what
 * came. At most VIOLATIONS_MAX entries are kept; the rest is counted.
 */
#ifndef BACKPROP_VIOLATIONS_H
#define BACKPROP_VIOLATIONS_H

#include <stddef.h>

#define VIOLATIONS_MAX 100

struct violation {
    char *pointer; /* "" is the whole document */
    char *detail;
};

struct violations {
    struct violation *items;
    size_t count; /* kept entries */
    size_t total; /* all that were added */
    int status;   /* 0, or ERR_NOMEM if an entry could not be kept */
};

void violations_init(struct violations *violations);
void violations_release(struct violations *violations);

/* Adds one; takes copies of both strings, in which what is not UTF-8 becomes '?'. Always
 * returns ERR_INVALID. */
int violations_add(struct violations *violations, const char *pointer, const char *format,
                   ...) __attribute__((format(printf, 3, 4)));

#endif
