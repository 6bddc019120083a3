/* Conversion: rounds up to prune.convert.round find a ticket of one granularity; the next one chooses a new mask
 * of another from its trained weights. A trial then has two stages, each of which is a spec of its own: that of
 * the second one has the granularities swapped, and minus the round of the conversion. */
#include "prune_internal.h"

#include <math.h>
#include <string.h>

static bool is_second(const struct sw_trial_spec *spec) {
    return spec->prune_convert_round < 0 && spec->prune_convert_round != SW_INT_NULL;
}

bool sw_prune_is_conversion(const struct sw_trial_spec *spec, int64_t round) {
    int64_t after = spec->prune_convert_round;
    return after != SW_INT_NULL && round == (after < 0 ? -after : after) + 1;
}

void sw_prune_stage(const struct sw_trial_spec *spec, int64_t round, struct sw_trial_spec *out) {
    struct sw_trial_spec stage = *spec;
    int64_t after = spec->prune_convert_round;
    if (after > 0 && round <= after) {
        stage.prune_rounds = after;
        stage.prune_convert_round = SW_INT_NULL;
    } else if (after > 0) {
        memcpy(stage.prune_granularity, spec->prune_convert_granularity,
               sizeof stage.prune_granularity);
        memcpy(stage.prune_convert_granularity, spec->prune_granularity,
               sizeof stage.prune_convert_granularity);
        stage.prune_convert_round = -after;
    }
    *out = stage;
}

/* ---- how much the new mask keeps ------------------------------------------------------------ */

struct goal {
    double share;                /* of all prunable weights */
    int64_t kept[SW_MAX_LAYERS]; /* by the ticket, exactly or probably */
    bool by_layer;               /* each layer as much as before */
};

/* As much as the ticket that is converted, unless the sweep file says how much. */
static void find_goal(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                      struct goal *goal) {
    struct sw_trial_spec first = *spec;
    memcpy(first.prune_granularity, spec->prune_convert_granularity,
           sizeof first.prune_granularity);
    first.prune_convert_round = SW_INT_NULL;
    sw_prune_likely(&first, arch, -spec->prune_convert_round, goal->kept);
    goal->by_layer = isnan(spec->prune_convert_sparsity) && strcmp(spec->prune_scope, "layer") == 0;
    goal->share = 0;
    for (int64_t l = 0; l < arch->n_layers; l++)
        goal->share += (double) goal->kept[l] / (double) arch->prunable;
    if (!isnan(spec->prune_convert_sparsity)) goal->share = 1 - spec->prune_convert_sparsity;
}

static double count_of(const struct sw_arch *arch, int64_t l) {
    return (double) sw_arch_layer(arch, l)->count;
}

/* The share of every layer with groups that leaves `goal`, when the others stay whole. */
static double share_of_weights(const struct sw_arch *arch, const struct sw_ladder *ladder,
                               double goal) {
    double cut = 0, whole = 0;
    for (int64_t l = 0; l < arch->n_layers; l++)
        *(ladder->groups[l] > 0 ? &cut : &whole) += count_of(arch, l);
    return cut > 0 ? (goal * (cut + whole) - whole) / cut : 1;
}

/* Weights that are left when a share of all units is. */
static double left_of_units(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                            const struct sw_ladder *ladder, double share) {
    const struct sw_granularity *kind = sw_granularity_of(spec);
    double left = 0;
    for (int64_t l = 0; l < arch->n_layers; l++) {
        int64_t own = sw_groups_rows(kind, arch, l), inputs = sw_groups_columns(kind, arch, l);
        left += count_of(arch, l) * (ladder->groups[own] > 0 ? share : 1) *
                (inputs >= 0 && ladder->groups[inputs] > 0 ? share : 1);
    }
    return left;
}

static double share_of_units(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                             const struct sw_ladder *ladder, double goal) {
    double low = 0, high = 1;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (left_of_units(spec, arch, ladder, middle) > goal * (double) arch->prunable)
            high = middle;
        else
            low = middle;
    }
    return high;
}

static int64_t groups_left(const struct sw_ladder *ladder, int64_t l, double share) {
    int64_t wanted = (int64_t) floor(share * (double) ladder->groups[l] + 0.5);
    if (wanted > ladder->groups[l]) wanted = ladder->groups[l];
    return wanted < ladder->floor[l] ? ladder->floor[l] : wanted;
}

int64_t sw_convert_ladder(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                          struct sw_ladder *ladder) {
    struct goal goal;
    if (!is_second(spec)) return 0;
    find_goal(spec, arch, &goal);
    bool units = sw_granularity_of(spec)->side == 0;
    double share = units ? share_of_units(spec, arch, ladder, goal.share)
                         : share_of_weights(arch, ladder, goal.share);
    for (int64_t p = 0; p < ladder->n_pools; p++)
        ladder->pool[p].kept = 0;
    for (int64_t l = 0; l < arch->n_layers; l++) {
        if (ladder->pool_of[l] < 0) continue;
        double own = share;
        if (goal.by_layer && !units) own = (double) goal.kept[l] / count_of(arch, l);
        ladder->pool[ladder->pool_of[l]].kept += ladder->pattern ? ladder->floor[l]
                                                                 : groups_left(ladder, l, own);
    }
    return 1 - spec->prune_convert_round;
}

/* ---- checking ------------------------------------------------------------------------------- */

/* Weights that the ticket does not keep have no score of their own. */
static enum sw_status check_scores(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                                   const char **key) {
    const struct sw_criterion *criterion = sw_criterion_find(spec->prune_criterion);
    *key = "prune.convert.round";
    if (criterion != NULL && criterion->negative)
        return SW_FAIL(SW_CONFIG,
                       "prune.convert.round: removed weights score 0 and may return, but scores of "
                       "criterion %s may be lower: kept weights would go before removed ones",
                       spec->prune_criterion);
    *key = "prune.sign_reference";
    if (sw_prune_reference(spec) == SW_REFERENCE_BEFORE &&
        sw_prune_rounds(spec, arch) > spec->prune_convert_round + 1)
        return SW_FAIL(SW_CONFIG,
                       "prune.sign_reference: previous are the weights of two rounds ago, and "
                       "those that prune.convert.round lets return have none; right are init and "
                       "rewind");
    return SW_OK;
}

enum sw_status sw_convert_check(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                                const char **key) {
    struct sw_trial_spec first, second;
    int64_t after = spec->prune_convert_round;
    *key = "prune.convert.round";
    if (after >= spec->prune_rounds)
        return SW_FAIL(SW_CONFIG,
                       "prune.convert.round: got %lld; allowed is less than prune.rounds, %lld: "
                       "the round after it is the converted one",
                       (long long) after, (long long) spec->prune_rounds);
    if (sw_prune_is_within(spec))
        return SW_FAIL(SW_CONFIG,
                       "prune.convert.round needs prune.schedule iterative: %s prunes what its "
                       "parent keeps while it trains, and a conversion lets weights return",
                       spec->prune_schedule);
    if (strcmp(spec->prune_schedule, "one-shot") == 0)
        return SW_FAIL(SW_CONFIG,
                       "prune.convert.round needs prune.schedule iterative: with one-shot every "
                       "round prunes round 0");
    *key = "prune.target";
    if (!isnan(spec->prune_target))
        return SW_FAIL(SW_CONFIG,
                       "prune.target is not used with prune.convert.round: prune.rounds "
                       "ends such a trial, and prune.convert.sparsity may say how sparse "
                       "the converted round is");
    *key = "prune.convert.round";
    sw_prune_stage(spec, after, &first);
    sw_prune_stage(spec, after + 1, &second);
    if (sw_prune_rounds(&first, arch) < after)
        return SW_FAIL(
            SW_CONFIG, "prune.convert.round: got %lld, but prune.granularity %s has %lld rounds",
            (long long) after, first.prune_granularity, (long long) sw_prune_rounds(&first, arch));
    SW_TRY(check_scores(spec, arch, key));
    *key = "prune.convert.sparsity";
    if (sw_prune_is_pattern(&second) && !isnan(spec->prune_convert_sparsity))
        return SW_FAIL(SW_CONFIG, "prune.convert.sparsity is not used by %s, which says it",
                       second.prune_granularity);
    return SW_OK;
}
