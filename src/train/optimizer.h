/* Module: train, private: what optimizers share, and the state of one training.
 * How to add an optimizer: a file optimizer_NAME.c with one `const struct sw_optimizer`, one line
 * in optimizers.def. */
#pragma once

#include "sweepstake/train.h"

#define SW_OPTIMIZER_MAX_STATES 4

/* Weight decay of a parameter, whichever way it acts: biases have none. */
static inline float sw_optimizer_decay(const struct sw_trial_spec *spec,
                                       const struct sw_net_param *param) {
    return param->param->prunable ? (float) spec->train_optimizer_weight_decay : 0;
}

/* The arrays of one parameter, each float[n]; the first n_states are there. */
struct sw_param_states {
    struct sw_buffer
        *buffer[SW_OPTIMIZER_MAX_STATES]; /* of the values; of u where they are factored */
    struct sw_buffer *u, *w;              /* factors of the values; NULL: there are none */
    struct sw_buffer *twin[SW_OPTIMIZER_MAX_STATES]; /* of w */
    int64_t begun; /* steps that were done when the arrays were cleared last */
    struct sw_sign_events events;
};

/* Of the weights, not of biases and batch norm. */
static inline bool sw_optimizer_factors(const struct sw_net_param *param) {
    return param->param->role == SW_ROLE_WEIGHT;
}

/* An optimizer and its arrays for every parameter of a net. */
struct sw_optimizer_state {
    const struct sw_optimizer *optimizer;
    int n_states;
    bool factored; /* weights are products of two factors */
    int64_t n_params;
    int64_t bytes;                  /* on the device */
    struct sw_param_states *params; /* [n_params] */
};

/* Zeroed state for a net, with room for the factors of its weights where they are `factored`; finish with
 * sw_optimizer_state_fini. Errors: SW_CONFIG (unknown optimizer), SW_NOMEM. */
enum sw_status sw_optimizer_state_init(struct sw_net *net, const struct sw_trial_spec *spec,
                                       bool factored, struct sw_optimizer_state *out) SW_NODISCARD;
void sw_optimizer_state_fini(struct sw_optimizer_state *state);

/* A factored parameter as operations of a device see it. */
struct sw_factors sw_optimizer_state_factors(const struct sw_optimizer_state *state,
                                             const struct sw_net_param *param,
                                             const struct sw_param_states *states);
/* Clear the arrays of a parameter after `done` steps: for it, a training begins. */
enum sw_status sw_optimizer_state_clear(const struct sw_optimizer_state *state,
                                        struct sw_param_states *states, int64_t done) SW_NODISCARD;

/* Update all parameters; `step` counts from 1; `lr_factors` [n_params] or NULL, on the rate of each. */
enum sw_status sw_optimizer_state_update(struct sw_optimizer_state *state, struct sw_net *net,
                                         const struct sw_trial_spec *spec, int64_t step, double lr,
                                         const double *lr_factors) SW_NODISCARD;
