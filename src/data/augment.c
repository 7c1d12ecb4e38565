/* See augment.h. */
#include "augment.h"

#include "base/rng.h"

#include <math.h>
#include <string.h>

/* Places in the stream, in blocks of 4 draws. A step takes at most 4 draws, and hardly
 * ever more (rng_below() may reject one); what mixup takes varies, so it comes last. */
#define STEP_BLOCKS 4
#define MIXUP_BLOCK ((uint64_t)STEP_BLOCKS * AUGMENT_MAX_STEPS)
#define ROW_BLOCKS 4096

static void draw_from(const struct augment_draw *draw, uint64_t block, struct rng *rng)
{
    rng_init(rng, draw->seed, RNG_AUGMENT, draw->epoch);
    rng_seek(rng, draw->row * ROW_BLOCKS + block);
}

/* Uniform in [-most, most]. */
static ptrdiff_t draw_offset(struct rng *rng, size_t most)
{
    return (ptrdiff_t)rng_below(rng, (uint32_t)(2 * most + 1)) - (ptrdiff_t)most;
}

static size_t most_pixels(const struct augment_step *step, double factor, size_t extent)
{
    return step->pixels >= 0 ? (size_t)step->pixels : (size_t)(factor * (double)extent);
}

/* What a type does; each leaves its result in x. */
typedef void step_function(const struct augment_step *step, const struct image_size *size,
                           struct rng *rng, float *x, float *room);

static void flip_horizontally(const struct augment_step *step,
                              const struct image_size *size, struct rng *rng, float *x,
                              float *room)
{
    (void)step;
    (void)rng;
    (void)room;
    image_flip_horizontally(x, size);
}

static void flip_vertically(const struct augment_step *step,
                            const struct image_size *size, struct rng *rng, float *x,
                            float *room)
{
    (void)step;
    (void)rng;
    (void)room;
    image_flip_vertically(x, size);
}

/* The image as it was, where x may be written. */
static const float *move_away(const struct image_size *size, const float *x, float *room)
{
    memcpy(room, x, size->height * size->width * size->channels * sizeof(*x));
    return room;
}

static void shift(const struct augment_step *step, const struct image_size *size,
                  struct rng *rng, float *x, float *room)
{
    ptrdiff_t down =
        draw_offset(rng, most_pixels(step, step->height_factor, size->height));
    ptrdiff_t right =
        draw_offset(rng, most_pixels(step, step->width_factor, size->width));
    if (down != 0 || right != 0)
        image_shift(move_away(size, x, room), size, down, right, &step->fill, x);
}

static void rotate(const struct augment_step *step, const struct image_size *size,
                   struct rng *rng, float *x, float *room)
{
    double degrees = step->degrees * (2 * (double)rng_uniform(rng) - 1);
    image_rotate(move_away(size, x, room), size, degrees, step->bilinear, &step->fill, x);
}

static void cut_out(const struct augment_step *step, const struct image_size *size,
                    struct rng *rng, float *x, float *room)
{
    (void)room;
    size_t row = rng_below(rng, (uint32_t)size->height);
    size_t column = rng_below(rng, (uint32_t)size->width);
    image_cut_out(x, size, row, column, (size_t)step->size, step->fill.value);
}

static step_function *const functions[] = {
    [AUGMENT_HORIZONTAL_FLIP] = flip_horizontally,
    [AUGMENT_VERTICAL_FLIP] = flip_vertically,
    [AUGMENT_SHIFT] = shift,
    [AUGMENT_ROTATION] = rotate,
    [AUGMENT_CUTOUT] = cut_out,
};

void augment_image(const struct augment_spec *augment, const struct image_size *size,
                   const struct augment_draw *draw, float *x, float *room)
{
    for (int i = 0; i < augment->count; i++) {
        const struct augment_step *step = &augment->steps[i];
        struct rng rng;
        draw_from(draw, (uint64_t)i * STEP_BLOCKS, &rng);
        if ((double)rng_uniform(&rng) < step->probability)
            functions[step->type](step, size, &rng, x, room);
    }
}

/* Uniform in (0, 1). */
static double draw_open(struct rng *rng)
{
    return ((double)rng_next(rng) + 0.5) * 0x1p-32;
}

/*
 * The logarithm of a draw from Gamma(alpha, 1), because that of a small alpha is often
 * less than any double: Gamma(alpha + 1) by Marsaglia and Tsang ("A simple method for
 * generating gamma variables", TOMS 2000), times U^(1 / alpha).
 */
static double draw_log_gamma(struct rng *rng, double alpha)
{
    double d = alpha + 1 - 1.0 / 3, c = 1 / sqrt(9 * d), v, x;
    do {
        do {
            x = rng_normal(rng);
            v = 1 + c * x;
        } while (v <= 0);
        v = v * v * v;
    } while (log(draw_open(rng)) >= x * x / 2 + d * (1 - v + log(v)));
    return log(d * v) + log(draw_open(rng)) / alpha;
}

double augment_mixup_share(double alpha, const struct augment_draw *draw)
{
    struct rng rng;
    draw_from(draw, MIXUP_BLOCK, &rng);
    double own = draw_log_gamma(&rng, alpha), other = draw_log_gamma(&rng, alpha);
    return 1 / (1 + exp(other - own));
}
