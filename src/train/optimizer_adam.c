/* Adam (Kingma and Ba 2015, algorithm 1) with the L2 penalty in the gradient, as PyTorch's Adam. */
#include "optimizer.h"

#include <math.h>

static const char *const options[] = {"train.optimizer.lr",           "train.optimizer.beta1",
                                      "train.optimizer.beta2",        "train.optimizer.epsilon",
                                      "train.optimizer.weight_decay", NULL};

static int n_states(const struct sw_trial_spec *spec) {
    (void) spec;
    return 2;
}

static enum sw_status update(struct sw_hal *hal, const struct sw_trial_spec *spec,
                             const struct sw_net_param *param, struct sw_buffer *const *states,
                             int64_t step, double lr) {
    const struct sw_adam_step adam = {
        .lr = (float) lr,
        .beta1 = (float) spec->train_optimizer_beta1,
        .beta2 = (float) spec->train_optimizer_beta2,
        .epsilon = (float) spec->train_optimizer_epsilon,
        .decay = sw_optimizer_decay(spec, param),
        .correction1 = (float) (1 - pow(spec->train_optimizer_beta1, (double) step)),
        .correction2 = (float) (1 - pow(spec->train_optimizer_beta2, (double) step)),
    };
    return sw_hal_adam(hal, param->values, param->gradients, states[0], states[1], param->n, &adam);
}

extern const struct sw_optimizer sw_optimizer_adam;
const struct sw_optimizer sw_optimizer_adam = {
    .name = "adam",
    .summary = "Adam with bias correction; the L2 penalty is part of the gradient",
    .options = options,
    .n_states = n_states,
    .update = update,
};
