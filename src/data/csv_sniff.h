/*
 * What a CSV file does not say of itself: its delimiter, and whether it has a header.
 * Judged by its beginning.
 *
 * The delimiter is the one of , ; tab | that cuts the records into equally many fields,
 * at least two; among several, the one that gives the larger share of numbers (where 1,5
 * counts as one), then the one that gives more fields.
 *
 * The first record is a header when it is text over columns of numbers; where there are
 * no columns of numbers, when no text of it comes again below it; and when it just counts
 * the columns: 0, 1, 2, ….
 */
#ifndef BACKPROP_CSV_SNIFF_H
#define BACKPROP_CSV_SNIFF_H

#include "base/error.h"
#include "byte_source.h"
#include "missing_texts.h"

#include <stdbool.h>

struct csv_format {
    char delimiter;
    bool header;
    bool delimiter_found, header_found; /* judged, not said by the caller */
    bool decimal_comma; /* fields such as 1,5 were seen: they will be read as text */
};

/* `delimiter` and `header` as in struct ingest_options; what they fix is not judged.
 * ERR_INVALID for values that are none of those. The source is at its start afterwards.
 */
int csv_sniff(struct byte_source *source, const char *delimiter, const char *header,
              struct missing_texts *missing, struct csv_format *ret_format,
              struct error *err) __attribute__((warn_unused_result));

#endif
