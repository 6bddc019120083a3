/* The largest or the mean value of each window, and the mean of a whole plane. */
#include "layer.h"

/* ---- windows -------------------------------------------------------------------------------- */

static struct sw_pooling pooling_of(const struct sw_net_layer *layer) {
    return (struct sw_pooling){.in = layer->place.in,
                               .out = layer->place.out,
                               .kernel = layer->desc.kernel,
                               .stride = layer->desc.stride,
                               .relu = layer->place.stops};
}

/* One comparison or addition per value of a window, there and back. */
static void count_window_flops(const struct sw_layer_desc *desc, int64_t kept,
                               struct sw_layer_flops *out) {
    (void) kept;
    out->forward = out->data = (double) (desc->out * desc->out_height * desc->out_width *
                                         desc->kernel * desc->kernel);
}

static enum sw_status forward_max(const struct sw_pass *pass, const struct sw_net_layer *layer) {
    struct sw_pooling pool = pooling_of(layer);
    return sw_hal_max_pool(pass->hal, &pool, layer->x, pass->ld, layer->output);
}

static enum sw_status backward_max(const struct sw_pass *pass, const struct sw_net_layer *layer,
                                   struct sw_buffer *dy, struct sw_buffer *dx) {
    struct sw_pooling pool = pooling_of(layer);
    if (dx == NULL) return SW_OK;
    return sw_hal_max_pool_backward(pass->hal, &pool, layer->x, layer->output, dy, pass->ld, dx);
}

extern const struct sw_layer_ops sw_layer_max_pool;
const struct sw_layer_ops sw_layer_max_pool = {
    .name = "max pool",
    .stops = true,
    .n_params = sw_layer_no_params,
    .count_flops = count_window_flops,
    .forward = forward_max,
    .backward = backward_max,
};

static enum sw_status forward_average(const struct sw_pass *pass,
                                      const struct sw_net_layer *layer) {
    struct sw_pooling pool = pooling_of(layer);
    return sw_hal_average_pool(pass->hal, &pool, layer->x, pass->ld, layer->output);
}

static enum sw_status backward_average(const struct sw_pass *pass, const struct sw_net_layer *layer,
                                       struct sw_buffer *dy, struct sw_buffer *dx) {
    struct sw_pooling pool = pooling_of(layer);
    if (dx == NULL) return SW_OK;
    return sw_hal_average_pool_backward(pass->hal, &pool, dy, pass->ld, dx);
}

extern const struct sw_layer_ops sw_layer_average_pool;
const struct sw_layer_ops sw_layer_average_pool = {
    .name = "average pool",
    .n_params = sw_layer_no_params,
    .count_flops = count_window_flops,
    .forward = forward_average,
    .backward = backward_average,
};

/* ---- whole planes --------------------------------------------------------------------------- */

static void count_global_flops(const struct sw_layer_desc *desc, int64_t kept,
                               struct sw_layer_flops *out) {
    (void) kept;
    out->forward = out->data = (double) (desc->in * desc->height * desc->width);
}

static enum sw_status forward_global(const struct sw_pass *pass, const struct sw_net_layer *layer) {
    return sw_hal_global_pool(pass->hal, &layer->place.in, layer->x, pass->ld, layer->output);
}

static enum sw_status backward_global(const struct sw_pass *pass, const struct sw_net_layer *layer,
                                      struct sw_buffer *dy, struct sw_buffer *dx) {
    if (dx == NULL) return SW_OK;
    return sw_hal_global_pool_backward(pass->hal, &layer->place.in, dy, pass->ld, dx);
}

extern const struct sw_layer_ops sw_layer_global_pool;
const struct sw_layer_ops sw_layer_global_pool = {
    .name = "global average pool",
    .n_params = sw_layer_no_params,
    .count_flops = count_global_flops,
    .forward = forward_global,
    .backward = backward_global,
};
