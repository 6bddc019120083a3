#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "plan_internal.h"

/* A plug-in chosen by one field, whose own settings stand below a prefix. */
struct group {
    const char *name_key, *prefix;
};
static const struct group groups[] = {
    {"data.name", "data."},
    {"train.optimizer.name", "train.optimizer."},
    {"train.schedule.name", "train.schedule."},
    {"train.clip.kind", "train.clip."},
    {"prune.criterion", "prune."},
    {"prune.allocation", "prune."},
    {"prune.schedule", "prune."},
};

#define NAMES_MAX 32
struct names {
    const char *name[NAMES_MAX];
    size_t n;
};

static void add_name(struct names *names, const char *name) {
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->name[i], name) == 0) return;
    if (names->n < NAMES_MAX) names->name[names->n++] = name;
}

/* ---- which plug-ins take a setting ---------------------------------------------------------- */

static bool takes(enum sw_registry registry, const char *name, const char *key) {
    const char *const *options = sw_plan_plugin_options(registry, name);
    for (; options != NULL && *options != NULL; options++)
        if (strcmp(*options, key) == 0) return true;
    return false;
}

/* Does some plug-in of the registry name this key as its own? Other keys are for all of them. */
static bool is_option(enum sw_registry registry, const char *key) {
    const char *word = NULL;
    for (size_t i = 0; (word = sw_plan_registry_word(registry, i, NULL)) != NULL; i++)
        if (takes(registry, word, key)) return true;
    return false;
}

/* ---- which plug-ins are chosen -------------------------------------------------------------- */

/* All that some trial has: a setting outside the maps that choose a plug-in meets any of them. */
static void list_chosen(const struct sw_plan *plan, int64_t name_field, struct names *names) {
    const struct sw_plan_setting *base = &plan->base[name_field];
    const char *base_name = base->present ? base->text : plan->fields[name_field].preset;
    bool base_used = true;
    for (const struct sw_plan_axis *axis = plan->axes; axis != NULL; axis = axis->next) {
        int64_t found = 0;
        for (int64_t i = 0; i < axis->n_points; i++) {
            const struct sw_plan_setting *name = sw_plan_point_find(&axis->points[i], name_field);
            if (name == NULL) continue;
            found++;
            if (name->text != NULL) add_name(names, name->text);
        }
        if (found == axis->n_points) base_used = false;
    }
    if (base_used && base_name != NULL) add_name(names, base_name);
}

/* ---- what decides over a training ----------------------------------------------------------- */

static bool is_below(const char *key, const char *prefix) {
    return strncmp(key, prefix, strlen(prefix)) == 0;
}

/* Can a field of this trial change anything? Not when it is an option of other plug-ins only, or of
 * something that is off. */
static bool is_used(const struct sw_trial_spec *spec, const char *key) {
    bool option = false;
    if (sw_plan_is_switched_off(spec, key)) return false;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (!is_below(key, groups[i].prefix)) continue;
        const struct sw_field *name = sw_spec_find_field(groups[i].name_key);
        const char *chosen = (const char *) spec + name->offset;
        if (takes(name->registry, chosen, key)) return true;
        option |= is_option(name->registry, key);
    }
    return !option;
}

enum sw_status sw_plan_identity(const struct sw_trial_spec *spec, unsigned stages,
                                struct sw_text *out) {
    size_t n_fields = 0;
    const struct sw_field *fields = sw_spec_fields(&n_fields);
    char value[256];
    for (size_t i = 0; i < n_fields; i++)
        if ((sw_plan_stage(spec, &fields[i]) & stages) != 0 && is_used(spec, fields[i].key))
            SW_TRY(sw_text_add(out, "%s: %s\n", fields[i].key,
                               sw_spec_get(spec, &fields[i], value, sizeof value)));
    /* A rate that is solved for depends on how many rounds there are. */
    if ((stages & SW_STAGE_PRUNE) != 0 && isnan(spec->prune_rate) && is_used(spec, "prune.rate"))
        SW_TRY(sw_text_add(out, "prune.rounds: %" PRId64 "\n", spec->prune_rounds));
    return SW_OK;
}

const char *sw_plan_not_for(const struct sw_plan *plan, const char *key) {
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        struct names chosen = {.n = 0};
        int64_t field = sw_plan_find_field(plan, groups[i].name_key);
        enum sw_registry registry = plan->fields[field].registry;
        if (!is_below(key, groups[i].prefix) || !is_option(registry, key)) continue;
        list_chosen(plan, field, &chosen);
        if (chosen.n == 1 && !takes(registry, chosen.name[0], key)) return chosen.name[0];
    }
    return NULL;
}

/* ---- checking ------------------------------------------------------------------------------- */

static void report_unused(struct sw_plan *plan, const struct sw_plan_setting *setting,
                          const struct group *group, enum sw_registry registry,
                          const struct names *names) {
    char who[300] = "", takes_text[300] = "";
    size_t used = 0;
    for (size_t i = 0; i < names->n && used < sizeof who; i++)
        used += (size_t) snprintf(who + used, sizeof who - used, "%s%s", i > 0 ? ", " : "",
                                  names->name[i]);
    const char *const *options = sw_plan_plugin_options(registry, names->name[0]);
    used = 0;
    for (size_t i = 0; names->n == 1 && options != NULL && options[i] != NULL; i++)
        if (used < sizeof takes_text)
            used += (size_t) snprintf(takes_text + used, sizeof takes_text - used, "%s%s",
                                      i > 0 ? ", " : ", which takes ",
                                      options[i] + strlen(group->prefix));
    sw_plan_report(plan, setting->place, "%s is not used by %s%s%s",
                   plan->fields[setting->field].key, names->n > 1 ? "any of " : "", who,
                   takes_text);
}

/* `names`: the plug-ins that the setting meets. */
static void check_setting(struct sw_plan *plan, const struct group *group, int64_t name_field,
                          const struct sw_plan_setting *setting, const struct names *names) {
    const char *key = plan->fields[setting->field].key;
    enum sw_registry registry = plan->fields[name_field].registry;
    if (setting->recipe || setting->field == name_field || !is_below(key, group->prefix)) return;
    if (!is_option(registry, key)) return;
    for (size_t i = 0; i < names->n; i++)
        if (takes(registry, names->name[i], key)) return;
    if (names->n > 0) report_unused(plan, setting, group, registry, names);
}

/* The settings of one point; when it chooses the plug-in itself, they meet only that one. */
static void check_point(struct sw_plan *plan, const struct group *group, int64_t name_field,
                        const struct sw_plan_point *point, const struct names *chosen) {
    const struct sw_plan_setting *name = sw_plan_point_find(point, name_field);
    struct names own = {.n = 0};
    if (name != NULL && name->text != NULL) add_name(&own, name->text);
    for (const struct sw_plan_setting *s = point->settings; s != NULL; s = s->next)
        check_setting(plan, group, name_field, s, name != NULL ? &own : chosen);
}

static void check_group(struct sw_plan *plan, const struct group *group) {
    int64_t name_field = sw_plan_find_field(plan, group->name_key);
    struct names chosen = {.n = 0};
    list_chosen(plan, name_field, &chosen);
    for (int64_t i = 0; i < plan->n_fields; i++)
        if (plan->base[i].present) check_setting(plan, group, name_field, &plan->base[i], &chosen);
    for (const struct sw_plan_axis *axis = plan->axes; axis != NULL; axis = axis->next)
        for (int64_t i = 0; i < axis->n_points && !sw_plan_is_full(plan); i++)
            check_point(plan, group, name_field, &axis->points[i], &chosen);
}

void sw_plan_check_options(struct sw_plan *plan) {
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        check_group(plan, &groups[i]);
}
