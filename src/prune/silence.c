/* What belongs to removed filters but has no mask. */
#include "prune_internal.h"

#include "sweepstake/mask.h"

/* Does the mask keep a weight of the row of unit u? */
static bool is_left(const struct sw_param *layer, const uint8_t *mask, int64_t u) {
    int64_t columns = layer->count / layer->shape[0];
    for (int64_t c = 0; c < columns; c++)
        if (sw_mask_get(mask + layer->mask_offset, u * columns + c)) return true;
    return false;
}

bool sw_prune_silences(const struct sw_trial_spec *spec, enum sw_control control) {
    enum sw_group_kind kind = sw_granularity_of(spec)->kind;
    return (kind == SW_GROUPS_FILTERS || kind == SW_GROUPS_CHANNELS) &&
           control != SW_CONTROL_RANDOM;
}

void sw_prune_silence(const struct sw_arch *arch, const uint8_t *mask, float *survivors) {
    for (int64_t p = 0; p < arch->n_params; p++) {
        const struct sw_param *param = &arch->params[p];
        if (param->prunable) {
            survivors += sw_mask_count(mask + param->mask_offset, param->count);
            continue;
        }
        const struct sw_param *layer = sw_arch_layer(arch, arch->units[p].makes);
        for (int64_t u = 0; u < param->count && sw_role_is_trained(param->role); u++)
            if (!is_left(layer, mask, u)) survivors[u] = 0;
        survivors += param->count;
    }
}
