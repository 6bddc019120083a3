/* Stochastic gradient descent with momentum and L2 penalty, as PyTorch's SGD without dampening or
 * Nesterov's term. */
#include "optimizer.h"

static const char *const options[] = {"train.optimizer.lr", "train.optimizer.momentum",
                                      "train.optimizer.weight_decay", NULL};

static int n_states(const struct sw_trial_spec *spec) {
    return spec->train_optimizer_momentum > 0 ? 1 : 0;
}

static enum sw_status update(struct sw_hal *hal, const struct sw_trial_spec *spec,
                             const struct sw_net_param *param, struct sw_buffer *const *states,
                             int64_t step, double lr) {
    (void) step;
    struct sw_buffer *velocity = n_states(spec) > 0 ? states[0] : NULL;
    return sw_hal_sgd(hal, param->values, param->gradients, velocity, param->n, (float) lr,
                      (float) spec->train_optimizer_momentum, sw_optimizer_decay(spec, param));
}

extern const struct sw_optimizer sw_optimizer_sgd;
const struct sw_optimizer sw_optimizer_sgd = {
    .name = "sgd",
    .summary = "stochastic gradient descent with momentum and L2 penalty",
    .options = options,
    .n_states = n_states,
    .update = update,
};
