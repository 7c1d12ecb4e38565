/* See gradcheck_fixture.h. */
#include "gradcheck_fixture.h"
#include "core_fixture.h"
#include "engine/gradcheck.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#include <stdlib.h>

#define MOST_NUMBERS 40 /* of each tensor */

void gradcheck_expect(const struct model_spec *model, size_t rows, const double *x,
                      double tolerance, const char *name)
{
    size_t outputs = rows * (size_t)shape_elements(&model->layers[model->output].output);
    float *target = calloc(outputs, sizeof(float));
    assert_non_null(target);
    for (size_t i = 0; i < outputs; i++)
        target[i] = (float)core_number(i + 100);
    struct gradcheck_options options = {.model = model,
                                        .loss = {.type = LOSS_MSE},
                                        .rows = rows,
                                        .seed = 7,
                                        .most_numbers = MOST_NUMBERS};
    struct gradcheck_tensor *tensors;
    size_t count;
    struct error err;
    error_clear(&err);
    if (gradcheck(&options, x, target, &tensors, &count, &err) != 0)
        fail_msg("%s: %s", name, err.text);
    for (size_t i = 0; i < count; i++) {
        if (!(tensors[i].largest_error <= tolerance))
            fail_msg("%s: layer %d %s: relative error %g", name, tensors[i].layer,
                     tensors[i].name, tensors[i].largest_error);
        assert_true(tensors[i].checked > 0);
    }
    free(tensors);
    free(target);
}
