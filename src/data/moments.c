/* See moments.h. */
#include "moments.h"

#include <math.h>

/* sum + lost is the running sum; `lost` gathers what rounding takes from `sum`. */
static void add_compensated(struct moments *moments, double x)
{
    double sum = moments->sum + x;
    if (fabs(moments->sum) >= fabs(x))
        moments->lost += (moments->sum - sum) + x;
    else
        moments->lost += (x - sum) + moments->sum;
    moments->sum = sum;
}

void moments_merge(struct moments *moments)
{
    if (moments->block_count == 0)
        return;
    double count = moments->block_count;
    double block_m2 =
        moments->block_squares - moments->block_sum * (moments->block_sum / count);
    moments->m2 += block_m2 > 0 ? block_m2 : 0;
    if (moments->count > 0) {
        /* The mean so far as high + low, so that large numbers close together keep their
         * differences. */
        double before = (double)moments->count;
        double high = (moments->sum + moments->lost) / before;
        double low = (fma(-high, before, moments->sum) + moments->lost) / before;
        double delta = (moments->shift - high) + (moments->block_sum / count - low);
        moments->m2 += delta * delta * (before * count / (before + count));
    }
    add_compensated(moments, moments->shift * count);
    add_compensated(moments, moments->block_sum);
    moments->count += moments->block_count;
    moments->block_count = 0;
    moments->block_sum = 0;
    moments->block_squares = 0;
}

void moments_finish(const struct moments *moments, double *ret_mean, double *ret_std)
{
    struct moments all = *moments;
    moments_merge(&all);
    *ret_mean = all.count > 0 ? (all.sum + all.lost) / (double)all.count : 0;
    *ret_std = all.count > 0 ? sqrt(all.m2 / (double)all.count) : 0;
}
