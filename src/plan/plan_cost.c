#include <string.h>

#include "plan_internal.h"
#include "sweepstake/monitor.h"
#include "sweepstake/prune.h"
#include "sweepstake/train.h"

/* What a process needs before it trains anything: the program, its libraries, stacks, MPI's
 * buffers. */
#define PROCESS_BYTES ((int64_t) 24 << 20)

int64_t sw_plan_rank_bytes(const struct sw_plan *plan, int64_t row) {
    const struct sw_sweep *sweep = &plan->sweep;
    const struct sw_round_plan *round = &sweep->rounds[row];
    const struct sw_arch *arch = &sweep->archs[round->arch];
    struct sw_trial_spec round_spec;
    sw_train_round_spec(&sweep->trials[round->trial], round->round, sweep->datas[round->data].train,
                        &round_spec);
    const struct sw_trial_spec *spec = &round_spec;
    int64_t batch = sw_train_max_batch(spec, arch);
    struct sw_net_memory memory;
    struct sw_payload_layout payload;
    int64_t likely[SW_MAX_LAYERS];
    struct sw_net_storage storage;
    sw_prune_likely(spec, arch, round->round - (round->start_survivors > round->survivors), likely);
    struct sw_trial_spec stage;
    sw_prune_stage(spec, round->round, &stage);
    sw_prune_storage(&stage, (enum sw_control) round->control, &storage);
    bool units = sw_prune_removes_units(&stage) && round->control != SW_CONTROL_RANDOM &&
                 !storage.forced;
    if (units)
        sw_net_predict_unit_memory(arch, likely, batch, plan->source->isa, &memory);
    else
        sw_net_predict_memory(arch, likely, batch, plan->source->isa, &storage, &memory);
    sw_payload_lay_out(round, &payload);
    /* While pruning: initial weights, trained weights, scores of the whole network, and their ranks. */
    int64_t pruning = 4 * arch->parameters * (int64_t) sizeof(float);
    /* Snapshots that it takes, or the one that it begins with: in shared memory, and its own. */
    int64_t snapshots = round->theta_k_owner >= 0 ? 2 : round->snapshots;
    if (sw_round_keeps_weights(spec, round))
        snapshots++; /* its parent's weights, as it begins with them */
    /* The same for the dense weights whose signs are looked at. */
    if (sw_train_sign_reference(spec, round->round) == SW_SIGN_DENSE) snapshots += 2;
    pruning += snapshots * arch->parameters * (int64_t) sizeof(float);
    if (round->control == SW_CONTROL_TICKET)
        pruning += sw_prune_bytes(spec, arch, round->round, plan->source->isa);
    if (sw_watch_has(spec->monitor, "signs"))
        pruning += sw_signs_bytes(round->nnz, arch->n_layers) +
                   sw_signs_saved_bytes(round->nnz, arch->n_layers);
    int64_t order = sweep->datas[round->data].train * (int64_t) sizeof(int32_t);
    const struct sw_train_extent extent = sw_train_extent_of(
        spec, round->round, round->start_survivors,
        round->nnz + round->start_survivors - round->survivors, arch->n_layers);
    /* The history of clipping is held twice, and saved. */
    int64_t checkpoint = sw_train_saved_bytes(spec, &extent, round->curve_points) +
                         3 * sw_train_clip_bytes(spec, arch->n_layers);
    return PROCESS_BYTES + memory.weights + memory.gradients + memory.activations +
           memory.workspace + sw_train_accumulator_bytes(spec, round->start_survivors) +
           sw_train_state_bytes(spec, &extent) + (int64_t) payload.total + pruning + order +
           checkpoint;
}

void sw_plan_cost(const struct sw_sweep *sweep, struct sw_plan_cost *out) {
    memset(out, 0, sizeof *out);
    out->trials = sweep->n_trials;
    out->rounds = sweep->n_rounds;
    out->shared_rounds = sweep->shared;
    for (int64_t i = 0; i < sweep->n_datas; i++)
        out->node_bytes += sweep->datas[i].block_bytes;
    for (int64_t row = 0; row < sweep->n_rounds; row++) {
        const struct sw_round_plan *round = &sweep->rounds[row];
        if (round->rank_bytes > out->rank_bytes) out->rank_bytes = round->rank_bytes;
        out->flops += round->flops;
        struct sw_trial_spec stage;
        sw_prune_stage(&sweep->trials[round->trial], round->round, &stage);
        if (round->round > 0 && sw_prune_known(&stage) != SW_PRUNE_KNOWS_LAYERS) out->about = true;
        out->steps += (double) (round->steps - round->rewind_to);
    }
}
