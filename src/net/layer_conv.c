/* Convolutions of planes: y = relu(w * x + bias), or w * x for a norm that follows; w dense, dense but
 * masked, or sparse. */
#include "layer.h"

/* ---- shapes --------------------------------------------------------------------------------- */

static int64_t n_params(const struct sw_layer_desc *desc) {
    return 1 + desc->bias;
}

/* As of a linear layer, for every pixel of the output. */
static void count_flops(const struct sw_layer_desc *desc, int64_t kept,
                        struct sw_layer_flops *out) {
    double pixels = (double) (desc->out_height * desc->out_width);
    out->data = 2.0 * (double) kept * pixels;
    out->forward = out->training = out->data + (desc->bias ? (double) desc->out * pixels : 0);
}

static struct sw_conv conv_of(const struct sw_layer_desc *desc,
                              const struct sw_layer_place *place) {
    return (struct sw_conv){.in = place->in,
                            .out = place->out,
                            .kernel = desc->kernel,
                            .stride = desc->stride,
                            .padding = desc->padding};
}

static void need_borders(const struct sw_layer_desc *desc, int64_t *in, int64_t *out) {
    struct sw_layer_place place = {
        .in = {desc->in, desc->height, desc->width, 0},
        .out = {desc->out, desc->out_height, desc->out_width, 0},
    };
    struct sw_conv conv = conv_of(desc, &place);
    *in = desc->padding;
    *out = sw_conv_gradient_border(&conv);
}

static enum sw_layer_format choose_format(const struct sw_layer_desc *desc,
                                          const struct sw_layer_place *place, enum sw_isa isa,
                                          int64_t kept, int64_t block) {
    struct sw_conv conv = conv_of(desc, place);
    (void) block;
    return sw_hal_choose_conv_format(isa, &conv, kept);
}

static int64_t position_bytes(const struct sw_layer_desc *desc, const struct sw_layer_place *place,
                              enum sw_isa isa, enum sw_layer_format format, int64_t kept) {
    struct sw_conv conv = conv_of(desc, place);
    if (format != SW_FORMAT_DENSE) return sw_hal_sparse_conv_predict_bytes(isa, &conv, kept);
    return sw_hal_sparse_predict_bytes(isa, format, desc->out,
                                       desc->in * desc->kernel * desc->kernel, kept);
}

static int64_t scratch_bytes(const struct sw_layer_desc *desc, const struct sw_layer_place *place,
                             enum sw_isa isa, enum sw_layer_format format, int64_t kept,
                             int64_t ld) {
    struct sw_conv conv = conv_of(desc, place);
    if (format == SW_FORMAT_DENSE) kept = desc->out * desc->in * desc->kernel * desc->kernel;
    return sw_hal_conv_scratch(&conv, isa, format, kept, ld);
}

static enum sw_status create_positions(struct sw_hal *hal, const struct sw_csr *csr,
                                       struct sw_net_layer *layer) {
    struct sw_conv conv = conv_of(&layer->desc, &layer->place);
    if (layer->format != SW_FORMAT_DENSE)
        return sw_hal_sparse_conv_create(hal, &conv, csr, &layer->conv_positions);
    return sw_hal_sparse_create(hal, csr, layer->format, &layer->positions);
}

/* ---- products ------------------------------------------------------------------------------- */

static enum sw_status multiply_dense(const struct sw_pass *pass, const struct sw_net_layer *layer) {
    struct sw_conv conv = conv_of(&layer->desc, &layer->place);
    SW_TRY(sw_layer_scatter(pass->hal, layer));
    return sw_hal_conv_forward(pass->hal, &conv, sw_layer_dense_weights(layer), layer->x, pass->ld,
                               pass->scratch, layer->output);
}

static enum sw_status forward(const struct sw_pass *pass, const struct sw_net_layer *layer) {
    if (layer->conv_positions != NULL)
        return sw_hal_sparse_conv_forward(pass->hal, layer->conv_positions, layer->weight->values,
                                          layer->x, layer->desc.bias ? layer->bias->values : NULL,
                                          pass->ld, layer->desc.relu, pass->scratch, layer->output);
    SW_TRY(multiply_dense(pass, layer));
    if (!layer->desc.bias) return SW_OK;
    return sw_hal_planes_bias_activate(pass->hal, &layer->place.out, layer->bias->values, pass->ld,
                                       layer->desc.relu, layer->output);
}

static enum sw_status backward_weights(const struct sw_pass *pass, const struct sw_net_layer *layer,
                                       const struct sw_buffer *dy) {
    struct sw_conv conv = conv_of(&layer->desc, &layer->place);
    struct sw_buffer *dense = sw_layer_dense_gradient(pass, layer);
    if (layer->conv_positions != NULL)
        return sw_hal_sparse_conv_backward_weights(pass->hal, layer->conv_positions, dy, layer->x,
                                                   pass->ld, pass->scratch,
                                                   layer->weight->gradients);
    SW_TRY(sw_hal_conv_backward_weights(pass->hal, &conv, dy, layer->x, pass->ld, pass->scratch,
                                        dense));
    return sw_layer_gather(pass->hal, layer, dense);
}

static enum sw_status backward_data(const struct sw_pass *pass, const struct sw_net_layer *layer,
                                    const struct sw_buffer *dy, struct sw_buffer *dx) {
    struct sw_conv conv = conv_of(&layer->desc, &layer->place);
    if (layer->conv_positions != NULL)
        return sw_hal_sparse_conv_backward_data(pass->hal, layer->conv_positions,
                                                layer->weight->values, dy, pass->ld,
                                                layer->place.add, pass->scratch, dx);
    return sw_hal_conv_backward_data(pass->hal, &conv, sw_layer_dense_weights(layer), dy, pass->ld,
                                     layer->place.add, pass->scratch, dx);
}

static enum sw_status backward(const struct sw_pass *pass, const struct sw_net_layer *layer,
                               struct sw_buffer *dy, struct sw_buffer *dx) {
    if (layer->desc.bias)
        SW_TRY(sw_hal_planes_bias_backward(pass->hal, &layer->place.out, layer->output, pass->ld,
                                           layer->desc.relu && !layer->place.stopped, dy,
                                           layer->bias->gradients));
    SW_TRY(backward_weights(pass, layer, dy));
    return dx != NULL ? backward_data(pass, layer, dy, dx) : SW_OK;
}

extern const struct sw_layer_ops sw_layer_conv;
const struct sw_layer_ops sw_layer_conv = {
    .name = "convolution",
    .adds = true,
    .n_params = n_params,
    .shape_param = sw_layer_shape_weights,
    .count_flops = count_flops,
    .need_borders = need_borders,
    .choose_format = choose_format,
    .position_bytes = position_bytes,
    .scratch_bytes = scratch_bytes,
    .create_positions = create_positions,
    .forward = forward,
    .backward = backward,
};
