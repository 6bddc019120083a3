#include <stdio.h>
#include <string.h>

#include "plan_internal.h"

/* ---- name and store ------------------------------------------------------------------------- */

static void read_name(struct sw_plan *plan, const struct sw_plan_node *node) {
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    char quoted[SW_PLAN_QUOTE], got[SW_PLAN_DESCRIPTION];
    plan->has_name = true;
    if (node->kind != SW_PLAN_SCALAR || sw_plan_is_null(node)) {
        sw_plan_report(plan, node->place, "sweep: got %s; a sweep needs a name",
                       sw_plan_describe(node, got));
    } else if (node->length == 0 || node->length >= sizeof plan->name ||
               strspn(node->text, allowed) != node->length) {
        sw_plan_report(plan, node->place,
                       "sweep: got %s; a name has 1 to %zu letters, digits, '.', '_' or '-'",
                       node->length > 0 ? sw_plan_quote(node->text, node->length, quoted) : "\"\"",
                       sizeof plan->name - 1);
    } else {
        SW_TEXT_COPY(plan->name, node->text);
    }
}

static void read_store(struct sw_plan *plan, const struct sw_plan_node *node) {
    plan->store[0] = '\0';
    if (sw_plan_is_null(node)) return;
    bool good = node->kind == SW_PLAN_SCALAR && node->length > 0 &&
                node->length < sizeof plan->store;
    for (size_t i = 0; good && i < node->length; i++)
        good = (unsigned char) node->text[i] >= 0x20;
    if (good) {
        SW_TEXT_COPY(plan->store, node->text);
    } else {
        sw_plan_report(plan, node->place, "store: a path of 1 to %zu bytes is wanted here",
                       sizeof plan->store - 1);
    }
}

/* ---- settings ------------------------------------------------------------------------------- */

static enum sw_status find_setting(struct sw_plan *plan, struct sw_plan_point *point, int64_t field,
                                   struct sw_plan_setting **out) {
    if (point == NULL) {
        *out = &plan->base[field];
        return SW_OK;
    }
    for (*out = point->settings; *out != NULL; *out = (*out)->next)
        if ((*out)->field == field) return SW_OK;
    void *memory = NULL;
    SW_TRY(sw_plan_arena_take(&plan->arena, sizeof **out, &memory));
    *out = memory;
    (*out)->field = field;
    (*out)->next = point->settings;
    point->settings = *out;
    return SW_OK;
}

static enum sw_status read_setting(struct sw_plan *plan, struct sw_plan_point *point, int64_t field,
                                   const struct sw_plan_node *node) {
    struct sw_plan_setting *setting = NULL;
    const char *text = NULL;
    SW_TRY(find_setting(plan, point, field, &setting));
    if (setting->present && setting->place.source == node->place.source) {
        sw_plan_report(plan, node->key->place, "%s: set twice; first on line %lld",
                       plan->fields[field].key, (long long) setting->place.line);
        return SW_OK;
    }
    SW_TRY(sw_plan_read_value(plan, field, node, &text));
    setting->field = field;
    setting->present = true;
    setting->text = text;
    setting->place = node->place;
    return SW_OK;
}

/* A key that only groups others stands before something that is not a map. */
static void report_group(struct sw_plan *plan, const char *key, const struct sw_plan_node *node) {
    char name[SW_PLAN_KEY + 8], got[SW_PLAN_DESCRIPTION];
    (void) snprintf(name, sizeof name, "%s.name", key);
    bool named = sw_plan_find_field(plan, name) >= 0;
    sw_plan_report(plan, node->place, "%s: got %s; a map of settings belongs here%s", key,
                   sw_plan_describe(node, got), named ? ", such as {name: ...}" : "");
}

enum sw_status sw_plan_read_entry(struct sw_plan *plan, struct sw_plan_point *point,
                                  const char *prefix, const struct sw_plan_node *node) {
    char key[SW_PLAN_KEY];
    if (!sw_plan_join_key(prefix, node->key, key)) {
        sw_plan_report_unknown_key(plan, node->key->place, prefix, node->key);
        return SW_OK;
    }
    int64_t field = sw_plan_find_field(plan, key);
    if (field >= 0) return read_setting(plan, point, field, node);
    if (!sw_plan_is_prefix(plan, key)) {
        sw_plan_report_unknown_key(plan, node->key->place, prefix, node->key);
    } else if (node->kind == SW_PLAN_MAP) {
        return sw_plan_read_map(plan, point, key, node);
    } else {
        report_group(plan, key, node);
    }
    return SW_OK;
}

/* name, store, grid: only at the top and outside the grid. */
static enum sw_status read_top_entry(struct sw_plan *plan, const struct sw_plan_node *node) {
    const char *key = node->key->text;
    if (strcmp(key, "train") == 0 && node->place.source == 0) plan->train_place = node->key->place;
    if (strcmp(key, "sweep") == 0) {
        read_name(plan, node);
    } else if (strcmp(key, "store") == 0) {
        read_store(plan, node);
    } else if (strcmp(key, "recipe") == 0) {
        sw_plan_read_recipe(plan, node);
    } else if (strcmp(key, "grid") == 0) {
        return sw_plan_read_grid(plan, node);
    } else {
        return sw_plan_read_entry(plan, NULL, "", node);
    }
    return SW_OK;
}

enum sw_status sw_plan_read_map(struct sw_plan *plan, struct sw_plan_point *point,
                                const char *prefix, const struct sw_plan_node *map) {
    sw_plan_check_duplicates(plan, map);
    for (const struct sw_plan_node *node = map->first; node != NULL; node = node->next) {
        if (sw_plan_is_full(plan)) break;
        if (node->skip) continue;
        if (point == NULL && *prefix == '\0') {
            SW_TRY(read_top_entry(plan, node));
        } else {
            SW_TRY(sw_plan_read_entry(plan, point, prefix, node));
        }
    }
    return SW_OK;
}

/* ---- the file ------------------------------------------------------------------------------- */

enum sw_status sw_plan_read_file(struct sw_plan *plan) {
    const struct sw_plan_source *source = plan->source;
    struct sw_plan_place start = {.source = 0, .line = 1, .column = 1};
    struct sw_plan_node *root = NULL;
    char got[SW_PLAN_DESCRIPTION];
    plan->unreadable = true;
    if (!sw_plan_check_text(plan, start, source->text, source->text_bytes)) return SW_OK;
    SW_TRY(sw_plan_parse(plan, start, source->text, source->text_bytes, &root));
    if (root == NULL || root->kind != SW_PLAN_MAP) {
        start.line = root != NULL ? root->place.line : 0;
        start.column = root != NULL ? root->place.column : 0;
        if (plan->n_errors == 0)
            sw_plan_report(plan, start,
                           "a sweep file is a map of settings, one \"key: value\" per line; got %s",
                           root != NULL ? sw_plan_describe(root, got) : "nothing");
        return SW_OK;
    }
    plan->unreadable = false;
    SW_TRY(sw_plan_read_map(plan, NULL, "", root));
    struct sw_plan_place nowhere = {0};
    if (!plan->has_name)
        sw_plan_report(plan, nowhere, "sweep: a sweep needs a name, such as \"sweep: first-try\"");
    return SW_OK;
}

/* ---- --set ---------------------------------------------------------------------------------- */

/* What --set sets is not undone by the grid: an axis of the same key goes. */
static void drop_overridden_axes(struct sw_plan *plan, const char *key, int64_t source) {
    sw_plan_remove_axis(plan, key);
    for (int64_t i = 0; i < plan->n_fields; i++)
        if (plan->base[i].present && plan->base[i].place.source == source)
            sw_plan_remove_axis(plan, plan->fields[i].key);
}

static enum sw_status apply_set(struct sw_plan *plan, struct sw_plan_node *key,
                                const struct sw_plan_node *value) {
    static const char grid[] = "grid.";
    size_t lead = sizeof grid - 1;
    if (strcmp(key->text, "grid") == 0) {
        sw_plan_report(plan, key->place, "set one axis at a time: grid.KEY=[...]");
        return SW_OK;
    }
    if (strncmp(key->text, grid, lead) != 0) {
        SW_TRY(read_top_entry(plan, value));
        drop_overridden_axes(plan, key->text, key->place.source);
        return SW_OK;
    }
    key->text += lead;
    key->length -= lead;
    key->place.column += (int64_t) lead;
    return sw_plan_read_axis(plan, value);
}

static enum sw_status new_scalar(struct sw_plan *plan, struct sw_plan_place place, const char *text,
                                 size_t length, struct sw_plan_node **out) {
    void *memory = NULL;
    SW_TRY(sw_plan_arena_take(&plan->arena, sizeof(struct sw_plan_node), &memory));
    struct sw_plan_node *node = memory;
    *node = (struct sw_plan_node){
        .kind = SW_PLAN_SCALAR, .plain = true, .place = place, .length = length};
    SW_TRY(sw_plan_arena_copy(&plan->arena, text, length, &node->text));
    *out = node;
    return SW_OK;
}

/* The value behind "=", which stands at `text`; NULL when it is wrong (reported). */
static enum sw_status read_set_value(struct sw_plan *plan, struct sw_plan_place place,
                                     const char *text, struct sw_plan_node **out) {
    int64_t before = plan->n_errors;
    if (!sw_plan_check_text(plan, place, text, strlen(text))) return SW_OK;
    SW_TRY(sw_plan_parse(plan, place, text, strlen(text), out));
    if (*out != NULL || plan->n_errors > before) return SW_OK;
    return new_scalar(plan, place, "", 0, out); /* "key=" means null, as in YAML */
}

static enum sw_status read_set(struct sw_plan *plan, int64_t source) {
    const char *text = plan->source->sets[source - 1];
    const char *equals = strchr(text, '=');
    struct sw_plan_place place = {.source = source, .line = 1, .column = 1};
    struct sw_plan_node *key = NULL, *value = NULL;
    if (equals == NULL || equals == text) {
        sw_plan_report(plan, place, "KEY=VALUE is wanted here");
        return SW_OK;
    }
    if (!sw_plan_check_text(plan, place, text, strlen(text))) return SW_OK;
    SW_TRY(new_scalar(plan, place, text, (size_t) (equals - text), &key));
    for (const char *at = text; at <= equals; place.column++) {
        uint32_t code = 0;
        at += sw_plan_decode(at, strlen(at), &code);
    }
    SW_TRY(read_set_value(plan, place, equals + 1, &value));
    if (value == NULL) return SW_OK;
    value->key = key;
    return apply_set(plan, key, value);
}

enum sw_status sw_plan_read_sets(struct sw_plan *plan) {
    for (size_t i = 0; i < plan->source->n_sets && !sw_plan_is_full(plan); i++)
        SW_TRY(read_set(plan, (int64_t) i + 1));
    return SW_OK;
}
