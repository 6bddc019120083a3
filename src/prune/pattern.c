/* N:M patterns: of every M consecutive weights of a row of the [out, in] matrix N stay. Windows begin with the
 * row; the last one of a row may be shorter, and keeps N too, or all that it has. */
#include "prune_internal.h"

#include <math.h>
#include <string.h>

#include "sweepstake/mask.h"

bool sw_prune_is_pattern(const struct sw_trial_spec *spec) {
    return sw_granularity_of(spec)->kind == SW_GROUPS_PATTERN;
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

int64_t sw_pattern_kept(const struct sw_granularity *kind, const struct sw_param *layer) {
    int64_t columns = layer->count / layer->shape[0];
    return layer->shape[0] *
           (columns / kind->of * kind->keep + least(columns % kind->of, kind->keep));
}

/* The lowest of the kept scores from `first` to `end`; of equal ones the first. */
static int64_t find_lowest(const float *scores, const uint8_t *mask, int64_t first, int64_t end) {
    int64_t lowest = -1;
    for (int64_t i = first; i < end; i++)
        if (sw_mask_get(mask, i) &&
            (lowest < 0 || sw_prune_rank(scores[i]) < sw_prune_rank(scores[lowest])))
            lowest = i;
    return lowest;
}

void sw_pattern_select(const struct sw_granularity *kind, const struct sw_param *layer,
                       const float *scores, uint8_t *mask) {
    int64_t columns = layer->count / layer->shape[0];
    for (int64_t row = 0; row < layer->count; row += columns)
        for (int64_t first = row; first < row + columns; first += kind->of) {
            int64_t end = least(first + kind->of, row + columns), kept = 0;
            for (int64_t i = first; i < end; i++)
                kept += sw_mask_get(mask, i);
            for (; kept > kind->keep; kept--)
                sw_mask_clear_bit(mask, find_lowest(scores, mask, first, end));
        }
}

enum sw_status sw_pattern_check(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                                const char **key) {
    const struct sw_granularity *kind = sw_granularity_of(spec);
    if (strcmp(spec->prune_scope, "layer") != 0) {
        *key = "prune.scope";
        return SW_FAIL(SW_CONFIG,
                       "prune.scope: with prune.granularity %s weights compete within their %lld; "
                       "right is layer",
                       kind->name, (long long) kind->of);
    }
    *key = "prune.target";
    if (!isnan(spec->prune_target))
        return SW_FAIL(SW_CONFIG, "prune.target is not used by prune.granularity %s, which says it",
                       kind->name);
    bool rules = *spec->prune_rates != '\0';
    *key = rules ? "prune.rates" : "prune.conv_rate";
    if (rules || !isnan(spec->prune_conv_rate))
        return SW_FAIL(SW_CONFIG, "%s is not used by prune.granularity %s", *key, kind->name);
    *key = "prune.allocation";
    if (sw_allocation_of(spec) != &sw_allocation_rates)
        return SW_FAIL(SW_CONFIG, "prune.allocation %s is not used by prune.granularity %s",
                       spec->prune_allocation, kind->name);
    *key = "prune.min_keep";
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(arch, l);
        if (sw_pattern_kept(kind, layer) < least(spec->prune_min_keep, layer->count))
            return SW_FAIL(SW_CONFIG, "prune.min_keep: got %lld, but %s keeps %lld weights of %s",
                           (long long) spec->prune_min_keep, kind->name,
                           (long long) sw_pattern_kept(kind, layer), layer->name);
    }
    return SW_OK;
}
