/* Files in memory for the tests of formats. */
#ifndef BACKPROP_TESTS_BYTE_FIXTURE_H
#define BACKPROP_TESTS_BYTE_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

/* A file in memory with these bytes; the caller closes it. */
int fixture_file(const void *bytes, size_t length);
int fixture_text(const char *text);

/* The same as one gzip member. */
int fixture_gzip(const void *bytes, size_t length);

/* Appends to a fixture. */
void fixture_append(int fd, const void *bytes, size_t length);
void fixture_append_gzip(int fd, const void *bytes, size_t length);

/* A small random generator with a fixed start, for tests that try many inputs. */
uint32_t fixture_random(uint32_t *state);

#endif
