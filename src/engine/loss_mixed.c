/* See loss_mixed.h. Each row goes through the loss twice: beside a network's forward and
 * backward pass that is nothing, and no loss needs to know of it. */
#include "loss_mixed.h"

#include <string.h>

void loss_compute_mixed(const struct loss_spec *loss, const real *output,
                        const struct mixed_label *target, size_t rows, size_t width,
                        double divisor, real *room, real *gradient,
                        struct loss_sums *sums)
{
    real *logits = room, *second = room + width;
    for (size_t r = 0; r < rows; r++) {
        const struct mixed_label *mixed = &target[r];
        real *first = gradient ? gradient + r * width : NULL;
        real share = (real)mixed->share;
        struct loss_sums of_label = {0}, of_other = {0};
        memcpy(logits, output + r * width, width * sizeof(real));
        loss_compute_share(loss, logits, &mixed->label, 1, width, divisor, first,
                           &of_label);
        loss_compute_share(loss, logits, &mixed->other, 1, width, divisor,
                           first ? second : NULL, &of_other);
        for (size_t j = 0; first && j < width; j++)
            first[j] = share * first[j] + (1 - share) * second[j];
        struct loss_sums *larger = share < (real)0.5 ? &of_other : &of_label;
        larger->loss =
            (double)share * of_label.loss + (1 - (double)share) * of_other.loss;
        larger->weight =
            (double)share * of_label.weight + (1 - (double)share) * of_other.weight;
        loss_sums_add(sums, larger);
    }
}

double loss_weight_mixed(const struct loss_spec *loss, const struct mixed_label *target,
                         size_t rows)
{
    if (!loss->class_weights)
        return (double)rows;
    double sum = 0;
    for (size_t r = 0; r < rows; r++) {
        double share = (double)(real)target[r].share;
        sum += share * loss_weight(loss, &target[r].label, 1) +
               (1 - share) * loss_weight(loss, &target[r].other, 1);
    }
    return sum;
}
