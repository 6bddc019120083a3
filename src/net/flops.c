#include "layer.h"
#include "models.h"

/* Operations of a pass: products, and one addition per output for the bias. A backward pass repeats
 * both towards the weights, and the product towards the input of every layer but the first. */
static double count(const struct sw_arch *arch, const int64_t *kept, int backward) {
    struct sw_model_desc desc;
    double flops = 0;
    if (sw_model_lay_out(arch->model, arch->input_shape, arch->classes, &desc) != SW_OK) return 0;
    for (int64_t l = 0; l < desc.n_layers; l++) {
        const struct sw_layer_ops *ops = sw_layer_ops_of(desc.layers[l].kind);
        double product = ops->product_flops(&desc.layers[l], kept[l]);
        double biases = (double) ops->output_features(&desc.layers[l]);
        flops += product + biases;
        if (backward) flops += product + biases + (l > 0 ? product : 0);
    }
    return flops;
}

double sw_net_forward_flops(const struct sw_arch *arch, const int64_t *kept) {
    return count(arch, kept, 0);
}

double sw_net_step_flops(const struct sw_arch *arch, const int64_t *kept) {
    return count(arch, kept, 1);
}
