/* Whether a criterion can say something about a network, and memory that it takes to find out. */
#include "prune_internal.h"

/* ---- weights that are scored ---------------------------------------------------------------- */

static enum sw_status check_time(const struct sw_trial_spec *spec,
                                 const struct sw_criterion *criterion) {
    if (sw_prune_is_at_init(spec) && (criterion->needs & SW_NEEDS_TRAINING) != 0)
        return SW_FAIL(
            SW_CONFIG,
            "prune.score_weights: init scores weights that have not trained, and criterion %s asks "
            "what training did to them; right is trained",
            criterion->name);
    return SW_OK;
}

static enum sw_status check_reference(const struct sw_trial_spec *spec) {
    if (sw_prune_reference(spec) == SW_REFERENCE_BEFORE && sw_prune_parent_round(spec, 2) == 0)
        return SW_FAIL(SW_CONFIG,
                       "prune.sign_reference: previous is the round before the one that is pruned, "
                       "and schedule %s prunes round 0; right are init and rewind",
                       spec->prune_schedule);
    return SW_OK;
}

/* A pattern is chosen at once: there is nothing between the whole layer and N of every M. */
static enum sw_status check_steps(const struct sw_trial_spec *spec,
                                  const struct sw_criterion *criterion) {
    if ((criterion->needs & SW_NEEDS_FLOW) != 0 && sw_prune_is_pattern(spec) &&
        spec->prune_score_steps > 1)
        return SW_FAIL(SW_CONFIG,
                       "prune.score_steps: got %lld, and prune.granularity %s is reached in one "
                       "step; right is 1",
                       (long long) spec->prune_score_steps, spec->prune_granularity);
    return SW_OK;
}

/* ---- groups --------------------------------------------------------------------------------- */

enum sw_status sw_group_score_check(const struct sw_trial_spec *stages, int n, const char **key) {
    const struct sw_trial_spec *spec = &stages[0];
    const struct sw_criterion *criterion = sw_criterion_find(spec->prune_criterion);
    enum sw_group_rule rule = sw_group_rule_of(spec);
    bool single = true;
    *key = "prune.group_score";
    for (int i = 0; i < n; i++)
        single = single && sw_granularity_of(&stages[i])->side == 1;
    if (rule != SW_GROUP_MEAN && single)
        return SW_FAIL(SW_CONFIG,
                       "prune.group_score: %s is not used by prune.granularity %s, which removes "
                       "weights one by one; right is mean",
                       spec->prune_group_score, spec->prune_granularity);
    if (rule == SW_GROUP_L2 && criterion != NULL && criterion->negative)
        return SW_FAIL(SW_CONFIG,
                       "prune.group_score: l2 takes squares, and scores of criterion %s may be "
                       "negative; right are mean, l1 and max",
                       criterion->name);
    return SW_OK;
}

/* ---- batch norm ----------------------------------------------------------------------------- */

/* Every layer that is scored needs scales to tell what goes. */
static enum sw_status check_norms(const struct sw_trial_spec *spec, const struct sw_arch *arch) {
    const struct sw_granularity *kind = sw_granularity_of(spec);
    struct sw_ladder ladder;
    if (kind->kind == SW_GROUPS_CHANNELS)
        return SW_FAIL(SW_CONFIG,
                       "prune.criterion: norm_scale looks at the batch norm behind a filter, and "
                       "prune.granularity channel at the weights that read one: all that a layer "
                       "reads would score the same; right is filter");
    sw_ladder_climb(spec, arch, spec->prune_rounds, &ladder);
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(arch, l), *scale = NULL;
        int64_t scored = sw_groups_scored(kind, arch, l);
        int64_t pool = scored < 0 ? -1 : ladder.pool_of[scored];
        if (pool < 0 || ladder.pool[pool].kept == ladder.pool[pool].size) continue;
        SW_TRY(sw_find_scale(arch, layer, &scale));
        if (scale == NULL)
            return SW_FAIL(SW_CONFIG,
                           "prune.criterion: norm_scale looks at batch norm, and there is none "
                           "behind %s of %s%s",
                           layer->name, arch->model,
                           layer->output ? "; prune.output_rate 0 keeps it whole" : "");
    }
    return SW_OK;
}

enum sw_status sw_criterion_check(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                                  const char **key) {
    const struct sw_criterion *criterion = sw_criterion_find(spec->prune_criterion);
    *key = "prune.criterion";
    if (criterion == NULL)
        return SW_FAIL(SW_CONFIG, "prune.criterion: there is no criterion '%s'",
                       spec->prune_criterion);
    if ((criterion->needs & SW_NEEDS_NORM) != 0) SW_TRY(check_norms(spec, arch));
    *key = "prune.score_weights";
    SW_TRY(check_time(spec, criterion));
    *key = "prune.sign_reference";
    SW_TRY(check_reference(spec));
    *key = "prune.score_steps";
    return check_steps(spec, criterion);
}

/* ---- memory --------------------------------------------------------------------------------- */

/* The parent's network on the device, and gradients on the host. */
static int64_t gradient_bytes(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                              int64_t round, enum sw_isa isa) {
    int64_t samples = sw_prune_samples(spec, arch->classes), likely[SW_MAX_LAYERS];
    int64_t batch = samples < spec->train_batch ? samples : spec->train_batch;
    int64_t parent = sw_prune_parent_round(spec, round);
    struct sw_trial_spec stage;
    struct sw_net_storage storage;
    struct sw_net_memory memory;
    sw_prune_likely(spec, arch, parent, likely);
    sw_prune_stage(spec, parent, &stage);
    sw_prune_storage(&stage, SW_CONTROL_TICKET, &storage);
    sw_net_predict_memory(arch, likely, batch, isa, &storage, &memory);
    return memory.weights + memory.gradients + memory.activations + memory.workspace +
           arch->parameters * (int64_t) (2 * sizeof(float) + 3 * sizeof(double));
}

int64_t sw_prune_bytes(const struct sw_trial_spec *spec, const struct sw_arch *arch, int64_t round,
                       enum sw_isa isa) {
    unsigned needs = sw_prune_needs(spec);
    int64_t bytes = 0;
    if (round == 0) return 0;
    if ((needs & SW_NEEDS_REFERENCE) != 0) bytes += arch->parameters * 2 * (int64_t) sizeof(float);
    if ((needs & SW_NEEDS_GRADIENT) != 0) bytes += gradient_bytes(spec, arch, round, isa);
    if ((needs & SW_NEEDS_FLOW) != 0)
        bytes += sw_flow_bytes(arch) + arch->parameters * (int64_t) sizeof(double);
    return bytes;
}
