/* What a round starts from: initial weights and mask. */
#include "trial_run.h"

#include <math.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "sweepstake/prune.h"

/* ---- memory -------------------------------------------------------------------------------------- */

/* The plan and this process must mean the same network and the same training. */
static enum sw_status check_task(const struct sw_trial_run *run) {
    const struct sw_round_task *task = run->task;
    int64_t steps = sw_train_steps(&task->spec, run->data->count[SW_SPLIT_TRAIN]);
    int64_t points = sw_train_curve_points(&task->spec, steps);
    if (task->n_layers != run->arch.n_layers)
        return SW_FAIL(SW_INTERNAL, "the task has %lld layers, its model %s has %lld",
                       (long long) task->n_layers, run->arch.model, (long long) run->arch.n_layers);
    if (steps != task->plan.steps || points != task->plan.curve_points)
        return SW_FAIL(SW_INTERNAL,
                       "the task has %lld steps and %lld evaluations instead of %lld and %lld",
                       (long long) task->plan.steps, (long long) task->plan.curve_points,
                       (long long) steps, (long long) points);
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
    SW_FREE(&run->mask);
    SW_FREE(&run->curve);
    SW_FREE(&run->gradient_norm);
    SW_FREE(&run->layers);
    SW_FREE(&run->alerts);
    SW_FREE(&run->checkpoint);
    sw_arch_fini(&run->arch);
}

/* ---- theta0 -------------------------------------------------------------------------------------- */

enum sw_status sw_trial_make_theta0(struct sw_trial_run *run) {
    const struct sw_trial_spec *spec = &run->task->spec;
    const struct sw_round_plan *plan = &run->task->plan;
    const struct sw_init *init = sw_init_find(spec->model_init);
    if (init == NULL)
        return SW_FAIL(SW_CONFIG, "model.init: there is no distribution '%s'", spec->model_init);
    bool reinit = plan->control == SW_CONTROL_REINIT;
    sw_init_weights(&run->arch, init, (uint64_t) spec->seed,
                    reinit ? SW_RANDOM_REINIT : SW_RANDOM_INIT, reinit ? plan->round : 0,
                    run->theta0);
    return SW_OK;
}

/* ---- mask ---------------------------------------------------------------------------------------- */

/* A mask that came from outside has to be the one that was planned. */
static enum sw_status check_mask(const struct sw_arch *arch, const uint8_t *mask,
                                 const int64_t *kept, int64_t row) {
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(arch, l);
        const uint8_t *bits = mask + layer->mask_offset;
        int64_t count = sw_mask_count(bits, layer->count);
        if (count != kept[l] || !sw_mask_is_clean(bits, layer->count))
            return SW_FAIL(SW_DAMAGED,
                           "the mask of row %lld keeps %lld weights of %s, planned are %lld",
                           (long long) row, (long long) count, layer->name, (long long) kept[l]);
    }
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
    return run->sink->load(run->sink->context, run->task->plan.parent, section, out, bytes);
}

/* The mask before pruning and the weights that its training ended with. */
static enum sw_status load_parent(const struct sw_trial_run *run, uint8_t **mask,
                                  float **survivors) {
    const struct sw_arch *arch = &run->arch;
    int64_t n = arch->parameters - arch->prunable;
    for (int64_t l = 0; l < arch->n_layers; l++)
        n += run->task->parent_kept[l];
    SW_TRY(SW_ALLOC(mask, (size_t) arch->mask_bytes, "the parent's mask"));
    SW_TRY(load(run, SW_SECTION_MASK, *mask, (size_t) arch->mask_bytes));
    SW_TRY(check_mask(arch, *mask, run->task->parent_kept, run->task->plan.parent));
    SW_TRY(SW_ALLOC(survivors, (size_t) n, "the parent's weights"));
    return load(run, SW_SECTION_WEIGHTS, *survivors, (size_t) n * sizeof **survivors);
}

/* The parent has the same theta0 as this round: it is drawn again, not loaded. */
static enum sw_status prune_parent(struct sw_trial_run *run) {
    uint8_t *mask = NULL;
    float *survivors = NULL;
    enum sw_status status = SW_OK;
    SW_TRY_TO(load_parent(run, &mask, &survivors), status, cleanup);
    SW_TRY_TO(sw_prune_round(&run->task->spec, &run->arch, run->task->plan.round, mask, survivors,
                             run->theta0, run->task->kept, run->mask),
              status, cleanup);
cleanup:
    SW_FREE(&mask);
    SW_FREE(&survivors);
    return status;
}

enum sw_status sw_trial_make_mask(struct sw_trial_run *run) {
    const struct sw_round_plan *plan = &run->task->plan;
    if (plan->control != SW_CONTROL_TICKET)
        SW_TRY(load(run, SW_SECTION_MASK, run->mask, (size_t) run->arch.mask_bytes));
    else if (plan->round == 0)
        keep_all(run);
    else
        SW_TRY(prune_parent(run));
    return check_mask(&run->arch, run->mask, run->task->kept, plan->row);
}
