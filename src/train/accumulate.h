/* Module: train, private: the pass of a training step, in one piece or in several whose gradients are added
 * up (train.accumulate): activations then need room for a part only. */
#pragma once

#include "sweepstake/feed.h"

struct sw_gradient_sum {
    struct sw_buffer *buffer; /* float[n]; NULL for a statistic */
};

struct sw_accumulator {
    int64_t bytes; /* on the device */
    int64_t n_params;
    struct sw_gradient_sum *sums; /* [n_params]; NULL in one piece */
};

/* Do the settings fit together? Errors: as of sw_train_check. */
enum sw_status sw_accumulator_check(const struct sw_trial_spec *spec,
                                    const char **key) SW_NODISCARD;
enum sw_status sw_accumulator_init(struct sw_net *net, const struct sw_trial_spec *spec,
                                   struct sw_accumulator *out) SW_NODISCARD;
void sw_accumulator_fini(struct sw_accumulator *accumulator);

/* Forward, loss and backward of a step's batch: the net's gradients are those of the mean over all of it. */
enum sw_status sw_accumulator_pass(const struct sw_accumulator *accumulator,
                                   const struct sw_feed *feed, struct sw_net *net,
                                   const struct sw_trial_spec *spec, int64_t step,
                                   const int32_t *index, const struct sw_augment *augment,
                                   int64_t batch, double *loss_sum) SW_NODISCARD;
