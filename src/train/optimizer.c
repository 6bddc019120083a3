#include "optimizer.h"

#include <string.h>

#include "sweepstake/memory.h"

#define SW_OPTIMIZER(symbol) extern const struct sw_optimizer symbol;
#include "optimizers.def"
#undef SW_OPTIMIZER

static const struct sw_optimizer *const optimizers[] = {
#define SW_OPTIMIZER(symbol) &symbol,
#include "optimizers.def"
#undef SW_OPTIMIZER
};
#define N_OPTIMIZERS (sizeof optimizers / sizeof *optimizers)

const struct sw_optimizer *sw_optimizer_at(size_t index) {
    return index < N_OPTIMIZERS ? optimizers[index] : NULL;
}

const struct sw_optimizer *sw_optimizer_find(const char *name) {
    for (size_t i = 0; i < N_OPTIMIZERS; i++)
        if (strcmp(optimizers[i]->name, name) == 0) return optimizers[i];
    return NULL;
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
    int64_t n_buffers = state.n_params * state.n_states;
    SW_TRY(SW_ALLOC(&state.buffers, (size_t) n_buffers, "table of optimizer states"));
    for (int64_t i = 0; i < n_buffers; i++) {
        int64_t bytes = params[i / state.n_states].n * (int64_t) sizeof(float);
        SW_TRY_TO(sw_hal_alloc(sw_net_hal(net), bytes, "optimizer state", &state.buffers[i]),
                  status, cleanup);
        state.bytes += bytes;
    }
    *out = state;
    return SW_OK;
cleanup:
    sw_optimizer_state_fini(&state);
    return status;
}

void sw_optimizer_state_fini(struct sw_optimizer_state *state) {
    for (int64_t i = 0; state->buffers != NULL && i < state->n_params * state->n_states; i++)
        sw_hal_free(&state->buffers[i]);
    SW_FREE(&state->buffers);
}

enum sw_status sw_optimizer_state_update(const struct sw_optimizer_state *state, struct sw_net *net,
                                         const struct sw_trial_spec *spec, int64_t step,
                                         double lr) {
    int64_t n_params = 0;
    const struct sw_net_param *params = sw_net_params(net, &n_params);
    for (int64_t p = 0; p < n_params; p++)
        SW_TRY(state->optimizer->update(sw_net_hal(net), spec, &params[p],
                                        state->buffers + p * state->n_states, step, lr));
    return SW_OK;
}
