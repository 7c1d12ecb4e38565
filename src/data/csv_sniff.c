/*
 * See csv_sniff.h. The sample is 64 KiB, and more only where that holds fewer than two
 * records. Each look at it works on a copy, because scanning changes the bytes.
 */
#include "csv_sniff.h"

#include "base/memory.h"
#include "csv.h"
#include "number.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RECORDS 1000 /* that are judged */

static const size_t sample_sizes[] = {(size_t)64 << 10, (size_t)1 << 20,
                                      2 * CSV_MAX_RECORD_BYTES};
#define SAMPLE_SIZE_COUNT (sizeof(sample_sizes) / sizeof(sample_sizes[0]))

static const char candidates[] = {',', ';', '\t', '|'};

struct sample {
    char *bytes;   /* as they are in the file, the byte order mark left out */
    char *scratch; /* the copy that is scanned */
    size_t length;
    size_t at;   /* of the next record in `scratch` */
    bool is_all; /* the file is no longer than this */
    struct csv_scan scan;
};

static void sample_free(struct sample *sample)
{
    if (!sample)
        return;
    free(sample->bytes);
    free(sample->scratch);
    free(sample);
}

static void start_records(struct sample *sample, char delimiter)
{
    memcpy(sample->scratch, sample->bytes, sample->length);
    sample->scan.delimiter = delimiter;
    sample->at = 0;
}

/* The next whole record that is not a blank line, in sample->scan; false at the end or
 * where the text is no CSV with this delimiter. */
static bool next_record(struct sample *sample)
{
    while (sample->at < sample->length) {
        size_t left = sample->length - sample->at;
        if (csv_scan(&sample->scan, sample->scratch + sample->at, left, sample->is_all) !=
            CSV_RECORD)
            return false;
        sample->at += sample->scan.bytes;
        if (!csv_scan_is_blank(&sample->scan))
            return true;
    }
    return false;
}

static bool has_two_records(struct sample *sample)
{
    start_records(sample, ',');
    return next_record(sample) && next_record(sample);
}

static int read_sample(struct byte_source *source, size_t size,
                       struct sample **ret_sample, struct error *err)
{
    struct sample *sample = mem_alloc(sizeof(*sample));
    if (sample) {
        sample->bytes = malloc(size);
        sample->scratch = malloc(size + CSV_SCAN_SLACK);
    }
    if (!sample || !sample->bytes || !sample->scratch) {
        sample_free(sample);
        error_set(err, ERR_NOMEM, "no memory for a look at the CSV");
        return ERR_NOMEM;
    }
    int rc = byte_source_peek(source, sample->bytes, size, &sample->length, err);
    if (rc != 0) {
        sample_free(sample);
        return rc;
    }
    sample->is_all = sample->length < size;
    if (sample->length >= 3 && memcmp(sample->bytes, "\xef\xbb\xbf", 3) == 0) {
        sample->length -= 3;
        memmove(sample->bytes, sample->bytes + 3, sample->length);
    }
    *ret_sample = sample;
    return 0;
}

/* The smallest sample that holds two records. */
static int take_sample(struct byte_source *source, struct sample **ret_sample,
                       struct error *err)
{
    for (size_t i = 0;; i++) {
        struct sample *sample = NULL;
        int rc = read_sample(source, sample_sizes[i], &sample, err);
        if (rc != 0)
            return rc;
        if (sample->is_all || i + 1 == SAMPLE_SIZE_COUNT || has_two_records(sample)) {
            *ret_sample = sample;
            return 0;
        }
        sample_free(sample);
    }
}

/* ---- the delimiter ---- */

static bool is_number(const struct csv_field *field)
{
    double value;
    return number_parse(field->text, field->length, &value) != NUMBER_NONE;
}

/* A number with a decimal comma. */
static bool is_comma_number(const struct csv_field *field)
{
    char text[64];
    if (field->length >= sizeof(text))
        return false;
    memcpy(text, field->text, field->length);
    char *comma = memchr(text, ',', field->length);
    if (!comma)
        return false;
    *comma = '.';
    double value;
    return number_parse(text, field->length, &value) == NUMBER_FINITE;
}

/* What a delimiter makes of the sample. */
struct survey {
    int fields;          /* of the first record */
    double equal_share;  /* of the records that have as many */
    double number_share; /* of the fields */
    bool decimal_comma;
};

static struct survey survey_delimiter(struct sample *sample, char delimiter)
{
    struct survey survey = {0};
    int records = 0, equal = 0;
    size_t cells = 0, numbers = 0;
    start_records(sample, delimiter);
    for (; records < MAX_RECORDS && next_record(sample); records++) {
        const struct csv_scan *scan = &sample->scan;
        survey.fields = records == 0 ? scan->count : survey.fields;
        equal += scan->count == survey.fields;
        for (int i = 0; i < scan->count; i++) {
            bool comma = delimiter != ',' && is_comma_number(&scan->fields[i]);
            survey.decimal_comma |= comma;
            numbers += comma || is_number(&scan->fields[i]);
        }
        cells += (size_t)scan->count;
    }
    /* A record that could not be scanned counts as an unequal one. */
    int seen = records +
               (records < MAX_RECORDS && sample->at < sample->length && sample->is_all);
    if (records > 0) {
        survey.equal_share = (double)equal / seen;
        survey.number_share = (double)numbers / (double)cells;
    }
    return survey;
}

static bool is_better(const struct survey *a, const struct survey *b)
{
    if (a->equal_share > b->equal_share || a->equal_share < b->equal_share)
        return a->equal_share > b->equal_share;
    if (a->number_share > b->number_share || a->number_share < b->number_share)
        return a->number_share > b->number_share;
    return a->fields > b->fields;
}

static void sniff_delimiter(struct sample *sample, struct csv_format *format)
{
    struct survey best = {0};
    format->delimiter = ',';
    for (size_t i = 0; i < sizeof(candidates); i++) {
        struct survey survey = survey_delimiter(sample, candidates[i]);
        if (survey.fields < 2 || (best.fields > 0 && !is_better(&survey, &best)))
            continue;
        best = survey;
        format->delimiter = candidates[i];
        format->decimal_comma = survey.decimal_comma;
    }
}

/* ---- the header ---- */

/* A column as seen below the first record. */
struct column_look {
    /* Its field of the first record; lies in the sample's scratch. */
    struct csv_field first;
    uint32_t values, numbers;
    bool first_comes_again;
};

static bool is_missing(struct missing_texts *missing, const struct csv_field *field)
{
    const char *text = field->text;
    size_t length = field->length;
    missing_texts_trim(&text, &length);
    return missing_texts_has(missing, text, length);
}

static void look_at_field(struct column_look *look, const struct csv_field *field,
                          struct missing_texts *missing)
{
    if (is_missing(missing, field))
        return;
    look->values++;
    look->numbers += is_number(field);
    look->first_comes_again |= field->length == look->first.length &&
                               memcmp(field->text, look->first.text, field->length) == 0;
}

/* 0, 1, 2, … across the record, a nameless index column in front allowed. */
static bool counts_columns(const struct column_look *looks, int count)
{
    int first = looks[0].first.length == 0;
    for (int i = first; i < count; i++) {
        double value;
        if (number_parse(looks[i].first.text, looks[i].first.length, &value) !=
                NUMBER_FINITE ||
            value != (double)(i - first))
            return false;
    }
    return count - first >= 3;
}

static bool judge_header(const struct column_look *looks, int count,
                         struct missing_texts *missing)
{
    int text_over_numbers = 0, number_over_numbers = 0;
    bool comes_again = false, is_text = true;
    for (int i = 0; i < count; i++) {
        const struct column_look *look = &looks[i];
        bool absent = is_missing(missing, &look->first);
        bool number = !absent && is_number(&look->first);
        is_text = is_text && !absent && !number;
        comes_again = comes_again || look->first_comes_again;
        if (look->values == 0 || look->numbers < look->values)
            continue;
        number_over_numbers += number;
        text_over_numbers += !absent && !number;
    }
    if (counts_columns(looks, count) && !comes_again)
        return true;
    if (text_over_numbers + number_over_numbers > 0)
        return text_over_numbers > number_over_numbers;
    return is_text && !comes_again;
}

static int sniff_header(struct sample *sample, struct missing_texts *missing,
                        struct csv_format *format, struct error *err)
{
    start_records(sample, format->delimiter);
    format->header = true;
    if (!next_record(sample))
        return 0;
    int count = sample->scan.count;
    struct column_look *looks = mem_alloc_array((size_t)count, sizeof(*looks));
    if (!looks)
        return error_set(err, ERR_NOMEM, "no memory for a look at the CSV");
    for (int i = 0; i < count; i++)
        looks[i].first = sample->scan.fields[i];
    for (int records = 0; records < MAX_RECORDS && next_record(sample); records++) {
        for (int i = 0; i < count && i < sample->scan.count; i++)
            look_at_field(&looks[i], &sample->scan.fields[i], missing);
    }
    format->header = judge_header(looks, count, missing);
    free(looks);
    return 0;
}

/* ---- what the caller fixed ---- */

static int read_delimiter(const char *option, char *ret_delimiter, struct error *err)
{
    static const struct {
        const char *name;
        char delimiter;
    } names[] = {{"auto", '\0'}, {",", ','},   {";", ';'},
                 {"tab", '\t'},  {"\t", '\t'}, {"|", '|'}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(option, names[i].name) == 0) {
            *ret_delimiter = names[i].delimiter;
            return 0;
        }
    }
    return error_set(
        err, ERR_INVALID,
        "delimiter: \"auto\", \",\", \";\", \"tab\" or \"|\" expected, \"%.32s\" found",
        option);
}

static int read_header(const char *option, bool *ret_header, bool *ret_fixed,
                       struct error *err)
{
    *ret_header = strcmp(option, "true") == 0;
    *ret_fixed = *ret_header || strcmp(option, "false") == 0;
    if (*ret_fixed || strcmp(option, "auto") == 0)
        return 0;
    return error_set(err, ERR_INVALID,
                     "header: \"auto\", \"true\" or \"false\" expected, \"%.32s\" found",
                     option);
}

int csv_sniff(struct byte_source *source, const char *delimiter, const char *header,
              struct missing_texts *missing, struct csv_format *ret_format,
              struct error *err)
{
    struct csv_format format = {0};
    bool header_fixed = false;
    int rc = read_delimiter(delimiter ? delimiter : "auto", &format.delimiter, err);
    if (rc == 0)
        rc = read_header(header ? header : "auto", &format.header, &header_fixed, err);
    format.delimiter_found = format.delimiter == '\0';
    format.header_found = !header_fixed;
    struct sample *sample = NULL;
    if (rc == 0)
        rc = take_sample(source, &sample, err);
    if (rc == 0 && format.delimiter_found)
        sniff_delimiter(sample, &format);
    if (rc == 0 && format.header_found)
        rc = sniff_header(sample, missing, &format, err);
    sample_free(sample);
    if (rc == 0)
        *ret_format = format;
    return rc;
}
