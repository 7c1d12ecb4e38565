/* See trainer_average.h. */
#include "trainer_average.h"

#include "base/memory.h"
#include "kernels.h"

#include <string.h>

int trainer_average_init(struct trainer *trainer)
{
    if (trainer->spec->average_decay <= 0)
        return 0;
    trainer->average =
        mem_alloc_aligned(graph_size(stepper_graph(trainer->stepper)), sizeof(real));
    return trainer->average ? 0 : ERR_NOMEM;
}

MULTIVERSION static void average_kernel(real *restrict average, const real *restrict p,
                                        real keep, real take, size_t count)
{
    for (size_t i = 0; i < count; i++)
        average[i] = keep * average[i] + take * p[i];
}

MULTIVERSION static void swap_kernel(real *restrict a, real *restrict b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        real kept = a[i];
        a[i] = b[i];
        b[i] = kept;
    }
}

void trainer_average_step(struct trainer *trainer)
{
    if (!trainer->average)
        return;
    const real *parameters = stepper_parameters(trainer->stepper);
    size_t count = graph_size(stepper_graph(trainer->stepper));
    double decay = trainer->spec->average_decay;
    if (trainer->state.step == 1)
        memcpy(trainer->average, parameters, count * sizeof(real));
    else
        average_kernel(trainer->average, parameters, (real)decay, (real)(1.0 - decay),
                       count);
}

/* Before the first step there is no average yet. */
static bool has_average(const struct trainer *trainer)
{
    return trainer->average && trainer->state.step > 0;
}

void trainer_average_swap(struct trainer *trainer)
{
    if (has_average(trainer))
        swap_kernel(stepper_parameters(trainer->stepper), trainer->average,
                    graph_size(stepper_graph(trainer->stepper)));
}

const real *trainer_average_or_parameters(const struct trainer *trainer)
{
    return has_average(trainer) ? trainer->average : stepper_parameters(trainer->stepper);
}
