/*
 * multipart/form-data: a byte for the size of the pieces, the Content-Type up to a
 * newline, then the body. The same parts come out however the body is cut, and part
 * events come in their order.
 */
#include "base/buffer.h"
#include "fuzz.h"
#include "http/multipart.h"

#include <stdlib.h>
#include <string.h>

#define MAX_BODY ((size_t)1 << 20)

struct notes {
    struct buffer text;
    bool in_part;
};

static int note_begin(void *context, const char *name, const char *filename,
                      struct error *err)
{
    (void)err;
    struct notes *notes = context;
    FUZZ_EXPECT(!notes->in_part);
    notes->in_part = true;
    buffer_append(&notes->text, name, strlen(name) + 1);
    buffer_append(&notes->text, filename, strlen(filename) + 1);
    return 0;
}

static int note_data(void *context, const char *bytes, size_t length, struct error *err)
{
    struct notes *notes = context;
    FUZZ_EXPECT(notes->in_part && length > 0);
    buffer_append(&notes->text, bytes, length);
    if (length >= 5 && memcmp(bytes, "STOP!", 5) == 0)
        return error_set(err, ERR_TOO_LARGE, "stop");
    return 0;
}

static int note_end(void *context, struct error *err)
{
    (void)err;
    struct notes *notes = context;
    FUZZ_EXPECT(notes->in_part);
    notes->in_part = false;
    buffer_append(&notes->text, "|", 2);
    return 0;
}

static int parse(const char *type, const struct fuzz_input *body, size_t piece,
                 struct notes *notes)
{
    *notes = (struct notes){0};
    buffer_init(&notes->text, 4 * MAX_BODY);
    const struct multipart_events events = {note_begin, note_data, note_end, notes};
    struct multipart *multipart = NULL;
    struct error err = {0};
    int rc = multipart_new(type, &events, &multipart, &err);
    for (size_t at = 0; rc == 0 && at < body->size; at += piece) {
        size_t left = body->size - at;
        rc = multipart_write(multipart, (const char *)body->data + at,
                             left < piece ? left : piece, &err);
    }
    if (rc == 0)
        rc = multipart_finish(multipart, &err);
    FUZZ_EXPECT(fuzz_error_fits(rc, &err));
    FUZZ_EXPECT(rc != 0 || !notes->in_part);
    multipart_free(multipart);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    size_t piece = 1 + (size_t)fuzz_take_byte(&input) % 80;
    char *type = fuzz_take_line(&input);
    if (input.size <= MAX_BODY) {
        struct notes whole, pieces;
        int rc = parse(type, &input, MAX_BODY, &whole);
        int rc_pieces = parse(type, &input, piece, &pieces);
        if (rc != ERR_TOO_LARGE && rc_pieces != ERR_TOO_LARGE) {
            FUZZ_EXPECT(rc == rc_pieces);
            FUZZ_EXPECT(whole.text.length == pieces.text.length &&
                        memcmp(whole.text.data, pieces.text.data, whole.text.length) ==
                            0);
        }
        buffer_release(&whole.text);
        buffer_release(&pieces.text);
    }
    free(type);
    return 0;
}
