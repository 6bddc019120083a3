#include "optimizer.h"

#include <string.h>

#include "sweepstake/memory.h"

#define SW_OPTIMIZER(symbol) extern const struct sw_optimizer symbol;
#include "optimizers.def"
#undef SW_OPTIMIZER

enum {
#define SW_OPTIMIZER(symbol) INDEX_##symbol,
#include "optimizers.def"
#undef SW_OPTIMIZER
    N_OPTIMIZERS
};

static const struct sw_optimizer *const optimizers[N_OPTIMIZERS] = {
#define SW_OPTIMIZER(symbol) &symbol,
#include "optimizers.def"
#undef SW_OPTIMIZER
};

const struct sw_optimizer *sw_optimizer_at(size_t index) {
    return index < N_OPTIMIZERS ? optimizers[index] : NULL;
}

const struct sw_optimizer *sw_optimizer_find(const char *name) {
    for (size_t i = 0; i < N_OPTIMIZERS; i++)
        if (strcmp(optimizers[i]->name, name) == 0) return optimizers[i];
    return NULL;
}

static enum sw_status add_array(struct sw_optimizer_state *state, struct sw_hal *hal,
                                const struct sw_net_param *param, const char *what,
                                struct sw_buffer **out) {
    int64_t bytes = param->n * (int64_t) sizeof(float);
    SW_TRY(sw_hal_alloc(hal, bytes, what, out));
    state->bytes += bytes;
    return SW_OK;
}

/* The arrays of one parameter, zeroed; statistics have none. */
static enum sw_status add_param(struct sw_optimizer_state *state, struct sw_hal *hal,
                                const struct sw_net_param *param, struct sw_param_states *added) {
    bool factored = state->factored && sw_optimizer_factors(param);
    if (!sw_role_is_trained(param->param->role)) return SW_OK;
    for (int s = 0; s < state->n_states; s++) {
        SW_TRY(add_array(state, hal, param, "optimizer state", &added->buffer[s]));
        if (factored) SW_TRY(add_array(state, hal, param, "optimizer state", &added->twin[s]));
    }
    if (!factored) return SW_OK;
    SW_TRY(add_array(state, hal, param, "factors", &added->u));
    return add_array(state, hal, param, "factors", &added->w);
}

enum sw_status sw_optimizer_state_init(struct sw_net *net, const struct sw_trial_spec *spec,
                                       bool factored, struct sw_optimizer_state *out) {
    struct sw_optimizer_state state = {.optimizer = sw_optimizer_find(spec->train_optimizer_name),
                                       .factored = factored};
    const struct sw_net_param *params = sw_net_params(net, &state.n_params);
    enum sw_status status;
    if (state.optimizer == NULL)
        return SW_FAIL(SW_CONFIG, "train.optimizer.name: '%s' is not known",
                       spec->train_optimizer_name);
    state.n_states = state.optimizer->n_states(spec);
    SW_TRY(SW_ALLOC(&state.params, (size_t) state.n_params, "table of optimizer states"));
    for (int64_t p = 0; p < state.n_params; p++)
        SW_TRY_TO(add_param(&state, sw_net_hal(net), &params[p], &state.params[p]), status,
                  cleanup);
    *out = state;
    return SW_OK;
cleanup:
    sw_optimizer_state_fini(&state);
    return status;
}

void sw_optimizer_state_fini(struct sw_optimizer_state *state) {
    for (int64_t p = 0; state->params != NULL && p < state->n_params; p++) {
        struct sw_param_states *states = &state->params[p];
        for (int s = 0; s < state->n_states; s++) {
            sw_hal_free(&states->buffer[s]);
            sw_hal_free(&states->twin[s]);
        }
        sw_hal_free(&states->u);
        sw_hal_free(&states->w);
    }
    SW_FREE(&state->params);
}

struct sw_factors sw_optimizer_state_factors(const struct sw_optimizer_state *state,
                                             const struct sw_net_param *param,
                                             const struct sw_param_states *states) {
    return (struct sw_factors){.theta = param->values,
                               .u = states->u,
                               .w = states->w,
                               .first_u = state->n_states > 0 ? states->buffer[0] : NULL,
                               .first_w = state->n_states > 0 ? states->twin[0] : NULL,
                               .second_u = state->n_states > 1 ? states->buffer[1] : NULL,
                               .second_w = state->n_states > 1 ? states->twin[1] : NULL,
                               .n = param->n};
}

enum sw_status sw_optimizer_state_clear(const struct sw_optimizer_state *state,
                                        struct sw_param_states *states, int64_t done) {
    for (int s = 0; s < state->n_states; s++) {
        SW_TRY(sw_hal_zero(states->buffer[s]));
        if (states->twin[s] != NULL) SW_TRY(sw_hal_zero(states->twin[s]));
    }
    states->begun = done;
    return SW_OK;
}

static enum sw_status update_factored(const struct sw_optimizer_state *state, struct sw_hal *hal,
                                      const struct sw_trial_spec *spec,
                                      const struct sw_net_param *param,
                                      struct sw_param_states *states, int64_t step, double lr) {
    const struct sw_factors factors = sw_optimizer_state_factors(state, param, states);
    struct sw_factor_events events = {0};
    SW_TRY(state->optimizer->update_factored(hal, spec, param, &factors, step, lr, &events));
    states->events.unbalanced += events.unbalanced;
    states->events.flipped += events.flipped;
    return SW_OK;
}

enum sw_status sw_optimizer_state_update(struct sw_optimizer_state *state, struct sw_net *net,
                                         const struct sw_trial_spec *spec, int64_t step, double lr,
                                         const double *lr_factors) {
    struct sw_hal *hal = sw_net_hal(net);
    int64_t n_params = 0;
    const struct sw_net_param *params = sw_net_params(net, &n_params);
    for (int64_t p = 0; p < n_params; p++) {
        struct sw_param_states *states = &state->params[p];
        int64_t own_step = step - states->begun;
        if (!sw_role_is_trained(params[p].param->role)) continue;
        const double own_lr = lr_factors != NULL ? lr * lr_factors[p] : lr;
        if (states->u != NULL)
            SW_TRY(update_factored(state, hal, spec, &params[p], states, own_step, own_lr));
        else
            SW_TRY(
                state->optimizer->update(hal, spec, &params[p], states->buffer, own_step, own_lr));
    }
    return SW_OK;
}
