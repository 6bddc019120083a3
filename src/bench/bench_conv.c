/* The products of a convolution for timing: what a layer of a network does, bias and activation apart. */
#include "bench.h"

static struct sw_buffer *dense_weights(const struct sw_bench_layer *layer) {
    return layer->dense != NULL ? layer->dense : layer->values;
}

static enum sw_status forward(const struct sw_bench_layer *layer) {
    if (layer->conv_positions != NULL)
        return sw_hal_sparse_conv_forward(layer->hal, layer->conv_positions, layer->values,
                                          layer->x, NULL, layer->ld, 0, layer->scratch, layer->y);
    if (layer->dense != NULL)
        SW_TRY(sw_hal_sparse_scatter(layer->hal, layer->positions, layer->values, layer->dense));
    return sw_hal_conv_forward(layer->hal, &layer->conv, dense_weights(layer), layer->x, layer->ld,
                               layer->scratch, layer->y);
}

static enum sw_status backward_data(const struct sw_bench_layer *layer) {
    if (layer->conv_positions != NULL)
        return sw_hal_sparse_conv_backward_data(layer->hal, layer->conv_positions, layer->values,
                                                layer->y, layer->ld, 0, layer->scratch, layer->x);
    return sw_hal_conv_backward_data(layer->hal, &layer->conv, dense_weights(layer), layer->y,
                                     layer->ld, 0, layer->scratch, layer->x);
}

static enum sw_status backward_weights(const struct sw_bench_layer *layer) {
    if (layer->conv_positions != NULL)
        return sw_hal_sparse_conv_backward_weights(layer->hal, layer->conv_positions, layer->y,
                                                   layer->x, layer->ld, layer->scratch,
                                                   layer->gradients);
    struct sw_buffer *to = layer->dense != NULL ? layer->dense_gradients : layer->gradients;
    SW_TRY(sw_hal_conv_backward_weights(layer->hal, &layer->conv, layer->y, layer->x, layer->ld,
                                        layer->scratch, to));
    if (layer->dense == NULL) return SW_OK;
    return sw_hal_sparse_gather(layer->hal, layer->positions, to, layer->gradients);
}

const struct sw_bench_product sw_bench_conv_products[SW_BENCH_PRODUCTS] = {
    {"forward", forward},
    {"backward_data", backward_data},
    {"backward_weights", backward_weights},
};
