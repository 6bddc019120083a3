#include <string.h>

#include "models.h"
#include "net_private.h"

int64_t sw_net_gradient_features(const struct sw_model_desc *desc, int parity) {
    int64_t widest = 0;
    for (int64_t l = parity; l < desc->n_layers; l += 2) {
        int64_t features = sw_layer_ops_of(desc->layers[l].kind)->output_features(&desc->layers[l]);
        if (features > widest) widest = features;
    }
    return widest;
}

/* Input, labels, outputs of all layers and the two gradients. */
static int64_t activation_bytes(const struct sw_model_desc *desc, int64_t ld) {
    const int64_t real = sizeof(float), label = sizeof(int32_t);
    int64_t features = sw_layer_ops_of(desc->layers[0].kind)->input_features(&desc->layers[0]);
    for (int64_t l = 0; l < desc->n_layers; l++)
        features += sw_layer_ops_of(desc->layers[l].kind)->output_features(&desc->layers[l]);
    for (int parity = 0; parity < 2; parity++)
        features += sw_net_gradient_features(desc, parity);
    return features * ld * real + ld * label;
}

void sw_net_predict_memory(const struct sw_arch *arch, const int64_t *kept, int64_t max_batch,
                           enum sw_isa isa, struct sw_net_memory *out) {
    struct sw_model_desc desc;
    int64_t scratch = 0;
    memset(out, 0, sizeof *out);
    if (sw_model_lay_out(arch->model, arch->input_shape, arch->classes, &desc) != SW_OK) return;
    out->activations = activation_bytes(&desc, sw_hal_lanes(max_batch));
    for (int64_t l = 0; l < desc.n_layers; l++) {
        const struct sw_layer_desc *layer = &desc.layers[l];
        enum sw_layer_format format =
            sw_layer_ops_of(layer->kind)->choose_format(layer, isa, kept[l]);
        struct sw_layer_sizes sizes = sw_layer_measure(layer, format, isa, kept[l]);
        out->weights += sizes.values + sizes.bias + sizes.positions;
        out->gradients += sizes.values + sizes.bias;
        out->workspace += sizes.dense;
        if (sizes.gradient > scratch) scratch = sizes.gradient;
    }
    out->workspace += scratch;
}
