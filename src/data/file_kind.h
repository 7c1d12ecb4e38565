/* What a file looks like by its first bytes: to choose a reader of arrays, and to tell a
 * user who sent a picture as a table what was seen. */
#ifndef BACKPROP_FILE_KIND_H
#define BACKPROP_FILE_KIND_H

#include <stddef.h>

#define FILE_KIND_BYTES 512 /* looked at */

enum file_kind {
    FILE_EMPTY,
    FILE_TEXT,   /* none of the others, and no NUL bytes */
    FILE_MARKUP, /* text, but no table: JSON, HTML, XML */
    FILE_IDX,
    FILE_NPY,
    FILE_OTHER, /* a known format that is not read, or unknown binary */
};

/* *ret_description completes "this looks like …"; static storage. */
enum file_kind file_kind_of(const unsigned char *bytes, size_t length,
                            const char **ret_description);

#endif
