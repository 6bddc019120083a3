/* Kernels of linear layers beside the machine's sgemm. */
#include <cblas.h>
#include <string.h>

#include "bench.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "sweepstake/random.h"

enum { SGEMM_SIDE = 1024, MAX_TIMES = 1000 };

/* ---- sgemm ----------------------------------------------------------------------------------------- */

double sw_bench_sgemm_gflops(double seconds) {
    const int n = SGEMM_SIDE;
    float *memory = NULL;
    size_t count = (size_t) n * (size_t) n;
    if (SW_ALLOC(&memory, 3 * count, "sgemm") != SW_OK) return 0;
    for (size_t i = 0; i < 2 * count; i++)
        memory[i] = (float) (i % 17) - 8.0f;
    double best = 0, begin = sw_clock_monotonic();
    for (int i = 0; i < 3 || sw_clock_monotonic() - begin < seconds; i++) {
        double start = sw_clock_monotonic();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, memory, n,
                    memory + count, n, 0, memory + 2 * count, n);
        double rate = 2.0 * n * n * n / (sw_clock_monotonic() - start) * 1e-9;
        if (rate > best) best = rate;
    }
    SW_FREE(&memory);
    return best;
}

/* ---- one layer -------------------------------------------------------------------------------------- */

struct layer {
    struct sw_hal *hal;
    int64_t out, in, ld, nnz;
    uint8_t *mask;
    struct sw_csr csr;
    struct sw_sparse *sparse; /* NULL for a dense layer */
    struct sw_sparse *copies; /* of a dense layer that is masked; NULL otherwise */
    struct sw_buffer *weights, *gradients, *x, *y;
};

static void fini_layer(struct layer *layer) {
    sw_hal_free(&layer->weights);
    sw_hal_free(&layer->gradients);
    sw_hal_free(&layer->x);
    sw_hal_free(&layer->y);
    sw_hal_sparse_free(&layer->sparse);
    sw_hal_sparse_free(&layer->copies);
    sw_csr_fini(&layer->csr);
    SW_FREE(&layer->mask);
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

static enum sw_status init_layer(struct layer *layer, double sparsity) {
    int64_t weights = layer->out * layer->in;
    layer->nnz = weights;
    if (sparsity > 0) {
        SW_TRY(SW_ALLOC(&layer->mask, (size_t) sw_mask_bytes(weights), "mask"));
        layer->nnz = sw_bench_random_mask(layer->mask, weights, sparsity, 2000);
        SW_TRY(sw_csr_from_mask(layer->mask, layer->out, layer->in, &layer->csr));
        SW_TRY(sw_hal_sparse_create(layer->hal, &layer->csr, SW_FORMAT_CSR, &layer->sparse));
    }
    SW_TRY(fill(layer->hal, layer->nnz, 2001, &layer->weights));
    SW_TRY(fill(layer->hal, layer->nnz, 2002, &layer->gradients));
    SW_TRY(fill(layer->hal, layer->in * layer->ld, 2003, &layer->x));
    return fill(layer->hal, layer->out * layer->ld, 2004, &layer->y);
}

/* Turn a sparse layer into a dense one with a mask. */
static enum sw_status make_masked(struct layer *layer) {
    int64_t weights = layer->out * layer->in;
    sw_hal_sparse_free(&layer->sparse);
    sw_hal_free(&layer->weights);
    sw_hal_free(&layer->gradients);
    SW_TRY(sw_hal_sparse_create(layer->hal, &layer->csr, SW_FORMAT_DENSE, &layer->copies));
    SW_TRY(fill(layer->hal, weights, 2001, &layer->weights));
    return fill(layer->hal, weights, 2002, &layer->gradients);
}

static enum sw_status forward(struct layer *layer) {
    if (layer->sparse == NULL)
        return sw_hal_dense_forward(layer->hal, layer->weights, layer->x, layer->out, layer->in,
                                    layer->ld, layer->y);
    return sw_hal_sparse_forward(layer->hal, layer->sparse, layer->weights, layer->x, layer->ld,
                                 layer->y);
}

static enum sw_status backward_data(struct layer *layer) {
    if (layer->sparse == NULL)
        return sw_hal_dense_backward_data(layer->hal, layer->weights, layer->y, layer->out,
                                          layer->in, layer->ld, layer->x);
    return sw_hal_sparse_backward_data(layer->hal, layer->sparse, layer->weights, layer->y,
                                       layer->ld, layer->x);
}

static enum sw_status backward_weights(struct layer *layer) {
    if (layer->sparse == NULL)
        return sw_hal_dense_backward_weights(layer->hal, layer->y, layer->x, layer->out, layer->in,
                                             layer->ld, layer->gradients);
    return sw_hal_sparse_backward_weights(layer->hal, layer->sparse, layer->y, layer->x, layer->ld,
                                          layer->gradients);
}

/* ---- the table --------------------------------------------------------------------------------------- */

struct operation {
    const char *dense, *sparse; /* names */
    enum sw_status (*run)(struct layer *layer);
};
static const struct operation operations[] = {
    {"dense_forward", "sparse_forward", forward},
    {"dense_backward_data", "sparse_backward_data", backward_data},
    {"dense_backward_weights", "sparse_backward_weights", backward_weights},
};
/* Layers of lenet-300-100, and one that does not fit the second-level cache when dense. */
static const int64_t shapes[][2] = {{300, 784}, {100, 300}, {1024, 1024}};
static const double sparsities[] = {0, 0.5, 0.8, 0.9, 0.95, 0.98};

#define LENGTH(array) (sizeof(array) / sizeof *(array))
_Static_assert(LENGTH(operations) * LENGTH(shapes) * LENGTH(sparsities) <= SW_BENCH_KERNELS_MAX,
               "the caller's array is too small");

static enum sw_status time_operation(struct layer *layer, enum sw_status (*run)(struct layer *),
                                     double seconds, double *median) {
    double times[MAX_TIMES], begin = sw_clock_monotonic();
    int64_t n = 0;
    SW_TRY(run(layer)); /* the first call finds cold caches */
    do {
        double start = sw_clock_monotonic();
        SW_TRY(run(layer));
        times[n++] = sw_clock_monotonic() - start;
    } while (n < MAX_TIMES && (n < 3 || sw_clock_monotonic() - begin < seconds));
    *median = sw_bench_median(times, n);
    return SW_OK;
}

static enum sw_status time_layer(struct layer *layer, const struct sw_bench_kernel_options *options,
                                 double sparsity, double sgemm, struct sw_bench_kernel *out) {
    SW_TRY(init_layer(layer, sparsity));
    for (size_t i = 0; i < LENGTH(operations); i++) {
        double median = 0;
        SW_TRY(time_operation(layer, operations[i].run, options->seconds, &median));
        double gflops = 2e-9 * (double) layer->nnz * (double) options->batch / median;
        out[i] = (struct sw_bench_kernel){
            .name = layer->sparse == NULL ? operations[i].dense : operations[i].sparse,
            .out = layer->out,
            .in = layer->in,
            .batch = options->batch,
            .nnz = layer->nnz,
            .sparsity = sparsity,
            .us = median * 1e6,
            .gflops = gflops,
            .ratio = sgemm > 0 ? gflops / sgemm : 0,
        };
    }
    return SW_OK;
}

enum sw_status sw_bench_time_kernels(const struct sw_bench_kernel_options *options, double *sgemm,
                                     struct sw_bench_kernel *kernels, int64_t *n_kernels) {
    struct sw_hal *hal = NULL;
    SW_TRY(sw_bench_open_hal(options->backend, options->threads, options->isa, &hal));
    enum sw_status status = SW_OK;
    int64_t n = 0;
    double rate = sw_bench_sgemm_gflops(0.3);
    for (size_t s = 0; s < LENGTH(shapes) && status == SW_OK; s++) {
        for (size_t p = 0; p < LENGTH(sparsities) && status == SW_OK; p++) {
            struct layer layer = {.hal = hal,
                                  .out = shapes[s][0],
                                  .in = shapes[s][1],
                                  .ld = sw_hal_lanes(options->batch)};
            status = time_layer(&layer, options, sparsities[p], rate, kernels + n);
            fini_layer(&layer);
            n += (int64_t) LENGTH(operations);
        }
    }
    sw_hal_close(&hal);
    if (status != SW_OK) return status;
    *sgemm = rate;
    *n_kernels = n;
    return SW_OK;
}

/* ---- where dense and sparse meet --------------------------------------------------------------------- */

/* Shapes of the rows of choice.c's table, smallest first. */
static const int64_t tuned[][2] = {{10, 100}, {100, 300}, {300, 784}, {1000, 1000}};
_Static_assert(LENGTH(tuned) == SW_BENCH_TUNED, "bench.h says how many shapes there are");

/* What a masked layer costs beside its dense products. */
static enum sw_status copy_values(struct layer *layer) {
    SW_TRY(sw_hal_sparse_scatter(layer->hal, layer->copies, layer->gradients, layer->weights));
    return sw_hal_sparse_gather(layer->hal, layer->copies, layer->weights, layer->gradients);
}

static enum sw_status step_layer(struct layer *layer) {
    SW_TRY(forward(layer));
    SW_TRY(backward_weights(layer));
    SW_TRY(backward_data(layer));
    return layer->copies != NULL ? copy_values(layer) : SW_OK;
}

/* Seconds of all products of one layer and batch, in one format. */
static enum sw_status time_format(const struct sw_bench_kernel_options *options, struct sw_hal *hal,
                                  const int64_t shape[2], int percent, enum sw_layer_format format,
                                  double *median) {
    struct layer layer = {
        .hal = hal, .out = shape[0], .in = shape[1], .ld = sw_hal_lanes(options->batch)};
    enum sw_status status = init_layer(&layer, 1.0 - percent / 100.0);
    if (status == SW_OK && format == SW_FORMAT_DENSE) status = make_masked(&layer);
    if (status == SW_OK) status = time_operation(&layer, step_layer, options->seconds, median);
    fini_layer(&layer);
    return status;
}

/* The most percent of kept weights at which the sparse kernels are as fast as the dense ones. Two
 * losses in a row end the search: a single one may be another program's fault. */
static enum sw_status tune_shape(const struct sw_bench_kernel_options *options, struct sw_hal *hal,
                                 const int64_t shape[2], int *percent) {
    int best = 0, losses = 0;
    for (int p = 5; p < 100 && losses < 2; p += 5) {
        double sparse = 0, dense = 0;
        SW_TRY(time_format(options, hal, shape, p, SW_FORMAT_CSR, &sparse));
        SW_TRY(time_format(options, hal, shape, p, SW_FORMAT_DENSE, &dense));
        losses = sparse <= dense ? 0 : losses + 1;
        if (sparse <= dense) best = p;
    }
    *percent = best;
    return SW_OK;
}

enum sw_status sw_bench_tune(const struct sw_bench_kernel_options *options,
                             struct sw_bench_crossing crossings[SW_BENCH_TUNED]) {
    struct sw_hal *hal = NULL;
    enum sw_status status = SW_OK;
    SW_TRY(sw_bench_open_hal(options->backend, options->threads, options->isa, &hal));
    for (size_t i = 0; i < LENGTH(tuned) && status == SW_OK; i++) {
        int percent = 0;
        status = tune_shape(options, hal, tuned[i], &percent);
        crossings[i] = (struct sw_bench_crossing){tuned[i][0], tuned[i][1], percent};
    }
    sw_hal_close(&hal);
    return status;
}
