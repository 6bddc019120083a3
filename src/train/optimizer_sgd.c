/* Stochastic gradient descent with momentum, Nesterov's or not, and L2 penalty: PyTorch's SGD
 * without dampening. */
#include "optimizer.h"

static const char *const options[] = {"train.optimizer.lr", "train.optimizer.momentum",
                                      "train.optimizer.weight_decay", "train.optimizer.nesterov",
                                      NULL};

static int n_states(const struct sw_trial_spec *spec) {
    return spec->train_optimizer_momentum > 0 ? 1 : 0;
}

static enum sw_status update(struct sw_hal *hal, const struct sw_trial_spec *spec,
                             const struct sw_net_param *param, struct sw_buffer *const *states,
                             int64_t step, double lr) {
    (void) step;
    struct sw_buffer *velocity = n_states(spec) > 0 ? states[0] : NULL;
    float momentum = (float) spec->train_optimizer_momentum;
    float decay = sw_optimizer_decay(spec, param);
    if (spec->train_optimizer_nesterov)
        return sw_hal_nesterov(hal, param->values, param->gradients, velocity, param->n, (float) lr,
                               momentum, decay);
    return sw_hal_sgd(hal, param->values, param->gradients, velocity, param->n, (float) lr,
                      momentum, decay);
}

static enum sw_status update_factored(struct sw_hal *hal, const struct sw_trial_spec *spec,
                                      const struct sw_net_param *param,
                                      const struct sw_factors *factors, int64_t step, double lr,
                                      struct sw_factor_events *events) {
    (void) step;
    const struct sw_sgd_step sgd = {.lr = (float) lr,
                                    .momentum = (float) spec->train_optimizer_momentum,
                                    .decay = sw_optimizer_decay(spec, param),
                                    .nesterov = spec->train_optimizer_nesterov != 0};
    return sw_hal_factored_sgd(hal, factors, param->gradients, &sgd, events);
}

static enum sw_status check(const struct sw_trial_spec *spec, const char **key) {
    if (!spec->train_optimizer_nesterov || spec->train_optimizer_momentum > 0) return SW_OK;
    *key = "train.optimizer.nesterov";
    return SW_FAIL(SW_CONFIG, "%s: true needs a train.optimizer.momentum above 0", *key);
}

extern const struct sw_optimizer sw_optimizer_sgd;
const struct sw_optimizer sw_optimizer_sgd = {
    .name = "sgd",
    .summary = "stochastic gradient descent with momentum, Nesterov's too, and L2 penalty",
    .options = options,
    .n_states = n_states,
    .update = update,
    .check = check,
    .update_factored = update_factored,
};
