/* Fully connected layers: y = relu(W x + bias) with W dense, dense but masked, or sparse. */
#include "layer.h"

/* ---- shapes --------------------------------------------------------------------------------- */

static int64_t n_params(const struct sw_layer_desc *desc) {
    (void) desc;
    return 2;
}

/* A product, and one addition per output for the bias; backward the same towards both, and the product
 * towards the input. */
static void count_flops(const struct sw_layer_desc *desc, int64_t kept,
                        struct sw_layer_flops *out) {
    out->data = 2.0 * (double) kept;
    out->forward = out->training = out->data + (double) desc->out;
}

static enum sw_layer_format choose_format(const struct sw_layer_desc *desc,
                                          const struct sw_layer_place *place, enum sw_isa isa,
                                          int64_t kept, int64_t block) {
    (void) place;
    return sw_hal_choose_format(isa, desc->out, desc->in, kept, block);
}

static int64_t position_bytes(const struct sw_layer_desc *desc, const struct sw_layer_place *place,
                              enum sw_isa isa, enum sw_layer_format format, int64_t kept) {
    (void) place;
    return sw_hal_sparse_predict_bytes(isa, format, desc->out, desc->in, kept);
}

static enum sw_status create_positions(struct sw_hal *hal, const struct sw_csr *csr,
                                       struct sw_net_layer *layer) {
    return sw_hal_sparse_create(hal, csr, layer->format, &layer->positions);
}

/* ---- products ------------------------------------------------------------------------------- */

static enum sw_status multiply(struct sw_hal *hal, const struct sw_net_layer *layer, int64_t ld) {
    const struct sw_layer_desc *desc = &layer->desc;
    if (layer->format != SW_FORMAT_DENSE)
        return sw_hal_sparse_forward(hal, layer->positions, layer->weight->values, layer->x, ld,
                                     layer->output);
    SW_TRY(sw_layer_scatter(hal, layer));
    return sw_hal_dense_forward(hal, sw_layer_dense_weights(layer), layer->x, desc->out, desc->in,
                                ld, layer->output);
}

static enum sw_status forward(const struct sw_pass *pass, const struct sw_net_layer *layer) {
    SW_TRY(multiply(pass->hal, layer, pass->ld));
    return sw_hal_bias_activate(pass->hal, layer->bias->values, layer->desc.out, pass->ld,
                                layer->desc.relu, layer->output);
}

static enum sw_status backward_weights(const struct sw_pass *pass, const struct sw_net_layer *layer,
                                       const struct sw_buffer *dy) {
    const struct sw_layer_desc *desc = &layer->desc;
    struct sw_buffer *dense = sw_layer_dense_gradient(pass, layer);
    if (layer->format != SW_FORMAT_DENSE)
        return sw_hal_sparse_backward_weights(pass->hal, layer->positions, dy, layer->x, pass->ld,
                                              layer->weight->gradients);
    SW_TRY(sw_hal_dense_backward_weights(pass->hal, dy, layer->x, desc->out, desc->in, pass->ld,
                                         dense));
    return sw_layer_gather(pass->hal, layer, dense);
}

static enum sw_status backward_data(const struct sw_pass *pass, const struct sw_net_layer *layer,
                                    const struct sw_buffer *dy, struct sw_buffer *dx) {
    const struct sw_layer_desc *desc = &layer->desc;
    if (layer->format != SW_FORMAT_DENSE)
        return sw_hal_sparse_backward_data(pass->hal, layer->positions, layer->weight->values, dy,
                                           pass->ld, dx);
    return sw_hal_dense_backward_data(pass->hal, sw_layer_dense_weights(layer), dy, desc->out,
                                      desc->in, pass->ld, dx);
}

static enum sw_status backward(const struct sw_pass *pass, const struct sw_net_layer *layer,
                               struct sw_buffer *dy, struct sw_buffer *dx) {
    int64_t out = layer->desc.out;
    if (layer->desc.relu) SW_TRY(sw_hal_relu_backward(pass->hal, layer->output, out, pass->ld, dy));
    SW_TRY(sw_hal_bias_backward(pass->hal, dy, out, pass->ld, layer->bias->gradients));
    SW_TRY(backward_weights(pass, layer, dy));
    return dx != NULL ? backward_data(pass, layer, dy, dx) : SW_OK;
}

extern const struct sw_layer_ops sw_layer_linear;
const struct sw_layer_ops sw_layer_linear = {
    .name = "linear",
    .n_params = n_params,
    .shape_param = sw_layer_shape_weights,
    .count_flops = count_flops,
    .any_format = true,
    .choose_format = choose_format,
    .position_bytes = position_bytes,
    .create_positions = create_positions,
    .forward = forward,
    .backward = backward,
};
