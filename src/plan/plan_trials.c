#include "plan_internal.h"
#include "sweepstake/memory.h"

/* Apply one setting; values were checked when they were read. */
static enum sw_status apply(const struct sw_plan *plan, const struct sw_plan_setting *setting,
                            struct sw_trial_spec *spec) {
    if (!setting->present || setting->text == NULL) return SW_OK;
    return sw_spec_set(spec, &plan->fields[setting->field], setting->text);
}

/* The point of an axis that a trial stands at. `*block` is the number of trials per point of the
 * axis before, and becomes that of this axis: the last axis runs fastest. */
static const struct sw_plan_point *point_of(const struct sw_plan_axis *axis, int64_t trial,
                                            int64_t *block) {
    *block /= axis->n_points;
    return &axis->points[trial / *block % axis->n_points];
}

enum sw_status sw_plan_make_trials(struct sw_plan *plan) {
    struct sw_sweep *sweep = &plan->sweep;
    struct sw_trial_spec base;
    int64_t n_trials = sw_plan_count_trials(plan);
    if (n_trials < 0) return SW_OK;
    sw_spec_set_defaults(&base);
    for (int64_t i = 0; i < plan->n_fields; i++)
        SW_TRY(apply(plan, &plan->base[i], &base));
    SW_TRY(SW_ALLOC(&sweep->trials, (size_t) n_trials, "trials"));
    SW_TRY(SW_ALLOC(&plan->trial_arch, (size_t) n_trials, "models of the trials"));
    SW_TRY(SW_ALLOC(&plan->trial_data, (size_t) n_trials, "data sets of the trials"));
    sweep->n_trials = n_trials;
    for (int64_t trial = 0; trial < n_trials; trial++) {
        int64_t block = n_trials;
        sweep->trials[trial] = base;
        for (const struct sw_plan_axis *axis = plan->axes; axis != NULL; axis = axis->next) {
            const struct sw_plan_point *point = point_of(axis, trial, &block);
            for (const struct sw_plan_setting *s = point->settings; s != NULL; s = s->next)
                SW_TRY(apply(plan, s, &sweep->trials[trial]));
        }
    }
    return SW_OK;
}

struct sw_plan_place sw_plan_find_place(const struct sw_plan *plan, int64_t trial,
                                        const char *key) {
    int64_t field = sw_plan_find_field(plan, key);
    int64_t block = plan->sweep.n_trials;
    for (const struct sw_plan_axis *axis = plan->axes; axis != NULL; axis = axis->next) {
        const struct sw_plan_setting *setting = sw_plan_point_find(point_of(axis, trial, &block),
                                                                   field);
        if (setting != NULL) return setting->place;
    }
    return plan->base[field].place;
}
