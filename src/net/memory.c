#include <string.h>

#include "net_private.h"

/* Input, labels, outputs of all layers and the slots of their gradients. */
static int64_t activation_bytes(const struct sw_graph *graph, int64_t ld) {
    const int64_t real = sizeof(float), label = sizeof(int32_t);
    int64_t floats = sw_planes_floats(&graph->input, SW_HAL_LANES);
    for (int64_t l = 0; l < graph->desc.n_layers; l++)
        if (!sw_layer_ops_of(graph->desc.layers[l].kind)->in_place)
            floats += sw_planes_floats(&graph->place[l].out, SW_HAL_LANES);
    for (int64_t s = 0; s < graph->n_slots; s++)
        floats += graph->slot_floats[s];
    return floats * (ld / SW_HAL_LANES) * real + ld * label;
}

static void predict(const struct sw_graph *graph, const int64_t *kept, int64_t max_batch,
                    enum sw_isa isa, const struct sw_net_storage *storage,
                    struct sw_net_memory *out) {
    int64_t gradient = 0, scratch = 0, ld = sw_hal_lanes(max_batch);
    out->activations = activation_bytes(graph, ld);
    for (int64_t l = 0; l < graph->desc.n_layers; l++) {
        const struct sw_layer_desc *layer = &graph->desc.layers[l];
        const struct sw_layer_place *place = &graph->place[l];
        int64_t left = place->prunable >= 0 ? kept[place->prunable] : 0;
        enum sw_layer_format format = SW_FORMAT_DENSE;
        if (place->prunable >= 0) format = sw_layer_choose_format(layer, place, isa, left, storage);
        struct sw_layer_sizes sizes = sw_layer_measure(layer, place, format, isa, left, ld);
        out->weights += sizes.values + sizes.positions;
        out->gradients += sizes.gradients;
        out->activations += sizes.statistics;
        out->workspace += sizes.dense;
        if (sizes.gradient > gradient) gradient = sizes.gradient;
        if (sizes.scratch > scratch) scratch = sizes.scratch;
    }
    out->workspace += gradient + scratch;
}

void sw_net_predict_memory(const struct sw_arch *arch, const int64_t *kept, int64_t max_batch,
                           enum sw_isa isa, const struct sw_net_storage *storage,
                           struct sw_net_memory *out) {
    struct sw_model_desc desc;
    struct sw_graph graph;
    memset(out, 0, sizeof *out);
    if (sw_model_lay_out(arch->model, arch->input_shape, arch->classes, &desc) == SW_OK &&
        sw_graph_plan(&desc, &graph) == SW_OK)
        predict(&graph, kept, max_batch, isa, storage, out);
}

void sw_net_predict_unit_memory(const struct sw_arch *arch, const int64_t *kept, int64_t max_batch,
                                enum sw_isa isa, struct sw_net_memory *out) {
    struct sw_model_desc desc;
    struct sw_graph graph;
    memset(out, 0, sizeof *out);
    if (sw_model_lay_out(arch->model, arch->input_shape, arch->classes, &desc) != SW_OK) return;
    sw_compact_predict(kept, &desc);
    if (sw_graph_plan(&desc, &graph) == SW_OK)
        predict(&graph, kept, max_batch, isa, &(struct sw_net_storage){.block = 1}, out);
}
