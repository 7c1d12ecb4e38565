/* See dataset_view.h. The stored facts are a JSON object as text: its members are put
 * into the reply as they are. */
#include "dataset_view.h"

#include "json_text.h"
#include "spec/json_parse.h"

#include <stdlib.h>
#include <string.h>

char *dataset_dump(const json_t *json)
{
    return json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15));
}

static void cut_values(json_t *facts)
{
    json_t *text = json_object_get(facts, "text");
    if (json_string_length(json_object_get(text, "alphabet")) >
        4 * DATASET_VIEW_MAX_VALUES)
        json_object_del(text, "alphabet");
    size_t index;
    json_t *column;
    json_array_foreach(json_object_get(facts, "columns"), index, column)
    {
        json_t *values = json_object_get(column, "values");
        if (json_array_size(values) <= DATASET_VIEW_MAX_VALUES)
            continue;
        while (json_array_size(values) > DATASET_VIEW_MAX_VALUES)
            json_array_remove(values, json_array_size(values) - 1);
        json_object_set_new(column, "values_cut", json_true());
    }
}

/* The facts with short lists; new. Short facts have no long lists: they
 * stay as they are. */
static char *shorten(const char *facts)
{
    json_t *json = json_parse_text(facts);
    if (!json)
        return NULL;
    cut_values(json);
    char *text = dataset_dump(json);
    json_decref(json);
    return text;
}

int dataset_view(struct buffer *buffer, const struct dataset_row *row, bool in_list,
                 struct error *err)
{
    size_t length = strlen(row->facts);
    char *shortened = NULL;
    const char *facts = row->facts;
    if (in_list && length > 4 * DATASET_VIEW_MAX_VALUES) {
        facts = shortened = shorten(row->facts);
        length = shortened ? strlen(shortened) : 0;
    }
    if (length < 2 || facts[0] != '{') {
        free(shortened);
        return error_set(err, ERR_INTERNAL, "the dataset's facts cannot be read");
    }
    buffer_append_char(buffer, '{');
    json_text_string(buffer, "object", "dataset");
    json_text_string(buffer, "id", row->id);
    json_text_string(buffer, "name", row->name);
    json_text_string(buffer, "owner", row->owner);
    json_text_string(buffer, "sha256", row->sha256);
    json_text_integer(buffer, "bytes", (int64_t)row->bytes);
    json_text_comma(buffer);
    buffer_append(buffer, facts + 1, length - 2);
    json_text_time(buffer, "created_at", row->created_us);
    buffer_append_char(buffer, '}');
    free(shortened);
    int rc = buffer_status(buffer);
    return rc == 0 ? 0 : error_set(err, rc, "the dataset's facts are too large to show");
}
