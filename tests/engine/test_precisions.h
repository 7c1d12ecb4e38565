/* One small training that both halves of test_precisions do. */
#ifndef BACKPROP_TEST_PRECISIONS_H
#define BACKPROP_TEST_PRECISIONS_H

#include "spec/model_spec.h"

#include <stddef.h>

#define PRECISIONS_ROWS 24
#define PRECISIONS_STEPS 15
#define PRECISIONS_SEED 6
#define PRECISIONS_RATE 0.05
#define PRECISIONS_OPTIMIZER "{'type': 'sgd', 'learning_rate': 0.05, 'momentum': 0.9}"
#define PRECISIONS_MOST 1000

struct model_spec precisions_model(void);

/* x: [count, 6] into the one that is not NULL; target: int32 labels. */
void precisions_fill(size_t first, size_t count, float *ret_x, double *ret_x_double,
                     void *ret_target);

/* Trains in single precision; returns the number of exported parameters. */
size_t precisions_train_float(float ret_exported[PRECISIONS_MOST],
                              double ret_losses[PRECISIONS_STEPS]);

#endif
