/* Dropout (Srivastava et al. 2014), scaled while training: in place. The layer before may look at its
 * output after that, as ReLU does; a max pool may not, and none has dropout behind it. */
#include "layer.h"

/* A product per value, there and back, while training. */
static void count_flops(const struct sw_layer_desc *desc, int64_t kept,
                        struct sw_layer_flops *out) {
    int64_t pixels = desc->height > 0 ? desc->height * desc->width : 1;
    (void) kept;
    out->training = out->data = (double) (desc->in * pixels);
}

static enum sw_status drop(const struct sw_pass *pass, const struct sw_net_layer *layer,
                           struct sw_buffer *values) {
    uint64_t stream = (uint64_t) pass->step << 16 | (uint64_t) (layer->place.output - 1);
    if (pass->mode != SW_NET_TRAIN) return SW_OK;
    return sw_hal_dropout(pass->hal, pass->seed, stream, (float) layer->desc.rate,
                          sw_planes_floats(&layer->place.in, pass->ld), values);
}

static enum sw_status forward(const struct sw_pass *pass, const struct sw_net_layer *layer) {
    return drop(pass, layer, layer->output);
}

static enum sw_status backward(const struct sw_pass *pass, const struct sw_net_layer *layer,
                               struct sw_buffer *dy, struct sw_buffer *dx) {
    (void) dx; /* is dy */
    return drop(pass, layer, dy);
}

extern const struct sw_layer_ops sw_layer_dropout;
const struct sw_layer_ops sw_layer_dropout = {
    .name = "dropout",
    .in_place = true,
    .n_params = sw_layer_no_params,
    .count_flops = count_flops,
    .forward = forward,
    .backward = backward,
};
