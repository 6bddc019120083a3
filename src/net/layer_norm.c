/* Batch norm of planes, the residual that a block adds, and ReLU: y = relu(norm(x) + other). */
#include "layer.h"

enum { SCALE, SHIFT, MEAN, VARIANCE, N_PARAMS };

static int64_t n_params(const struct sw_layer_desc *desc) {
    (void) desc;
    return N_PARAMS;
}

static void shape_param(const struct sw_layer_desc *desc, int64_t i, struct sw_param *out) {
    static const enum sw_param_role roles[N_PARAMS] = {
        [SCALE] = SW_ROLE_SCALE,
        [SHIFT] = SW_ROLE_SHIFT,
        [MEAN] = SW_ROLE_MEAN,
        [VARIANCE] = SW_ROLE_VARIANCE,
    };
    out->role = roles[i];
    out->rank = 1;
    out->shape[0] = desc->out;
}

/* Per value: a product and a sum, and the residual's; sums of values and of squares, then of dy and of dy x,
 * three each; dx from dy and x, four. What is done per channel does not count. */
static void count_flops(const struct sw_layer_desc *desc, int64_t kept,
                        struct sw_layer_flops *out) {
    double values = (double) (desc->out * desc->out_height * desc->out_width);
    (void) kept;
    out->forward = (desc->residual >= 0 ? 3 : 2) * values;
    out->training = 6 * values;
    out->data = 4 * values;
}

static enum sw_status forward(const struct sw_pass *pass, const struct sw_net_layer *layer) {
    const struct sw_layer_place *place = &layer->place;
    struct sw_buffer *running_mean = layer->params[MEAN].values;
    struct sw_buffer *running_variance = layer->params[VARIANCE].values;
    bool of_batch = pass->mode != SW_NET_EVALUATE;
    if (of_batch) {
        int64_t n = pass->batch * place->in.height * place->in.width;
        SW_TRY(sw_hal_norm_statistics(pass->hal, &place->in, layer->x, pass->batch, layer->mean,
                                      layer->variance));
        SW_TRY(sw_hal_norm_track(pass->hal, place->in.channels, n, pass->momentum, layer->mean,
                                 layer->variance, running_mean, running_variance));
    }
    return sw_hal_norm_apply(
        pass->hal, &place->in, &place->out, layer->x, of_batch ? layer->mean : running_mean,
        of_batch ? layer->variance : running_variance, layer->params[SCALE].values,
        layer->params[SHIFT].values, layer->other, layer->other != NULL ? &place->other : NULL,
        pass->ld, layer->desc.relu, layer->output);
}

static enum sw_status backward(const struct sw_pass *pass, const struct sw_net_layer *layer,
                               struct sw_buffer *dy, struct sw_buffer *dx) {
    const struct sw_layer_place *place = &layer->place;
    struct sw_buffer *dscale = layer->params[SCALE].gradients;
    struct sw_buffer *dshift = layer->params[SHIFT].gradients;
    SW_TRY(sw_hal_norm_backward_sums(pass->hal, &place->in, &place->out, layer->x, layer->mean,
                                     layer->variance, layer->output, pass->batch,
                                     layer->desc.relu && !place->stopped, dy, dscale, dshift));
    if (dx == NULL) return SW_OK;
    return sw_hal_norm_backward_data(pass->hal, &place->in, &place->out, layer->x, layer->mean,
                                     layer->variance, layer->params[SCALE].values, dscale, dshift,
                                     dy, pass->batch, dx);
}

extern const struct sw_layer_ops sw_layer_norm;
const struct sw_layer_ops sw_layer_norm = {
    .name = "batch norm",
    .n_params = n_params,
    .shape_param = shape_param,
    .count_flops = count_flops,
    .forward = forward,
    .backward = backward,
};
