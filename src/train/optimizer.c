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

/* The arrays of one parameter, zeroed; statistics have none. */
static enum sw_status add_param(struct sw_optimizer_state *state, struct sw_hal *hal,
                                const struct sw_net_param *param, struct sw_param_states *added) {
    int64_t bytes = param->n * (int64_t) sizeof(float);
    if (!sw_role_is_trained(param->param->role)) return SW_OK;
    for (int s = 0; s < state->n_states; s++) {
        SW_TRY(sw_hal_alloc(hal, bytes, "optimizer state", &added->buffer[s]));
        state->bytes += bytes;
    }
    return SW_OK;
}

enum sw_status sw_optimizer_state_init(struct sw_net *net, const struct sw_trial_spec *spec,
                                       struct sw_optimizer_state *out) {
    struct sw_optimizer_state state = {.optimizer = sw_optimizer_find(spec->train_optimizer_name)};
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
    for (int64_t p = 0; state->params != NULL && p < state->n_params; p++)
        for (int s = 0; s < state->n_states; s++)
            sw_hal_free(&state->params[p].buffer[s]);
    SW_FREE(&state->params);
}

enum sw_status sw_optimizer_state_update(const struct sw_optimizer_state *state, struct sw_net *net,
                                         const struct sw_trial_spec *spec, int64_t step, double lr,
                                         const double *lr_factors) {
    int64_t n_params = 0;
    const struct sw_net_param *params = sw_net_params(net, &n_params);
    for (int64_t p = 0; p < n_params; p++)
        if (sw_role_is_trained(params[p].param->role))
            SW_TRY(state->optimizer->update(sw_net_hal(net), spec, &params[p],
                                            state->params[p].buffer, step,
                                            lr_factors != NULL ? lr * lr_factors[p] : lr));
    return SW_OK;
}
