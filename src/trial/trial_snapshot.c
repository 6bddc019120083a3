/* Rewinding: the weights of some steps of the dense training, kept for the rounds that begin with them. */
#include "trial_run.h"

#include <string.h>

#include "sweepstake/memory.h"

enum sw_status sw_trial_load_theta_k(struct sw_trial_run *run) {
    const struct sw_round_plan *plan = &run->task->plan;
    bool takes = plan->theta_k_owner < 0;
    if (sw_round_keeps_weights(&run->spec, plan))
        return SW_ALLOC(&run->theta_k, (size_t) run->arch.parameters, "the parent's weights");
    if (plan->snapshots < 0 || plan->snapshots > SW_SNAPSHOTS_MAX ||
        (!takes && (plan->theta_k_index < 0 || plan->theta_k_index >= SW_SNAPSHOTS_MAX)))
        return SW_FAIL(SW_INTERNAL, "the task takes %lld snapshots and begins with number %lld",
                       (long long) plan->snapshots, (long long) plan->theta_k_index);
    size_t n = (size_t) (takes ? plan->snapshots : 1), parameters = (size_t) run->arch.parameters;
    if (n == 0) return SW_OK;
    SW_TRY(SW_ALLOC(&run->theta_k, n * parameters, "weights to rewind to"));
    if (takes) return SW_OK;
    size_t bytes = parameters * sizeof *run->theta_k;
    return run->sink->load(run->sink->context, plan->theta_k_owner, SW_SECTION_THETA_K,
                           (size_t) plan->theta_k_index * bytes, run->theta_k, bytes);
}

const float *sw_trial_start_weights(const struct sw_trial_run *run) {
    const struct sw_round_plan *plan = &run->task->plan;
    bool initial = plan->theta_k_owner < 0 && !sw_round_keeps_weights(&run->spec, plan);
    return initial ? run->theta0 : run->theta_k;
}

/* Nothing is removed in a round that keeps snapshots: its survivors are all parameters in order. */
enum sw_status sw_trial_take_snapshot(struct sw_trial_run *run, int64_t step) {
    const struct sw_round_task *task = run->task;
    for (int64_t i = 0; i < task->plan.snapshots; i++) {
        if (task->snapshot_step[i] != step) continue;
        SW_TRY(sw_net_get_survivors(run->net, run->theta_k + i * run->arch.parameters));
        run->snapshots++;
    }
    return SW_OK;
}

void sw_trial_restore_snapshots(struct sw_trial_run *run, const void *from, int64_t done) {
    const struct sw_round_task *task = run->task;
    if (task->plan.snapshots == 0) return;
    memcpy(run->theta_k, from,
           (size_t) (task->plan.snapshots * run->arch.parameters) * sizeof *run->theta_k);
    for (int64_t i = 0; i < task->plan.snapshots; i++)
        run->snapshots += task->snapshot_step[i] < done;
}
