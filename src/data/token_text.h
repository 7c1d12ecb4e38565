/*
 * Tokens to text as they come. What was given out is UTF-8 at every moment: the bytes of
 * a character wait until it is whole, and what is no character (only a tokenizer of bytes
 * can say such things), or is NUL, becomes U+FFFD.
 */
#ifndef BACKPROP_TOKEN_TEXT_H
#define BACKPROP_TOKEN_TEXT_H

#include "base/buffer.h"
#include "tokenizer.h"

#define TOKEN_TEXT_REPLACEMENT "\xef\xbf\xbd"

struct token_text {
    const struct tokenizer *tokenizer; /* borrowed */
    char held[2 * UTF8_MAX_BYTES];
    size_t held_bytes;
};

void token_text_init(struct token_text *text, const struct tokenizer *tokenizer);

/* Takes a token, and appends what is whole now. */
void token_text_push(struct token_text *text, uint32_t id, struct buffer *out);

/* No more tokens come: appends what is left. */
void token_text_finish(struct token_text *text, struct buffer *out);

#endif
