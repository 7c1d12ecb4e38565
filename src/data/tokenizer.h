/*
 * Tokenizers: from a text in UTF-8 to numbers below a vocabulary's size, and back.
 *
 *   TOKENIZE_CHARACTERS  a token is a character; its number is its place in the alphabet,
 *                        the training text's characters in order of code point
 *   TOKENIZE_BYTES       a token is a byte of the UTF-8
 */
#ifndef BACKPROP_TOKENIZER_H
#define BACKPROP_TOKENIZER_H

#include "base/utf8.h"
#include "spec/job_spec.h"

#include <stddef.h>
#include <stdint.h>

struct tokenizer {
    enum tokenizer_type type;
    size_t vocabulary;
    uint32_t *alphabet; /* code points, ascending; owned; NULL for bytes */
};

/* Copies the alphabet, which only characters have. ERR_NOMEM is the only error. */
int tokenizer_init(struct tokenizer *tokenizer, enum tokenizer_type type,
                   const uint32_t *alphabet, size_t count)
    __attribute__((warn_unused_result));
void tokenizer_release(struct tokenizer *tokenizer);

/* The number of a character, or -1 if the alphabet has none such. */
int32_t tokenizer_find(const struct tokenizer *tokenizer, uint32_t code_point);

/*
 * Tokens of a valid text; ret_ids has room for `length`. Returns their count. Where the
 * alphabet does not have a character, *ret_unknown points at it and the tokens before it
 * are counted; otherwise it is NULL.
 */
size_t tokenizer_encode(const struct tokenizer *tokenizer, const char *text,
                        size_t length, uint32_t *ret_ids, const char **ret_unknown);

/* The bytes of one token; returns how many. */
size_t tokenizer_put(const struct tokenizer *tokenizer, uint32_t id,
                     char ret_bytes[UTF8_MAX_BYTES]);

#endif
