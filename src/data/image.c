/*
 * See image.h. What is cheap is done by moving rows whole; turning looks at every pixel,
 * and takes a short way where all four neighbours lie inside, as most do.
 */
#include "image.h"

#include "base/multiversion.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define RADIANS_PER_DEGREE 0.017453292519943295

/* What multiply-adds of some processors may change a place by is less than this. */
#define MARGIN 0.01F
#define MARGIN_SHARE 1e-6F

void image_flip_horizontally(float *x, const struct image_size *size)
{
    size_t channels = size->channels, line = size->width * channels;
    for (size_t row = 0; row < size->height; row++) {
        float *left = x + row * line, *right = left + line - channels;
        for (; left < right; left += channels, right -= channels) {
            for (size_t k = 0; k < channels; k++) {
                float kept = left[k];
                left[k] = right[k];
                right[k] = kept;
            }
        }
    }
}

void image_flip_vertically(float *x, const struct image_size *size)
{
    size_t line = size->width * size->channels;
    for (size_t row = 0; row < size->height / 2; row++) {
        float *top = x + row * line, *bottom = x + (size->height - 1 - row) * line;
        for (size_t i = 0; i < line; i++) {
            float kept = top[i];
            top[i] = bottom[i];
            bottom[i] = kept;
        }
    }
}

/* i modulo n, never negative. */
static ptrdiff_t wrapped(ptrdiff_t i, ptrdiff_t n)
{
    ptrdiff_t rest = i % n;
    return rest < 0 ? rest + n : rest;
}

/* Which of n places stands for place i; -1: the constant. */
static ptrdiff_t place_of(ptrdiff_t i, ptrdiff_t n, enum fill_mode mode)
{
    if (i >= 0 && i < n)
        return i;
    switch (mode) {
    case FILL_CONSTANT:
        return -1;
    case FILL_NEAREST:
        return i < 0 ? 0 : n - 1;
    case FILL_REFLECT:
        i = wrapped(i, 2 * n);
        return i < n ? i : 2 * n - 1 - i;
    case FILL_WRAP:
        return wrapped(i, n);
    }
    return -1;
}

/* `from` NULL: the constant. */
static void put_pixel(const float *from, size_t channels, float value, float *ret_pixel)
{
    for (size_t k = 0; k < channels; k++)
        ret_pixel[k] = from ? from[k] : value;
}

/* One line moved to the right: what stays inside in one piece, then what came in. `from`
 * NULL: outside. */
static void shift_line(const float *from, const struct image_size *size, ptrdiff_t right,
                       const struct augment_fill *fill, float *ret_line)
{
    ptrdiff_t width = (ptrdiff_t)size->width, begin = 0, end = 0;
    size_t channels = size->channels;
    if (from && right > -width && right < width) {
        begin = right > 0 ? right : 0;
        end = right < 0 ? width + right : width;
        memcpy(ret_line + (size_t)begin * channels,
               from + (size_t)(begin - right) * channels,
               (size_t)(end - begin) * channels * sizeof(*from));
    }
    for (ptrdiff_t column = 0; column < width; column++) {
        if (column == begin && end > begin)
            column = end;
        if (column == width)
            break;
        ptrdiff_t source = from ? place_of(column - right, width, fill->mode) : -1;
        put_pixel(source < 0 ? NULL : from + (size_t)source * channels, channels,
                  fill->value, ret_line + (size_t)column * channels);
    }
}

void image_shift(const float *x, const struct image_size *size, ptrdiff_t down,
                 ptrdiff_t right, const struct augment_fill *fill, float *ret_x)
{
    size_t line = size->width * size->channels;
    for (size_t row = 0; row < size->height; row++) {
        ptrdiff_t source =
            place_of((ptrdiff_t)row - down, (ptrdiff_t)size->height, fill->mode);
        shift_line(source < 0 ? NULL : x + (size_t)source * line, size, right, fill,
                   ret_x + row * line);
    }
}

/* The pixel that stands for (row, column); NULL: the constant. */
static const float *pixel_at(const float *x, const struct image_size *size, ptrdiff_t row,
                             ptrdiff_t column, enum fill_mode mode)
{
    row = place_of(row, (ptrdiff_t)size->height, mode);
    column = place_of(column, (ptrdiff_t)size->width, mode);
    if (row < 0 || column < 0)
        return NULL;
    return x + ((size_t)row * size->width + (size_t)column) * size->channels;
}

/* A place between four pixels: the upper left one of them, and how far it is from that.
 */
struct between {
    ptrdiff_t row, column;
    float down, right;
};

/* Without floorf(), which is a call where the processor's rounding may not be used. */
static inline struct between between_at(float row, float column)
{
    struct between place = {.row = (ptrdiff_t)row, .column = (ptrdiff_t)column};
    place.row -= row < (float)place.row;
    place.column -= column < (float)place.column;
    place.down = row - (float)place.row;
    place.right = column - (float)place.column;
    return place;
}

static inline float blend(float upper_left, float upper_right, float lower_left,
                          float lower_right, const struct between *place)
{
    float above = upper_left + place->right * (upper_right - upper_left);
    float below = lower_left + place->right * (lower_right - lower_left);
    return above + place->down * (below - above);
}

/* All four pixels lie inside. */
static inline void put_inner(const float *x, const struct image_size *size,
                             const struct between *place, float *ret_pixel)
{
    size_t channels = size->channels, line = size->width * channels;
    const float *from = x + (size_t)place->row * line + (size_t)place->column * channels;
    for (size_t k = 0; k < channels; k++, from++)
        ret_pixel[k] =
            blend(from[0], from[channels], from[line], from[line + channels], place);
}

static void put_outer(const float *x, const struct image_size *size,
                      const struct between *place, const struct augment_fill *fill,
                      float *ret_pixel)
{
    const float *corners[4];
    for (int i = 0; i < 4; i++)
        corners[i] =
            pixel_at(x, size, place->row + (i >> 1), place->column + (i & 1), fill->mode);
    for (size_t k = 0; k < size->channels; k++) {
        float v[4];
        for (int i = 0; i < 4; i++)
            v[i] = corners[i] ? corners[i][k] : fill->value;
        ret_pixel[k] = blend(v[0], v[1], v[2], v[3], place);
    }
}

/* The pixel that a place is nearest to. */
static void put_nearest(const float *x, const struct image_size *size, float row,
                        float column, const struct augment_fill *fill, float *ret_pixel)
{
    struct between place = between_at(row + 0.5F, column + 0.5F);
    put_pixel(pixel_at(x, size, place.row, place.column, fill->mode), size->channels,
              fill->value, ret_pixel);
}

/* An image that is being turned, and where the pixels of one of its lines come from: the
 * one that is `beside` the middle is at row + sine beside, column + cosine beside. */
struct turned_line {
    const float *x;
    const struct image_size *size;
    const struct augment_fill *fill;
    float sine, cosine, row, column, middle_column;
    float margin; /* nearer to the border than this counts as outside */
};

static void find_place(const struct turned_line *line, size_t j, float *ret_row,
                       float *ret_column)
{
    float beside = (float)j - line->middle_column;
    *ret_row = line->row + line->sine * beside;
    *ret_column = line->column + line->cosine * beside;
}

/* True if all four pixels around the place lie inside, however it is rounded. */
static bool is_inner(const struct turned_line *line, size_t j)
{
    float row, column;
    find_place(line, j, &row, &column);
    return row > line->margin && column > line->margin &&
           row < (float)(line->size->height - 1) - line->margin &&
           column < (float)(line->size->width - 1) - line->margin;
}

static void put_any(const struct turned_line *line, bool bilinear, size_t j, float *ret_y)
{
    float row, column;
    find_place(line, j, &row, &column);
    struct between place = between_at(row, column);
    float *pixel = ret_y + j * line->size->channels;
    if (bilinear)
        put_outer(line->x, line->size, &place, line->fill, pixel);
    else
        put_nearest(line->x, line->size, row, column, line->fill, pixel);
}

/* Inner pixels [first, end) of an image with one channel. */
MULTIVERSION static void put_run(const struct turned_line *line, size_t first, size_t end,
                                 float *restrict ret_y)
{
    const float *restrict x = line->x;
    const struct turned_line of = *line;
    int32_t width = (int32_t)of.size->width;
    for (size_t j = first; j < end; j++) {
        float beside = (float)(int32_t)j - of.middle_column;
        float row = of.row + of.sine * beside, column = of.column + of.cosine * beside;
        int32_t r = (int32_t)row, c = (int32_t)column, at = r * width + c;
        struct between place = {.down = row - (float)r, .right = column - (float)c};
        ret_y[j] = blend(x[at], x[at + 1], x[at + width], x[at + width + 1], &place);
    }
}

/* Inner pixels lie side by side, so what is before and behind them is found from the
 * ends. */
static void put_line(const struct turned_line *line, bool bilinear, float *ret_y)
{
    size_t first = 0, end = line->size->width, channels = line->size->channels;
    for (; first < end && !(bilinear && is_inner(line, first)); first++)
        put_any(line, bilinear, first, ret_y);
    for (; end > first && !is_inner(line, end - 1); end--)
        put_any(line, bilinear, end - 1, ret_y);
    if (channels == 1) {
        put_run(line, first, end, ret_y);
        return;
    }
    for (; first < end; first++) {
        float row, column;
        find_place(line, first, &row, &column);
        struct between place = between_at(row, column);
        put_inner(line->x, line->size, &place, ret_y + first * channels);
    }
}

void image_rotate(const float *x, const struct image_size *size, double degrees,
                  bool bilinear, const struct augment_fill *fill, float *ret_x)
{
    float cosine = (float)cos(degrees * RADIANS_PER_DEGREE);
    float sine = (float)sin(degrees * RADIANS_PER_DEGREE);
    float middle_row = (float)(size->height - 1) / 2;
    float middle_column = (float)(size->width - 1) / 2;
    for (size_t i = 0; i < size->height; i++) {
        float below = (float)i - middle_row;
        struct turned_line line = {
            .x = x,
            .size = size,
            .fill = fill,
            .sine = sine,
            .cosine = cosine,
            .row = middle_row + cosine * below,
            .column = middle_column - sine * below,
            .middle_column = middle_column,
            .margin = MARGIN + MARGIN_SHARE * (float)(size->height + size->width),
        };
        put_line(&line, bilinear, ret_x + i * size->width * size->channels);
    }
}

void image_cut_out(float *x, const struct image_size *size, size_t row, size_t column,
                   size_t side, float value)
{
    size_t before = side / 2, after = side - before;
    size_t top = row > before ? row - before : 0;
    size_t left = column > before ? column - before : 0;
    size_t bottom = row + after < size->height ? row + after : size->height;
    size_t right = column + after < size->width ? column + after : size->width;
    for (size_t r = top; r < bottom; r++) {
        float *line = x + r * size->width * size->channels;
        for (size_t i = left * size->channels; i < right * size->channels; i++)
            line[i] = value;
    }
}
