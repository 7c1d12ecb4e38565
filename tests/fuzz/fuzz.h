/*
 * What the fuzzing harnesses share.
 *
 * A harness is one file, fuzz_<name>.c, that defines LLVMFuzzerTestOneInput(): it gives
 * the bytes to the code under test and aborts when an answer is not one that the code
 * promises (FUZZ_EXPECT). Two programs come from it: with the preset `fuzz` libFuzzer
 * drives it; in every other build replay.c gives it the files of
 * tests/fuzz/corpus/<name>, as one of the ordinary tests.
 */
#ifndef BACKPROP_FUZZ_H
#define BACKPROP_FUZZ_H

#include "base/error.h"
#include "base/violations.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Always returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise of the code under test. Stops the program when it is broken. */
#define FUZZ_EXPECT(condition)                                                           \
    ((condition) ? (void)0 : fuzz_broken(#condition, __FILE__, __LINE__))

void fuzz_broken(const char *condition, const char *file, int line)
    __attribute__((noreturn));

/* The input, taken from its front. What is not there is 0 or empty. */
struct fuzz_input {
    const uint8_t *data;
    size_t size;
};

uint8_t fuzz_take_byte(struct fuzz_input *input);

/* The next `size` bytes or what is left of them; as many as there were in *ret_size. */
const uint8_t *fuzz_take(struct fuzz_input *input, size_t size, size_t *ret_size);

/* A run with a length of two bytes (big-endian) before it. */
const uint8_t *fuzz_take_run(struct fuzz_input *input, size_t *ret_size);

/* A new string: the next bytes up to and without a newline or NUL, which is passed over.
 */
char *fuzz_take_line(struct fuzz_input *input);

/* A file in memory with these bytes, to be closed. */
int fuzz_file(const void *bytes, size_t length);

/* Reads every byte, so that a sanitizer sees those that are not there. */
void fuzz_touch(const void *bytes, size_t length);

/* Is the error set as error.h promises for this return code, and in one line of text? */
bool fuzz_error_fits(int rc, const struct error *err);

/* Are the violations right for this code? All texts are valid UTF-8 and not empty. */
bool fuzz_violations_fit(int rc, const struct violations *violations);

#endif
