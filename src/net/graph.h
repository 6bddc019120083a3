/* Module: net, private: where the layers of a model stand: which tensors they read and write, with what
 * borders, and in which slots the gradients are. All of it follows from the list of layers. */
#pragma once

#include "layer.h"
#include "models.h"

#define SW_GRAPH_MAX_SLOTS 8
#define SW_GRAPH_INPUT 0 /* the tensor of the network's input */

struct sw_graph {
    struct sw_model_desc desc;
    struct sw_layer_place place[SW_MODEL_MAX_LAYERS];
    struct sw_planes input; /* rows of features when the first layer is linear */
    bool input_is_planes;
    int64_t n_slots;
    int64_t slot_floats[SW_GRAPH_MAX_SLOTS]; /* for SW_HAL_LANES samples */
};

/* Errors: SW_INTERNAL for a list that the passes cannot run: two readers of one tensor whose gradients would
 * have to be added, unless the later one in backward order is a convolution. */
enum sw_status sw_graph_plan(const struct sw_model_desc *desc, struct sw_graph *out) SW_NODISCARD;
