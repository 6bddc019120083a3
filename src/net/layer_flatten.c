/* Planes into the rows that a linear layer reads: a copy, no arithmetic. */
#include "layer.h"

static enum sw_status forward(const struct sw_pass *pass, const struct sw_net_layer *layer) {
    return sw_hal_flatten(pass->hal, &layer->place.in, layer->x, pass->ld, layer->output);
}

static enum sw_status backward(const struct sw_pass *pass, const struct sw_net_layer *layer,
                               struct sw_buffer *dy, struct sw_buffer *dx) {
    if (dx == NULL) return SW_OK;
    return sw_hal_unflatten(pass->hal, &layer->place.in, dy, pass->ld, dx);
}

extern const struct sw_layer_ops sw_layer_flatten;
const struct sw_layer_ops sw_layer_flatten = {
    .name = "flatten",
    .n_params = sw_layer_no_params,
    .forward = forward,
    .backward = backward,
};
