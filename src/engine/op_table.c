/* The one table of ops. See op.h. A new op is one more word in the list. */
#include "op.h"

#include <string.h>

#define OPS(OP)                                                                          \
    OP(dense)                                                                            \
    OP(conv1d)                                                                           \
    OP(conv2d)                                                                           \
    OP(max_pool1d)                                                                       \
    OP(max_pool2d)                                                                       \
    OP(average_pool1d)                                                                   \
    OP(average_pool2d)                                                                   \
    OP(global_average_pool1d)                                                            \
    OP(global_average_pool2d)                                                            \
    OP(upsample2d)                                                                       \
    OP(group_norm)                                                                       \
    OP(dropout)                                                                          \
    OP(flatten)                                                                          \
    OP(reshape)                                                                          \
    OP(add)                                                                              \
    OP(multiply)                                                                         \
    OP(concat)                                                                           \
    OP(layer_norm)                                                                       \
    OP(rms_norm)                                                                         \
    OP(batch_norm)                                                                       \
    OP(embedding)                                                                        \
    OP(position_embedding)                                                               \
    OP(sinusoidal_positions)                                                             \
    OP(multi_head_attention)                                                             \
    OP(lstm)                                                                             \
    OP(gru)                                                                              \
    OP(linear)                                                                           \
    OP(relu)                                                                             \
    OP(leaky_relu)                                                                       \
    OP(elu)                                                                              \
    OP(gelu)                                                                             \
    OP(silu)                                                                             \
    OP(sigmoid)                                                                          \
    OP(tanh)                                                                             \
    OP(softplus)                                                                         \
    OP(softmax)

#define DECLARATION(name) extern const struct op OP_SYMBOL(name);
#define ENTRY(name) &OP_SYMBOL(name),

OPS(DECLARATION)

static const struct op *const op_table[] = {OPS(ENTRY) NULL};

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
