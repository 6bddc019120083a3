/* How many weights every layer keeps: known before anything is trained, so that the store's slabs
 * are exact. Only products, sums and floor() of doubles: the same numbers on every machine. */
#include "sweepstake/prune.h"

#include <math.h>
#include <string.h>

#include "sweepstake/net.h"

static int64_t round_half_up(double x) {
    return (int64_t) floor(x + 0.5);
}

/* Share of its remaining weights that a layer loses per round. */
static double layer_rate(const struct sw_trial_spec *spec, const struct sw_param *layer) {
    return layer->output ? spec->prune_rate * spec->prune_output_rate : spec->prune_rate;
}

int64_t sw_prune_parent_round(const struct sw_trial_spec *spec, int64_t round) {
    return strcmp(spec->prune_schedule, "one-shot") == 0 ? 0 : round - 1;
}

static bool has_target(const struct sw_trial_spec *spec) {
    return !isnan(spec->prune_target);
}

/* Weights that may be left at the target; 0 without one, which no layer reaches. */
static int64_t target_total(const struct sw_trial_spec *spec, const struct sw_arch *arch) {
    return has_target(spec) ? round_half_up((1 - spec->prune_target) * (double) arch->prunable) : 0;
}

/* Weights that a layer loses in the next round when nothing but its own floor holds it back. */
static int64_t layer_removal(const struct sw_trial_spec *spec, const struct sw_param *layer,
                             int64_t kept) {
    int64_t wanted = round_half_up(layer_rate(spec, layer) * (double) kept);
    int64_t floor_kept = spec->prune_min_keep < layer->count ? spec->prune_min_keep : layer->count;
    int64_t allowed = kept - floor_kept;
    return wanted < allowed ? wanted : allowed;
}

static int64_t sum_of(const int64_t *numbers, int64_t n) {
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += numbers[i];
    return sum;
}

/* Index of the largest number; the lowest index among equals. */
static int64_t largest_of(const int64_t *numbers, int64_t n) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (numbers[i] > numbers[best]) best = i;
    return best;
}

/* Scale removals[n] down to `total` in all: whole parts of removal * total / sum, and one more for
 * those with the largest remainders. No removal grows: a layer that gets one more had a remainder.
 */
static void scale_removals(int64_t *removals, int64_t n, int64_t sum, int64_t total) {
    int64_t remainder[SW_MAX_LAYERS];
    int64_t left = total;
    for (int64_t l = 0; l < n; l++) {
        __int128 product = (__int128) removals[l] * total;
        removals[l] = (int64_t) (product / sum);
        remainder[l] = (int64_t) (product % sum);
        left -= removals[l];
    }
    for (; left > 0; left--) {
        int64_t layer = largest_of(remainder, n);
        removals[layer]++;
        remainder[layer] = -1;
    }
}

/* One prune; returns whether the target is reached. */
static bool prune_once(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                       int64_t *kept) {
    int64_t removals[SW_MAX_LAYERS];
    int64_t n = arch->n_layers;
    for (int64_t l = 0; l < n; l++)
        removals[l] = layer_removal(spec, sw_arch_layer(arch, l), kept[l]);
    int64_t room = sum_of(kept, n) - target_total(spec, arch);
    int64_t sum = sum_of(removals, n);
    if (sum > room) scale_removals(removals, n, sum, room);
    for (int64_t l = 0; l < n; l++)
        kept[l] -= removals[l];
    return has_target(spec) && sum >= room;
}

static void keep_all(const struct sw_arch *arch, int64_t *kept) {
    for (int64_t l = 0; l < arch->n_layers; l++)
        kept[l] = sw_arch_layer(arch, l)->count;
}

void sw_prune_kept(const struct sw_trial_spec *spec, const struct sw_arch *arch, int64_t round,
                   int64_t *kept) {
    keep_all(arch, kept);
    bool reached = false;
    for (int64_t r = 0; r < round && !reached; r++)
        reached = prune_once(spec, arch, kept);
}

int64_t sw_prune_rounds(const struct sw_trial_spec *spec, const struct sw_arch *arch) {
    int64_t kept[SW_MAX_LAYERS];
    keep_all(arch, kept);
    if (has_target(spec) && target_total(spec, arch) >= arch->prunable) return 0;
    int64_t rounds = 0;
    for (bool reached = false; rounds < spec->prune_rounds && !reached; rounds++)
        reached = prune_once(spec, arch, kept);
    return rounds;
}

double sw_prune_requested(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                          int64_t round) {
    double left = 0;
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(arch, l);
        double share = 1;
        for (int64_t r = 0; r < round; r++) /* not pow(): its last digit depends on the processor */
            share *= 1 - layer_rate(spec, layer);
        left += share * (double) layer->count;
    }
    double sparsity = arch->prunable > 0 ? 1 - left / (double) arch->prunable : 0;
    return has_target(spec) && sparsity > spec->prune_target ? spec->prune_target : sparsity;
}
