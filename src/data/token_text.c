/* See token_text.h. */
#include "token_text.h"

#include <string.h>

void token_text_init(struct token_text *text, const struct tokenizer *tokenizer)
{
    *text = (struct token_text){.tokenizer = tokenizer};
}

static void drop(struct token_text *text, size_t bytes)
{
    text->held_bytes -= bytes;
    memmove(text->held, text->held + bytes, text->held_bytes);
}

/* Appends the characters that are whole; a cut one stays unless it is the `end`. */
static void give_out(struct token_text *text, bool end, struct buffer *out)
{
    while (text->held_bytes > 0) {
        size_t valid = utf8_valid_prefix(text->held, text->held_bytes);
        if (valid > 0 && text->held[0] != '\0') {
            const char *at = text->held;
            utf8_next(&at);
            buffer_append(out, text->held, (size_t)(at - text->held));
            drop(text, (size_t)(at - text->held));
            continue;
        }
        bool is_cut = utf8_is_cut_character(text->held, text->held_bytes);
        if (is_cut && !end)
            return;
        buffer_append_string(out, TOKEN_TEXT_REPLACEMENT);
        drop(text, is_cut ? text->held_bytes : 1);
    }
}

void token_text_push(struct token_text *text, uint32_t id, struct buffer *out)
{
    text->held_bytes += tokenizer_put(text->tokenizer, id, text->held + text->held_bytes);
    give_out(text, false, out);
}

void token_text_finish(struct token_text *text, struct buffer *out)
{
    give_out(text, true, out);
}
