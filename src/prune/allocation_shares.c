/* Allocations that share out what is left of the whole network: every round has an overall share left,
 * and each layer its part of it. Only products, sums, quotients and square roots of doubles: the same
 * numbers on every machine. All parts shrink or stay as the overall share shrinks. */
#include "prune_internal.h"

#include <math.h>
#include <string.h>

static double total_of(const struct sw_arch *arch, const int64_t *groups) {
    double sum = 0;
    for (int64_t l = 0; l < arch->n_layers; l++)
        sum += (double) groups[l];
    return sum;
}

/* These need to know what a layer keeps before anything is scored, and weights or blocks to count. */
static enum sw_status check_shares(const struct sw_trial_spec *spec, const char **key) {
    *key = "prune.scope";
    if (strcmp(spec->prune_scope, "layer") != 0)
        return SW_FAIL(SW_CONFIG,
                       "prune.scope: prune.allocation %s says what every layer keeps; with scope "
                       "%s the scores would; use scope layer",
                       spec->prune_allocation, spec->prune_scope);
    *key = "prune.granularity";
    if (sw_granularity_of(spec)->side == 0)
        return SW_FAIL(SW_CONFIG,
                       "prune.granularity: prune.allocation %s shares out weights or blocks, not "
                       "%s; use allocation rates",
                       spec->prune_allocation, spec->prune_granularity);
    return SW_OK;
}

enum sw_status sw_allocation_check_kinds(const struct sw_trial_spec *spec,
                                         const struct sw_arch *arch, const char **key) {
    const struct sw_granularity *kind = sw_granularity_of(spec);
    bool convolutions = false, linear = false;
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(arch, l);
        if (sw_groups_count(kind, arch, l) == 0) continue;
        *(layer->rank == 4 ? &convolutions : &linear) = true;
    }
    *key = "prune.scope";
    if (strcmp(spec->prune_scope, "layer") != 0)
        return SW_FAIL(SW_CONFIG,
                       "prune.scope: prune.allocation %s has rates of its own for convolutions; "
                       "use scope layer",
                       spec->prune_allocation);
    *key = "prune.allocation";
    if (!convolutions || !linear)
        return SW_FAIL(SW_CONFIG,
                       "prune.allocation: %s is a ratio between convolutions and linear layers; "
                       "%s has none of the %s to prune",
                       spec->prune_allocation, arch->model, convolutions ? "latter" : "former");
    return SW_OK;
}

/* ---- er, erk -------------------------------------------------------------------------------- */

/* base^power for a power of 0 or more, to 2^-32 of it. */
static double raise(double base, double power) {
    double result = 1, root = base;
    const int64_t whole = (int64_t) floor(power);
    for (int64_t i = 0; i < whole; i++)
        result *= base;
    double rest = power - (double) whole;
    for (int bit = 0; bit < 32 && rest > 0; bit++) {
        root = sqrt(root);
        rest *= 2;
        if (rest < 1) continue;
        result *= root;
        rest -= 1;
    }
    return result;
}

/* Sum of the dimensions over their product, of the first `rank` of them. */
static double raw_density(const struct sw_param *layer, int64_t rank) {
    double sum = 0, product = 1;
    for (int64_t d = 0; d < rank; d++) {
        sum += (double) layer->shape[d];
        product *= (double) layer->shape[d];
    }
    return sum / product;
}

/* Densities epsilon * raw[l]; where that passes 1, the layers of the largest raw are dense and epsilon
 * is found anew for the others. It grows then, so that dense layers stay what they are; and something
 * is left for the others, as a dense layer takes less than the share that it would have had. */
static void scale_raw(const struct sw_arch *arch, const int64_t *groups, double left, double *raw) {
    double budget = left * total_of(arch, groups), largest = 0, epsilon = 0;
    do {
        double weight = 0;
        for (int64_t l = 0; l < arch->n_layers; l++) {
            if (epsilon > 0 && raw[l] == largest) {
                raw[l] = -1; /* dense from here on */
                budget -= (double) groups[l];
            }
            weight += raw[l] > 0 ? raw[l] * (double) groups[l] : 0;
        }
        epsilon = weight > 0 ? budget / weight : 0;
        largest = 0;
        for (int64_t l = 0; l < arch->n_layers; l++)
            largest = fmax(largest, raw[l]);
    } while (epsilon * largest > 1);
    for (int64_t l = 0; l < arch->n_layers; l++)
        raw[l] = raw[l] < 0 ? 1 : raw[l] * epsilon;
}

static void share_out_er(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                         const int64_t *groups, double left, double *shares) {
    (void) spec;
    for (int64_t l = 0; l < arch->n_layers; l++)
        shares[l] = groups[l] > 0 ? raw_density(sw_arch_layer(arch, l), 2) : 0;
    scale_raw(arch, groups, left, shares);
}

static void share_out_erk(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                          const int64_t *groups, double left, double *shares) {
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(arch, l);
        shares[l] = groups[l] > 0 ? raise(raw_density(layer, layer->rank), spec->prune_erk_power)
                                  : 0;
    }
    scale_raw(arch, groups, left, shares);
}

static enum sw_status check_er(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                               const char **key) {
    (void) arch;
    return check_shares(spec, key);
}

static const char *const er_options[] = {"prune.rate", NULL};
static const char *const erk_options[] = {"prune.rate", "prune.erk_power", NULL};
#define ER_SOURCE "Mocanu et al. 2018; Evci et al. 2020 (google-research/rigl, sparse_utils.py)"

const struct sw_allocation sw_allocation_er = {
    .name = "er",
    .summary =
        "Erdos-Renyi: density of a layer = epsilon (in + out) / (in out), at most 1; prune.rate is that of the "
        "whole network",
    .source = ER_SOURCE,
    .options = er_options,
    .share_out = share_out_er,
    .check = check_er,
};

const struct sw_allocation sw_allocation_erk = {
    .name = "erk",
    .summary =
        "Erdos-Renyi with kernels: density = epsilon (sum of all dimensions / their product) ^ prune.erk_power, at most 1",
    .source = ER_SOURCE,
    .options = erk_options,
    .share_out = share_out_erk,
    .check = check_er,
};

/* ---- seed_final_ratio ----------------------------------------------------------------------- */

/* Sparsities of convolutions and linear layers. */
struct kinds {
    double convolution, linear;
    bool capped; /* the ratio does not hold */
};

static struct kinds find_kinds(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                               const int64_t *groups, double left) {
    double all = total_of(arch, groups), convolutions = 0;
    for (int64_t l = 0; l < arch->n_layers; l++)
        if (sw_arch_layer(arch, l)->rank == 4) convolutions += (double) groups[l];
    double linear = all - convolutions, sparsity = 1 - left;
    struct kinds kinds = {.linear = sparsity * all / (spec->prune_ratio * convolutions + linear)};
    kinds.convolution = spec->prune_ratio * kinds.linear;
    double cap = fmax(spec->prune_ratio_cap, sparsity);
    kinds.capped = kinds.convolution > cap;
    if (kinds.capped) {
        kinds.convolution = cap;
        kinds.linear = (sparsity * all - cap * convolutions) / linear;
    }
    return kinds;
}

static void share_out_ratio(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                            const int64_t *groups, double left, double *shares) {
    const struct kinds kinds = find_kinds(spec, arch, groups, left);
    for (int64_t l = 0; l < arch->n_layers; l++)
        shares[l] = 1 - (sw_arch_layer(arch, l)->rank == 4 ? kinds.convolution : kinds.linear);
}

static double find_ratio(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                         const int64_t *groups, double left) {
    const struct kinds kinds = find_kinds(spec, arch, groups, left);
    return kinds.capped ? kinds.convolution / kinds.linear : spec->prune_ratio;
}

static enum sw_status check_final_ratio(const struct sw_trial_spec *spec,
                                        const struct sw_arch *arch, const char **key) {
    SW_TRY(check_shares(spec, key));
    return sw_allocation_check_kinds(spec, arch, key);
}

static const char *const final_options[] = {"prune.rate", "prune.ratio", "prune.ratio_cap", NULL};

const struct sw_allocation sw_allocation_seed_final_ratio = {
    .name = "seed_final_ratio",
    .summary =
        "sparsity of convolutions = prune.ratio times that of linear layers, s = S N / (ratio N_conv + N_linear); "
        "above prune.ratio_cap linear layers take the rest",
    .source = "the engineering guide's rule (1.5 to 2), read as a ratio of sparsities",
    .options = final_options,
    .share_out = share_out_ratio,
    .ratio = find_ratio,
    .check = check_final_ratio,
};
