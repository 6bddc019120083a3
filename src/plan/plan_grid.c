#include <inttypes.h>
#include <string.h>

#include "plan_internal.h"

/* ---- axes ----------------------------------------------------------------------------------- */

void sw_plan_remove_axis(struct sw_plan *plan, const char *key) {
    for (struct sw_plan_axis **at = &plan->axes; *at != NULL; at = &(*at)->next)
        if (strcmp((*at)->key, key) == 0) {
            *at = (*at)->next;
            return;
        }
}

/* In the place of an axis of the same key, or at the end. */
static void put_axis(struct sw_plan *plan, struct sw_plan_axis *axis) {
    struct sw_plan_axis **at = &plan->axes;
    while (*at != NULL && strcmp((*at)->key, axis->key) != 0)
        at = &(*at)->next;
    if (*at != NULL) axis->next = (*at)->next;
    *at = axis;
}

const struct sw_plan_setting *sw_plan_point_find(const struct sw_plan_point *point, int64_t field) {
    for (const struct sw_plan_setting *setting = point->settings; setting != NULL;
         setting = setting->next)
        if (setting->field == field) return setting;
    return NULL;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* One value of an axis of a field. */
static enum sw_status read_field_point(struct sw_plan *plan, int64_t field,
                                       const struct sw_plan_node *item,
                                       struct sw_plan_point *point) {
    void *memory = NULL;
    SW_TRY(sw_plan_arena_take(&plan->arena, sizeof(struct sw_plan_setting), &memory));
    struct sw_plan_setting *setting = memory;
    setting->field = field;
    setting->present = true;
    setting->place = item->place;
    point->settings = setting;
    return sw_plan_read_value(plan, field, item, &setting->text);
}

static enum sw_status read_points(struct sw_plan *plan, struct sw_plan_axis *axis, int64_t field,
                                  const struct sw_plan_node *list) {
    void *memory = NULL;
    SW_TRY(sw_plan_arena_take(&plan->arena, (size_t) list->count * sizeof(struct sw_plan_point),
                              &memory));
    axis->points = memory;
    axis->n_points = list->count;
    char got[SW_PLAN_DESCRIPTION];
    int64_t i = 0;
    for (const struct sw_plan_node *item = list->first; item != NULL; item = item->next, i++) {
        if (sw_plan_is_full(plan)) break;
        if (field >= 0) {
            SW_TRY(read_field_point(plan, field, item, &axis->points[i]));
        } else if (item->kind == SW_PLAN_MAP) {
            SW_TRY(sw_plan_read_map(plan, &axis->points[i], axis->key, item));
        } else {
            sw_plan_report(plan, item->place,
                           "%s: got %s; each value of this axis is a map of settings", axis->key,
                           sw_plan_describe(item, got));
        }
    }
    return SW_OK;
}

/* A value that stands twice would train the same trial twice. */
static enum sw_status check_repeats(struct sw_plan *plan, const struct sw_plan_axis *axis,
                                    int64_t field) {
    struct sw_plan_index index = {0};
    enum sw_status status = SW_OK;
    for (int64_t i = 0; field >= 0 && i < axis->n_points; i++) {
        const struct sw_plan_setting *setting = axis->points[i].settings;
        if (setting == NULL || setting->text == NULL) continue;
        int64_t first = i;
        SW_TRY_TO(sw_plan_index_add(&index, sw_digest_of(setting->text, strlen(setting->text)), i,
                                    &first),
                  status, cleanup);
        if (first != i)
            sw_plan_report(plan, setting->place, "%s: the value %s stands twice in this axis",
                           axis->key, *setting->text != '\0' ? setting->text : "[]");
    }
cleanup:
    sw_plan_index_fini(&index);
    return status;
}

/* Is this a list of values? Reports when it is not. */
static bool is_axis(struct sw_plan *plan, const char *key, int64_t field,
                    const struct sw_plan_node *node) {
    char got[SW_PLAN_DESCRIPTION];
    if (node->kind == SW_PLAN_LIST && node->count > 0) return true;
    if (node->kind == SW_PLAN_LIST) {
        sw_plan_report(plan, node->place, "%s: the axis is empty; list at least one value", key);
    } else if (node->kind == SW_PLAN_MAP && field < 0 && node->first != NULL) {
        sw_plan_report(plan, node->place,
                       "%s: axes have whole keys: write \"%s.%.40s: [...]\" directly below grid",
                       key, key, node->first->key->text);
    } else {
        sw_plan_report(plan, node->place, "%s: got %s; an axis is a list of values, like [A, B]",
                       key, sw_plan_describe(node, got));
    }
    return false;
}

enum sw_status sw_plan_read_axis(struct sw_plan *plan, const struct sw_plan_node *node) {
    char key[SW_PLAN_KEY];
    bool fits = sw_plan_join_key("", node->key, key);
    int64_t field = fits ? sw_plan_find_field(plan, key) : -1;
    if (field < 0 && (!fits || !sw_plan_is_prefix(plan, key))) {
        if (fits && (strcmp(key, "sweep") == 0 || strcmp(key, "store") == 0 ||
                     strcmp(key, "recipe") == 0)) {
            sw_plan_report(plan, node->key->place, "%s: cannot vary within a sweep", key);
        } else {
            sw_plan_report_unknown_key(plan, node->key->place, "", node->key);
        }
    } else if (is_axis(plan, key, field, node)) {
        void *memory = NULL;
        SW_TRY(sw_plan_arena_take(&plan->arena, sizeof(struct sw_plan_axis), &memory));
        struct sw_plan_axis *axis = memory;
        SW_TRY(sw_plan_arena_copy(&plan->arena, key, strlen(key), &axis->key));
        axis->place = node->key->place;
        SW_TRY(read_points(plan, axis, field, node));
        SW_TRY(check_repeats(plan, axis, field));
        put_axis(plan, axis);
    }
    return SW_OK;
}

enum sw_status sw_plan_read_grid(struct sw_plan *plan, const struct sw_plan_node *grid) {
    char got[SW_PLAN_DESCRIPTION];
    plan->grid_place = grid->key->place;
    if (sw_plan_is_null(grid)) return SW_OK;
    if (grid->kind != SW_PLAN_MAP) {
        sw_plan_report(plan, grid->place, "grid: got %s; a map of axes belongs here",
                       sw_plan_describe(grid, got));
        return SW_OK;
    }
    sw_plan_check_duplicates(plan, grid);
    for (const struct sw_plan_node *node = grid->first; node != NULL; node = node->next) {
        if (sw_plan_is_full(plan)) break;
        if (!node->skip) SW_TRY(sw_plan_read_axis(plan, node));
    }
    return SW_OK;
}

/* ---- axes against each other ---------------------------------------------------------------- */

/* Where an axis sets a field, NULL when it does not. */
static const struct sw_plan_setting *axis_find(const struct sw_plan_axis *axis, int64_t field) {
    for (int64_t i = 0; i < axis->n_points; i++) {
        const struct sw_plan_setting *setting = sw_plan_point_find(&axis->points[i], field);
        if (setting != NULL) return setting;
    }
    return NULL;
}

void sw_plan_check_axes(struct sw_plan *plan) {
    for (int64_t field = 0; field < plan->n_fields; field++) {
        const struct sw_plan_setting *base = &plan->base[field];
        const struct sw_plan_axis *owner = NULL;
        for (const struct sw_plan_axis *axis = plan->axes; axis != NULL; axis = axis->next) {
            const struct sw_plan_setting *setting = axis_find(axis, field);
            if (setting == NULL) continue;
            const char *key = plan->fields[field].key;
            if (owner != NULL)
                sw_plan_report(plan, setting->place, "%s: also set by the axis %s", key,
                               owner->key);
            /* Only an axis of sub-maps can be left: those of the field itself were dropped. */
            if (base->present && !base->recipe && base->place.source > setting->place.source)
                sw_plan_report(
                    plan, base->place,
                    "%s: the axis %s of the grid sets it too; set grid.%s=[...] or %s={...}", key,
                    axis->key, axis->key, axis->key);
            owner = axis;
        }
    }
}

int64_t sw_plan_count_trials(struct sw_plan *plan) {
    int64_t trials = 1;
    for (const struct sw_plan_axis *axis = plan->axes; axis != NULL; axis = axis->next) {
        if (__builtin_mul_overflow(trials, axis->n_points, &trials)) trials = INT64_MAX;
        if (trials > SW_PLAN_TRIALS) {
            sw_plan_report(plan, plan->grid_place,
                           "grid: the product of the axes has more than %d trials", SW_PLAN_TRIALS);
            return -1;
        }
    }
    return trials;
}
