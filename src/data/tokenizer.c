/* See tokenizer.h. */
#include "tokenizer.h"

#include "base/error.h"
#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int tokenizer_init(struct tokenizer *tokenizer, enum tokenizer_type type,
                   const uint32_t *alphabet, size_t count)
{
    *tokenizer = (struct tokenizer){.type = type, .vocabulary = BYTE_VOCABULARY};
    if (type == TOKENIZE_BYTES)
        return 0;
    assert(count > 0);
    tokenizer->vocabulary = count;
    tokenizer->alphabet = mem_alloc_array(count, sizeof(*alphabet));
    if (!tokenizer->alphabet)
        return ERR_NOMEM;
    memcpy(tokenizer->alphabet, alphabet, count * sizeof(*alphabet));
    return 0;
}

void tokenizer_release(struct tokenizer *tokenizer)
{
    free(tokenizer->alphabet);
    *tokenizer = (struct tokenizer){0};
}

int32_t tokenizer_find(const struct tokenizer *tokenizer, uint32_t code_point)
{
    size_t low = 0, high = tokenizer->vocabulary;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tokenizer->alphabet[middle] < code_point)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < tokenizer->vocabulary && tokenizer->alphabet[low] == code_point;
    return found ? (int32_t)low : -1;
}

size_t tokenizer_encode(const struct tokenizer *tokenizer, const char *text,
                        size_t length, uint32_t *ret_ids, const char **ret_unknown)
{
    *ret_unknown = NULL;
    size_t count = 0;
    const char *at = text, *end = text + length;
    if (tokenizer->type == TOKENIZE_BYTES) {
        for (; at < end; at++)
            ret_ids[count++] = (unsigned char)*at;
        return count;
    }
    while (at < end) {
        const char *begin = at;
        int32_t id = tokenizer_find(tokenizer, utf8_next(&at));
        if (id < 0) {
            *ret_unknown = begin;
            return count;
        }
        ret_ids[count++] = (uint32_t)id;
    }
    return count;
}

size_t tokenizer_put(const struct tokenizer *tokenizer, uint32_t id,
                     char ret_bytes[UTF8_MAX_BYTES])
{
    assert(id < tokenizer->vocabulary);
    if (tokenizer->type == TOKENIZE_CHARACTERS)
        return utf8_put(tokenizer->alphabet[id], ret_bytes);
    ret_bytes[0] = (char)id;
    return 1;
}
