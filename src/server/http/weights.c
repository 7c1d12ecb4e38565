/*
 * GET /v1/models/{id}/weights?format=safetensors|npz|onnx: the trained parameters as a
 * file, streamed, with ranges.
 *
 * The parameters are stored once. A format is a recipe that came with the model
 * (engine/export.h): segments that are literal bytes or ranges of the parameters. A
 * download walks the segments; it holds one chunk of the blob at a time, whose digest was
 * checked.
 *
 * All chunks of what is asked for are read once before the first header goes out: damage
 * is then a 500 that names it, and not a body that ends too soon. That is a gigabyte a
 * second or so; what would keep an HTTP thread for long goes to the background thread.
 */
#include "background.h"
#include "base/memory.h"
#include "byte_range.h"
#include "entity_tag.h"
#include "job_view.h"
#include "listener.h"
#include "reply.h"
#include "request_internal.h"
#include "route.h"
#include "spec/json_parse.h"
#include "store/blobs.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an HTTP thread checks itself. */
#define CHECK_INLINE_BYTES ((uint64_t)16 << 20)
#define FORMAT_SIZE 16

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

    struct background_task task;
    struct request *request;
    uint64_t length; /* of what is sent */
    bool is_part;
    char model[ID_SIZE], format[FORMAT_SIZE], sha256[DIGEST_HEX_SIZE];
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

static int load_chunk(struct download *download, uint64_t index, struct error *err)
{
    if (download->chunk_index == index)
        return 0;
    uint64_t offset = index * BLOB_CHUNK_BYTES;
    uint64_t left = download->blob_bytes - offset;
    size_t length = left < BLOB_CHUNK_BYTES ? (size_t)left : BLOB_CHUNK_BYTES;
    struct db *db = store_read_begin(download->store, err);
    if (!db)
        return err->code;
    download->chunk_index = UINT64_MAX;
    int rc = blobs_read(db, download->blob, offset, download->chunk, length, err);
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
    struct error err = {0};
    if (load_chunk(download, at / BLOB_CHUNK_BYTES, &err) != 0)
        return STREAM_FAILED;
    size_t skip = (size_t)(at % BLOB_CHUNK_BYTES);
    if (count > download->chunk_length - skip)
        count = download->chunk_length - skip;
    memcpy(ret_bytes, download->chunk + skip, count);
    return (int64_t)count;
}

static void write_etag(const struct download *download, char *etag, size_t size)
{
    snprintf(etag, size, "\"%s.%s\"", download->sha256, download->format);
}

/* Headers that tell what the file is; the name is the model's ID,
 * which is always safe. */
static void add_headers(struct request *request, const struct download *download)
{
    char disposition[96], etag[DIGEST_HEX_SIZE + FORMAT_SIZE + 8], range[96];
    snprintf(disposition, sizeof(disposition), "attachment; filename=\"%s.%s\"",
             download->model, download->format);
    reply_add_header(request, "Content-Disposition", disposition);
    reply_add_header(request, "Accept-Ranges", "bytes");
    write_etag(download, etag, sizeof(etag));
    reply_add_header(request, "ETag", etag);
    reply_add_header(request, "X-Weights-SHA256", download->sha256);
    if (!download->is_part)
        return;
    snprintf(range, sizeof(range), "bytes %llu-%llu/%llu",
             (unsigned long long)download->first,
             (unsigned long long)(download->first + download->length - 1),
             (unsigned long long)download->bytes);
    reply_add_header(request, "Content-Range", range);
}

/* Reads every chunk of what will be sent. */
static int check_chunks(struct download *download, struct error *err)
{
    uint64_t end = download->first + download->length;
    for (uint64_t at = download->first; at < end;) {
        const struct segment *segment = find_segment(download, at);
        uint64_t segment_end = segment->start + segment->length;
        if (segment->literal || segment->length == 0) {
            at = segment_end > at ? segment_end : end;
            continue;
        }
        uint64_t in_blob = segment->offset + (at - segment->start);
        struct error cause = {0};
        int rc = load_chunk(download, in_blob / BLOB_CHUNK_BYTES, &cause);
        if (rc == ERR_CORRUPT)
            return error_set(err, rc, "the weights of %s are damaged: %s",
                             download->model, cause.text);
        if (rc != 0)
            return error_set(err, rc, "%s", cause.text);
        uint64_t chunk_left = BLOB_CHUNK_BYTES - in_blob % BLOB_CHUNK_BYTES;
        at = segment_end - at < chunk_left ? segment_end : at + chunk_left;
    }
    return 0;
}

/* Takes `download`. */
static void check_and_send(struct download *download)
{
    struct request *request = download->request;
    struct error err = {0};
    if (check_chunks(download, &err) != 0) {
        download_free(download);
        reply_error(request, &err);
        return;
    }
    add_headers(request, download);
    struct stream_source source = {.content_type = "application/octet-stream",
                                   .bytes = download->length,
                                   .read = read_download,
                                   .release = download_free,
                                   .context = download};
    reply_stream(request, download->is_part ? 206 : 200, &source, NULL);
}

static void run_check(struct background_task *task)
{
    check_and_send((struct download *)((char *)task - offsetof(struct download, task)));
}

/* Sends the file, or the part of it that was asked for. Takes `download`. */
static void send_download(struct request *request, struct download *download)
{
    char etag[DIGEST_HEX_SIZE + FORMAT_SIZE + 8];
    write_etag(download, etag, sizeof(etag));
    if (entity_tag_is_known(request_header(request, "If-None-Match"), etag)) {
        add_headers(request, download);
        download_free(download);
        reply_empty(request, 304);
        return;
    }
    const char *range = request_header(request, "Range");
    const char *if_range = request_header(request, "If-Range");
    if (if_range && strcmp(if_range, etag) != 0)
        range = NULL;
    enum byte_range_kind kind =
        byte_range_parse(range, download->bytes, &download->first, &download->length);
    if (kind == RANGE_UNSATISFIABLE) {
        char content_range[96];
        snprintf(content_range, sizeof(content_range), "bytes */%llu",
                 (unsigned long long)download->bytes);
        reply_add_header(request, "Content-Range", content_range);
        reply_problem(request, 416, "range_not_satisfiable",
                      "expected a range inside of %llu bytes, found \"%.60s\"",
                      (unsigned long long)download->bytes, range);
        download_free(download);
        return;
    }
    download->is_part = kind == RANGE_PART;
    download->request = request;
    download->task.run = run_check;
    if (download->length <= CHECK_INLINE_BYTES)
        check_and_send(download);
    else
        background_submit(request->listener->background, &download->task);
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
                                     const char *format, const json_t *recipe,
                                     struct error *err)
{
    struct download *download = mem_alloc(sizeof(*download));
    if (!download) {
        error_set(err, ERR_NOMEM, "no memory for the download");
        return NULL;
    }
    download->store = store;
    download->blob = row->blob;
    download->blob_bytes = row->bytes;
    snprintf(download->model, sizeof(download->model), "%s", row->id);
    snprintf(download->format, sizeof(download->format), "%s", format);
    snprintf(download->sha256, sizeof(download->sha256), "%s", row->sha256);
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
    json_t *formats = json_parse_text(row.formats);
    const json_t *recipe = json_object_get(formats, format);
    bool available = recipe && !json_object_get(recipe, "unavailable");
    if (!json_is_object(formats))
        error_set(&err, ERR_CORRUPT, "the download formats of %s are damaged", row.id);
    struct download *download =
        available ? new_download(store, &row, format, recipe, &err) : NULL;
    if (err.code != 0) {
        reply_error(request, &err);
    } else if (!available) {
        refuse_format(request, formats, format);
    } else {
        send_download(request, download);
    }
    json_decref(formats);
    model_row_release(&row);
}
