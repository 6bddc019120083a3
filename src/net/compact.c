#include "compact.h"

#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

/* ---- which masks ---------------------------------------------------------------------------- */

/* Linear layers, each reading all of the one before. */
static bool is_chain(const struct sw_model_desc *desc) {
    for (int64_t l = 0; l < desc->n_layers; l++) {
        if (desc->layers[l].kind != SW_LAYER_LINEAR) return false;
        if (l > 0 && desc->layers[l].in != desc->layers[l - 1].out) return false;
    }
    return true;
}

/* In a chain, layer l has the l-th prunable parameter. */
static const uint8_t *mask_of(const struct sw_arch *arch, const uint8_t *mask, int64_t l) {
    return mask + sw_arch_layer(arch, l)->mask_offset;
}

/* A unit is left when any of its weights is. */
static void find_units(const struct sw_arch *arch, const struct sw_model_desc *desc,
                       const uint8_t *mask, struct sw_compact *compact) {
    int64_t n = 0;
    for (int64_t l = 0; l < desc->n_layers; l++) {
        const uint8_t *bits = mask_of(arch, mask, l);
        int64_t columns = desc->layers[l].in;
        compact->left_first[l] = n;
        for (int64_t r = 0; r < desc->layers[l].out; r++) {
            bool any = false;
            for (int64_t c = 0; c < columns && !any; c++)
                any = sw_mask_get(bits, r * columns + c);
            if (any) compact->left[n++] = (int32_t) r;
        }
    }
    compact->left_first[desc->n_layers] = n;
}

static int64_t count_left(const struct sw_compact *compact, int64_t l) {
    return compact->left_first[l + 1] - compact->left_first[l];
}

/* Do the units that are left keep all weights between each other, and is one gone? Output units
 * have to stay. Weights elsewhere cannot be: then the counts differ. */
static bool is_smaller_network(const struct sw_arch *arch, const struct sw_model_desc *desc,
                               const uint8_t *mask, const struct sw_compact *compact) {
    int64_t columns = desc->layers[0].in;
    bool smaller = false;
    for (int64_t l = 0; l < desc->n_layers; l++) {
        const struct sw_layer_desc *layer = &desc->layers[l];
        const uint8_t *bits = mask_of(arch, mask, l);
        int64_t rows = count_left(compact, l);
        if (rows == 0 || sw_mask_count(bits, layer->out * layer->in) != rows * columns)
            return false;
        for (int64_t i = 0; i < rows; i++) {
            const int32_t *inputs = l > 0 ? compact->left + compact->left_first[l - 1] : NULL;
            int64_t row = compact->left[compact->left_first[l] + i] * layer->in;
            for (int64_t j = 0; j < columns; j++)
                if (!sw_mask_get(bits, row + (inputs != NULL ? inputs[j] : j))) return false;
        }
        smaller |= rows < layer->out;
        columns = rows;
    }
    return smaller && columns == desc->layers[desc->n_layers - 1].out;
}

/* ---- building ------------------------------------------------------------------------------- */

static enum sw_status alloc_compact(const struct sw_model_desc *desc, struct sw_compact *compact) {
    size_t layers = (size_t) desc->n_layers, units = 0;
    for (int64_t l = 0; l < desc->n_layers; l++)
        units += (size_t) desc->layers[l].out;
    SW_TRY(SW_ALLOC(&compact->left_first, layers + 1, "units that are left"));
    SW_TRY(SW_ALLOC(&compact->left, units, "units that are left"));
    SW_TRY(SW_ALLOC(&compact->bias_first, layers + 1, "biases"));
    return SW_ALLOC(&compact->biases, units, "biases");
}

/* Biases and a mask of ones, for a network that will be shrunk; then shrink it. */
static enum sw_status shrink(struct sw_model_desc *desc, struct sw_compact *compact) {
    int64_t largest = 0;
    for (int64_t l = 0; l < desc->n_layers; l++) {
        struct sw_layer_desc *layer = &desc->layers[l];
        compact->bias_first[l + 1] = compact->bias_first[l] + layer->out;
        layer->out = count_left(compact, l);
        if (l > 0) layer->in = desc->layers[l - 1].out;
        if (layer->in * layer->out > largest) largest = layer->in * layer->out;
    }
    SW_TRY(SW_ALLOC(&compact->ones, (size_t) sw_mask_bytes(largest), "a mask"));
    memset(compact->ones, 0xff, (size_t) sw_mask_bytes(largest));
    return SW_OK;
}

enum sw_status sw_compact_create(const struct sw_arch *arch, const uint8_t *mask,
                                 struct sw_model_desc *desc, struct sw_compact **out) {
    struct sw_compact *compact = NULL;
    enum sw_status status = SW_OK;
    if (!is_chain(desc)) return SW_OK;
    SW_TRY(SW_ALLOC(&compact, 1, "a smaller network"));
    SW_TRY_TO(alloc_compact(desc, compact), status, cleanup);
    find_units(arch, desc, mask, compact);
    if (!is_smaller_network(arch, desc, mask, compact)) goto cleanup;
    SW_TRY_TO(shrink(desc, compact), status, cleanup);
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
    SW_FREE(&old->bias_first);
    SW_FREE(&old->biases);
    SW_FREE(&old->ones);
    SW_FREE(compact);
}

/* ---- biases --------------------------------------------------------------------------------- */

void sw_compact_pick(struct sw_compact *compact, int64_t l, const float *biases, float *left) {
    int64_t first = compact->bias_first[l], n = compact->bias_first[l + 1] - first;
    memcpy(compact->biases + first, biases, (size_t) n * sizeof *biases);
    for (int64_t i = compact->left_first[l]; i < compact->left_first[l + 1]; i++)
        *left++ = biases[compact->left[i]];
}

void sw_compact_put(const struct sw_compact *compact, int64_t l, const float *left, float *biases) {
    int64_t first = compact->bias_first[l], n = compact->bias_first[l + 1] - first;
    memcpy(biases, compact->biases + first, (size_t) n * sizeof *biases);
    for (int64_t i = compact->left_first[l]; i < compact->left_first[l + 1]; i++)
        biases[compact->left[i]] = *left++;
}

/* ---- in advance ----------------------------------------------------------------------------- */

void sw_compact_predict(const int64_t *kept, struct sw_model_desc *desc) {
    if (!is_chain(desc)) return;
    for (int64_t l = 0; l < desc->n_layers; l++) {
        struct sw_layer_desc *layer = &desc->layers[l];
        if (l > 0) layer->in = desc->layers[l - 1].out;
        layer->out = kept[l] / layer->in;
    }
}
