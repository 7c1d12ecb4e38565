/*
 * How a network is trained: loss, optimizer and learning rate schedule, and what each of
 * their attributes means. The engine reads them by these names.
 *
 * Let g be the gradient (L2 terms and clipping included), r the learning rate of the step
 * and w a parameter. `weight_decay` reaches only parameters that decay: weights of
 * layers, tables of embeddings and learned positions among them, but no biases and no
 * scales of norms. With weight_decay_on "all" (default "weights") it reaches all of them,
 * as it does in PyTorch where nobody makes parameter groups.
 *
 * Optimizers, with the formulas and defaults of torch.optim or Keras:
 *   sgd      learning_rate 0.01, momentum 0, nesterov false, weight_decay 0
 *              g += weight_decay w;  v = momentum v + g;  w -= r v
 *              (nesterov: w -= r (g + momentum v))
 *   rmsprop  learning_rate 0.001, rho 0.9, momentum 0, centered false, epsilon 1e-8,
 *            weight_decay 0
 *              g += weight_decay w;  s = rho s + (1 - rho) g²
 *              v = momentum v + g / (sqrt(s) + epsilon);  w -= r v
 *              (centered: s less the square of the running mean of g)
 *   adam     learning_rate 0.001, beta_1 0.9, beta_2 0.999, epsilon 1e-8, weight_decay 0
 *              Kingma and Ba 2015, algorithm 1, with weight_decay w added to g
 *   adamw    the same with weight_decay 0.01, decoupled: w -= r weight_decay w
 *              Loshchilov and Hutter 2019, algorithm 2
 *   adagrad  learning_rate 0.01, learning_rate_decay 0, epsilon 1e-10, weight_decay 0
 *              g += weight_decay w;  s += g²
 *              w -= r / (1 + u learning_rate_decay) g / (sqrt(s) + epsilon), where u
 *              counts the updates from 0
 *   adadelta learning_rate 1, rho 0.9, epsilon 1e-6, weight_decay 0
 *              g += weight_decay w;  s = rho s + (1 - rho) g²
 *              d = sqrt(c + epsilon) / sqrt(s + epsilon) g;  c = rho c + (1 - rho) d²
 *              w -= r d
 *   nadam    learning_rate 0.002, beta_1 0.9, beta_2 0.999, epsilon 1e-8,
 *            weight_decay 0 (in g), momentum_decay 0.004
 *              Dozat 2016 with the momentum beta_1 (1 - 0.96^(t momentum_decay) / 2) of
 *              step t, as torch.optim.NAdam since PyTorch 2.0
 *   radam    learning_rate 0.001, beta_1 0.9, beta_2 0.999, epsilon 1e-8,
 *            weight_decay 0 (in g)
 *              Liu et al. 2020, algorithm 2, rectified above 5 as torch.optim.RAdam
 *   lion     learning_rate 0.0001, beta_1 0.9, beta_2 0.99, weight_decay 0
 *              w -= r (sign(beta_1 m + (1 - beta_1) g) + weight_decay w)
 *              m = beta_2 m + (1 - beta_2) g;  Chen et al. 2023, algorithm 2
 *
 * Schedules. s is the step, from 0; e the whole epochs done, from 0; r0 the optimizer's
 * learning_rate. Each has `warmup_steps` (0): a step s < warmup_steps has
 * (s + 1) / warmup_steps of the rate that follows here.
 *   constant           r0
 *   step               r0 gamma^floor(e / step_epochs); gamma 0.1, step_epochs required
 *   multi_step         r0 gamma^(how many of `milestones`, a list of epochs, are <= e);
 *                      gamma 0.1, milestones required
 *   exponential        r0 gamma^e; gamma required
 *   cosine             m + (r0 - m) (1 + cos(pi t)) / 2; m is minimum_learning_rate (0),
 *                      t = (s - warmup_steps) / (steps of the job - warmup_steps), 0 in
 *                      the warm-up: CosineAnnealingLR with T_max = steps after warm-up
 *   polynomial         m + (r0 - m) (1 - t)^power with the same t; power 1, m 0
 *   cosine_restarts    the same as cosine, with t = 0 to 1 over the `period_epochs`
 *                      (required) after the warm-up, then anew over a period that is
 *                      period_multiplier (1) times as long, and so on:
 *                      CosineAnnealingWarmRestarts, stepped with every batch
 *   one_cycle          OneCycleLR with max_lr = r0, total_steps = steps after warm-up,
 *                      cosines, momentum as it is: from r0 / div_factor (25) up to r0 at
 *                      the share pct_start (0.3) of the steps, then down to
 *                      r0 / div_factor / final_div_factor (1e4) at the last step
 *   reduce_on_plateau  max(m, r0 factor^k); k goes up when `monitor` was not better than
 *                      its best by more than min_delta (1e-4) for more than `patience`
 *                      (10) epochs in a row; factor 0.1, m is minimum_learning_rate (0),
 *                      monitor val_loss, or loss where there is no validation split
 *
 * Losses (and Keras' names of the first four: categorical_crossentropy,
 * mean_squared_error, …):
 *   cross_entropy         label_smoothing 0: that share of the target goes to all classes
 *                         in equal parts
 *   binary_cross_entropy  pos_weight 1: rows of the second class count so many times
 *   focal                 gamma 2: (1 - p)^gamma -log(p), p the softmax of the row's
 *                         class; Lin et al. 2017
 *   mse, mae, huber (delta 1), log_cosh
 * Each is the mean over rows, and over numbers; validation is scored by the same loss.
 * cross_entropy and focal take class_weights (null; see class_weights.h): the mean is
 * then weighted, the sum of w_class loss divided by that of w_class, as PyTorch's weight.
 */
#ifndef BACKPROP_TRAINING_SPEC_H
#define BACKPROP_TRAINING_SPEC_H

#include "base/violations.h"
#include "job_spec.h"

#include <jansson.h>
#include <stdbool.h>

/* NULL-terminated names, without aliases and "auto". */
extern const char *const optimizer_names[];
extern const char *const schedule_names[];
/* What early stopping and reduce_on_plateau may watch. */
extern const char *const monitor_names[];

/*
 * The readers take the JSON value of their key (NULL: absent), fill in *ret and hand back
 * a new reference to the canonical JSON; ERR_INVALID with violations added otherwise, and
 * then no reference. No memory sets the violations' status.
 */

/* *ret_is_auto: the user left the choice to loss_resolve();
 * ret_loss->type is then unset. */
int loss_read(const json_t *json, struct loss_spec *ret_loss, bool *ret_is_auto,
              json_t **ret_canonical, struct violations *violations);

/* Chooses a loss for the target and puts it into `canonical`: cross_entropy for
 * categories (binary_cross_entropy when there are two and the last dense layer has just
 * one unit), mse for numbers. */
void loss_resolve(const struct features_spec *features, const struct model_spec *model,
                  struct loss_spec *ret_loss, json_t *canonical,
                  struct violations *violations);

/* A loss that does not fit the target is a violation. */
int loss_check(const struct loss_spec *loss, const struct features_spec *features,
               struct violations *violations);

/* Numbers that the network must give for each sample. */
int64_t loss_output_width(const struct loss_spec *loss,
                          const struct features_spec *features);

/* The activation that the loss applies itself ("softmax", "sigmoid"), or NULL. */
const char *loss_activation(const struct loss_spec *loss);

int optimizer_read(const json_t *json, struct choice *ret_optimizer,
                   json_t **ret_canonical, struct violations *violations);
int schedule_read(const json_t *json, struct choice *ret_schedule, json_t **ret_canonical,
                  struct violations *violations);

/* A metric that this job will not have is a violation at `pointer`. `features` is NULL
 * when the target is not known. */
void monitor_check(const char *monitor, const char *pointer, bool has_validation,
                   const struct features_spec *features, struct violations *violations);

#endif
