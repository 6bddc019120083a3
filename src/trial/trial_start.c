/* What a round starts from: initial weights and mask. */
#include "trial_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "sweepstake/prune.h"

/* ---- memory -------------------------------------------------------------------------------------- */

/* The plan and this process must mean the same network and the same training. */
static enum sw_status check_task(const struct sw_trial_run *run) {
    const struct sw_round_task *task = run->task;
    int64_t steps = sw_train_steps(&task->spec, run->data->count[SW_SPLIT_TRAIN]);
    int64_t first = task->plan.rewind_to;
    int64_t points = sw_train_curve_points_from(&task->spec, first, steps);
    if (task->n_layers != run->arch.n_layers)
        return SW_FAIL(SW_INTERNAL, "the task has %lld layers, its model %s has %lld",
                       (long long) task->n_layers, run->arch.model, (long long) run->arch.n_layers);
    if (steps != task->plan.steps || points != task->plan.curve_points)
        return SW_FAIL(SW_INTERNAL,
                       "the task has %lld steps and %lld evaluations instead of %lld and %lld",
                       (long long) task->plan.steps, (long long) task->plan.curve_points,
                       (long long) steps, (long long) points);
    if (first < 0 || (first > 0 && first >= steps) ||
        (first > 0) != (task->plan.theta_k_owner >= 0))
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

enum sw_status sw_trial_prepare(struct sw_trial_run *run) {
    const struct sw_trial_spec *spec = &run->task->spec;
    const struct sw_data_info *info = &run->data->info;
    SW_TRY(sw_arch_create(spec->model_name, info->shape, info->classes, &run->arch));
    SW_TRY(check_task(run));
    SW_TRY(alloc_run(run));
    for (int64_t l = 0; l < run->arch.n_layers; l++)
        run->gradient_norm[l] = NAN;
    run->watch.alerts = run->alerts;
    run->watch.gradient_norm = run->gradient_norm;
    run->watch.evaluate_every = spec->train_evaluate_every;
    sw_trial_plan_record(run->task, &run->arch, run->place, &run->record);
    return SW_OK;
}

void sw_trial_release(struct sw_trial_run *run) {
    sw_net_destroy(&run->net);
    SW_FREE(&run->theta0);
    SW_FREE(&run->theta_k);
    SW_FREE(&run->mask);
    SW_FREE(&run->forced);
    SW_FREE(&run->curve);
    SW_FREE(&run->gradient_norm);
    SW_FREE(&run->layers);
    SW_FREE(&run->alerts);
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

static enum sw_status draw_theta0(struct sw_trial_run *run, const uint8_t *mask) {
    SW_TRY(draw_kept(run->task, &run->arch, mask, run->theta0));
    run->theta0_whole = mask == NULL;
    return SW_OK;
}

/* Drawing a normal number costs more than anything else between two trainings. */
enum sw_status sw_trial_make_theta0(struct sw_trial_run *run) {
    const struct sw_round_plan *plan = &run->task->plan;
    bool hands_over = plan->theta0_owner == plan->row;
    bool looked_at = plan->theta_k_owner < 0 ||
                     sw_train_sign_reference(&run->task->spec, plan->round) == SW_SIGN_THETA0;
    if (run->theta0_whole || (!hands_over && !looked_at)) return SW_OK;
    return draw_theta0(run, hands_over ? NULL : run->mask);
}

/* ---- mask ---------------------------------------------------------------------------------------- */

/* A mask that came from outside has to be the one that was planned: as far as that is exact in
 * advance, and no more weights than there is room for. */
static enum sw_status check_mask(const struct sw_trial_run *run, const uint8_t *mask,
                                 const int64_t *planned, int64_t row, int64_t round) {
    const struct sw_arch *arch = &run->arch;
    struct sw_trial_spec stage;
    sw_prune_stage(&run->task->spec, round, &stage);
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
static enum sw_status count_mask(struct sw_trial_run *run) {
    const struct sw_round_plan *plan = &run->task->plan;
    int64_t total = 0;
    SW_TRY(check_mask(run, run->mask, run->task->kept, plan->row, plan->round));
    for (int64_t l = 0; l < run->arch.n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(&run->arch, l);
        run->kept[l] = sw_mask_count(run->mask + layer->mask_offset, layer->count);
        total += run->kept[l];
    }
    struct sw_trial_spec stage;
    sw_prune_stage(&run->task->spec, plan->round, &stage);
    bool exact = sw_prune_known(&stage) != SW_PRUNE_KNOWS_BOUNDS;
    if (exact ? total != plan->nnz : total > plan->nnz)
        return SW_FAIL(SW_DAMAGED, "the mask of row %lld keeps %lld weights, planned are %s%lld",
                       (long long) plan->row, (long long) total, exact ? "" : "at most ",
                       (long long) plan->nnz);
    sw_trial_count_kept(run);
    return SW_OK;
}

static void keep_all(struct sw_trial_run *run) {
    for (int64_t l = 0; l < run->arch.n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(&run->arch, l);
        sw_mask_fill(run->mask + layer->mask_offset, layer->count);
    }
}

static enum sw_status load(const struct sw_trial_run *run, enum sw_section section, void *out,
                           size_t bytes) {
    return run->sink->load(run->sink->context, run->task->plan.parent, section, 0, out, bytes);
}

/* The mask before pruning and the weights that its training ended with. */
static enum sw_status load_parent(const struct sw_trial_run *run, uint8_t **mask,
                                  float **survivors) {
    const struct sw_arch *arch = &run->arch;
    int64_t n = arch->parameters - arch->prunable;
    SW_TRY(SW_ALLOC(mask, (size_t) arch->mask_bytes, "the parent's mask"));
    SW_TRY(load(run, SW_SECTION_MASK, *mask, (size_t) arch->mask_bytes));
    SW_TRY(check_mask(run, *mask, run->task->parent_kept, run->task->plan.parent,
                      run->task->plan.round - 1));
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(arch, l);
        n += sw_mask_count(*mask + layer->mask_offset, layer->count);
    }
    SW_TRY(SW_ALLOC(survivors, (size_t) n, "the parent's weights"));
    return load(run, SW_SECTION_WEIGHTS, *survivors, (size_t) n * sizeof **survivors);
}

/* A person should know where a floor, not the scores, decided. */
static void report_floors(struct sw_trial_run *run, const struct sw_prune_report *report) {
    char message[80];
    if (sw_prune_note(&run->task->spec, &run->arch, run->task->plan.round, message, sizeof message))
        sw_watch_alert(&run->watch, "prune", run->task->plan.rewind_to,
                       run->task->spec.prune_ratio_cap, message);
    for (int64_t l = 0; l < run->arch.n_layers; l++) {
        const char *name = sw_arch_layer(&run->arch, l)->name;
        int64_t held_at = report->held_at[l];
        if (held_at < 0) continue;
        (void) snprintf(message, sizeof message,
                        held_at == 0 ? "layer collapse: only prune.min_keep holds %s"
                                     : "prune.min_keep holds more of %s than was to stay",
                        name);
        sw_watch_alert(&run->watch, "prune", run->task->plan.rewind_to, (double) held_at, message);
    }
}

/* The parent has the same theta0 as this round: it is drawn again, not loaded. */
static enum sw_status prune_parent(struct sw_trial_run *run) {
    struct sw_prune_report report;
    uint8_t *mask = NULL;
    float *survivors = NULL;
    enum sw_status status = SW_OK;
    const struct sw_criterion *criterion = sw_criterion_find(run->task->spec.prune_criterion);
    SW_TRY_TO(load_parent(run, &mask, &survivors), status, cleanup);
    if (criterion != NULL && criterion->uses_theta0)
        SW_TRY_TO(draw_theta0(run, NULL), status, cleanup);
    SW_TRY_TO(sw_prune_round(&run->task->spec, &run->arch, run->task->plan.round, mask, survivors,
                             run->theta0, run->mask, &report),
              status, cleanup);
    report_floors(run, &report);
    if (sw_prune_is_conversion(&run->task->spec, run->task->plan.round))
        status = sw_trial_judge_conversion(run, mask, survivors);
cleanup:
    SW_FREE(&mask);
    SW_FREE(&survivors);
    return status;
}

/* The ticket's mask, or what the control makes of it. */
static enum sw_status derive_mask(struct sw_trial_run *run) {
    const struct sw_round_plan *plan = &run->task->plan;
    size_t bytes = (size_t) run->arch.mask_bytes;
    uint8_t *ticket = NULL;
    enum sw_status status = SW_OK;
    SW_TRY_TO(SW_ALLOC(&ticket, bytes, "the ticket's mask"), status, cleanup);
    SW_TRY_TO(load(run, SW_SECTION_MASK, ticket, bytes), status, cleanup);
    SW_TRY_TO(check_mask(run, ticket, run->task->parent_kept, plan->parent, plan->round), status,
              cleanup);
    SW_TRY_TO(sw_prune_control_mask(&run->task->spec, &run->arch, (enum sw_control) plan->control,
                                    plan->round, ticket, run->mask),
              status, cleanup);
cleanup:
    SW_FREE(&ticket);
    return status;
}

enum sw_status sw_trial_make_mask(struct sw_trial_run *run) {
    const struct sw_round_plan *plan = &run->task->plan;
    if (plan->control != SW_CONTROL_TICKET)
        SW_TRY(derive_mask(run));
    else if (plan->round == 0)
        keep_all(run);
    else
        SW_TRY(prune_parent(run));
    return count_mask(run);
}

/* ---- removed filters ----------------------------------------------------------------------------- */

enum sw_status sw_trial_silence(struct sw_trial_run *run, struct sw_net *net) {
    float *survivors = NULL;
    enum sw_status status = SW_OK;
    struct sw_trial_spec stage;
    sw_prune_stage(&run->task->spec, run->task->plan.round, &stage);
    if (!sw_prune_silences(&stage, (enum sw_control) run->task->plan.control)) return SW_OK;
    SW_TRY_TO(SW_ALLOC(&survivors, (size_t) sw_net_survivors(net), "weights"), status, cleanup);
    SW_TRY_TO(sw_net_get_survivors(net, survivors), status, cleanup);
    sw_prune_silence(&run->arch, run->mask, survivors);
    SW_TRY_TO(sw_net_set_survivors(net, survivors), status, cleanup);
cleanup:
    SW_FREE(&survivors);
    return status;
}
