/* Adam (Kingma and Ba 2015, algorithm 1) and AdamW (Loshchilov and Hutter 2019, algorithm 2): they
 * differ in what weight decay is. The order is PyTorch's. */
#include "optimizer.h"

#include <math.h>

static const char *const options[] = {"train.optimizer.lr",           "train.optimizer.beta1",
                                      "train.optimizer.beta2",        "train.optimizer.epsilon",
                                      "train.optimizer.weight_decay", NULL};

static int n_states(const struct sw_trial_spec *spec) {
    (void) spec;
    return 2;
}

/* A step without weight decay. */
static struct sw_adam_step make_step(const struct sw_trial_spec *spec, int64_t step, double lr) {
    return (struct sw_adam_step){
        .lr = (float) lr,
        .beta1 = (float) spec->train_optimizer_beta1,
        .beta2 = (float) spec->train_optimizer_beta2,
        .epsilon = (float) spec->train_optimizer_epsilon,
        .correction1 = (float) (1 - pow(spec->train_optimizer_beta1, (double) step)),
        .correction2 = (float) (1 - pow(spec->train_optimizer_beta2, (double) step)),
    };
}

static enum sw_status update_adam(struct sw_hal *hal, const struct sw_trial_spec *spec,
                                  const struct sw_net_param *param, struct sw_buffer *const *states,
                                  int64_t step, double lr) {
    struct sw_adam_step adam = make_step(spec, step, lr);
    adam.decay = sw_optimizer_decay(spec, param);
    return sw_hal_adam(hal, param->values, param->gradients, states[0], states[1], param->n, &adam);
}

static enum sw_status update_adamw(struct sw_hal *hal, const struct sw_trial_spec *spec,
                                   const struct sw_net_param *param,
                                   struct sw_buffer *const *states, int64_t step, double lr) {
    struct sw_adam_step adam = make_step(spec, step, lr);
    adam.decoupled = sw_optimizer_decay(spec, param);
    return sw_hal_adam(hal, param->values, param->gradients, states[0], states[1], param->n, &adam);
}

static enum sw_status factored_adam(struct sw_hal *hal, const struct sw_trial_spec *spec,
                                    const struct sw_net_param *param,
                                    const struct sw_factors *factors, int64_t step, double lr,
                                    struct sw_factor_events *events) {
    struct sw_adam_step adam = make_step(spec, step, lr);
    adam.decay = sw_optimizer_decay(spec, param);
    return sw_hal_factored_adam(hal, factors, param->gradients, &adam, events);
}

static enum sw_status factored_adamw(struct sw_hal *hal, const struct sw_trial_spec *spec,
                                     const struct sw_net_param *param,
                                     const struct sw_factors *factors, int64_t step, double lr,
                                     struct sw_factor_events *events) {
    struct sw_adam_step adam = make_step(spec, step, lr);
    adam.decoupled = sw_optimizer_decay(spec, param);
    return sw_hal_factored_adam(hal, factors, param->gradients, &adam, events);
}

extern const struct sw_optimizer sw_optimizer_adam, sw_optimizer_adamw;
const struct sw_optimizer sw_optimizer_adam = {
    .name = "adam",
    .summary = "Adam with bias correction; the L2 penalty is part of the gradient",
    .options = options,
    .n_states = n_states,
    .update = update_adam,
    .update_factored = factored_adam,
};
const struct sw_optimizer sw_optimizer_adamw = {
    .name = "adamw",
    .summary = "Adam whose weight decay shrinks the weights and stays out of the moments",
    .options = options,
    .n_states = n_states,
    .update = update_adamw,
    .update_factored = factored_adamw,
};
