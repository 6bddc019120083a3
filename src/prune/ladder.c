/* How many groups every pool keeps, round by round: known before anything is trained. Only products,
 * sums and floor() of doubles: the same numbers on every machine. */
#include "prune_internal.h"

#include <math.h>
#include <string.h>

static int64_t round_half_up(double x) {
    return (int64_t) floor(x + 0.5);
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Share of its remaining groups that a layer loses per round. */
static double layer_rate(const struct sw_trial_spec *spec, const struct sw_param *layer) {
    bool convolution = layer->rank == 4;
    double rate = convolution && !isnan(spec->prune_conv_rate) ? spec->prune_conv_rate
                                                               : spec->prune_rate;
    if (layer->output) return rate * spec->prune_output_rate;
    return layer->shortcut ? rate * spec->prune_shortcut_rate : rate;
}

/* Weights that a pattern keeps; all of a layer whose rate is 0. */
static int64_t pattern_kept(const struct sw_trial_spec *spec, const struct sw_param *layer) {
    if (layer_rate(spec, layer) == 0) return layer->count;
    return sw_pattern_kept(sw_granularity_of(spec), layer);
}

/* ---- pools ---------------------------------------------------------------------------------- */

/* With global scope all layers compete; the output layer and shortcuts only when they have no rate of their
 * own. */
static bool is_shared(const struct sw_trial_spec *spec, const struct sw_param *layer) {
    if (strcmp(spec->prune_scope, "global") != 0) return false;
    if (layer->output) return spec->prune_output_rate == 1;
    return !layer->shortcut || spec->prune_shortcut_rate == 1;
}

static void add_layer(const struct sw_trial_spec *spec, const struct sw_arch *arch, int64_t l,
                      int64_t *shared, struct sw_ladder *ladder) {
    const struct sw_param *layer = sw_arch_layer(arch, l);
    int64_t groups = sw_groups_count(sw_granularity_of(spec), arch, l);
    ladder->groups[l] = groups;
    ladder->floor[l] = least(spec->prune_min_keep, groups);
    ladder->pool_of[l] = -1;
    if (groups == 0) return;
    int64_t p = is_shared(spec, layer) && *shared >= 0 ? *shared : ladder->n_pools;
    if (is_shared(spec, layer)) *shared = p;
    if (p == ladder->n_pools) {
        ladder->n_pools++;
        ladder->pool[p] = (struct sw_pool){.held_at = -1, .rate = layer_rate(spec, layer)};
    }
    if (sw_prune_is_pattern(
            spec)) { /* a layer that is pruned at all loses everything else at once */
        ladder->floor[l] = pattern_kept(spec, layer);
        ladder->pool[p].rate = 1;
    }
    ladder->pool_of[l] = p;
    ladder->pool[p].size += groups;
    ladder->pool[p].kept += groups;
    ladder->pool[p].floor += ladder->floor[l];
}

static void begin(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                  struct sw_ladder *ladder) {
    int64_t shared = -1;
    memset(ladder, 0, sizeof *ladder);
    ladder->n_layers = arch->n_layers;
    for (int64_t l = 0; l < arch->n_layers; l++)
        add_layer(spec, arch, l, &shared, ladder);
}

static int64_t size_of(const struct sw_ladder *ladder) {
    int64_t sum = 0;
    for (int64_t p = 0; p < ladder->n_pools; p++)
        sum += ladder->pool[p].size;
    return sum;
}

static int64_t kept_of(const struct sw_ladder *ladder) {
    int64_t sum = 0;
    for (int64_t p = 0; p < ladder->n_pools; p++)
        sum += ladder->pool[p].kept;
    return sum;
}

/* ---- target --------------------------------------------------------------------------------- */

static bool has_target(const struct sw_trial_spec *spec) {
    return !isnan(spec->prune_target);
}

/* Groups that may be left at the target; 0 without one, which no pool reaches. */
static int64_t target_total(const struct sw_trial_spec *spec, const struct sw_ladder *ladder) {
    return has_target(spec) ? round_half_up((1 - spec->prune_target) * (double) size_of(ladder))
                            : 0;
}

/* Index of the largest number; the lowest index among equals. */
static int64_t largest_of(const int64_t *numbers, int64_t n) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (numbers[i] > numbers[best]) best = i;
    return best;
}

/* Scale removals[n] down to `total` in all: whole parts of removal * total / sum, and one more for
 * those with the largest remainders. No removal grows: a pool that gets one more had a remainder. */
static void scale_removals(int64_t *removals, int64_t n, int64_t sum, int64_t total) {
    int64_t remainder[SW_MAX_LAYERS];
    int64_t left = total;
    if (sum == 0) return;
    for (int64_t p = 0; p < n; p++) {
        __int128 product = (__int128) removals[p] * total;
        removals[p] = (int64_t) (product / sum);
        remainder[p] = (int64_t) (product % sum);
        left -= removals[p];
    }
    for (; left > 0; left--) {
        int64_t pool = largest_of(remainder, n);
        removals[pool]++;
        remainder[pool] = -1;
    }
}

/* ---- steps ---------------------------------------------------------------------------------- */

/* Groups that a pool loses in the next round when nothing but its own floor holds it back. */
static int64_t pool_removal(struct sw_pool *pool) {
    int64_t wanted = round_half_up(pool->rate * (double) pool->kept);
    int64_t allowed = pool->kept - pool->floor;
    if (wanted > allowed) pool->held_at = pool->kept - wanted;
    return least(wanted, allowed);
}

/* One prune; returns whether the target is reached. */
static bool step(const struct sw_trial_spec *spec, struct sw_ladder *ladder) {
    int64_t removals[SW_MAX_LAYERS], sum = 0;
    bool iterative = sw_prune_parent_round(spec, 2) != 0;
    for (int64_t p = 0; p < ladder->n_pools; p++) {
        if (iterative) ladder->pool[p].held_at = -1;
        removals[p] = pool_removal(&ladder->pool[p]);
        sum += removals[p];
    }
    int64_t room = kept_of(ladder) - target_total(spec, ladder);
    if (sum > room) scale_removals(removals, ladder->n_pools, sum, room);
    for (int64_t p = 0; p < ladder->n_pools; p++) {
        struct sw_pool *pool = &ladder->pool[p];
        pool->kept -= removals[p];
        /* The target held it, or a pattern, not the floor. */
        if (pool->kept > pool->floor || sw_prune_is_pattern(spec)) pool->held_at = -1;
    }
    return sw_prune_is_pattern(spec) || (has_target(spec) && sum >= room);
}

void sw_ladder_climb(const struct sw_trial_spec *spec, const struct sw_arch *arch, int64_t round,
                     struct sw_ladder *out) {
    begin(spec, arch, out);
    bool reached = false;
    for (int64_t r = 0; r < round && !reached; r++)
        reached = step(spec, out);
}

int64_t sw_prune_parent_round(const struct sw_trial_spec *spec, int64_t round) {
    return strcmp(spec->prune_schedule, "one-shot") == 0 ? 0 : round - 1;
}

int64_t sw_prune_rounds(const struct sw_trial_spec *spec, const struct sw_arch *arch) {
    struct sw_ladder ladder;
    begin(spec, arch, &ladder);
    if (has_target(spec) && target_total(spec, &ladder) >= size_of(&ladder)) return 0;
    int64_t rounds = 0;
    for (bool reached = false; rounds < spec->prune_rounds && !reached; rounds++)
        reached = step(spec, &ladder);
    return rounds;
}

/* ---- before rounding ------------------------------------------------------------------------ */

/* Share of a layer's groups that is left, if nothing is rounded. */
static double share_left(const struct sw_trial_spec *spec, const struct sw_arch *arch, int64_t l,
                         int64_t round) {
    double share = 1;
    const struct sw_param *layer = sw_arch_layer(arch, l);
    if (sw_groups_count(sw_granularity_of(spec), arch, l) == 0 || round == 0) return 1;
    if (sw_prune_is_pattern(spec))
        return (double) pattern_kept(spec, layer) / (double) layer->count;
    for (int64_t r = 0; r < round; r++) /* not pow(): its last digit depends on the processor */
        share *= 1 - layer_rate(spec, layer);
    return share;
}

/* Units: a weight is left when the unit it belongs to and the one it reads are. The target is one of
 * units; the sparsity of the weights follows from it. */
static double requested_of_units(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                                 int64_t round) {
    const struct sw_granularity *kind = sw_granularity_of(spec);
    double left = 0, share[SW_MAX_LAYERS];
    for (int64_t l = 0; l < arch->n_layers; l++) {
        bool output = sw_arch_layer(arch, l)->output;
        share[l] = share_left(spec, arch, l, round);
        if (has_target(spec)) share[l] = fmax(share[l], output ? 1 : 1 - spec->prune_target);
    }
    for (int64_t l = 0; l < arch->n_layers; l++) {
        int64_t inputs = sw_groups_columns(kind, arch, l);
        left += share[sw_groups_rows(kind, arch, l)] * (inputs < 0 ? 1 : share[inputs]) *
                (double) sw_arch_layer(arch, l)->count;
    }
    return 1 - left / (double) arch->prunable;
}

double sw_prune_requested(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                          int64_t round) {
    const struct sw_granularity *kind = sw_granularity_of(spec);
    double left = 0, all = 0;
    if (arch->prunable == 0) return 0;
    if (kind->side == 0) return requested_of_units(spec, arch, round);
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(arch, l);
        if (sw_groups_count(kind, arch, l) == 0) continue;
        left += share_left(spec, arch, l, round) * (double) layer->count;
        all += (double) layer->count;
    }
    double sparsity = all > 0 ? 1 - left / all : 0;
    if (has_target(spec) && sparsity > spec->prune_target) sparsity = spec->prune_target;
    return sparsity * (all / (double) arch->prunable);
}
