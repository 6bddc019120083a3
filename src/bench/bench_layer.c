/* One layer in one format, and the products of a step with it when it is linear. */
#include "bench.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "sweepstake/random.h"

void sw_bench_layer_fini(struct sw_bench_layer *layer) {
    sw_hal_free(&layer->values);
    sw_hal_free(&layer->gradients);
    sw_hal_free(&layer->dense);
    sw_hal_free(&layer->dense_gradients);
    sw_hal_free(&layer->x);
    sw_hal_free(&layer->y);
    sw_hal_free(&layer->scratch);
    sw_hal_sparse_free(&layer->positions);
    sw_hal_sparse_conv_free(&layer->conv_positions);
}

/* Rows and columns of the matrix of weights. */
static int64_t columns_of(const struct sw_bench_shape *shape) {
    return shape->kernel > 0 ? shape->in * shape->kernel * shape->kernel : shape->in;
}

/* Borders as in a network of such layers. */
static struct sw_conv make_conv(const struct sw_bench_shape *shape) {
    const int64_t border = shape->kernel / 2, side = (shape->side - 1) / shape->stride + 1;
    return (struct sw_conv){.in = {shape->in, shape->side, shape->side, border},
                            .out = {shape->out, side, side, border},
                            .kernel = shape->kernel,
                            .stride = shape->stride,
                            .padding = border};
}

double sw_bench_layer_work(const struct sw_bench_layer *layer) {
    double pixels = 1;
    if (layer->shape.kernel > 0) pixels = (double) (layer->conv.out.height * layer->conv.out.width);
    return (double) layer->nnz * (double) layer->ld * pixels;
}

static enum sw_status fill(struct sw_hal *hal, int64_t n, uint64_t stream, struct sw_buffer **out) {
    float *values = NULL;
    SW_TRY(SW_ALLOC(&values, (size_t) n, "values"));
    for (int64_t i = 0; i < n; i++)
        values[i] = (float) sw_random_uniform(1, SW_RANDOM_BENCH, stream, (uint64_t) i) - 0.5f;
    int64_t bytes = n * (int64_t) sizeof *values;
    enum sw_status status = sw_hal_alloc(hal, bytes, "values", out);
    if (status == SW_OK) status = sw_hal_upload(*out, 0, values, bytes);
    SW_FREE(&values);
    return status;
}

/* Random pixels within borders of zero. */
static enum sw_status fill_planes(struct sw_hal *hal, const struct sw_planes *planes, int64_t ld,
                                  uint64_t stream, struct sw_buffer **out) {
    SW_TRY(fill(hal, sw_planes_floats(planes, ld), stream, out));
    return sw_hal_clear_border(hal, planes, ld, *out);
}

/* Places of a random mask whose blocks of `block` are kept whole. */
static enum sw_status make_csr(const struct sw_bench_layer *layer, int64_t block, double sparsity,
                               struct sw_csr *out) {
    const int64_t rows = layer->shape.out, columns = columns_of(&layer->shape);
    uint8_t *mask = NULL;
    SW_TRY(SW_ALLOC(&mask, (size_t) sw_mask_bytes(rows * columns), "mask"));
    (void) sw_bench_random_mask(mask, rows, columns, block, sparsity, 2000);
    enum sw_status status = sw_csr_from_mask(mask, rows, columns, out);
    SW_FREE(&mask);
    return status;
}

static enum sw_status prune(struct sw_bench_layer *layer, int64_t block, double sparsity) {
    const int64_t weights = layer->shape.out * columns_of(&layer->shape);
    struct sw_csr csr;
    enum sw_status status;
    SW_TRY(make_csr(layer, block, sparsity, &csr));
    layer->nnz = csr.nnz;
    if (layer->shape.kernel > 0 && layer->format != SW_FORMAT_DENSE)
        status = sw_hal_sparse_conv_create(layer->hal, &layer->conv, &csr, &layer->conv_positions);
    else
        status = sw_hal_sparse_create(layer->hal, &csr, layer->format, &layer->positions);
    sw_csr_fini(&csr);
    if (status != SW_OK || layer->format != SW_FORMAT_DENSE) return status;
    SW_TRY(fill(layer->hal, weights, 2005, &layer->dense));
    return fill(layer->hal, weights, 2006, &layer->dense_gradients);
}

/* What a layer reads and gives, and what its products need. */
static enum sw_status add_activations(struct sw_bench_layer *layer) {
    const struct sw_bench_shape *shape = &layer->shape;
    if (shape->kernel == 0) {
        SW_TRY(fill(layer->hal, shape->in * layer->ld, 2003, &layer->x));
        return fill(layer->hal, shape->out * layer->ld, 2004, &layer->y);
    }
    int64_t bytes = sw_hal_conv_scratch(&layer->conv, sw_hal_isa(layer->hal), layer->format,
                                        layer->nnz, layer->ld);
    if (bytes > 0) SW_TRY(sw_hal_alloc(layer->hal, bytes, "scratch", &layer->scratch));
    SW_TRY(fill_planes(layer->hal, &layer->conv.in, layer->ld, 2003, &layer->x));
    return fill_planes(layer->hal, &layer->conv.out, layer->ld, 2004, &layer->y);
}

enum sw_status sw_bench_layer_init(struct sw_hal *hal, const struct sw_bench_shape *shape,
                                   int64_t batch, enum sw_layer_format format, int64_t block,
                                   double sparsity, struct sw_bench_layer *out) {
    struct sw_bench_layer layer = {.hal = hal,
                                   .format = format,
                                   .shape = *shape,
                                   .ld = sw_hal_lanes(batch),
                                   .nnz = shape->out * columns_of(shape)};
    enum sw_status status = SW_OK;
    if (shape->kernel > 0) layer.conv = make_conv(shape);
    if (sparsity > 0) SW_TRY_TO(prune(&layer, block, sparsity), status, cleanup);
    SW_TRY_TO(fill(hal, layer.nnz, 2001, &layer.values), status, cleanup);
    SW_TRY_TO(fill(hal, layer.nnz, 2002, &layer.gradients), status, cleanup);
    SW_TRY_TO(add_activations(&layer), status, cleanup);
    *out = layer;
    return SW_OK;
cleanup:
    sw_bench_layer_fini(&layer);
    return status;
}

/* ---- products of linear layers: what a layer of a network does, bias and activation apart --------------------------- */

static struct sw_buffer *dense_weights(const struct sw_bench_layer *layer) {
    return layer->dense != NULL ? layer->dense : layer->values;
}

static enum sw_status forward(const struct sw_bench_layer *layer) {
    if (layer->format != SW_FORMAT_DENSE)
        return sw_hal_sparse_forward(layer->hal, layer->positions, layer->values, layer->x,
                                     layer->ld, layer->y);
    if (layer->dense != NULL)
        SW_TRY(sw_hal_sparse_scatter(layer->hal, layer->positions, layer->values, layer->dense));
    return sw_hal_dense_forward(layer->hal, dense_weights(layer), layer->x, layer->shape.out,
                                layer->shape.in, layer->ld, layer->y);
}

static enum sw_status backward_data(const struct sw_bench_layer *layer) {
    if (layer->format != SW_FORMAT_DENSE)
        return sw_hal_sparse_backward_data(layer->hal, layer->positions, layer->values, layer->y,
                                           layer->ld, layer->x);
    return sw_hal_dense_backward_data(layer->hal, dense_weights(layer), layer->y, layer->shape.out,
                                      layer->shape.in, layer->ld, layer->x);
}

static enum sw_status backward_weights(const struct sw_bench_layer *layer) {
    if (layer->format != SW_FORMAT_DENSE)
        return sw_hal_sparse_backward_weights(layer->hal, layer->positions, layer->y, layer->x,
                                              layer->ld, layer->gradients);
    struct sw_buffer *to = layer->dense != NULL ? layer->dense_gradients : layer->gradients;
    SW_TRY(sw_hal_dense_backward_weights(layer->hal, layer->y, layer->x, layer->shape.out,
                                         layer->shape.in, layer->ld, to));
    if (layer->dense == NULL) return SW_OK;
    return sw_hal_sparse_gather(layer->hal, layer->positions, to, layer->gradients);
}

const struct sw_bench_product sw_bench_products[SW_BENCH_PRODUCTS] = {
    {"forward", forward},
    {"backward_data", backward_data},
    {"backward_weights", backward_weights},
};
