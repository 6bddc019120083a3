/* Recipes: named sets of settings. A recipe sets what the file and --set leave alone, so that each of its
 * values can be overridden; options of plug-ins that the file chose otherwise fall away. */
#include <stdio.h>
#include <string.h>

#include "plan_internal.h"

#define ANY NULL, NULL
#define UNAVAILABLE NULL, NULL, NULL

/* ---- the recipes ------------------------------------------------------------------------------ */

static const struct sw_recipe_row guide[] = {
    {"prune.target", "0.9", "0.8 to 0.95", NULL, "target sparsity"},
    {"prune.rounds", "22", "20 to 30", NULL, "prunes; the last one is exact"},
    {"prune.rate", "0.1", "0.1 to 0.2", NULL, "of the remaining weights"},
    {"prune.scope", "layer", ANY, "every layer has a rate of its own"},
    {"prune.allocation", "seed_rate_ratio", ANY, "networks of both kinds: convolutions lose more"},
    {"prune.ratio", "1.5", "1.5 to 2", NULL, "times the rate of linear layers"},
    {"prune.output_rate", "1", ANY,
     "no rate of its own for the output layer, which would miss the target"},
    {"prune.criterion", "magnitude", ANY, "the smallest weights go"},
    {"train.schedule.name", "cosine", ANY, "learning rate"},
    {"train.sparse.warmup.fraction", "0.2", "0.1 to 0.2", NULL, "of a pruned round"},
    {"train.sparse.warmup.start", "0.2", "0.1 to 0.3", NULL, "of the rate"},
    {"train.sparse.lr_factor", "0.4", "0.3 to 0.5", NULL, "of the dense network's rate"},
    {"train.sparse.batch_factor", "1.25", "1.2 to 1.5", NULL, "to compensate for the sparsity"},
    {"train.optimizer.name", "adamw", ANY, "optimizer"},
    {"train.optimizer.beta1", "0.9", ANY, "its standard value"},
    {"train.optimizer.beta2", "0.999", ANY, "its standard value"},
    {"train.optimizer.weight_decay", "0.01", ANY,
     "not from the guide, which names none: PyTorch's default"},
    {"train.sparse.decay_factor", "1.25", "1.2 to 1.3", NULL, "to compensate for the sparsity"},
    {"train.evaluate.epochs", "5", "5 to 10", "train.evaluate.every", "between evaluations"},
    {"monitor", "divergence,gradient-norm,sparsity,degradation", ANY,
     "alerts: gradient norm outside 1e-6 .. 1e2, sparsity 5 points off, accuracy 2 % down"},
    {UNAVAILABLE, NULL, "blocks of 8 after a conversion at the end: not in this build"},
    {UNAVAILABLE, NULL, "gradient checkpoints every 4 to 8 layers: not in this build"},
    {UNAVAILABLE, NULL, "8-bit activations, key layers with 16 bits: not in this build"},
    {UNAVAILABLE, NULL, "peak memory at 40 to 60 % of the dense network's: not in this build"},
    {0},
};

static const struct sw_recipe_row frankle_carbin[] = {
    {"train.optimizer.name", "adam", ANY, "LeNet: Adam"},
    {"train.optimizer.lr", "1.2e-3", ANY, "for LeNet; 2e-4 for Conv-2, 3e-4 for Conv-4 and Conv-6"},
    {"train.batch", "60", ANY, "samples"},
    {"train.schedule.name", "constant", ANY, "learning rate"},
    {"train.evaluate.every", "100", NULL, "train.evaluate.epochs", "steps"},
    {"model.init", "glorot-normal", ANY, "Gaussian Glorot"},
    {"prune.criterion", "magnitude", ANY, "the smallest weights go"},
    {"prune.scope", "layer", ANY, "every layer by itself"},
    {"prune.schedule", "iterative", ANY, "train, prune, rewind"},
    {"prune.rate", "0.2", ANY, "of the remaining weights"},
    {"prune.output_rate", "0.5", ANY, "connections to outputs at half the rate"},
    {"rewind.mode", "weights", ANY, "survivors return"},
    {"rewind.to", "0", ANY, "to their initial values"},
    {"control", "reinit", ANY, "the same masks on new random weights"},
    {0},
};

static const struct sw_recipe_row renda[] = {
    {"prune.criterion", "magnitude", ANY, "the smallest weights go"},
    {"prune.scope", "global", ANY, "all layers compete"},
    {"prune.output_rate", "1", ANY, "the output layer too"},
    {"prune.schedule", "iterative", ANY, "train, prune, retrain"},
    {"prune.rate", "0.2", ANY, "of the remaining weights"},
    {"rewind.mode", "learning-rate", ANY, "trained weights stay"},
    {"rewind.to", "0", ANY, "the whole schedule is replayed"},
    {"train.sparse.lr_rule", "none", ANY, "at the same rates"},
    {0},
};

static const struct sw_recipe recipes[] = {
    {"guide", "an engineering guide's checklist for sparse training", guide},
    {"frankle-carbin", "The Lottery Ticket Hypothesis (2019), LeNet and Conv networks",
     frankle_carbin},
    {"renda-lr-rewinding", "Comparing Rewinding and Fine-tuning (2020), learning-rate rewinding",
     renda},
};
#define N_RECIPES (sizeof recipes / sizeof *recipes)

const struct sw_recipe *sw_recipe_at(size_t index) {
    return index < N_RECIPES ? &recipes[index] : NULL;
}

/* ---- reading ---------------------------------------------------------------------------------- */

static const struct sw_recipe *find_recipe(const char *name, size_t length) {
    for (size_t i = 0; i < N_RECIPES; i++)
        if (strlen(recipes[i].name) == length && memcmp(recipes[i].name, name, length) == 0)
            return &recipes[i];
    return NULL;
}

void sw_plan_read_recipe(struct sw_plan *plan, const struct sw_plan_node *node) {
    char got[SW_PLAN_DESCRIPTION], words[200] = "";
    const char *names[N_RECIPES];
    size_t used = 0;
    plan->recipe = NULL;
    plan->recipe_place = node->place;
    if (sw_plan_is_null(node)) return;
    if (node->kind == SW_PLAN_SCALAR) plan->recipe = find_recipe(node->text, node->length);
    if (plan->recipe != NULL) return;
    for (size_t i = 0; i < N_RECIPES; i++) {
        names[i] = recipes[i].name;
        used += (size_t) snprintf(words + used, sizeof words - used, "%s%s", i > 0 ? ", " : "",
                                  names[i]);
    }
    const char *near = node->kind == SW_PLAN_SCALAR ? sw_text_nearest(node->text, names, N_RECIPES)
                                                    : NULL;
    sw_plan_report(plan, node->place, "recipe: got %s;%s%s%s allowed: %s",
                   sw_plan_describe(node, got), near != NULL ? " did you mean " : "",
                   near != NULL ? near : "", near != NULL ? "?" : "", words);
}

/* ---- applying --------------------------------------------------------------------------------- */

/* Where a key is set: by the file or a --set, by an axis (*axis then, too), or nowhere. */
static bool is_set(const struct sw_plan *plan, const char *key, const char **axis) {
    int64_t field = sw_plan_find_field(plan, key);
    *axis = NULL;
    for (const struct sw_plan_axis *at = plan->axes; at != NULL; at = at->next)
        for (int64_t i = 0; i < at->n_points; i++)
            if (sw_plan_point_find(&at->points[i], field) != NULL) {
                *axis = at->key;
                return true;
            }
    return plan->base[field].present;
}

static enum sw_status tell_override(struct sw_plan *plan, const struct sw_recipe_row *row,
                                    const char *key, const char *axis, struct sw_text *report) {
    const struct sw_plan_setting *setting = &plan->base[sw_plan_find_field(plan, key)];
    SW_TRY(sw_text_add(report, "%s: %s -> ", row->key, row->value));
    if (axis != NULL) return sw_text_add(report, "the axis %s of the grid\n", axis);
    SW_TRY(sw_text_add(report, "%s%s%s by ", key == row->key ? "" : key, key == row->key ? "" : " ",
                       setting->text != NULL && *setting->text != '\0' ? setting->text : "null"));
    if (setting->place.source > 0)
        return sw_text_add(report, "--set %s\n", plan->source->sets[setting->place.source - 1]);
    return sw_text_add(report, "line %lld\n", (long long) setting->place.line);
}

/* Has a network convolutions and linear layers? Their size does not matter. A name that is wrong will be
 * reported. */
static bool has_both_kinds(const char *model) {
    static const int64_t shape[3] = {3, 32, 32};
    struct sw_arch arch = {0};
    bool convolutions = false, linear = false;
    if (sw_arch_create(model, shape, 10, &arch) != SW_OK) return true;
    for (int64_t l = 0; l < arch.n_layers; l++) {
        bool convolution = sw_arch_layer(&arch, l)->rank == 4;
        convolutions |= convolution;
        linear |= !convolution;
    }
    sw_arch_fini(&arch);
    return convolutions && linear;
}

/* A network of some trial that has one kind of layer only; NULL when there is none. */
static const char *find_one_kind(const struct sw_plan *plan) {
    int64_t field = sw_plan_find_field(plan, "model.name");
    const struct sw_plan_setting *base = &plan->base[field];
    const char *name = base->present ? base->text : plan->fields[field].preset;
    for (const struct sw_plan_axis *axis = plan->axes; axis != NULL; axis = axis->next)
        for (int64_t i = 0; i < axis->n_points; i++) {
            const struct sw_plan_setting *at = sw_plan_point_find(&axis->points[i], field);
            if (at == NULL || at->text == NULL) continue;
            if (!has_both_kinds(at->text)) return at->text;
            name = at->text;
        }
    return name != NULL && !has_both_kinds(name) ? name : NULL;
}

/* Does a row mean nothing here? Then it says so. */
static bool is_for_others(struct sw_plan *plan, const struct sw_recipe_row *row,
                          struct sw_text *report, enum sw_status *status) {
    bool kinds = strcmp(row->key, "prune.allocation") == 0 || strcmp(row->key, "prune.ratio") == 0;
    const char *model = kinds ? find_one_kind(plan) : NULL,
               *plugin = sw_plan_not_for(plan, row->key);
    if (model == NULL && plugin == NULL) return false;
    *status = model == NULL
                  ? sw_text_add(report, "%s: %s left out: %s does not take it\n", row->key,
                                row->value, plugin)
                  : sw_text_add(report, "%s: %s left out: %s has one kind of layer only\n",
                                row->key, row->value, model);
    return true;
}

static enum sw_status apply_row(struct sw_plan *plan, const struct sw_recipe_row *row,
                                struct sw_text *report) {
    enum sw_status status = SW_OK;
    const char *axis = NULL, *by = row->key;
    char text[256];
    int64_t field = sw_plan_find_field(plan, row->key);
    bool set = is_set(plan, row->key, &axis);
    if (!set && row->rival != NULL) set = is_set(plan, by = row->rival, &axis);
    if (!set && is_for_others(plan, row, report, &status)) return status;
    if (set) SW_TRY(tell_override(plan, row, by, axis, report));
    /* Where an axis sets it for some of its values only, the recipe holds for the others. */
    if (set && (axis == NULL || by != row->key || plan->base[field].present)) return SW_OK;
    struct sw_plan_setting *setting = &plan->base[field];
    SW_TRY(sw_spec_set(&plan->scratch, &plan->fields[field], row->value));
    sw_spec_get(&plan->scratch, &plan->fields[field], text, sizeof text);
    *setting = (struct sw_plan_setting){
        .field = field, .present = true, .recipe = true, .place = plan->recipe_place};
    if (!set) SW_TRY(sw_text_add(report, "%s: %s\n", row->key, row->value));
    return sw_plan_arena_copy(&plan->arena, text, strlen(text), &setting->text);
}

enum sw_status sw_plan_apply_recipe(struct sw_plan *plan) {
    struct sw_text report = {0};
    enum sw_status status = SW_OK;
    if (plan->recipe == NULL) return SW_OK;
    for (const struct sw_recipe_row *row = plan->recipe->rows; row->help != NULL; row++) {
        if (row->key != NULL)
            SW_TRY_TO(apply_row(plan, row, &report), status, cleanup);
        else
            SW_TRY_TO(sw_text_add(&report, "unavailable: %s\n", row->help), status, cleanup);
    }
    SW_TEXT_COPY(plan->sweep.recipe, plan->recipe->name);
    plan->sweep.recipe_report = report.bytes;
    report.bytes = NULL;
cleanup:
    sw_text_fini(&report);
    return status;
}
