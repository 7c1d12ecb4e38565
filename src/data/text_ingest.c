/*
 * Ingest of plain text: checked to be UTF-8 and counted in the first pass, stored as
 * bytes in the second. A byte order mark is left out, and a NUL refused: no text has one,
 * and JSON cannot carry it everywhere. See ingest_internal.h.
 */
#include "base/memory.h"
#include "base/utf8.h"
#include "dataset_file.h"
#include "file_kind.h"
#include "ingest_internal.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)64 << 10)
#define CUT_BYTES 3 /* of a character that the end of a chunk cuts */
#define PREVIEW_BYTES 1000

struct text {
    struct ingest *ingest;
    struct byte_source *source;
    uint64_t bytes; /* without the mark */
    uint64_t lines; /* line ends seen */
    size_t mark;    /* bytes of the byte order mark */
    uint64_t characters;
    uint64_t distinct;
    uint64_t seen[UTF8_CODE_POINTS / 64]; /* a bit for each code point */
    char preview[PREVIEW_BYTES + 1];
    size_t preview_bytes;
    size_t carried; /* bytes of a cut character at the start of `chunk` */
    char chunk[CUT_BYTES + CHUNK_BYTES];
};

static int check_kind(struct text *text, struct error *err)
{
    unsigned char bytes[FILE_KIND_BYTES];
    size_t got;
    int rc = byte_source_peek(text->source, bytes, sizeof(bytes), &got, err);
    if (rc != 0)
        return rc;
    text->mark = got >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    const char *description;
    enum file_kind kind = file_kind_of(bytes, got, &description);
    if ((kind == FILE_TEXT || kind == FILE_MARKUP) && got > text->mark)
        return 0;
    return error_set(err, ERR_INVALID,
                     "plain text in UTF-8 is expected; this looks like %s",
                     got > text->mark ? description : "an empty file");
}

/* Reads on behind what was carried over, and skips the mark. *ret_length counts both. */
static int read_chunk(struct text *text, uint64_t *at, size_t *ret_length,
                      struct error *err)
{
    size_t got;
    int rc = byte_source_read(text->source, text->chunk + text->carried, CHUNK_BYTES,
                              &got, err);
    if (rc != 0)
        return rc;
    if (*at == 0 && text->mark > 0) {
        memmove(text->chunk, text->chunk + text->mark, got - text->mark);
        got -= text->mark;
    }
    *at += got;
    *ret_length = text->carried + got;
    return 0;
}

/* Counts the valid bytes chunk[0 … length) and keeps the first ones for the preview. */
static void look_at(struct text *text, size_t length)
{
    size_t kept = PREVIEW_BYTES - text->preview_bytes;
    kept = kept < length ? kept : length;
    memcpy(text->preview + text->preview_bytes, text->chunk, kept);
    text->preview_bytes += kept;
    const char *at = text->chunk;
    for (const char *end = at + length; at < end; text->characters++) {
        uint32_t code = utf8_next(&at);
        uint64_t bit = UINT64_C(1) << code % 64;
        text->distinct += (text->seen[code / 64] & bit) == 0;
        text->seen[code / 64] |= bit;
        text->lines += code == '\n';
    }
}

static int refuse_byte(const struct text *text, size_t at, struct error *err)
{
    unsigned byte = (unsigned char)text->chunk[at];
    return error_set(err, ERR_INVALID, "line %llu: the byte 0x%02X is not %s",
                     (unsigned long long)text->lines + 1, byte,
                     byte == 0 ? "text" : "UTF-8; save the file as UTF-8");
}

static int check_text(struct text *text, struct error *err)
{
    for (;;) {
        size_t length;
        int rc = read_chunk(text, &text->bytes, &length, err);
        if (rc != 0)
            return rc;
        if (text->bytes > FACTS_MAX_ROWS)
            return error_set(err, ERR_TOO_LARGE, "a text of more than %llu bytes",
                             (unsigned long long)FACTS_MAX_ROWS);
        bool is_last = length == text->carried;
        const char *nul = memchr(text->chunk, '\0', length);
        size_t valid =
            utf8_valid_prefix(text->chunk, nul ? (size_t)(nul - text->chunk) : length);
        size_t rest = length - valid;
        look_at(text, valid);
        if (rest > 0 &&
            (nul || is_last || !utf8_is_cut_character(text->chunk + valid, rest)))
            return refuse_byte(text, valid, err);
        text->carried = rest;
        memmove(text->chunk, text->chunk + valid, rest);
        if (is_last)
            return 0;
    }
}

static int write_text(struct text *text, struct error *err)
{
    struct dataset_array array = {.part = PART_TRAIN,
                                  .column = DATASET_FEATURES,
                                  .element = ELEMENT_UINT8,
                                  .rank = 1,
                                  .dims = {(int64_t)text->bytes}};
    struct dataset_writer *writer = NULL;
    int rc = dataset_writer_open(text->ingest->output_fd, &array, 1, &writer, err);
    if (rc == 0)
        rc = byte_source_rewind(text->source, err);
    size_t length = 1;
    uint64_t at = 0;
    while (rc == 0 && length > 0) {
        rc = read_chunk(text, &at, &length, err);
        if (rc == 0)
            rc = dataset_writer_append(writer, 0, text->chunk, length, err);
    }
    if (rc == 0)
        rc = dataset_writer_finish(writer, err);
    dataset_writer_free(writer);
    return rc;
}

/* The characters that were seen, in order; NULL without memory. */
static uint32_t *list_characters(const struct text *text)
{
    uint32_t *alphabet = mem_alloc_array((size_t)text->distinct, sizeof(*alphabet));
    size_t count = 0;
    for (uint32_t code = 0; alphabet && code < UTF8_CODE_POINTS; code++)
        if (text->seen[code / 64] >> code % 64 & 1)
            alphabet[count++] = code;
    return alphabet;
}

static json_t *make_facts(struct text *text)
{
    struct dataset_facts facts = {.kind = DATASET_TEXT, .train_rows = text->bytes};
    facts.text = (struct text_facts){.characters = text->characters,
                                     .lines = text->lines,
                                     .distinct_characters = text->distinct};
    if (text->distinct <= FACTS_MAX_ALPHABET) {
        facts.text.alphabet = list_characters(text);
        if (!facts.text.alphabet)
            return NULL;
        facts.text.alphabet_count = (size_t)text->distinct;
    }
    json_t *json = facts_to_json(&facts);
    free(facts.text.alphabet);
    size_t shown = utf8_valid_prefix(text->preview, text->preview_bytes);
    json_t *preview = json_pack("[{s:s%}]", "text", text->preview, shown);
    int failed = json_object_set_new(json, "sample_shape", json_pack("[i]", 1));
    failed |= json_object_set_new(json, "preview", preview);
    if (failed) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static int ingest_bytes(struct text *text, json_t **ret_facts, struct error *err)
{
    int rc = check_kind(text, err);
    if (rc == 0)
        rc = check_text(text, err);
    if (rc == 0)
        rc = write_text(text, err);
    if (rc == 0)
        rc = ingest_note(
            text->ingest, err,
            "%llu bytes, %llu characters (%llu different ones), %llu lines",
            (unsigned long long)text->bytes, (unsigned long long)text->characters,
            (unsigned long long)text->distinct, (unsigned long long)text->lines);
    if (rc != 0)
        return rc;
    *ret_facts = make_facts(text);
    return *ret_facts ? 0
                      : error_set(err, ERR_NOMEM, "no memory for the facts of a text");
}

int text_ingest(struct ingest *ingest, const struct ingest_part *part, json_t **ret_facts,
                struct error *err)
{
    struct text *text = mem_alloc(sizeof(*text));
    if (!text)
        return error_set(err, ERR_NOMEM, "no memory to ingest a text");
    text->ingest = ingest;
    int rc = ingest_open_part(ingest, part, &text->source, err);
    if (rc == 0) {
        struct error cause = {0};
        rc = ingest_bytes(text, ret_facts, &cause);
        if (rc != 0)
            rc = ingest_refuse_cause(ingest, rc, part->name, &cause, err);
    }
    byte_source_close(text->source);
    free(text);
    return rc;
}
