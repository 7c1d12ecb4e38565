/* Each transform of an image against a naive formula of its own, pixel by pixel. */
#include "data/image.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MOST 600

static const struct image_size sizes[] = {
    {1, 1, 1}, {5, 7, 1}, {6, 4, 3}, {8, 8, 2}, {21, 20, 1}};
static const enum fill_mode modes[] = {FILL_CONSTANT, FILL_NEAREST, FILL_REFLECT,
                                       FILL_WRAP};

static size_t make_image(const struct image_size *size, float x[MOST])
{
    size_t count = size->height * size->width * size->channels;
    assert_true(count <= MOST);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)((i * 37 + 11) % 101) / 16;
    return count;
}

/* The number at a place that may lie outside, by walking: a step back from outside goes
 * to the border, to its mirror image or to the other side. */
static double at(const float *x, const struct image_size *size, long row, long column,
                 size_t channel, const struct augment_fill *fill)
{
    long height = (long)size->height, width = (long)size->width;
    bool outside = row < 0 || row >= height || column < 0 || column >= width;
    if (outside && fill->mode == FILL_CONSTANT)
        return (double)fill->value;
    while (row < 0 || row >= height) {
        if (fill->mode == FILL_NEAREST)
            row += row < 0 ? 1 : -1;
        else if (fill->mode == FILL_REFLECT)
            row = row < 0 ? -1 - row : 2 * height - 1 - row;
        else
            row += row < 0 ? height : -height;
    }
    while (column < 0 || column >= width) {
        if (fill->mode == FILL_NEAREST)
            column += column < 0 ? 1 : -1;
        else if (fill->mode == FILL_REFLECT)
            column = column < 0 ? -1 - column : 2 * width - 1 - column;
        else
            column += column < 0 ? width : -width;
    }
    size_t pixel = (size_t)row * size->width + (size_t)column;
    return (double)x[pixel * size->channels + channel];
}

/* Row, column and channel of element i. */
struct place {
    long row, column;
    size_t channel;
};

static struct place place_of(const struct image_size *size, size_t i)
{
    size_t pixel = i / size->channels;
    return (struct place){(long)(pixel / size->width), (long)(pixel % size->width),
                          i % size->channels};
}

static void test_flips_are_mirror_images(void **state)
{
    (void)state;
    static const struct augment_fill none = {FILL_CONSTANT, 0};
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        float x[MOST], across[MOST], down[MOST];
        size_t count = make_image(&sizes[s], x);
        memcpy(across, x, count * sizeof(*x));
        memcpy(down, x, count * sizeof(*x));
        image_flip_horizontally(across, &sizes[s]);
        image_flip_vertically(down, &sizes[s]);
        for (size_t i = 0; i < count; i++) {
            struct place p = place_of(&sizes[s], i);
            assert_true((double)across[i] == at(x, &sizes[s], p.row,
                                                (long)sizes[s].width - 1 - p.column,
                                                p.channel, &none));
            assert_true((double)down[i] == at(x, &sizes[s],
                                              (long)sizes[s].height - 1 - p.row, p.column,
                                              p.channel, &none));
        }
    }
}

static void check_shift(const struct image_size *size, long down, long right,
                        enum fill_mode mode)
{
    float x[MOST], moved[MOST];
    struct augment_fill fill = {mode, -3};
    size_t count = make_image(size, x);
    image_shift(x, size, down, right, &fill, moved);
    for (size_t i = 0; i < count; i++) {
        struct place p = place_of(size, i);
        assert_true((double)moved[i] ==
                    at(x, size, p.row - down, p.column - right, p.channel, &fill));
    }
}

static void test_a_shift_moves_every_pixel(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
        for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++)
            for (long down = -9; down <= 9; down++)
                for (long right = -9; right <= 9; right++)
                    check_shift(&sizes[s], down, right, modes[m]);
}

/* Where the pixel at (row, column) of the turned image comes from. */
static void turn_back(const struct image_size *size, double degrees, struct place p,
                      double *ret_row, double *ret_column)
{
    double angle = degrees * acos(-1.0) / 180;
    double y = (double)p.row - ((double)size->height - 1) / 2;
    double x = (double)p.column - ((double)size->width - 1) / 2;
    *ret_row = ((double)size->height - 1) / 2 + sin(angle) * x + cos(angle) * y;
    *ret_column = ((double)size->width - 1) / 2 + cos(angle) * x - sin(angle) * y;
}

static void check_rotation(const struct image_size *size, double degrees,
                           enum fill_mode mode)
{
    float x[MOST], turned[MOST];
    struct augment_fill fill = {mode, -3};
    size_t count = make_image(size, x);
    image_rotate(x, size, degrees, true, &fill, turned);
    for (size_t i = 0; i < count; i++) {
        struct place p = place_of(size, i);
        double row, column, expected = 0;
        turn_back(size, degrees, p, &row, &column);
        for (int corner = 0; corner < 4; corner++) {
            double r = floor(row) + (corner >> 1), c = floor(column) + (corner & 1);
            expected += (1 - fabs(row - r)) * (1 - fabs(column - c)) *
                        at(x, size, (long)r, (long)c, p.channel, &fill);
        }
        /* The place is worked out in single precision. */
        assert_true(fabs((double)turned[i] - expected) <= 1e-4);
    }
}

static void test_a_rotation_looks_between_pixels(void **state)
{
    (void)state;
    static const double angles[] = {0, 7, -15, 45, 101.5, 180, -179};
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
        for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++)
            for (size_t a = 0; a < sizeof(angles) / sizeof(angles[0]); a++)
                check_rotation(&sizes[s], angles[a], modes[m]);
}

static void test_a_rotation_to_the_nearest_pixel_takes_it_whole(void **state)
{
    (void)state;
    static const struct augment_fill fill = {FILL_CONSTANT, -3};
    static const struct image_size size = {9, 11, 2};
    float x[MOST], turned[MOST];
    size_t count = make_image(&size, x);
    image_rotate(x, &size, 23, false, &fill, turned);
    for (size_t i = 0; i < count; i++) {
        struct place p = place_of(&size, i);
        double row, column;
        turn_back(&size, 23, p, &row, &column);
        assert_true((double)turned[i] ==
                    at(x, &size, lrint(row), lrint(column), p.channel, &fill));
    }
}

static void test_a_quarter_turn_goes_counter_clockwise(void **state)
{
    (void)state;
    static const struct augment_fill fill = {FILL_CONSTANT, 0};
    static const struct image_size size = {2, 2, 1};
    static const float x[4] = {1, 2, 3, 4};
    float turned[4];
    image_rotate(x, &size, 90, false, &fill, turned);
    static const float expected[4] = {2, 4, 1, 3};
    assert_memory_equal(turned, expected, sizeof(expected));
}

static void test_a_hole_is_cut_off_at_the_borders(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        for (size_t centre = 0; centre < sizes[s].height * sizes[s].width; centre++) {
            long row = (long)(centre / sizes[s].width);
            long column = (long)(centre % sizes[s].width);
            for (long side = 1; side <= 5; side++) {
                float x[MOST], cut[MOST];
                size_t count = make_image(&sizes[s], x);
                memcpy(cut, x, count * sizeof(*x));
                image_cut_out(cut, &sizes[s], (size_t)row, (size_t)column, (size_t)side,
                              -3);
                for (size_t i = 0; i < count; i++) {
                    struct place p = place_of(&sizes[s], i);
                    long r = p.row - (row - side / 2), c = p.column - (column - side / 2);
                    bool inside = r >= 0 && r < side && c >= 0 && c < side;
                    assert_true(cut[i] == (inside ? -3.0F : x[i]));
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flips_are_mirror_images),
        cmocka_unit_test(test_a_shift_moves_every_pixel),
        cmocka_unit_test(test_a_rotation_looks_between_pixels),
        cmocka_unit_test(test_a_rotation_to_the_nearest_pixel_takes_it_whole),
        cmocka_unit_test(test_a_quarter_turn_goes_counter_clockwise),
        cmocka_unit_test(test_a_hole_is_cut_off_at_the_borders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
