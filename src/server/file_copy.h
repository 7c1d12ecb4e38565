/* Copies of files that last: synced, and under their final name only once they are whole.
 */
#ifndef BACKPROPD_FILE_COPY_H
#define BACKPROPD_FILE_COPY_H

#include "base/error.h"

#include <stdbool.h>

/* Makes `to` a copy of `from`, or, with `may_link` and on one file system, another name
 * of it. A file `to` that is there is left alone. ERR_NOT_FOUND when there is no `from`.
 * The folder of `to` is not synced. */
int file_copy(const char *from, const char *to, bool may_link, struct error *err)
    __attribute__((warn_unused_result));

#endif
