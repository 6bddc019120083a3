/* Rewinding: the weights of some steps of the dense training, kept for the rounds that begin with them. */
#include "trial_run.h"

#include <string.h>

#include "sweepstake/memory.h"

enum sw_status sw_trial_load_theta_k(struct sw_trial_run *run) {
    const struct sw_round_plan *plan = &run->task->plan;
    bool takes = plan->theta_k_owner < 0;
    int64_t n = takes ? plan->snapshots : run->task->theta_k_count;
    if (plan->snapshots < 0 || plan->snapshots > SW_SNAPSHOTS_MAX ||
        (!takes && (plan->theta_k_index < 0 || plan->theta_k_index >= n)))
        return SW_FAIL(SW_INTERNAL, "the task names snapshot %lld of %lld",
                       (long long) plan->theta_k_index, (long long) n);
    if (n == 0) return SW_OK;
    size_t count = (size_t) (n * run->arch.parameters);
    SW_TRY(SW_ALLOC(&run->theta_k, count, "weights to rewind to"));
    if (takes) return SW_OK;
    return run->sink->load(run->sink->context, plan->theta_k_owner, SW_SECTION_THETA_K,
                           run->theta_k, count * sizeof *run->theta_k);
}

const float *sw_trial_start_weights(const struct sw_trial_run *run) {
    const struct sw_round_plan *plan = &run->task->plan;
    if (plan->theta_k_owner < 0) return run->theta0;
    return run->theta_k + plan->theta_k_index * run->arch.parameters;
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
