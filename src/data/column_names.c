/* See column_names.h. */
#include "column_names.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "missing_texts.h"
#include "value_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUFFIX_BYTES 16 /* ".4095" and to spare */

/* `name` or the first of "name.1", "name.2", … that is new, into `unique`. Returns as
 * value_set_add. */
static int make_unique(struct value_set *taken, const char *name, size_t length,
                       char unique[FACTS_MAX_NAME_BYTES + 1])
{
    length = utf8_cut(name, length, FACTS_MAX_NAME_BYTES);
    memcpy(unique, name, length);
    unique[length] = '\0';
    size_t kept = utf8_cut(unique, length, FACTS_MAX_NAME_BYTES - SUFFIX_BYTES);
    for (int i = 1; value_set_find(taken, unique, length) >= 0; i++)
        length = kept + (size_t)snprintf(unique + kept, SUFFIX_BYTES, ".%d", i);
    return value_set_add(taken, unique, length);
}

/* The name of column `i` as the header has it. */
static char *name_column(struct value_set *taken, const struct csv_field *header, int i)
{
    char numbered[16];
    char unique[FACTS_MAX_NAME_BYTES + 1];
    const char *name = header ? header[i].text : "";
    size_t length = header ? header[i].length : 0;
    missing_texts_trim(&name, &length);
    if (length == 0) {
        length = (size_t)snprintf(numbered, sizeof(numbered), "c%d", i);
        name = numbered;
    }
    return make_unique(taken, name, length, unique) < 0 ? NULL : mem_strdup(unique);
}

char **column_names_new(const struct csv_field *header, int count)
{
    struct value_set taken;
    value_set_init(&taken, FACTS_MAX_COLUMNS);
    char **names = mem_alloc_array((size_t)count, sizeof(*names));
    for (int i = 0; names && i < count; i++) {
        names[i] = name_column(&taken, header, i);
        if (!names[i]) {
            column_names_free(names, count);
            names = NULL;
        }
    }
    value_set_release(&taken);
    return names;
}

void column_names_free(char **names, int count)
{
    for (int i = 0; names && i < count; i++)
        free(names[i]);
    free(names);
}
