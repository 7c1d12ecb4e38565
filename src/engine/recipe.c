/* See recipe.h. */
#include "recipe.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>

void recipe_init(struct recipe *recipe)
{
    *recipe = (struct recipe){.segments = json_array()};
    if (!recipe->segments)
        recipe->status = ERR_NOMEM;
}

void recipe_release(struct recipe *recipe)
{
    json_decref(recipe->segments);
    recipe->segments = NULL;
}

static void recipe_push(struct recipe *recipe, json_t *segment, uint64_t bytes)
{
    if (json_array_append_new(recipe->segments, segment) != 0)
        recipe->status = ERR_NOMEM;
    recipe->bytes += bytes;
}

void recipe_literal(struct recipe *recipe, const struct buffer *literal)
{
    static const char digits[] = "0123456789abcdef";
    char *hex = mem_alloc_array(literal->length, 2);
    if (!hex || buffer_status(literal) != 0) {
        recipe->status = ERR_NOMEM;
        free(hex);
        return;
    }
    for (size_t i = 0; i < literal->length; i++) {
        hex[2 * i] = digits[(unsigned char)literal->data[i] >> 4];
        hex[2 * i + 1] = digits[literal->data[i] & 0x0F];
    }
    json_t *segment = json_object();
    json_object_set_new(segment, "hex", json_stringn(hex, 2 * literal->length));
    free(hex);
    recipe_push(recipe, segment, literal->length);
}

void recipe_range(struct recipe *recipe, size_t offset, size_t length)
{
    if (length == 0)
        return;
    recipe_push(recipe,
                json_pack("{s:I, s:I}", "offset", (json_int_t)offset, "length",
                          (json_int_t)length),
                length);
}

json_t *recipe_finish(struct recipe *recipe)
{
    json_t *segments = recipe->segments;
    recipe->segments = NULL;
    if (recipe->status != 0) {
        json_decref(segments);
        return NULL;
    }
    return json_pack("{s:I, s:o}", "bytes", (json_int_t)recipe->bytes, "segments",
                     segments);
}
