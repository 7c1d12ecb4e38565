/* See fuzz.h. */
#include "fuzz.h"

#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void fuzz_broken(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: a promise is broken: %s\n", file, line, condition);
    abort();
}

uint8_t fuzz_take_byte(struct fuzz_input *input)
{
    size_t got;
    const uint8_t *byte = fuzz_take(input, 1, &got);
    return got == 1 ? *byte : 0;
}

const uint8_t *fuzz_take(struct fuzz_input *input, size_t size, size_t *ret_size)
{
    const uint8_t *bytes = input->data;
    *ret_size = size < input->size ? size : input->size;
    if (*ret_size > 0) {
        input->data += *ret_size;
        input->size -= *ret_size;
    }
    return bytes;
}

const uint8_t *fuzz_take_run(struct fuzz_input *input, size_t *ret_size)
{
    size_t high = fuzz_take_byte(input);
    return fuzz_take(input, high << 8 | fuzz_take_byte(input), ret_size);
}

char *fuzz_take_line(struct fuzz_input *input)
{
    size_t length = 0;
    while (length < input->size && input->data[length] != '\n' &&
           input->data[length] != '\0')
        length++;
    char *line = malloc(length + 1);
    FUZZ_EXPECT(line);
    if (length > 0)
        memcpy(line, input->data, length);
    line[length] = '\0';
    size_t passed = length < input->size ? length + 1 : length;
    fuzz_take(input, passed, &length);
    return line;
}

int fuzz_file(const void *bytes, size_t length)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    FUZZ_EXPECT(fd >= 0);
    for (size_t done = 0; done < length;) {
        ssize_t written = write(fd, (const char *)bytes + done, length - done);
        FUZZ_EXPECT(written > 0);
        done += (size_t)written;
    }
    return fd;
}

void fuzz_touch(const void *bytes, size_t length)
{
    const volatile unsigned char *at = bytes;
    for (size_t i = 0; i < length; i++)
        (void)at[i];
}

bool fuzz_error_fits(int rc, const struct error *err)
{
    if (rc == 0)
        return err->code == 0;
    return rc < 0 && err->code == rc && err->text[0] != '\0' && !strchr(err->text, '\n');
}

static bool is_utf8(const char *text)
{
    return utf8_valid_prefix(text, strlen(text)) == strlen(text);
}

bool fuzz_violations_fit(int rc, const struct violations *violations)
{
    if (violations->status != 0)
        return rc == violations->status;
    if (rc == 0 && violations->total > 0)
        return false;
    for (size_t i = 0; i < violations->count; i++) {
        const struct violation *violation = &violations->items[i];
        if (violation->detail[0] == '\0' || !is_utf8(violation->detail) ||
            !is_utf8(violation->pointer) ||
            (violation->pointer[0] != '\0' && violation->pointer[0] != '/')) {
            fprintf(stderr, "\"%s\": %s\n", violation->pointer, violation->detail);
            return false;
        }
    }
    return true;
}
