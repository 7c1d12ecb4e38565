/*
 * See byte_source.h.
 *
 * Plain bytes are read straight into the caller's memory; gzip goes through one input
 * buffer and zlib's window. The limits are checked as bytes come out, so that a bomb
 * costs no more than what it was allowed to expand to.
 */
#include "byte_source.h"

#include "base/io.h"
#include "base/memory.h"
#include "ingest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define INPUT_BYTES ((size_t)64 << 10)
#define WATCH_BYTES ((uint64_t)1 << 20) /* the watcher is told this often */
#define GZIP_WINDOW_BITS (15 + 16)      /* a full window; 16: a gzip header, not zlib's */

struct byte_source {
    int fd;
    byte_source_watcher *watcher;
    void *context;
    uint64_t file_bytes;
    uint64_t max_bytes;
    uint64_t offset;    /* of the next byte to read from the file */
    uint64_t unwatched; /* bytes read that the watcher was not told of */
    uint64_t given;     /* expanded bytes since the start */
    bool gzip;
    bool inflating;  /* `stream` must be ended */
    bool in_member;  /* gzip: between a member's header and trailer */
    bool ended;      /* gzip: the last member is over */
    z_stream stream; /* gzip */
    unsigned char *input;
};

static int tell_watcher(struct byte_source *source, size_t bytes, struct error *err)
{
    source->unwatched += bytes;
    if (!source->watcher || source->unwatched < WATCH_BYTES)
        return 0;
    uint64_t told = source->unwatched;
    source->unwatched = 0;
    if (source->watcher(source->context, told) != 0)
        return error_set(err, ERR_CANCELLED, "reading was given up");
    return 0;
}

/* Bytes of the file itself; fewer than `length` only at its end. */
static int read_file(struct byte_source *source, void *bytes, size_t length,
                     size_t *ret_got, struct error *err)
{
    size_t got = 0;
    while (got < length) {
        ssize_t count = pread(source->fd, (char *)bytes + got, length - got,
                              (off_t)(source->offset + got));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return error_set_errno(err, errno, "cannot read the uploaded file");
        if (count == 0)
            break;
        got += (size_t)count;
    }
    source->offset += got;
    *ret_got = got;
    return tell_watcher(source, got, err);
}

static int too_large(const struct byte_source *source, struct error *err)
{
    return error_set(err, ERR_TOO_LARGE, "the gzip file expands to more than %llu bytes",
                     (unsigned long long)source->max_bytes);
}

static int start_inflate(struct byte_source *source, struct error *err)
{
    source->input = malloc(INPUT_BYTES);
    if (!source->input || inflateInit2(&source->stream, GZIP_WINDOW_BITS) != Z_OK)
        return error_set(err, ERR_NOMEM, "no memory to expand gzip");
    source->inflating = true;
    source->in_member = true;
    return 0;
}

/* Looks at the magic bytes and sets the limits. */
static int prepare(struct byte_source *source, uint64_t max_expanded_bytes,
                   struct error *err)
{
    unsigned char magic[3] = {0};
    size_t got;
    int rc = read_file(source, magic, sizeof(magic), &got, err);
    if (rc != 0)
        return rc;
    source->offset = 0;
    source->gzip = got == 3 && magic[0] == 0x1f && magic[1] == 0x8b && magic[2] == 8;
    if (!source->gzip) {
        source->max_bytes = source->file_bytes;
        if (source->file_bytes > max_expanded_bytes)
            return error_set(err, ERR_TOO_LARGE, "%llu bytes; at most %llu are taken",
                             (unsigned long long)source->file_bytes,
                             (unsigned long long)max_expanded_bytes);
        return 0;
    }
    uint64_t by_ratio;
    if (__builtin_mul_overflow(source->file_bytes, (uint64_t)INGEST_MAX_RATIO, &by_ratio))
        by_ratio = UINT64_MAX;
    source->max_bytes = by_ratio < max_expanded_bytes ? by_ratio : max_expanded_bytes;
    return start_inflate(source, err);
}

int byte_source_open(int fd, uint64_t max_expanded_bytes, byte_source_watcher *watcher,
                     void *context, struct byte_source **ret_source, struct error *err)
{
    struct byte_source *source = mem_alloc(sizeof(*source));
    if (!source)
        return error_set(err, ERR_NOMEM, "no memory to read an uploaded file");
    source->fd = fd;
    source->watcher = watcher;
    source->context = context;
    int rc = io_file_size(fd, &source->file_bytes);
    if (rc != 0)
        rc = error_set(err, rc, "an uploaded part is not a regular file");
    else
        rc = prepare(source, max_expanded_bytes, err);
    if (rc != 0) {
        byte_source_close(source);
        return rc;
    }
    *ret_source = source;
    return 0;
}

void byte_source_close(struct byte_source *source)
{
    if (!source)
        return;
    if (source->inflating)
        inflateEnd(&source->stream);
    free(source->input);
    free(source);
}

int byte_source_rewind(struct byte_source *source, struct error *err)
{
    source->offset = 0;
    source->given = 0;
    if (!source->gzip)
        return 0;
    if (inflateReset(&source->stream) != Z_OK)
        return error_set(err, ERR_INTERNAL, "zlib cannot start again");
    source->stream.avail_in = 0;
    source->in_member = true;
    source->ended = false;
    return 0;
}

/* More compressed bytes; avail_in stays 0 at the end of the file. */
static int refill(struct byte_source *source, struct error *err)
{
    if (source->stream.avail_in > 0)
        return 0;
    size_t got;
    int rc = read_file(source, source->input, INPUT_BYTES, &got, err);
    if (rc != 0)
        return rc;
    source->stream.next_in = source->input;
    source->stream.avail_in = (uInt)got;
    return 0;
}

/* After a member: another one begins, or only zero bytes (padding) are left. */
static int next_member(struct byte_source *source, struct error *err)
{
    bool padded = false;
    for (;;) {
        int rc = refill(source, err);
        if (rc != 0)
            return rc;
        if (source->stream.avail_in == 0) {
            source->ended = true;
            return 0;
        }
        if (*source->stream.next_in != 0)
            break;
        padded = true;
        source->stream.next_in++;
        source->stream.avail_in--;
    }
    if (padded || *source->stream.next_in != 0x1f)
        return error_set(err, ERR_INVALID,
                         "the gzip data ends after %llu expanded bytes, but other bytes "
                         "follow it",
                         (unsigned long long)source->given);
    if (inflateReset(&source->stream) != Z_OK)
        return error_set(err, ERR_INTERNAL, "zlib cannot start again");
    source->in_member = true;
    return 0;
}

/* One call of inflate with the input at hand. */
static int inflate_some(struct byte_source *source, struct error *err)
{
    int rc = refill(source, err);
    if (rc != 0)
        return rc;
    if (source->stream.avail_in == 0)
        return error_set(
            err, ERR_INVALID,
            "the gzip file is cut off: it ends after %llu expanded bytes, in the "
            "middle of its data",
            (unsigned long long)source->given);
    uInt room = source->stream.avail_out;
    int status = inflate(&source->stream, Z_NO_FLUSH);
    source->given += room - source->stream.avail_out;
    if (source->given > source->max_bytes)
        return too_large(source, err);
    if (status == Z_MEM_ERROR)
        return error_set(err, ERR_NOMEM, "no memory to expand gzip");
    if (status == Z_STREAM_END)
        source->in_member = false;
    else if (status != Z_OK && status != Z_BUF_ERROR)
        return error_set(err, ERR_INVALID,
                         "the gzip file is damaged after %llu expanded bytes: %s",
                         (unsigned long long)source->given,
                         source->stream.msg ? source->stream.msg : "bad data");
    return 0;
}

static int read_gzip(struct byte_source *source, void *bytes, size_t length,
                     size_t *ret_got, struct error *err)
{
    size_t got = 0;
    int rc = 0;
    while (rc == 0 && got < length && !source->ended) {
        size_t room = length - got;
        uInt piece = room < ((uInt)1 << 30) ? (uInt)room : (uInt)1 << 30;
        source->stream.next_out = (unsigned char *)bytes + got;
        source->stream.avail_out = piece;
        rc = source->in_member ? inflate_some(source, err) : next_member(source, err);
        got += piece - source->stream.avail_out;
    }
    if (rc == 0)
        *ret_got = got;
    return rc;
}

int byte_source_read(struct byte_source *source, void *bytes, size_t length,
                     size_t *ret_got, struct error *err)
{
    if (source->gzip)
        return read_gzip(source, bytes, length, ret_got, err);
    /* A file that grows under our hands is read only as far as it was checked. */
    uint64_t left = source->file_bytes - source->offset;
    int rc =
        read_file(source, bytes, length < left ? length : (size_t)left, ret_got, err);
    if (rc == 0)
        source->given += *ret_got;
    return rc;
}

int byte_source_peek(struct byte_source *source, void *bytes, size_t length,
                     size_t *ret_got, struct error *err)
{
    size_t got = 0;
    int rc = byte_source_rewind(source, err);
    if (rc == 0)
        rc = byte_source_read(source, bytes, length, &got, err);
    if (rc == 0)
        rc = byte_source_rewind(source, err);
    if (rc == 0)
        *ret_got = got;
    return rc;
}

bool byte_source_is_gzip(const struct byte_source *source)
{
    return source->gzip;
}

uint64_t byte_source_max_bytes(const struct byte_source *source)
{
    return source->max_bytes;
}
