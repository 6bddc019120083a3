#include <string.h>

#include "plan_internal.h"
#include "sweepstake/train.h"

/* Something that one field turns on, whose settings stand below a prefix. */
struct switchable {
    const char *key, *prefix, *off;
};
static const struct switchable switches[] = {
    {"signin.enabled", "signin.", "false"},
    {"sign.seed_force.reference", "sign.seed_force.", "none"},
};
#define N_SWITCHES (sizeof switches / sizeof *switches)

static bool is_below(const char *key, const char *prefix) {
    return strncmp(key, prefix, strlen(prefix)) == 0;
}

static bool is_off(const struct sw_trial_spec *spec, const struct switchable *what) {
    char value[256];
    return strcmp(sw_spec_get(spec, sw_spec_find_field(what->key), value, sizeof value),
                  what->off) == 0;
}

bool sw_plan_is_switched_off(const struct sw_trial_spec *spec, const char *key) {
    for (size_t i = 0; i < N_SWITCHES; i++)
        if (is_below(key, switches[i].prefix)) return is_off(spec, &switches[i]);
    return false;
}

unsigned sw_plan_stage(const struct sw_trial_spec *spec, const struct sw_field *field) {
    bool dense = is_below(field->key, "signin.") && sw_train_is_factored(spec, 0);
    return dense ? SW_STAGE_TRAIN : field->stage;
}

/* ---- checking ------------------------------------------------------------------------------- */

static void check_setting(struct sw_plan *plan, const struct switchable *what,
                          const struct sw_plan_setting *setting) {
    const char *key = plan->fields[setting->field].key;
    if (setting->present && is_below(key, what->prefix) && strcmp(key, what->key) != 0)
        sw_plan_report(plan, setting->place, "%s is not used: %s is %s", key, what->key, what->off);
}

/* A point of an axis that turns it off itself, or a sweep that never turns it on. */
static void check_point(struct sw_plan *plan, const struct switchable *what,
                        const struct sw_plan_point *point, bool never) {
    const struct sw_plan_setting *own = sw_plan_point_find(point,
                                                           sw_plan_find_field(plan, what->key));
    bool off = own != NULL ? own->text != NULL && strcmp(own->text, what->off) == 0 : never;
    for (const struct sw_plan_setting *s = point->settings; off && s != NULL; s = s->next)
        check_setting(plan, what, s);
}

static void check_switch(struct sw_plan *plan, const struct switchable *what) {
    bool never = true;
    for (int64_t trial = 0; never && trial < plan->sweep.n_trials; trial++)
        never = is_off(&plan->sweep.trials[trial], what);
    for (int64_t i = 0; never && i < plan->n_fields; i++)
        check_setting(plan, what, &plan->base[i]);
    for (const struct sw_plan_axis *axis = plan->axes; axis != NULL; axis = axis->next)
        for (int64_t i = 0; i < axis->n_points && !sw_plan_is_full(plan); i++)
            check_point(plan, what, &axis->points[i], never);
}

void sw_plan_check_switches(struct sw_plan *plan) {
    for (size_t i = 0; i < N_SWITCHES; i++)
        if (!sw_plan_reported_below(plan, switches[i].key)) check_switch(plan, &switches[i]);
}
