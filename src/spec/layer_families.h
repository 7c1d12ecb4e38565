/*
 * What the families of layers give to the table in layer_table.c: keys, and functions
 * that infer shapes, parameters and cost (struct layer_type's `infer`).
 */
#ifndef BACKPROP_LAYER_FAMILIES_H
#define BACKPROP_LAYER_FAMILIES_H

#include "base/violations.h"
#include "model_spec.h"

#define LAYER_INFER(name)                                                                \
    int name(const struct model_spec *model, int index, struct layer *layer,             \
             struct violations *violations)

/* layer_dense.c: y = x W' + b over the last dimension; any dimensions before it are kept.
 */
extern const struct key dense_keys[];
LAYER_INFER(dense_infer);

/* layer_conv.c: convolutions over [height, width, channels] and [length, channels]. */
extern const struct key conv1d_keys[];
extern const struct key conv2d_keys[];
LAYER_INFER(conv1d_infer);
LAYER_INFER(conv2d_infer);

/* layer_pool.c: poolings, and what is as simple for each position. */
extern const struct key max_pool1d_keys[];
extern const struct key max_pool2d_keys[];
extern const struct key average_pool1d_keys[];
extern const struct key average_pool2d_keys[];
extern const struct key upsample2d_keys[];
LAYER_INFER(pool1d_infer);
LAYER_INFER(pool2d_infer);
LAYER_INFER(global_pool1d_infer);
LAYER_INFER(global_pool2d_infer);
LAYER_INFER(upsample2d_infer);

/* layer_shape.c: layers that keep their input's shape, or change nothing but the shape.
 */
extern const struct key reshape_keys[];
LAYER_INFER(same_infer);
LAYER_INFER(dropout_infer);
LAYER_INFER(flatten_infer);
LAYER_INFER(reshape_infer);

/* layer_join.c: several inputs of one shape, or one after the other in the last
 * dimension.
 */
extern const struct key residual_keys[];
LAYER_INFER(join_infer);
LAYER_INFER(concat_infer);

/* layer_norm.c: normalization; a weight, and for all but rms_norm a bias, for each unit.
 */
extern const struct key norm_keys[];
extern const struct key batch_norm_keys[];
extern const struct key group_norm_keys[];
LAYER_INFER(layer_norm_infer);
LAYER_INFER(rms_norm_infer);
LAYER_INFER(batch_norm_infer);
LAYER_INFER(group_norm_infer);

/* layer_sequence.c: sequences [positions, units], and the tokens they are made from. */
extern const struct key embedding_keys[];
extern const struct key position_embedding_keys[];
extern const struct key multi_head_attention_keys[];
LAYER_INFER(embedding_infer);
LAYER_INFER(position_embedding_infer);
LAYER_INFER(sinusoidal_infer);
LAYER_INFER(multi_head_attention_infer);
/* layer_recurrent.c: [steps, features] -> [steps, units], or the last step's [units]. */
extern const struct key lstm_keys[];
extern const struct key gru_keys[];
LAYER_INFER(lstm_infer);
LAYER_INFER(gru_infer);

/* layer_transformer.c: blocks that are short for several layers. */
extern const struct key transformer_block_keys[];
json_t *transformer_block_expand(const struct layer *block);

/* Refuses an output that no machine should be asked for. */
int layer_check_output(const struct layer *layer, struct violations *violations);

#endif
