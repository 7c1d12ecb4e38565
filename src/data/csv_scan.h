/*
 * One record of CSV (RFC 4180) out of bytes in memory: where its fields are and how long
 * it is. The bytes are changed only once the record is whole.
 *
 * Beyond the RFC: any delimiter; a record ends with LF, CRLF or CR; the last one needs no
 * end; a quote inside an unquoted field is an ordinary character; blanks may stand
 * between a closing quote and the delimiter.
 */
#ifndef BACKPROP_CSV_SCAN_H
#define BACKPROP_CSV_SCAN_H

#include "spec/facts.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CSV_MAX_FIELD_BYTES ((size_t)64 << 10)
#define CSV_SCAN_SLACK 8 /* writable bytes that must follow the data */

struct csv_field {
    char *text; /* ended by a NUL that `length` does not count */
    uint32_t length;
    bool quoted;
    bool doubled; /* holds doubled quotes, which are undone when the record is whole */
};

enum csv_scan_status {
    CSV_RECORD,           /* a whole record */
    CSV_NEEDS_MORE,       /* the data ends inside it */
    CSV_UNCLOSED_QUOTE,   /* … and there is no more */
    CSV_TEXT_AFTER_QUOTE, /* a closing quote is followed by something else */
    CSV_FIELD_TOO_LONG,
    CSV_TOO_MANY_FIELDS
};

struct csv_scan {
    char delimiter;
    int count;      /* fields found; with a fault, the faulty one is fields[count] */
    size_t bytes;   /* of the record, its end included */
    uint64_t lines; /* line ends inside the record, its own end included */
    bool unusual;   /* some byte of it is not plain ASCII, or is NUL */
    struct csv_field fields[FACTS_MAX_COLUMNS + 1];
};

/*
 * Scans the record at data[0 … length), length > 0; CSV_SCAN_SLACK bytes after it are
 * overwritten. `is_all`: nothing follows the data. On CSV_RECORD the fields' texts lie in
 * `data`, quotes undone, each ended by a NUL.
 */
enum csv_scan_status csv_scan(struct csv_scan *scan, char *data, size_t length,
                              bool is_all);

/* True if the record just scanned is a line of nothing, or of blanks alone. */
bool csv_scan_is_blank(const struct csv_scan *scan);

#endif
