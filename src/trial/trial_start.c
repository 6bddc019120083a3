/* What a round starts from: initial weights and mask. */
#include "trial_run.h"

#include <math.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

/* ---- memory -------------------------------------------------------------------------------------- */

/* The plan and this process must mean the same network and the same training. */
static enum sw_status check_task(const struct sw_trial_run *run) {
    const struct sw_round_task *task = run->task;
    int64_t steps = sw_train_steps(&run->spec, run->data->count[SW_SPLIT_TRAIN]);
    int64_t first = task->plan.rewind_to;
    int64_t points = sw_train_curve_points_from(&run->spec, first, steps);
    bool keeps = sw_round_keeps_weights(&run->spec, &task->plan);
    if (task->n_layers != run->arch.n_layers)
        return SW_FAIL(SW_INTERNAL, "the task has %lld layers, its model %s has %lld",
                       (long long) task->n_layers, run->arch.model, (long long) run->arch.n_layers);
    if (steps != task->plan.steps || points != task->plan.curve_points)
        return SW_FAIL(SW_INTERNAL,
                       "the task has %lld steps and %lld evaluations instead of %lld and %lld",
                       (long long) task->plan.steps, (long long) task->plan.curve_points,
                       (long long) steps, (long long) points);
    if (first < 0 || (first > 0 && first >= steps) ||
        (first > 0 && !keeps) != (task->plan.theta_k_owner >= 0))
        return SW_FAIL(SW_INTERNAL,
                       "the task begins with step %lld of %lld, with weights of row %lld",
                       (long long) first, (long long) steps, (long long) task->plan.theta_k_owner);
    return SW_OK;
}

static enum sw_status alloc_run(struct sw_trial_run *run) {
    size_t layers = (size_t) run->arch.n_layers;
    SW_TRY(SW_ALLOC(&run->theta0, (size_t) run->arch.parameters, "initial weights"));
    SW_TRY(SW_ALLOC(&run->mask, (size_t) run->arch.mask_bytes, "a mask"));
    SW_TRY(SW_ALLOC(&run->curve, (size_t) run->task->plan.curve_points, "a curve"));
    SW_TRY(SW_ALLOC(&run->gradient_norm, layers, "gradient norms"));
    SW_TRY(SW_ALLOC(&run->layers, layers, "layer records"));
    return SW_ALLOC(&run->alerts, SW_ALERTS_MAX, "alerts");
}

/* What monitors compare with. */
static enum sw_status load_dense(struct sw_trial_run *run) {
    const struct sw_round_task *task = run->task;
    if (task->plan.round == 0 || !sw_monitors_need_dense(run->spec.monitor)) return SW_OK;
    const size_t points = (size_t) task->dense_points;
    SW_TRY(SW_ALLOC(&run->dense, points, "the dense network's curve"));
    SW_TRY(run->sink->load(run->sink->context, task->dense_row, SW_SECTION_CURVES, 0, run->dense,
                           points * sizeof *run->dense));
    run->watch.dense = run->dense;
    run->watch.n_dense = task->dense_points;
    run->watch.dense_end = strcmp(run->spec.rewind_mode, "fine-tune") == 0;
    return SW_OK;
}

enum sw_status sw_trial_prepare(struct sw_trial_run *run) {
    const struct sw_trial_spec *spec = &run->spec;
    const struct sw_data_info *info = &run->data->info;
    sw_train_round_spec(&run->task->spec, run->task->plan.round, run->data->count[SW_SPLIT_TRAIN],
                        &run->spec);
    SW_TRY(sw_arch_create(spec->model_name, info->shape, info->classes, &run->arch));
    SW_TRY(check_task(run));
    SW_TRY(alloc_run(run));
    for (int64_t l = 0; l < run->arch.n_layers; l++)
        run->gradient_norm[l] = NAN;
    run->settled = -1;
    run->within = sw_prune_is_within(spec) && run->task->plan.round > 0 &&
                  run->task->plan.control == SW_CONTROL_TICKET;
    run->watch.alerts = run->alerts;
    run->watch.gradient_norm = run->gradient_norm;
    run->watch.evaluate_every = spec->train_evaluate_every;
    run->watch.first_step = run->task->plan.rewind_to;
    SW_TRY(load_dense(run));
    sw_trial_plan_record(run->task, &run->arch, run->place, &run->record);
    return SW_OK;
}

void sw_trial_release(struct sw_trial_run *run) {
    sw_net_destroy(&run->net);
    SW_FREE(&run->theta0);
    SW_FREE(&run->theta_k);
    SW_FREE(&run->lr_factors);
    SW_FREE(&run->mask);
    SW_FREE(&run->forced);
    SW_FREE(&run->curve);
    SW_FREE(&run->gradient_norm);
    sw_signs_destroy(&run->signs);
    SW_FREE(&run->layers);
    SW_FREE(&run->alerts);
    SW_FREE(&run->calls);
    SW_FREE(&run->dense);
    SW_FREE(&run->checkpoint);
    sw_arch_fini(&run->arch);
}

/* ---- theta0 -------------------------------------------------------------------------------------- */

/* Those that `mask` keeps; NULL: all. */
static enum sw_status draw_kept(const struct sw_round_task *task, const struct sw_arch *arch,
                                const uint8_t *mask, float *out) {
    const struct sw_trial_spec *spec = &task->spec;
    const struct sw_init *init = sw_init_find(spec->model_init);
    if (init == NULL)
        return SW_FAIL(SW_CONFIG, "model.init: there is no distribution '%s'", spec->model_init);
    bool reinit = task->plan.control == SW_CONTROL_REINIT;
    sw_init_kept(arch, init, sw_norm_scale_is_uniform(spec->model_norm_scale),
                 (uint64_t) spec->seed, reinit ? SW_RANDOM_REINIT : SW_RANDOM_INIT,
                 reinit ? task->plan.round : 0, mask, out);
    return SW_OK;
}

enum sw_status sw_trial_draw_theta0(const struct sw_round_task *task, const struct sw_arch *arch,
                                    float *out) {
    return draw_kept(task, arch, NULL, out);
}

enum sw_status sw_trial_draw(struct sw_trial_run *run, const uint8_t *mask) {
    SW_TRY(draw_kept(run->task, &run->arch, mask, run->theta0));
    run->theta0_whole = mask == NULL;
    return SW_OK;
}

/* Drawing a normal number costs more than anything else between two trainings. */
enum sw_status sw_trial_make_theta0(struct sw_trial_run *run) {
    const struct sw_round_plan *plan = &run->task->plan;
    bool hands_over = plan->theta0_owner == plan->row;
    bool looked_at = (plan->theta_k_owner < 0 && !sw_round_keeps_weights(&run->spec, plan)) ||
                     sw_train_sign_reference(&run->spec, plan->round) == SW_SIGN_THETA0 ||
                     sw_trial_watches_signs(&run->spec);
    if (!run->theta0_whole && (hands_over || looked_at))
        SW_TRY(sw_trial_draw(run, hands_over ? NULL : run->mask));
    if (sw_sparse_init_acts(&run->spec, plan->round, (enum sw_control) plan->control))
        sw_sparse_init_scale(&run->spec, &run->arch, run->mask, run->theta0);
    return SW_OK;
}

/* ---- mask ---------------------------------------------------------------------------------------- */

/* A mask that came from outside has to be the one that was planned: as far as that is exact in
 * advance, and no more weights than there is room for. */
static enum sw_status check_mask(const struct sw_trial_run *run, const uint8_t *mask,
                                 const int64_t *planned, int64_t row, int64_t round) {
    const struct sw_arch *arch = &run->arch;
    struct sw_trial_spec stage;
    sw_prune_stage(&run->spec, round, &stage);
    bool exact = sw_prune_known(&stage) == SW_PRUNE_KNOWS_LAYERS;
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(arch, l);
        const uint8_t *bits = mask + layer->mask_offset;
        int64_t count = sw_mask_count(bits, layer->count);
        if ((exact ? count != planned[l] : count > planned[l]) ||
            !sw_mask_is_clean(bits, layer->count))
            return SW_FAIL(SW_DAMAGED,
                           "the mask of row %lld keeps %lld weights of %s, planned are %s%lld",
                           (long long) row, (long long) count, layer->name, exact ? "" : "at most ",
                           (long long) planned[l]);
    }
    return SW_OK;
}

/* Count what the mask of this round keeps; in all it is what was planned, or at most that. */
enum sw_status sw_trial_count_mask(struct sw_trial_run *run) {
    const struct sw_round_plan *plan = &run->task->plan;
    int64_t total = 0;
    SW_TRY(check_mask(run, run->mask, run->task->kept, plan->row, plan->round));
    for (int64_t l = 0; l < run->arch.n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(&run->arch, l);
        run->kept[l] = sw_mask_count(run->mask + layer->mask_offset, layer->count);
        total += run->kept[l];
    }
    struct sw_trial_spec stage;
    sw_prune_stage(&run->spec, plan->round, &stage);
    bool exact = sw_prune_known(&stage) != SW_PRUNE_KNOWS_BOUNDS;
    if (exact ? total != plan->nnz : total > plan->nnz)
        return SW_FAIL(SW_DAMAGED, "the mask of row %lld keeps %lld weights, planned are %s%lld",
                       (long long) plan->row, (long long) total, exact ? "" : "at most ",
                       (long long) plan->nnz);
    sw_trial_count_kept(run);
    return SW_OK;
}

void sw_trial_keep_all(const struct sw_trial_run *run, uint8_t *mask) {
    for (int64_t l = 0; l < run->arch.n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(&run->arch, l);
        sw_mask_fill(mask + layer->mask_offset, layer->count);
    }
}

enum sw_status sw_trial_load_mask(const struct sw_trial_run *run, int64_t row, int64_t round,
                                  const int64_t *planned, uint8_t *mask) {
    SW_TRY(run->sink->load(run->sink->context, row, SW_SECTION_MASK, 0, mask,
                           (size_t) run->arch.mask_bytes));
    return check_mask(run, mask, planned, row, round);
}

/* The ticket's mask, or what the control makes of it. */
static enum sw_status derive_mask(struct sw_trial_run *run) {
    const struct sw_round_plan *plan = &run->task->plan;
    size_t bytes = (size_t) run->arch.mask_bytes;
    uint8_t *ticket = NULL;
    enum sw_status status = SW_OK;
    SW_TRY_TO(SW_ALLOC(&ticket, bytes, "the ticket's mask"), status, cleanup);
    SW_TRY_TO(sw_trial_load_mask(run, plan->parent, plan->round, run->task->parent_kept, ticket),
              status, cleanup);
    SW_TRY_TO(sw_prune_control_mask(&run->spec, &run->arch, (enum sw_control) plan->control,
                                    plan->round, ticket, run->mask),
              status, cleanup);
cleanup:
    SW_FREE(&ticket);
    return status;
}

/* The mask that a round begins with which is pruned while it trains. */
static enum sw_status take_parent_mask(struct sw_trial_run *run) {
    const struct sw_round_plan *plan = &run->task->plan;
    SW_TRY(sw_trial_load_mask(run, plan->parent, sw_prune_parent_round(&run->spec, plan->round),
                              run->task->parent_kept, run->mask));
    return sw_trial_begin_within(run);
}

static enum sw_status make_mask(struct sw_trial_run *run) {
    const struct sw_round_plan *plan = &run->task->plan;
    if (run->within) return take_parent_mask(run);
    if (plan->control != SW_CONTROL_TICKET)
        SW_TRY(derive_mask(run));
    else if (plan->round == 0)
        sw_trial_keep_all(run, run->mask);
    else
        SW_TRY(sw_trial_prune_parent(run));
    return sw_trial_count_mask(run);
}

enum sw_status sw_trial_make_mask(struct sw_trial_run *run) {
    SW_TRY(make_mask(run));
    run->start_mask = sw_digest_of(run->mask, (size_t) run->arch.mask_bytes);
    return SW_OK;
}

/* ---- removed filters ----------------------------------------------------------------------------- */

enum sw_status sw_trial_silence(struct sw_trial_run *run, struct sw_net *net) {
    float *survivors = NULL;
    enum sw_status status = SW_OK;
    struct sw_trial_spec stage;
    sw_prune_stage(&run->spec, run->task->plan.round, &stage);
    if (!sw_prune_silences(&stage, (enum sw_control) run->task->plan.control)) return SW_OK;
    SW_TRY_TO(SW_ALLOC(&survivors, (size_t) sw_net_survivors(net), "weights"), status, cleanup);
    SW_TRY_TO(sw_net_get_survivors(net, survivors), status, cleanup);
    sw_prune_silence(&run->arch, run->mask, survivors);
    SW_TRY_TO(sw_net_set_survivors(net, survivors), status, cleanup);
cleanup:
    SW_FREE(&survivors);
    return status;
}
