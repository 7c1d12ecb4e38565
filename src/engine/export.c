/*
 * See export.h. Both formats are built the same way: a recipe collects literal bytes and
 * parameter ranges in the order of the file, and only the literal bytes are ever made.
 *
 * safetensors: https://github.com/huggingface/safetensors, "Format". npz: a zip file
 * (PKWARE APPNOTE.TXT 6.3.10) of .npy members (NumPy Enhancement Proposal 1,
 * version 1.0).
 */
#include "export.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "crc32.h"
#include "onnx.h"
#include "recipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* New array of all tensors in the order of export; checks that they cover `bytes`. */
static int list_tensors(const struct model_spec *model, size_t bytes,
                        struct exported_tensor **ret_tensors, size_t *ret_count,
                        struct error *err)
{
    size_t count = 0;
    for (int i = 0; i < model->layer_count; i++)
        count += (size_t)model->layers[i].param_count;
    struct exported_tensor *tensors = mem_alloc_array(count, sizeof *tensors);
    if (!tensors)
        return error_set(err, ERR_NOMEM, "no memory for a list of %zu tensors", count);

    size_t offset = 0, next = 0;
    for (int i = 0; i < model->layer_count; i++) {
        const struct layer *layer = &model->layers[i];
        for (int p = 0; p < layer->param_count; p++, next++) {
            struct exported_tensor *tensor = &tensors[next];
            snprintf(tensor->name, sizeof tensor->name, "%s.%s", layer->name,
                     layer->params[p].name);
            tensor->shape = &layer->params[p].shape;
            tensor->offset = offset;
            tensor->length = (size_t)shape_elements(tensor->shape) * sizeof(float);
            offset += tensor->length;
        }
    }
    if (offset != bytes) {
        free(tensors);
        return error_set(err, ERR_CORRUPT,
                         "the model has %zu bytes of parameters, but %zu came", offset,
                         bytes);
    }
    *ret_tensors = tensors;
    *ret_count = count;
    return 0;
}

/* ---- safetensors ---- */

static json_t *safetensors_entry(const struct exported_tensor *tensor)
{
    json_int_t begin = (json_int_t)tensor->offset;
    json_int_t end = begin + (json_int_t)tensor->length;
    json_t *shape = json_array();
    for (int d = 0; d < tensor->shape->rank; d++)
        json_array_append_new(shape, json_integer(tensor->shape->dims[d]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape,
                     "data_offsets", begin, end);
}

/* The header as an object: __metadata__, then the tensors. NULL without memory. */
static json_t *safetensors_header(const struct exported_tensor *tensors, size_t count,
                                  const json_t *metadata)
{
    json_t *header = json_object();
    json_t *texts = json_pack("{s:s}", "format", "pt");
    json_t *copy = json_deep_copy(metadata);
    int failed = !copy || json_object_update(texts, copy) != 0;
    json_decref(copy);
    failed |= json_object_set_new(header, "__metadata__", texts);
    for (size_t i = 0; i < count && !failed; i++)
        failed |=
            json_object_set_new(header, tensors[i].name, safetensors_entry(&tensors[i]));
    if (failed) {
        json_decref(header);
        return NULL;
    }
    return header;
}

static void append_le(struct buffer *buffer, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buffer_append_char(buffer, (char)(value >> (8 * i) & 0xFF));
}

/* Length (u64), JSON padded with spaces to 8 bytes, the parameters as they are. */
static json_t *make_safetensors(const struct exported_tensor *tensors, size_t count,
                                size_t bytes, const json_t *metadata)
{
    json_t *result = NULL;
    struct buffer literal;
    buffer_init(&literal, SIZE_MAX / 2);
    json_t *header = safetensors_header(tensors, count, metadata);
    char *text = header ? json_dumps(header, JSON_COMPACT) : NULL;
    struct recipe recipe;
    recipe_init(&recipe);
    if (!text)
        goto out;
    size_t length = strlen(text);
    size_t padding = (8 - length % 8) % 8;
    append_le(&literal, length + padding, 8);
    buffer_append(&literal, text, length);
    buffer_append(&literal, "        ", padding);
    recipe_literal(&recipe, &literal);
    recipe_range(&recipe, 0, bytes);
    result = recipe_finish(&recipe);
out:
    recipe_release(&recipe);
    json_decref(header);
    free(text);
    buffer_release(&literal);
    return result;
}

/* ---- npz ---- */

#define ZIP_VERSION 20        /* 2.0: the least that readers ask for */
#define ZIP_FLAGS 0x0800      /* names are UTF-8 */
#define ZIP_DATE (1 << 5 | 1) /* 1980-01-01: the same weights give the same file */
#define ZIP_LOCAL 0x04034b50
#define ZIP_CENTRAL 0x02014b50
#define ZIP_END 0x06054b50
#define ZIP_MAX_BYTES UINT32_MAX /* beyond this zip64 would be needed */
#define ZIP_MAX_MEMBERS UINT16_MAX
#define NPY_ALIGNMENT 64
#define NPY_FIXED_BYTES 10 /* magic, version, header length */

/* The .npy header of one tensor: float32, C order, padded to 64 bytes. */
static void append_npy_header(struct buffer *out, const struct shape *shape)
{
    char dict[160];
    size_t length = (size_t)snprintf(
        dict, sizeof dict, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    for (int d = 0; d < shape->rank; d++)
        length += (size_t)snprintf(dict + length, sizeof dict - length, "%s%lld",
                                   d > 0 ? ", " : "", (long long)shape->dims[d]);
    length += (size_t)snprintf(dict + length, sizeof dict - length, "%s), }",
                               shape->rank == 1 ? "," : "");
    size_t used = NPY_FIXED_BYTES + length + 1;
    size_t padding = (NPY_ALIGNMENT - used % NPY_ALIGNMENT) % NPY_ALIGNMENT;
    buffer_append(out, "\x93NUMPY\x01\x00", 8);
    append_le(out, length + padding + 1, 2);
    buffer_append(out, dict, length);
    for (size_t i = 0; i < padding; i++)
        buffer_append_char(out, ' ');
    buffer_append_char(out, '\n');
}

/* What local and central headers share, from "version needed" to the extra field's
 * length. */
static void append_zip_fields(struct buffer *out, uint32_t crc, uint64_t size,
                              size_t name_length)
{
    append_le(out, ZIP_VERSION, 2);
    append_le(out, ZIP_FLAGS, 2);
    append_le(out, 0, 2); /* stored */
    append_le(out, 0, 2); /* midnight */
    append_le(out, ZIP_DATE, 2);
    append_le(out, crc, 4);
    append_le(out, size, 4); /* compressed */
    append_le(out, size, 4); /* uncompressed */
    append_le(out, name_length, 2);
    append_le(out, 0, 2);
}

static void append_central(struct buffer *out, const char *name, uint32_t crc,
                           uint64_t size, uint64_t local_offset)
{
    append_le(out, ZIP_CENTRAL, 4);
    append_le(out, ZIP_VERSION, 2);
    append_zip_fields(out, crc, size, strlen(name));
    append_le(out, 0, 2); /* comment */
    append_le(out, 0, 2); /* disk */
    append_le(out, 0, 2); /* internal attributes */
    append_le(out, 0, 4); /* external attributes */
    append_le(out, local_offset, 4);
    buffer_append_string(out, name);
}

static void append_zip_end(struct buffer *out, size_t members, uint64_t central_bytes,
                           uint64_t central_offset)
{
    append_le(out, ZIP_END, 4);
    append_le(out, 0, 4); /* disks */
    append_le(out, members, 2);
    append_le(out, members, 2);
    append_le(out, central_bytes, 4);
    append_le(out, central_offset, 4);
    append_le(out, 0, 2); /* comment */
}

/* One member: local header and .npy header as literal bytes, then the tensor's range. */
static void add_member(struct recipe *recipe, struct buffer *literal,
                       struct buffer *central, const struct crc32 *crc,
                       const struct exported_tensor *tensor, const void *parameters)
{
    char name[sizeof tensor->name + 4];
    snprintf(name, sizeof name, "%s.npy", tensor->name);
    const char *data = (const char *)parameters + tensor->offset;
    uint64_t local_offset = recipe->bytes;

    buffer_clear(literal);
    append_npy_header(literal, tensor->shape);
    uint64_t size = literal->length + tensor->length;
    uint32_t sum = crc32_update(crc, 0, literal->data, literal->length);
    sum = crc32_update(crc, sum, data, tensor->length);

    buffer_clear(literal);
    append_le(literal, ZIP_LOCAL, 4);
    append_zip_fields(literal, sum, size, strlen(name));
    buffer_append_string(literal, name);
    append_npy_header(literal, tensor->shape);
    recipe_literal(recipe, literal);
    recipe_range(recipe, tensor->offset, tensor->length);
    append_central(central, name, sum, size, local_offset);
}

static int make_npz(const struct exported_tensor *tensors, size_t count,
                    const void *parameters, json_t **ret_npz, struct error *err)
{
    int status = ERR_NOMEM;
    struct crc32 crc;
    struct buffer literal, central;
    struct recipe recipe;
    recipe_init(&recipe);
    buffer_init(&literal, SIZE_MAX / 2);
    buffer_init(&central, SIZE_MAX / 2);
    crc32_init(&crc);
    for (size_t i = 0; i < count; i++)
        add_member(&recipe, &literal, &central, &crc, &tensors[i], parameters);
    uint64_t central_offset = recipe.bytes, central_bytes = central.length;
    append_zip_end(&central, count, central_bytes, central_offset);
    recipe_literal(&recipe, &central);
    if (recipe.bytes > ZIP_MAX_BYTES || count > ZIP_MAX_MEMBERS) {
        status = error_set(
            err, ERR_TOO_LARGE,
            "an npz file holds at most %u bytes and %u tensors, this one would have "
            "%llu bytes and %zu tensors",
            ZIP_MAX_BYTES, ZIP_MAX_MEMBERS, (unsigned long long)recipe.bytes, count);
        goto out;
    }
    json_t *npz = recipe_finish(&recipe);
    if (npz) {
        *ret_npz = npz;
        status = 0;
    }
out:
    recipe_release(&recipe);
    buffer_release(&literal);
    buffer_release(&central);
    return status;
}

int export_formats(const struct job_spec *spec, const struct preprocess *preprocess,
                   const void *parameters, size_t bytes, const json_t *metadata,
                   json_t **ret_formats, struct error *err)
{
    struct exported_tensor *tensors = NULL;
    size_t count = 0;
    int status = list_tensors(&spec->model, bytes, &tensors, &count, err);
    if (status != 0)
        return status;

    json_t *formats = NULL, *npz = NULL, *onnx = NULL;
    json_t *safetensors = make_safetensors(tensors, count, bytes, metadata);
    status = safetensors ? make_npz(tensors, count, parameters, &npz, err) : ERR_NOMEM;
    if (status == 0)
        onnx = onnx_format(spec, preprocess, tensors, count, metadata);
    free(tensors);
    if (onnx)
        formats = json_pack("{s:O, s:O, s:O}", "safetensors", safetensors, "npz", npz,
                            "onnx", onnx);
    json_decref(safetensors);
    json_decref(npz);
    json_decref(onnx);
    if (formats) {
        *ret_formats = formats;
        return 0;
    }
    if (status == 0 || status == ERR_NOMEM)
        status = error_set(err, ERR_NOMEM, "no memory to describe the download formats");
    return status;
}
