/* Fully connected layers: y = relu(W x + bias) with W dense, dense but masked, or sparse. */
#include "layer.h"

/* ---- shapes --------------------------------------------------------------------------------- */

static void shape_weight(const struct sw_layer_desc *desc, struct sw_param *weight) {
    weight->rank = 2;
    weight->shape[0] = weight->fan_out = desc->out;
    weight->shape[1] = weight->fan_in = desc->in;
    weight->count = desc->out * desc->in;
}

static int64_t input_features(const struct sw_layer_desc *desc) {
    return desc->in;
}
static int64_t output_features(const struct sw_layer_desc *desc) {
    return desc->out;
}

static double product_flops(const struct sw_layer_desc *desc, int64_t kept) {
    (void) desc;
    return 2.0 * (double) kept;
}

static enum sw_layer_format choose_format(const struct sw_layer_desc *desc, enum sw_isa isa,
                                          int64_t kept) {
    return sw_hal_choose_format(isa, desc->out, desc->in, kept);
}

static void matrix(const struct sw_layer_desc *desc, int64_t *rows, int64_t *columns) {
    *rows = desc->out;
    *columns = desc->in;
}

/* ---- products ------------------------------------------------------------------------------- */

/* The dense W: the values themselves when nothing is pruned. */
static struct sw_buffer *dense_weights(const struct sw_net_layer *layer) {
    return layer->dense != NULL ? layer->dense : layer->weight->values;
}

static enum sw_status multiply(struct sw_hal *hal, const struct sw_net_layer *layer,
                               const struct sw_buffer *x, int64_t ld) {
    const struct sw_layer_desc *desc = &layer->desc;
    struct sw_buffer *values = layer->weight->values;
    if (layer->format != SW_FORMAT_DENSE)
        return sw_hal_sparse_forward(hal, layer->positions, values, x, ld, layer->output);
    if (layer->dense != NULL)
        SW_TRY(sw_hal_sparse_scatter(hal, layer->positions, values, layer->dense));
    return sw_hal_dense_forward(hal, dense_weights(layer), x, desc->out, desc->in, ld,
                                layer->output);
}

static enum sw_status forward(struct sw_hal *hal, const struct sw_net_layer *layer,
                              const struct sw_buffer *x, int64_t ld) {
    SW_TRY(multiply(hal, layer, x, ld));
    return sw_hal_bias_activate(hal, layer->bias->values, layer->desc.out, ld, layer->desc.relu,
                                layer->output);
}

static enum sw_status backward_weights(struct sw_hal *hal, const struct sw_net_layer *layer,
                                       const struct sw_buffer *x, int64_t ld,
                                       struct sw_buffer *scratch, struct sw_buffer *dy) {
    const struct sw_layer_desc *desc = &layer->desc;
    struct sw_buffer *gradients = layer->weight->gradients;
    if (desc->relu) SW_TRY(sw_hal_relu_backward(hal, layer->output, desc->out, ld, dy));
    SW_TRY(sw_hal_bias_backward(hal, dy, desc->out, ld, layer->bias->gradients));
    if (layer->format != SW_FORMAT_DENSE)
        return sw_hal_sparse_backward_weights(hal, layer->positions, dy, x, ld, gradients);
    if (layer->dense == NULL)
        return sw_hal_dense_backward_weights(hal, dy, x, desc->out, desc->in, ld, gradients);
    SW_TRY(sw_hal_dense_backward_weights(hal, dy, x, desc->out, desc->in, ld, scratch));
    return sw_hal_sparse_gather(hal, layer->positions, scratch, gradients);
}

static enum sw_status backward_data(struct sw_hal *hal, const struct sw_net_layer *layer,
                                    const struct sw_buffer *dy, int64_t ld, struct sw_buffer *dx) {
    const struct sw_layer_desc *desc = &layer->desc;
    if (layer->format != SW_FORMAT_DENSE)
        return sw_hal_sparse_backward_data(hal, layer->positions, layer->weight->values, dy, ld,
                                           dx);
    return sw_hal_dense_backward_data(hal, dense_weights(layer), dy, desc->out, desc->in, ld, dx);
}

extern const struct sw_layer_ops sw_layer_linear;
const struct sw_layer_ops sw_layer_linear = {
    .name = "linear",
    .shape_weight = shape_weight,
    .input_features = input_features,
    .output_features = output_features,
    .product_flops = product_flops,
    .choose_format = choose_format,
    .matrix = matrix,
    .forward = forward,
    .backward_weights = backward_weights,
    .backward_data = backward_data,
};
