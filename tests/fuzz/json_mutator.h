/* A libFuzzer mutator for harnesses whose input is JSON; see json_mutator.c. */
#ifndef BACKPROP_JSON_MUTATOR_H
#define BACKPROP_JSON_MUTATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes before the JSON; each harness defines it. */
extern const size_t fuzz_json_prefix;

#endif
