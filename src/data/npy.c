/*
 * NPY heads; see array_header.h.
 *
 *     "\x93NUMPY", major, minor, length of the dictionary (little-endian; 2 bytes in
 *     version 1, 4 bytes from version 2 on), the dictionary:
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (60000, 28, 28), }
 *
 * The dictionary is a Python literal. Only what numpy.save writes is understood: these
 * three keys in any order, strings without escapes, True and False, tuples of integers.
 */
#include "array_header.h"
#include "base/utf8.h"

#include <string.h>

#define MAGIC_BYTES 8 /* version included */
#define DICTIONARY_MAX_BYTES 4096
#define NAME_MAX_BYTES 64

/* The dictionary and where reading stands in it. */
struct literal {
    const char *at;
    const char *end;
};

struct descriptor {
    bool has_type, has_order, has_shape;
    struct array_header header;
    bool fortran_order;
    char type[NAME_MAX_BYTES];
};

static bool skip(struct literal *literal, char expected)
{
    while (literal->at < literal->end && (*literal->at == ' ' || *literal->at == '\n'))
        literal->at++;
    if (literal->at == literal->end || *literal->at != expected)
        return false;
    literal->at++;
    return true;
}

static bool skip_word(struct literal *literal, const char *word)
{
    size_t length = strlen(word);
    if (!skip(literal, word[0]))
        return false;
    literal->at--;
    if ((size_t)(literal->end - literal->at) < length ||
        memcmp(literal->at, word, length) != 0)
        return false;
    literal->at += length;
    return true;
}

static bool read_string(struct literal *literal, char text[NAME_MAX_BYTES])
{
    char quote = skip(literal, '\'') ? '\'' : '"';
    if (quote == '"' && !skip(literal, '"'))
        return false;
    size_t length = 0;
    for (; literal->at < literal->end && *literal->at != quote; literal->at++) {
        if (*literal->at == '\\' || length + 1 >= NAME_MAX_BYTES)
            return false;
        text[length++] = *literal->at;
    }
    text[length] = '\0';
    return skip(literal, quote);
}

static bool read_dimension(struct literal *literal, int64_t *ret_dimension)
{
    while (literal->at < literal->end && *literal->at == ' ')
        literal->at++;
    const char *start = literal->at;
    int64_t value = 0;
    for (; literal->at < literal->end && *literal->at >= '0' && *literal->at <= '9';
         literal->at++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *literal->at - '0', &value))
            return false;
    }
    *ret_dimension = value;
    return literal->at > start;
}

/* A tuple: (), (3,), (3, 4), (3, 4,). Of more dimensions than we take only the count is
 * kept. */
static bool read_shape(struct literal *literal, struct array_header *header)
{
    header->rank = 0;
    if (!skip(literal, '('))
        return false;
    while (!skip(literal, ')')) {
        int64_t dimension;
        if (!read_dimension(literal, &dimension))
            return false;
        if (header->rank < ARRAY_MAX_RANK)
            header->dims[header->rank] = dimension;
        header->rank++;
        if (skip(literal, ')'))
            break;
        if (!skip(literal, ','))
            return false;
    }
    return true;
}

static bool read_value(struct literal *literal, const char *key,
                       struct descriptor *descriptor)
{
    if (strcmp(key, "descr") == 0) {
        descriptor->has_type = true;
        return read_string(literal, descriptor->type);
    }
    if (strcmp(key, "fortran_order") == 0) {
        descriptor->has_order = true;
        descriptor->fortran_order = skip_word(literal, "True");
        return descriptor->fortran_order || skip_word(literal, "False");
    }
    descriptor->has_shape = true;
    return strcmp(key, "shape") == 0 && read_shape(literal, &descriptor->header);
}

static bool read_dictionary(struct literal *literal, struct descriptor *descriptor)
{
    if (!skip(literal, '{'))
        return false;
    while (!skip(literal, '}')) {
        char key[NAME_MAX_BYTES];
        if (!read_string(literal, key) || !skip(literal, ':') ||
            !read_value(literal, key, descriptor))
            return false;
        if (!skip(literal, ',')) {
            if (!skip(literal, '}'))
                return false;
            break;
        }
    }
    return descriptor->has_type && descriptor->has_order && descriptor->has_shape;
}

static int read_type(struct array_header *header, const char *type, struct error *err)
{
    static const struct {
        const char *name;
        enum stored_type stored;
    } types[] = {
        {"b1", STORED_BOOL},    {"u1", STORED_UINT8},   {"i1", STORED_INT8},
        {"u2", STORED_UINT16},  {"i2", STORED_INT16},   {"u4", STORED_UINT32},
        {"i4", STORED_INT32},   {"u8", STORED_UINT64},  {"i8", STORED_INT64},
        {"f2", STORED_FLOAT16}, {"f4", STORED_FLOAT32}, {"f8", STORED_FLOAT64},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (type[0] == '\0' || !strchr("<>|=", type[0]) ||
            strcmp(type + 1, types[i].name) != 0)
            continue;
        header->stored = types[i].stored;
        header->big_endian = type[0] == '>';
        return 0;
    }
    char excerpt[UTF8_EXCERPT_SIZE];
    return error_set(
        err, ERR_INVALID,
        "the NPY element type '%s' is not read; save the array as one of bool, "
        "(u)int8 … (u)int64, float16, float32, float64",
        utf8_excerpt(type, strlen(type), excerpt));
}

static int interpret(const char *bytes, size_t length, struct array_header *ret_header,
                     struct error *err)
{
    struct literal literal = {bytes, bytes + length};
    struct descriptor descriptor = {.header = *ret_header};
    if (!read_dictionary(&literal, &descriptor))
        return error_set(
            err, ERR_INVALID,
            "the head of the NPY file is no dictionary of descr, fortran_order "
            "and shape");
    int rc = read_type(&descriptor.header, descriptor.type, err);
    if (rc == 0 && descriptor.fortran_order && descriptor.header.rank > 1)
        rc = error_set(
            err, ERR_INVALID,
            "the NPY array is in Fortran order; save it in C order: numpy.save(file,"
            " numpy.ascontiguousarray(array))");
    if (rc == 0)
        rc = array_header_check(&descriptor.header, err);
    if (rc == 0)
        *ret_header = descriptor.header;
    return rc;
}

int npy_read_header(struct byte_source *source, struct array_header *ret_header,
                    struct error *err)
{
    unsigned char magic[MAGIC_BYTES + 4];
    char dictionary[DICTIONARY_MAX_BYTES];
    size_t got;
    int rc = byte_source_read(source, magic, MAGIC_BYTES, &got, err);
    if (rc != 0)
        return rc;
    if (got < MAGIC_BYTES || memcmp(magic, "\x93NUMPY", 6) != 0)
        return error_set(err, ERR_INVALID,
                         "the file ends inside the head of an NPY array");
    if (magic[6] < 1 || magic[6] > 3)
        return error_set(err, ERR_INVALID, "NPY version %u is not known",
                         (unsigned)magic[6]);
    size_t length_bytes = magic[6] == 1 ? 2 : 4;
    rc = byte_source_read(source, magic + MAGIC_BYTES, length_bytes, &got, err);
    if (rc != 0)
        return rc;
    uint32_t length = 0;
    for (size_t i = 0; i < got; i++)
        length |= (uint32_t)magic[MAGIC_BYTES + i] << (8 * i);
    if (got < length_bytes || length > sizeof(dictionary))
        return error_set(err, ERR_INVALID,
                         "the head of the NPY file has %u bytes; at most %d", length,
                         DICTIONARY_MAX_BYTES);
    rc = byte_source_read(source, dictionary, length, &got, err);
    if (rc == 0 && got < length)
        rc = error_set(err, ERR_INVALID, "the file ends inside the head of an NPY array");
    struct array_header header = {.header_bytes = MAGIC_BYTES + length_bytes + length};
    if (rc == 0)
        rc = interpret(dictionary, length, &header, err);
    if (rc == 0)
        *ret_header = header;
    return rc;
}
