/* See file_kind.h. The signatures are those of the formats' specifications. */
#include "file_kind.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *magic;
    size_t length;
    enum file_kind kind;
    const char *description;
} signatures[] = {
    {"\x93NUMPY", 6, FILE_NPY, "a NumPy array (.npy)"},
    {"\x1f\x8b\x08", 3, FILE_OTHER, "gzip inside gzip"},
    {"\x1f\x8b", 2, FILE_OTHER, "the first bytes of a gzip file that was cut off"},
    {"PK\x03\x04", 4, FILE_OTHER,
     "a ZIP archive (.zip, .npz, .xlsx); of an .npz, send each array as .npy"},
    {"PK\x05\x06", 4, FILE_OTHER, "an empty ZIP archive"},
    {"BZh", 3, FILE_OTHER, "bzip2; only gzip is expanded"},
    {"\xfd"
     "7zXZ\0",
     6, FILE_OTHER, "xz; only gzip is expanded"},
    {"\x28\xb5\x2f\xfd", 4, FILE_OTHER, "Zstandard; only gzip is expanded"},
    {"7z\xbc\xaf\x27\x1c", 6, FILE_OTHER, "a 7z archive"},
    {"\x89PNG\r\n\x1a\n", 8, FILE_OTHER, "a PNG picture"},
    {"\xff\xd8\xff", 3, FILE_OTHER, "a JPEG picture"},
    {"GIF8", 4, FILE_OTHER, "a GIF picture"},
    {"%PDF-", 5, FILE_OTHER, "a PDF document"},
    {"PAR1", 4, FILE_OTHER, "a Parquet file"},
    {"ARROW1", 6, FILE_OTHER, "an Arrow file"},
    {"\x89HDF\r\n\x1a\n", 8, FILE_OTHER, "an HDF5 file"},
    {"SQLite format 3\0", 16, FILE_OTHER, "an SQLite database"},
    {"\xd0\xcf\x11\xe0", 4, FILE_OTHER, "an old Office document"},
    {"\x7f"
     "ELF",
     4, FILE_OTHER, "a program"},
    {"\x80\x02", 2, FILE_OTHER, "a Python pickle"},
    {"\x80\x03", 2, FILE_OTHER, "a Python pickle"},
    {"\x80\x04", 2, FILE_OTHER, "a Python pickle"},
    {"\x80\x05", 2, FILE_OTHER, "a Python pickle"},
    {"BPDATA\r\n", 8, FILE_OTHER, "a dataset file of this service"},
    {"\xff\xfe", 2, FILE_OTHER, "UTF-16 text; save it as UTF-8"},
    {"\xfe\xff", 2, FILE_OTHER, "UTF-16 text; save it as UTF-8"},
};

static bool begins_with_word(const unsigned char *bytes, size_t length, const char *word)
{
    size_t word_length = strlen(word);
    return length >= word_length &&
           strncasecmp((const char *)bytes, word, word_length) == 0;
}

/* IDX: two zero bytes, an element type, a rank (http://yann.lecun.com/exdb/mnist). */
static bool is_idx(const unsigned char *bytes, size_t length)
{
    return length >= 4 && bytes[0] == 0 && bytes[1] == 0 && bytes[2] >= 0x08 &&
           bytes[2] <= 0x0e && bytes[3] > 0 && bytes[3] < 0x20;
}

/* An object or a list of objects; a mere bracket may as well begin a CSV header. */
static bool is_json(const unsigned char *bytes, size_t length)
{
    char first[2] = {0};
    size_t found = 0;
    for (size_t i = 0; i < length && found < 2; i++) {
        if (!strchr(" \t\r\n", bytes[i]))
            first[found++] = (char)bytes[i];
    }
    return memcmp(first, "{\"", 2) == 0 || memcmp(first, "[{", 2) == 0;
}

static enum file_kind markup(const char *description, const char **ret_description)
{
    *ret_description = description;
    return FILE_MARKUP;
}

enum file_kind file_kind_of(const unsigned char *bytes, size_t length,
                            const char **ret_description)
{
    length = length < FILE_KIND_BYTES ? length : FILE_KIND_BYTES;
    *ret_description = "an empty file";
    if (length == 0)
        return FILE_EMPTY;
    for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
        if (length >= signatures[i].length &&
            memcmp(bytes, signatures[i].magic, signatures[i].length) == 0) {
            *ret_description = signatures[i].description;
            return signatures[i].kind;
        }
    }
    if (is_idx(bytes, length)) {
        *ret_description = "an IDX array";
        return FILE_IDX;
    }
    if (memchr(bytes, '\0', length)) {
        *ret_description = "binary data of an unknown format";
        return FILE_OTHER;
    }
    if (begins_with_word(bytes, length, "<!doctype html") ||
        begins_with_word(bytes, length, "<html"))
        return markup("an HTML page", ret_description);
    if (begins_with_word(bytes, length, "<?xml"))
        return markup("an XML document", ret_description);
    if (is_json(bytes, length))
        return markup("JSON", ret_description);
    *ret_description = "plain text";
    return FILE_TEXT;
}
