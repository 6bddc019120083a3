/* What the benchmarks share. Private to this folder. */
#pragma once

#include "sweepstake/bench.h"
#include "sweepstake/planes.h"
#include "sweepstake/sched.h"

/* Open a backend by name. Errors: SW_NOT_FOUND, SW_UNSUPPORTED, SW_NOMEM. */
enum sw_status sw_bench_open_hal(const char *backend, int threads, enum sw_isa isa,
                                 struct sw_hal **out) SW_NODISCARD;

/* The images that a model is known for: 28 x 28 grey for the LeNets and plain networks, else CIFAR's. */
void sw_bench_input_shape(const char *model, int64_t shape[3]);

/* Keep a share of 1 - sparsity of the weights of a [rows, columns] matrix, or with `side` above 1 of its
 * blocks of side x side: exactly as many as that rounds to, at least one, all choices equally likely.
 * Returns how many weights. `stream` tells masks apart. Sets bits of mask[(rows columns + 7) / 8], which is
 * all zero. */
int64_t sw_bench_random_mask(uint8_t *mask, int64_t rows, int64_t columns, int64_t side,
                             double sparsity, uint64_t stream);

/* The mask of one random prune of a network with all its weights, [mask_bytes], zero before; its values do not
 * matter. Errors: SW_CONFIG (a granularity that is unknown, or not for this network), SW_NOMEM. */
enum sw_status sw_bench_prune(const struct sw_arch *arch, const char *granularity, double sparsity,
                              const float *theta, uint8_t *mask) SW_NODISCARD;

/* A layer for timing, freed with sw_bench_layer_fini. Dense and masked: values are scattered into
 * `dense` before a product, gradients gathered from dense_gradients, as in a network. */
struct sw_bench_layer {
    struct sw_hal *hal;
    enum sw_layer_format format;
    struct sw_bench_shape shape;
    struct sw_conv conv; /* of a convolution */
    int64_t ld, nnz;
    struct sw_sparse *positions;           /* NULL without a mask */
    struct sw_sparse_conv *conv_positions; /* instead, of a convolution that is not dense */
    struct sw_buffer *scratch;             /* of a convolution; or NULL */
    struct sw_buffer *values, *gradients, *x, *y;
    struct sw_buffer *dense, *dense_gradients; /* NULL but for a masked dense layer */
};
/* Random weights of that shape, of which blocks of `block` (1: single ones) are removed. Errors: SW_NOMEM,
 * SW_UNSUPPORTED (blocks that the format does not store). */
enum sw_status sw_bench_layer_init(struct sw_hal *hal, const struct sw_bench_shape *shape,
                                   int64_t batch, enum sw_layer_format format, int64_t block,
                                   double sparsity, struct sw_bench_layer *out) SW_NODISCARD;
void sw_bench_layer_fini(struct sw_bench_layer *layer);
/* Multiplications of one product. */
double sw_bench_layer_work(const struct sw_bench_layer *layer);

#define SW_BENCH_PRODUCTS 3
struct sw_bench_product {
    const char *name;
    enum sw_status (*run)(const struct sw_bench_layer *layer);
};
extern const struct sw_bench_product sw_bench_products[SW_BENCH_PRODUCTS];
extern const struct sw_bench_product
    sw_bench_conv_products[SW_BENCH_PRODUCTS]; /* of convolutions */
/* Those of a layer. */
static inline const struct sw_bench_product *
sw_bench_products_of(const struct sw_bench_layer *layer) {
    return layer->shape.kernel > 0 ? sw_bench_conv_products : sw_bench_products;
}

/* Sort `times` and return the median. */
double sw_bench_median(double *times, int64_t n);
/* The same for the value below which a share of them lies: the nearest one to share * (n - 1). */
double sw_bench_quantile(double *times, int64_t n, double share);

/* Build the plan of a sweep file that was put together here. Errors: SW_CONFIG, SW_IO, SW_NOMEM. */
enum sw_status sw_bench_plan(const struct sw_text *yaml, enum sw_isa isa,
                             struct sw_sweep *out) SW_NODISCARD;
/* Append "grid: {seed: [0, 1, ...]}". Errors: SW_NOMEM. */
enum sw_status sw_bench_add_seeds(struct sw_text *yaml, int64_t n) SW_NODISCARD;

#define SW_BENCH_PATH 4096
/* A new folder within `parent`. Errors: SW_IO. */
enum sw_status sw_bench_make_folder(const char *parent, char path[SW_BENCH_PATH]) SW_NODISCARD;
/* Remove it with the files in it. */
void sw_bench_remove_folder(const char *path);

/* From the figures of rank 0: everything but the idle workers' share. Sorts figures->waits. */
void sw_bench_sum_up_dispatch(const struct sw_sched_figures *tiny,
                              const struct sw_sched_figures *longer, int64_t rounds,
                              int64_t workers, struct sw_bench_dispatch *out);
/* Share of a core that a worker without a round takes; 0 when it had one half of the time. */
double sw_bench_idle_share(const struct sw_sched_figures *figures);

/* From times of commits and of raw writes [n] of as many bytes each. Sorts them. */
struct sw_bench_commits sw_bench_compare_commits(double *commits, double *raws, int64_t n,
                                                 int64_t bytes);
/* Width of the hidden layer with which a round's payload has about that many bytes. */
int64_t sw_bench_width_for(int64_t bytes);
