/* The one table of ops. See op.h. */
#include "op_internal.h"

#include <string.h>

static const struct op *const op_table[] = {
    &op_dense,   &op_dropout,    &op_flatten,  &op_linear, &op_softmax,
    &op_relu,    &op_leaky_relu, &op_elu,      &op_gelu,   &op_silu,
    &op_sigmoid, &op_tanh,       &op_softplus, NULL};

const struct op *op_find(const char *name)
{
    for (size_t i = 0; op_table[i]; i++) {
        if (strcmp(op_table[i]->name, name) == 0)
            return op_table[i];
    }
    return NULL;
}

const struct op *op_at(size_t which)
{
    return which < sizeof(op_table) / sizeof(op_table[0]) ? op_table[which] : NULL;
}
