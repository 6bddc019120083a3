/* One linear layer in one format, and the products of a step with it. */
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
    sw_hal_sparse_free(&layer->positions);
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

/* Places of a random mask whose blocks of `side` are kept whole. */
static enum sw_status make_csr(const struct sw_bench_layer *layer, int64_t side, double sparsity,
                               struct sw_csr *out) {
    uint8_t *mask = NULL;
    SW_TRY(SW_ALLOC(&mask, (size_t) sw_mask_bytes(layer->out * layer->in), "mask"));
    (void) sw_bench_random_mask(mask, layer->out, layer->in, side, sparsity, 2000);
    enum sw_status status = sw_csr_from_mask(mask, layer->out, layer->in, out);
    SW_FREE(&mask);
    return status;
}

static enum sw_status prune(struct sw_bench_layer *layer, int64_t side, double sparsity) {
    struct sw_csr csr;
    SW_TRY(make_csr(layer, side, sparsity, &csr));
    layer->nnz = csr.nnz;
    enum sw_status status = sw_hal_sparse_create(layer->hal, &csr, layer->format,
                                                 &layer->positions);
    sw_csr_fini(&csr);
    if (status != SW_OK || layer->format != SW_FORMAT_DENSE) return status;
    SW_TRY(fill(layer->hal, layer->out * layer->in, 2005, &layer->dense));
    return fill(layer->hal, layer->out * layer->in, 2006, &layer->dense_gradients);
}

enum sw_status sw_bench_layer_init(struct sw_hal *hal, const int64_t shape[2], int64_t batch,
                                   enum sw_layer_format format, int64_t side, double sparsity,
                                   struct sw_bench_layer *out) {
    struct sw_bench_layer layer = {.hal = hal,
                                   .format = format,
                                   .out = shape[0],
                                   .in = shape[1],
                                   .ld = sw_hal_lanes(batch),
                                   .nnz = shape[0] * shape[1]};
    enum sw_status status = SW_OK;
    if (sparsity > 0) SW_TRY_TO(prune(&layer, side, sparsity), status, cleanup);
    SW_TRY_TO(fill(hal, layer.nnz, 2001, &layer.values), status, cleanup);
    SW_TRY_TO(fill(hal, layer.nnz, 2002, &layer.gradients), status, cleanup);
    SW_TRY_TO(fill(hal, layer.in * layer.ld, 2003, &layer.x), status, cleanup);
    SW_TRY_TO(fill(hal, layer.out * layer.ld, 2004, &layer.y), status, cleanup);
    *out = layer;
    return SW_OK;
cleanup:
    sw_bench_layer_fini(&layer);
    return status;
}

/* ---- products: what a layer of a network does, bias and activation apart --------------------------- */

static struct sw_buffer *dense_weights(const struct sw_bench_layer *layer) {
    return layer->dense != NULL ? layer->dense : layer->values;
}

static enum sw_status forward(const struct sw_bench_layer *layer) {
    if (layer->format != SW_FORMAT_DENSE)
        return sw_hal_sparse_forward(layer->hal, layer->positions, layer->values, layer->x,
                                     layer->ld, layer->y);
    if (layer->dense != NULL)
        SW_TRY(sw_hal_sparse_scatter(layer->hal, layer->positions, layer->values, layer->dense));
    return sw_hal_dense_forward(layer->hal, dense_weights(layer), layer->x, layer->out, layer->in,
                                layer->ld, layer->y);
}

static enum sw_status backward_data(const struct sw_bench_layer *layer) {
    if (layer->format != SW_FORMAT_DENSE)
        return sw_hal_sparse_backward_data(layer->hal, layer->positions, layer->values, layer->y,
                                           layer->ld, layer->x);
    return sw_hal_dense_backward_data(layer->hal, dense_weights(layer), layer->y, layer->out,
                                      layer->in, layer->ld, layer->x);
}

static enum sw_status backward_weights(const struct sw_bench_layer *layer) {
    if (layer->format != SW_FORMAT_DENSE)
        return sw_hal_sparse_backward_weights(layer->hal, layer->positions, layer->y, layer->x,
                                              layer->ld, layer->gradients);
    struct sw_buffer *to = layer->dense != NULL ? layer->dense_gradients : layer->gradients;
    SW_TRY(sw_hal_dense_backward_weights(layer->hal, layer->y, layer->x, layer->out, layer->in,
                                         layer->ld, to));
    if (layer->dense == NULL) return SW_OK;
    return sw_hal_sparse_gather(layer->hal, layer->positions, to, layer->gradients);
}

const struct sw_bench_product sw_bench_products[SW_BENCH_PRODUCTS] = {
    {"forward", forward},
    {"backward_data", backward_data},
    {"backward_weights", backward_weights},
};
