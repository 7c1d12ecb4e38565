/* See loss_mixed.h. Each row goes through the loss twice: beside a network's forward and
 * backward pass that is nothing, and no loss needs to know of it. */
#include "loss_mixed.h"

#include <string.h>

void loss_compute_mixed(const struct loss_spec *loss, const real *output,
                        const struct mixed_label *target, size_t rows, size_t width,
                        size_t batch_rows, real *room, real *gradient,
                        struct loss_sums *sums)
{
    real *logits = room, *second = room + width;
    for (size_t r = 0; r < rows; r++) {
        const struct mixed_label *mixed = &target[r];
        real *first = gradient ? gradient + r * width : NULL;
        real share = (real)mixed->share;
        struct loss_sums of_label = {0}, of_other = {0};
        memcpy(logits, output + r * width, width * sizeof(real));
        loss_compute(loss, logits, &mixed->label, 1, width, batch_rows, first, &of_label);
        loss_compute(loss, logits, &mixed->other, 1, width, batch_rows,
                     first ? second : NULL, &of_other);
        for (size_t j = 0; first && j < width; j++)
            first[j] = share * first[j] + (1 - share) * second[j];
        struct loss_sums *larger = share < (real)0.5 ? &of_other : &of_label;
        larger->loss =
            (double)share * of_label.loss + (1 - (double)share) * of_other.loss;
        loss_sums_add(sums, larger);
    }
}
