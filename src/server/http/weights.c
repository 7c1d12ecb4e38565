/*
 * GET /v1/models/{id}/weights?format=safetensors|npz|onnx: the trained parameters as a
 * file, streamed, with ranges.
 *
 * The parameters are stored once. A format is a recipe that came with the model
 * (engine/export.h): segments that are literal bytes or ranges of the parameters. A
 * download walks the segments; it holds one chunk of the blob at a time, whose digest was
 * checked.
 */
#include "base/memory.h"
#include "byte_range.h"
#include "entity_tag.h"
#include "job_view.h"
#include "reply.h"
#include "route.h"
#include "store/blobs.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct segment {
    uint64_t start; /* in the file */
    uint64_t length;
    unsigned char *literal; /* owned; NULL: a range of the parameters … */
    uint64_t offset;        /* … that begins here */
};

struct download {
    struct store *store;
    int64_t blob;
    uint64_t blob_bytes;
    size_t segment_count;
    struct segment *segments;
    uint64_t bytes; /* of the whole file */
    uint64_t first; /* where the range that is sent begins */
    unsigned char *chunk;
    uint64_t chunk_index; /* of the chunk held; UINT64_MAX: none */
    size_t chunk_length;
};

static void download_free(void *context)
{
    struct download *download = context;
    for (size_t i = 0; i < download->segment_count; i++)
        free(download->segments[i].literal);
    free(download->segments);
    free(download->chunk);
    free(download);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_literal(const char *hex, struct segment *segment)
{
    size_t length = strlen(hex);
    if (length % 2 != 0)
        return ERR_CORRUPT;
    segment->length = length / 2;
    segment->literal = mem_alloc_array(length / 2, 1);
    if (!segment->literal)
        return ERR_NOMEM;
    for (size_t i = 0; i < length / 2; i++) {
        int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return ERR_CORRUPT;
        segment->literal[i] = (unsigned char)(high << 4 | low);
    }
    return 0;
}

static int read_segment(const json_t *json, const struct download *download,
                        struct segment *segment)
{
    const char *hex = json_string_value(json_object_get(json, "hex"));
    if (hex)
        return read_literal(hex, segment);
    json_int_t offset = json_integer_value(json_object_get(json, "offset"));
    json_int_t length = json_integer_value(json_object_get(json, "length"));
    if (offset < 0 || length < 0 || (uint64_t)offset > download->blob_bytes ||
        (uint64_t)length > download->blob_bytes - (uint64_t)offset)
        return ERR_CORRUPT;
    segment->offset = (uint64_t)offset;
    segment->length = (uint64_t)length;
    return 0;
}

/* The recipe of one format, checked. */
static int read_recipe(const json_t *format, struct download *download)
{
    const json_t *segments = json_object_get(format, "segments");
    size_t count = json_array_size(segments);
    download->segments = mem_alloc_array(count, sizeof(*download->segments));
    if (!download->segments)
        return ERR_NOMEM;
    download->segment_count = count;
    for (size_t i = 0; i < count; i++) {
        struct segment *segment = &download->segments[i];
        int rc = read_segment(json_array_get(segments, i), download, segment);
        if (rc != 0)
            return rc;
        segment->start = download->bytes;
        download->bytes += segment->length;
    }
    json_int_t declared = json_integer_value(json_object_get(format, "bytes"));
    return declared >= 0 && (uint64_t)declared == download->bytes ? 0 : ERR_CORRUPT;
}

/* The last segment that begins at or before `position`; empty ones are passed over. */
static const struct segment *find_segment(const struct download *download,
                                          uint64_t position)
{
    size_t low = 0, high = download->segment_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (download->segments[middle].start <= position)
            low = middle;
        else
            high = middle;
    }
    return &download->segments[low];
}

static int load_chunk(struct download *download, uint64_t index)
{
    if (download->chunk_index == index)
        return 0;
    uint64_t offset = index * BLOB_CHUNK_BYTES;
    uint64_t left = download->blob_bytes - offset;
    size_t length = left < BLOB_CHUNK_BYTES ? (size_t)left : BLOB_CHUNK_BYTES;
    struct db *db = store_read_begin(download->store, NULL);
    if (!db)
        return ERR_IO;
    download->chunk_index = UINT64_MAX;
    int rc = blobs_read(db, download->blob, offset, download->chunk, length, NULL);
    store_read_end(download->store, db);
    if (rc == 0) {
        download->chunk_index = index;
        download->chunk_length = length;
    }
    return rc;
}

static int64_t read_download(void *context, uint64_t offset, char *ret_bytes,
                             size_t maximum)
{
    struct download *download = context;
    uint64_t position = download->first + offset;
    if (position >= download->bytes)
        return 0;
    const struct segment *segment = find_segment(download, position);
    uint64_t inside = position - segment->start;
    uint64_t left = segment->length - inside;
    size_t count = left < maximum ? (size_t)left : maximum;
    if (segment->literal) {
        memcpy(ret_bytes, segment->literal + inside, count);
        return (int64_t)count;
    }
    uint64_t at = segment->offset + inside;
    if (load_chunk(download, at / BLOB_CHUNK_BYTES) != 0)
        return STREAM_FAILED;
    size_t skip = (size_t)(at % BLOB_CHUNK_BYTES);
    if (count > download->chunk_length - skip)
        count = download->chunk_length - skip;
    memcpy(ret_bytes, download->chunk + skip, count);
    return (int64_t)count;
}

/* Headers that tell what the file is; the name is the model's ID,
 * which is always safe. */
static void add_headers(struct request *request, const struct model_row *row,
                        const char *format, const char *etag)
{
    char disposition[96];
    snprintf(disposition, sizeof(disposition), "attachment; filename=\"%s.%s\"", row->id,
             format);
    reply_add_header(request, "Content-Disposition", disposition);
    reply_add_header(request, "Accept-Ranges", "bytes");
    reply_add_header(request, "ETag", etag);
    reply_add_header(request, "X-Weights-SHA256", row->sha256);
}

/* Sends the file, or the part of it that was asked for. Takes `download`. */
static void send_download(struct request *request, struct download *download,
                          const struct model_row *row, const char *format)
{
    char etag[DIGEST_HEX_SIZE + 24];
    snprintf(etag, sizeof(etag), "\"%s.%.12s\"", row->sha256, format);
    add_headers(request, row, format, etag);
    if (entity_tag_is_known(request_header(request, "If-None-Match"), etag)) {
        download_free(download);
        reply_empty(request, 304);
        return;
    }
    const char *range = request_header(request, "Range");
    const char *if_range = request_header(request, "If-Range");
    if (if_range && strcmp(if_range, etag) != 0)
        range = NULL;
    uint64_t length;
    enum byte_range_kind kind =
        byte_range_parse(range, download->bytes, &download->first, &length);
    char content_range[96];
    if (kind == RANGE_UNSATISFIABLE) {
        snprintf(content_range, sizeof(content_range), "bytes */%llu",
                 (unsigned long long)download->bytes);
        reply_add_header(request, "Content-Range", content_range);
        reply_problem(request, 416, "range_not_satisfiable",
                      "expected a range inside of %llu bytes, found \"%.60s\"",
                      (unsigned long long)download->bytes, range);
        download_free(download);
        return;
    }
    if (kind == RANGE_PART) {
        snprintf(content_range, sizeof(content_range), "bytes %llu-%llu/%llu",
                 (unsigned long long)download->first,
                 (unsigned long long)(download->first + length - 1),
                 (unsigned long long)download->bytes);
        reply_add_header(request, "Content-Range", content_range);
    }
    struct stream_source source = {.content_type = "application/octet-stream",
                                   .bytes = length,
                                   .read = read_download,
                                   .release = download_free,
                                   .context = download};
    reply_stream(request, kind == RANGE_PART ? 206 : 200, &source, NULL);
}

/* The formats that a model can be had in, for messages: "safetensors, npz". */
static void list_formats(const json_t *formats, char *text, size_t size)
{
    size_t used = 0;
    const char *name;
    json_t *value;
    text[0] = '\0';
    json_object_foreach((json_t *)(uintptr_t)formats, name, value)
    {
        if (used < size && !json_object_get(value, "unavailable"))
            used += (size_t)snprintf(text + used, size - used, "%s%s",
                                     used > 0 ? ", " : "", name);
    }
}

/* There is no such format, or not of this model. */
static void refuse_format(struct request *request, const json_t *formats,
                          const char *format)
{
    char known[128];
    list_formats(formats, known, sizeof(known));
    const char *why = json_string_value(
        json_object_get(json_object_get(formats, format), "unavailable"));
    if (why)
        reply_problem(request, 409, "format_unavailable",
                      "format: this model cannot be had as %.40s, because %s; it can be "
                      "had as %s",
                      format, why, known);
    else
        reply_problem(request, 400, "invalid_argument",
                      "format: expected one of %s, found \"%.40s\"", known, format);
}

static struct download *new_download(struct store *store, const struct model_row *row,
                                     const json_t *recipe, struct error *err)
{
    struct download *download = mem_alloc(sizeof(*download));
    if (!download) {
        error_set(err, ERR_NOMEM, "no memory for the download");
        return NULL;
    }
    download->store = store;
    download->blob = row->blob;
    download->blob_bytes = row->bytes;
    download->chunk_index = UINT64_MAX;
    download->chunk = mem_alloc_array(BLOB_CHUNK_BYTES, 1);
    int rc = download->chunk ? read_recipe(recipe, download) : ERR_NOMEM;
    if (rc != 0) {
        error_set(err, rc, "the model's download formats cannot be read");
        download_free(download);
        return NULL;
    }
    return download;
}

void model_handle_weights(struct request *request)
{
    struct store *store = request_server(request)->store;
    struct error err = {0};
    struct db *db = store_read_begin(store, &err);
    if (!db) {
        reply_error(request, &err);
        return;
    }
    struct model_row row = {0};
    int rc = models_get(db, request_param(request, 0), &row, &err);
    store_read_end(store, db);
    if (rc != 0) {
        reply_error(request, &err);
        return;
    }
    const char *format = request_query(request, "format");
    if (!format)
        format = "safetensors";
    json_t *formats = json_loads(row.formats, 0, NULL);
    const json_t *recipe = json_object_get(formats, format);
    bool available = recipe && !json_object_get(recipe, "unavailable");
    struct download *download =
        available ? new_download(store, &row, recipe, &err) : NULL;
    if (!available) {
        refuse_format(request, formats, format);
    } else if (!download) {
        reply_error(request, &err);
    } else {
        send_download(request, download, &row, format);
    }
    json_decref(formats);
    model_row_release(&row);
}
