#include "compact.h"

#include <string.h>

#include "layer.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

/* ---- which masks ---------------------------------------------------------------------------- */

/* The units of a layer that are left; none when an earlier one names them. */
struct units {
    const int32_t *left;
    int64_t n;
};

static struct units units_of(const struct sw_compact *compact, int64_t l) {
    const int64_t *first = compact->left_first + l;
    return (struct units){compact->left + first[0], first[1] - first[0]};
}

/* A unit is left when any of the weights that make it is. */
static void find_units(const uint8_t *mask, struct sw_compact *compact) {
    const struct sw_arch *arch = compact->arch;
    int64_t n = 0;
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(arch, l);
        int64_t columns = layer->count / layer->shape[0];
        compact->left_first[l] = n;
        for (int64_t r = 0; r < layer->shape[0] && sw_arch_units(arch, l)->makes == l; r++) {
            bool any = false;
            for (int64_t c = 0; c < columns && !any; c++)
                any = sw_mask_get(mask + layer->mask_offset, r * columns + c);
            if (any) compact->left[n++] = (int32_t) r;
        }
    }
    compact->left_first[arch->n_layers] = n;
}

/* Does the mask keep the columns of row r that read the units that are left? */
static bool keeps_row(const struct sw_param *layer, const struct sw_param_units *place,
                      struct units inputs, const uint8_t *mask, int64_t r) {
    int64_t columns = layer->count / layer->shape[0];
    int64_t n = place->reads < 0 ? 1 : inputs.n, span = place->reads < 0 ? columns : place->span;
    for (int64_t i = 0; i < n; i++) {
        int64_t from = r * columns + (place->reads < 0 ? 0 : inputs.left[i] * span);
        for (int64_t c = 0; c < span; c++)
            if (!sw_mask_get(mask, from + c)) return false;
    }
    return true;
}

/* Are the weights of a layer all those between units that are left, and no others? */
static bool is_smaller_matrix(const struct sw_compact *compact, const uint8_t *mask, int64_t l) {
    const struct sw_param *layer = sw_arch_layer(compact->arch, l);
    const struct sw_param_units *place = sw_arch_units(compact->arch, l);
    const uint8_t *bits = mask + layer->mask_offset;
    struct units rows = units_of(compact, place->makes), inputs = {NULL, 0};
    int64_t columns = layer->count / layer->shape[0];
    if (place->reads >= 0) {
        inputs = units_of(compact, place->reads);
        columns = inputs.n * place->span;
    }
    if (rows.n == 0 || sw_mask_count(bits, layer->count) != rows.n * columns) return false;
    for (int64_t i = 0; i < rows.n; i++)
        if (!keeps_row(layer, place, inputs, bits, rows.left[i])) return false;
    return !layer->output || rows.n == layer->shape[0];
}

static bool is_smaller_network(const struct sw_compact *compact, const uint8_t *mask) {
    const struct sw_arch *arch = compact->arch;
    int64_t units = 0;
    for (int64_t l = 0; l < arch->n_layers; l++) {
        if (!is_smaller_matrix(compact, mask, l)) return false;
        if (sw_arch_units(arch, l)->makes == l) units += sw_arch_layer(arch, l)->shape[0];
    }
    return compact->left_first[arch->n_layers] < units;
}

/* ---- building ------------------------------------------------------------------------------- */

static enum sw_status alloc_compact(const struct sw_arch *arch, struct sw_compact *compact) {
    size_t units = 0;
    for (int64_t l = 0; l < arch->n_layers; l++)
        units += (size_t) sw_arch_layer(arch, l)->shape[0];
    compact->arch = arch;
    SW_TRY(SW_ALLOC(&compact->left_first, (size_t) arch->n_layers + 1, "units that are left"));
    return SW_ALLOC(&compact->left, units, "units that are left");
}

static enum sw_status shrink(const struct sw_arch *arch, const uint8_t *mask,
                             struct sw_model_desc *desc) {
    int64_t *kept = NULL;
    SW_TRY(SW_ALLOC(&kept, (size_t) arch->n_layers, "weights of a smaller network"));
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(arch, l);
        kept[l] = sw_mask_count(mask + layer->mask_offset, layer->count);
    }
    sw_compact_predict(kept, desc);
    SW_FREE(&kept);
    return SW_OK;
}

enum sw_status sw_compact_create(const struct sw_arch *arch, const uint8_t *mask,
                                 struct sw_model_desc *desc, struct sw_compact **out) {
    struct sw_compact *compact = NULL;
    enum sw_status status = SW_OK;
    SW_TRY(SW_ALLOC(&compact, 1, "a smaller network"));
    SW_TRY_TO(alloc_compact(arch, compact), status, cleanup);
    find_units(mask, compact);
    if (!is_smaller_network(compact, mask)) goto cleanup;
    SW_TRY_TO(SW_ALLOC(&compact->others, (size_t) (arch->parameters - arch->prunable),
                       "a smaller network"),
              status, cleanup);
    SW_TRY_TO(shrink(arch, mask, desc), status, cleanup);
    *out = compact;
    return SW_OK;
cleanup:
    sw_compact_destroy(&compact);
    return status;
}

void sw_compact_destroy(struct sw_compact **compact) {
    struct sw_compact *old = *compact;
    if (old == NULL) return;
    SW_FREE(&old->left_first);
    SW_FREE(&old->left);
    SW_FREE(&old->others);
    SW_FREE(compact);
}

/* ---- what has no mask ----------------------------------------------------------------------- */

static float *others_of(const struct sw_compact *compact, int64_t p) {
    int64_t at = 0;
    for (int64_t i = 0; i < p; i++)
        if (!compact->arch->params[i].prunable) at += compact->arch->params[i].count;
    return compact->others + at;
}

void sw_compact_pick(struct sw_compact *compact, int64_t p, const float *values, float *left) {
    const struct sw_param *param = &compact->arch->params[p];
    struct units units = units_of(compact, compact->arch->units[p].makes);
    memcpy(others_of(compact, p), values, (size_t) param->count * sizeof *values);
    for (int64_t i = 0; i < units.n; i++)
        left[i] = values[units.left[i]];
}

void sw_compact_put(const struct sw_compact *compact, int64_t p, const float *left, float *values) {
    const struct sw_param *param = &compact->arch->params[p];
    struct units units = units_of(compact, compact->arch->units[p].makes);
    memcpy(values, others_of(compact, p), (size_t) param->count * sizeof *values);
    for (int64_t i = 0; i < units.n; i++)
        values[units.left[i]] = left[i];
}

/* ---- in advance ----------------------------------------------------------------------------- */

/* Channels or features of what layer l gives. */
static int64_t given(const struct sw_model_desc *desc, int64_t l) {
    const struct sw_layer_desc *layer = &desc->layers[l];
    return layer->kind == SW_LAYER_FLATTEN ? layer->in * layer->height * layer->width : layer->in;
}

void sw_compact_predict(const int64_t *kept, struct sw_model_desc *desc) {
    int64_t first[SW_MODEL_MAX_LAYERS], prunable[SW_MODEL_MAX_LAYERS];
    (void) sw_model_number_params(desc, first);
    sw_model_number_weights(desc, first, prunable);
    for (int64_t l = 0; l < desc->n_layers; l++) {
        struct sw_layer_desc *layer = &desc->layers[l];
        int64_t area = layer->kind == SW_LAYER_CONV ? layer->kernel * layer->kernel : 1;
        if (layer->input != SW_LAYER_INPUT) layer->in = desc->layers[layer->input].out;
        layer->out = prunable[l] >= 0 ? kept[prunable[l]] / (layer->in * area) : given(desc, l);
    }
}
