#include "graph.h"

/* Operations of a pass over all layers; `backward` adds those of gradients, towards the input of every layer but
 * those that read the network's. */
static double count(const struct sw_arch *arch, const int64_t *kept, bool backward) {
    struct sw_model_desc desc;
    struct sw_graph graph;
    double total = 0;
    if (sw_model_lay_out(arch->model, arch->input_shape, arch->classes, &desc) != SW_OK ||
        sw_graph_plan(&desc, &graph) != SW_OK)
        return 0;
    for (int64_t l = 0; l < desc.n_layers; l++) {
        const struct sw_layer_ops *ops = sw_layer_ops_of(desc.layers[l].kind);
        const struct sw_layer_place *place = &graph.place[l];
        struct sw_layer_flops flops = {0};
        if (ops->count_flops == NULL) continue;
        ops->count_flops(&desc.layers[l], place->prunable >= 0 ? kept[place->prunable] : 0, &flops);
        total += flops.forward;
        if (backward) total += flops.training + (place->dx >= 0 ? flops.data : 0);
    }
    return total;
}

double sw_net_forward_flops(const struct sw_arch *arch, const int64_t *kept) {
    return count(arch, kept, false);
}

double sw_net_step_flops(const struct sw_arch *arch, const int64_t *kept) {
    return count(arch, kept, true);
}
