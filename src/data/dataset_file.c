/*
 * See dataset_file.h.
 *
 * The place of every array follows from the entries before it, so a reader works the
 * layout out anew and compares: an entry cannot point anywhere but where the writer would
 * have put it. The header is written last; a file that was not finished has no magic.
 */
#include "dataset_file.h"

#include "base/io.h"
#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define VERSION 1
#define ALIGNMENT 64
#define DIMS_MAX (SHAPE_MAX_RANK + 1)
#define COLUMN_SLOTS (FACTS_MAX_COLUMNS + 1) /* DATASET_FEATURES is the first */
#define ARRAYS_MAX (PART_COUNT * COLUMN_SLOTS)
#define FILE_MAX_BYTES (UINT64_C(1) << 46)

/* All buffers of a writer together, and the bounds of one. */
#define WRITER_BUFFERS_BYTES ((size_t)16 << 20)
#define WRITER_BUFFER_MIN ((size_t)4 << 10)
#define WRITER_BUFFER_MAX ((size_t)256 << 10)

static const char magic[8] = {'B', 'P', 'D', 'A', 'T', 'A', '\r', '\n'};

struct file_header {
    char magic[8];
    uint32_t version;
    uint32_t array_count;
    uint64_t file_bytes;
    unsigned char reserved[40]; /* zero */
};

struct file_entry {
    uint8_t part;
    uint8_t element;
    uint8_t rank;
    uint8_t reserved; /* zero */
    int32_t column;
    int64_t dims[DIMS_MAX]; /* zero past `rank` */
    uint64_t offset;
    uint64_t bytes;
};

static_assert(sizeof(struct file_header) == 64, "the header is 64 bytes");
static_assert(sizeof(struct file_entry) == 64, "an entry is 64 bytes");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "dataset files are little-endian");

struct dataset_file {
    void *map;
    size_t map_bytes;
    int count;
    struct dataset_array *arrays;
    int32_t index[PART_COUNT][COLUMN_SLOTS]; /* into arrays, plus 1; 0: there is none */
};

/* Checks part, column, element, rank and dims, and works out the bytes. */
static int check_array(const struct dataset_array *array, uint64_t *ret_bytes,
                       struct error *err)
{
    if ((unsigned)array->part >= PART_COUNT || array->column < DATASET_FEATURES ||
        array->column >= FACTS_MAX_COLUMNS || array->element < ELEMENT_UINT8 ||
        array->element > ELEMENT_FLOAT64 || array->rank < 1 || array->rank > DIMS_MAX)
        return error_set(
            err, ERR_INVALID, "an array of part %d, column %d, element %d and rank %d",
            (int)array->part, (int)array->column, (int)array->element, array->rank);
    uint64_t bytes = element_type_bytes(array->element);
    for (int i = 0; i < array->rank; i++) {
        int64_t dim = array->dims[i];
        if (dim < (i == 0 ? 0 : 1) ||
            __builtin_mul_overflow(bytes, (uint64_t)dim, &bytes) ||
            bytes > FILE_MAX_BYTES)
            return error_set(err, ERR_INVALID,
                             "dimension %d of the array of column %d is %lld", i,
                             (int)array->column, (long long)dim);
    }
    *ret_bytes = bytes;
    return 0;
}

static uint64_t align(uint64_t offset)
{
    return (offset + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* ---- reading ---- */

/* Entry `i` into file->arrays; *offset is where it must lie, and is moved past it. */
static int read_entry(struct dataset_file *file, int i, uint64_t *offset,
                      struct error *err)
{
    struct file_entry entry;
    memcpy(&entry,
           (const char *)file->map + sizeof(struct file_header) +
               (size_t)i * sizeof(entry),
           sizeof(entry));
    struct dataset_array *array = &file->arrays[i];
    array->part = (enum dataset_part)entry.part;
    array->column = entry.column;
    array->element = (enum element_type)entry.element;
    array->rank = entry.rank;
    memcpy(array->dims, entry.dims, sizeof(entry.dims));

    struct error cause = {0};
    if (check_array(array, &array->bytes, &cause) != 0)
        return error_set(err, ERR_CORRUPT, "entry %d of the dataset file: %s", i,
                         cause.text);
    if (entry.bytes != array->bytes || entry.offset != *offset ||
        array->bytes > file->map_bytes || *offset > file->map_bytes - array->bytes)
        return error_set(
            err, ERR_CORRUPT,
            "entry %d of the dataset file: %llu bytes at %llu do not fit a file "
            "of %zu bytes",
            i, (unsigned long long)entry.bytes, (unsigned long long)entry.offset,
            file->map_bytes);
    int32_t *slot = &file->index[array->part][array->column + 1];
    if (*slot != 0)
        return error_set(err, ERR_CORRUPT,
                         "entry %d of the dataset file repeats column %d", i,
                         (int)array->column);
    *slot = i + 1;
    array->data = (const char *)file->map + *offset;
    *offset = align(*offset + array->bytes);
    return 0;
}

static int read_entries(struct dataset_file *file, struct error *err)
{
    struct file_header header;
    if (file->map_bytes < sizeof(header))
        return error_set(err, ERR_CORRUPT, "a dataset file of %zu bytes has no header",
                         file->map_bytes);
    memcpy(&header, file->map, sizeof(header));
    if (memcmp(header.magic, magic, sizeof(magic)) != 0)
        return error_set(err, ERR_CORRUPT, "not a dataset file: the first bytes differ");
    if (header.version != VERSION)
        return error_set(err, ERR_CORRUPT, "dataset file version %u; this build reads %d",
                         header.version, VERSION);
    if (header.file_bytes != file->map_bytes)
        return error_set(err, ERR_CORRUPT,
                         "the dataset file has %zu bytes, its header says %llu",
                         file->map_bytes, (unsigned long long)header.file_bytes);
    if (header.array_count > ARRAYS_MAX ||
        header.array_count > file->map_bytes / sizeof(struct file_entry) - 1)
        return error_set(err, ERR_CORRUPT, "a dataset file of %zu bytes with %u arrays",
                         file->map_bytes, header.array_count);

    file->count = (int)header.array_count;
    file->arrays = mem_alloc_array(header.array_count, sizeof(*file->arrays));
    if (!file->arrays)
        return error_set(err, ERR_NOMEM, "no memory for the index of a dataset file");
    uint64_t offset = sizeof(header) + header.array_count * sizeof(struct file_entry);
    int rc = 0;
    for (int i = 0; i < file->count && rc == 0; i++)
        rc = read_entry(file, i, &offset, err);
    if (rc == 0 && offset != file->map_bytes)
        rc = error_set(err, ERR_CORRUPT,
                       "the dataset file has %zu bytes, its arrays end at %llu",
                       file->map_bytes, (unsigned long long)offset);
    return rc;
}

int dataset_file_open(int fd, struct dataset_file **ret_file, struct error *err)
{
    uint64_t bytes;
    int rc = io_file_size(fd, &bytes);
    if (rc != 0)
        return error_set(err, rc, "cannot read the size of a dataset file");
    if (bytes < sizeof(struct file_header) || bytes > FILE_MAX_BYTES)
        return error_set(err, ERR_CORRUPT, "a dataset file cannot have %llu bytes",
                         (unsigned long long)bytes);
    struct dataset_file *file = mem_alloc(sizeof(*file));
    if (!file)
        return error_set(err, ERR_NOMEM, "no memory for a dataset file");
    file->map_bytes = (size_t)bytes;
    file->map = mmap(NULL, file->map_bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (file->map == MAP_FAILED) {
        rc = error_set_errno(err, errno, "cannot map a dataset file");
        free(file);
        return rc;
    }
    rc = read_entries(file, err);
    if (rc != 0) {
        dataset_file_close(file);
        return rc;
    }
    *ret_file = file;
    return 0;
}

void dataset_file_close(struct dataset_file *file)
{
    if (!file)
        return;
    munmap(file->map, file->map_bytes);
    free(file->arrays);
    free(file);
}

const struct dataset_array *dataset_file_find(const struct dataset_file *file,
                                              enum dataset_part part, int32_t column)
{
    if ((unsigned)part >= PART_COUNT || column < DATASET_FEATURES ||
        column >= FACTS_MAX_COLUMNS)
        return NULL;
    int32_t slot = file->index[part][column + 1];
    return slot != 0 ? &file->arrays[slot - 1] : NULL;
}

/* ---- writing ---- */

struct pending_array {
    uint64_t bytes;    /* declared */
    uint64_t appended; /* so far, what is buffered included */
    size_t buffered;
    char *buffer; /* writer->buffer_bytes; allocated with the first append */
};

struct dataset_writer {
    int fd; /* borrowed */
    int count;
    size_t buffer_bytes;
    uint64_t file_bytes;
    struct file_entry *entries;
    struct pending_array *pending;
};

static void plan_buffers(struct dataset_writer *writer)
{
    size_t bytes = WRITER_BUFFERS_BYTES / (size_t)(writer->count > 0 ? writer->count : 1);
    bytes = bytes < WRITER_BUFFER_MIN ? WRITER_BUFFER_MIN : bytes;
    bytes = bytes > WRITER_BUFFER_MAX ? WRITER_BUFFER_MAX : bytes;
    writer->buffer_bytes = bytes / WRITER_BUFFER_MIN * WRITER_BUFFER_MIN;
}

/* Lays the arrays out one after the other. */
static int plan_entries(struct dataset_writer *writer, const struct dataset_array *arrays,
                        struct error *err)
{
    uint64_t offset =
        sizeof(struct file_header) + (uint64_t)writer->count * sizeof(struct file_entry);
    for (int i = 0; i < writer->count; i++) {
        uint64_t bytes = 0;
        int rc = check_array(&arrays[i], &bytes, err);
        if (rc != 0)
            return rc;
        struct file_entry *entry = &writer->entries[i];
        entry->part = (uint8_t)arrays[i].part;
        entry->element = (uint8_t)arrays[i].element;
        entry->rank = (uint8_t)arrays[i].rank;
        entry->column = arrays[i].column;
        for (int d = 0; d < arrays[i].rank; d++)
            entry->dims[d] = arrays[i].dims[d];
        entry->offset = offset;
        entry->bytes = bytes;
        writer->pending[i].bytes = bytes;
        offset = align(offset + bytes);
        if (offset > FILE_MAX_BYTES)
            return error_set(err, ERR_TOO_LARGE,
                             "a dataset file holds at most %llu bytes",
                             (unsigned long long)FILE_MAX_BYTES);
    }
    writer->file_bytes = offset;
    return 0;
}

static int size_output(const struct dataset_writer *writer, struct error *err)
{
    uint64_t bytes;
    if (io_file_size(writer->fd, &bytes) != 0 || bytes != 0)
        return error_set(err, ERR_INVALID, "the output of ingest is not an empty file");
    if (ftruncate(writer->fd, (off_t)writer->file_bytes) == 0)
        return 0;
    if (errno == EFBIG)
        return error_set(err, ERR_TOO_LARGE,
                         "the dataset would take %llu bytes, more than a file may have",
                         (unsigned long long)writer->file_bytes);
    return error_set_errno(err, errno, "cannot size the dataset file");
}

int dataset_writer_open(int fd, const struct dataset_array *arrays, int count,
                        struct dataset_writer **ret_writer, struct error *err)
{
    if (count < 0 || count > ARRAYS_MAX)
        return error_set(err, ERR_INVALID, "a dataset file of %d arrays; at most %d",
                         count, ARRAYS_MAX);
    struct dataset_writer *writer = mem_alloc(sizeof(*writer));
    if (!writer)
        return error_set(err, ERR_NOMEM, "no memory for a dataset writer");
    writer->fd = fd;
    writer->count = count;
    writer->entries = mem_alloc_array((size_t)count, sizeof(*writer->entries));
    writer->pending = mem_alloc_array((size_t)count, sizeof(*writer->pending));
    if (!writer->entries || !writer->pending) {
        dataset_writer_free(writer);
        return error_set(err, ERR_NOMEM, "no memory for a dataset writer");
    }
    int rc = plan_entries(writer, arrays, err);
    if (rc == 0)
        rc = size_output(writer, err);
    if (rc != 0) {
        dataset_writer_free(writer);
        return rc;
    }
    plan_buffers(writer);
    *ret_writer = writer;
    return 0;
}

static int write_at(const struct dataset_writer *writer, const void *bytes, size_t length,
                    uint64_t offset, struct error *err)
{
    int rc = io_pwrite_full(writer->fd, bytes, length, offset);
    return rc == 0 ? 0 : error_set(err, rc, "cannot write the dataset file");
}

/* Writes out what array `index` has buffered. */
static int drain(struct dataset_writer *writer, int index, struct error *err)
{
    struct pending_array *pending = &writer->pending[index];
    if (pending->buffered == 0)
        return 0;
    uint64_t offset =
        writer->entries[index].offset + pending->appended - pending->buffered;
    int rc = write_at(writer, pending->buffer, pending->buffered, offset, err);
    if (rc == 0)
        pending->buffered = 0;
    return rc;
}

int dataset_writer_append(struct dataset_writer *writer, int index, const void *elements,
                          uint64_t bytes, struct error *err)
{
    assert(index >= 0 && index < writer->count);
    struct pending_array *pending = &writer->pending[index];
    if (bytes > pending->bytes - pending->appended)
        return error_set(err, ERR_INVALID,
                         "array %d was declared with %llu bytes and is given more", index,
                         (unsigned long long)pending->bytes);
    if (!pending->buffer && !(pending->buffer = malloc(writer->buffer_bytes)))
        return error_set(err, ERR_NOMEM, "no memory for a dataset writer");

    const char *from = elements;
    while (bytes > 0) {
        if (pending->buffered == writer->buffer_bytes) {
            int rc = drain(writer, index, err);
            if (rc != 0)
                return rc;
        }
        size_t room = writer->buffer_bytes - pending->buffered;
        size_t piece = bytes < room ? (size_t)bytes : room;
        memcpy(pending->buffer + pending->buffered, from, piece);
        pending->buffered += piece;
        pending->appended += piece;
        from += piece;
        bytes -= piece;
    }
    return 0;
}

int dataset_writer_finish(struct dataset_writer *writer, struct error *err)
{
    int rc = 0;
    for (int i = 0; i < writer->count && rc == 0; i++) {
        const struct pending_array *pending = &writer->pending[i];
        if (pending->appended != pending->bytes)
            return error_set(err, ERR_INVALID,
                             "array %d was declared with %llu bytes and got %llu", i,
                             (unsigned long long)pending->bytes,
                             (unsigned long long)pending->appended);
        rc = drain(writer, i, err);
    }
    if (rc == 0)
        rc = write_at(writer, writer->entries,
                      (size_t)writer->count * sizeof(*writer->entries),
                      sizeof(struct file_header), err);
    struct file_header header = {.version = VERSION,
                                 .array_count = (uint32_t)writer->count,
                                 .file_bytes = writer->file_bytes};
    memcpy(header.magic, magic, sizeof(magic));
    if (rc == 0)
        rc = write_at(writer, &header, sizeof(header), 0, err);
    return rc;
}

void dataset_writer_free(struct dataset_writer *writer)
{
    if (!writer)
        return;
    if (writer->pending)
        for (int i = 0; i < writer->count; i++)
            free(writer->pending[i].buffer);
    free(writer->pending);
    free(writer->entries);
    free(writer);
}
