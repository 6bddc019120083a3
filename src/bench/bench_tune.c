/* Where dense and sparse meet: what the table of formats (src/hal/choice.c) is made from. */
#include "bench.h"
#include "sweepstake/memory.h"

enum { MAX_TIMES = 1000 };

/* Shapes and sides of the rows of the table, smallest first. */
static const struct sw_bench_shape shapes[SW_BENCH_TUNED] = {{.out = 10, .in = 100},
                                                             {.out = 100, .in = 300},
                                                             {.out = 300, .in = 784},
                                                             {.out = 1000, .in = 1000}};
static const int64_t sides[SW_BENCH_SIDES] = {1, 4, 8, 16};

struct duel {
    struct sw_bench_layer sparse, dense;
    double *sparse_times, *dense_times; /* [MAX_TIMES] */
};

static void drop(struct duel *duel) {
    sw_bench_layer_fini(&duel->sparse);
    sw_bench_layer_fini(&duel->dense);
    SW_FREE(&duel->sparse_times);
    SW_FREE(&duel->dense_times);
}

static enum sw_status time_step(const struct sw_bench_layer *layer, double *seconds) {
    double start = sw_clock_monotonic();
    for (int i = 0; i < SW_BENCH_PRODUCTS; i++)
        SW_TRY(sw_bench_products_of(layer)[i].run(layer));
    *seconds = sw_clock_monotonic() - start;
    return SW_OK;
}

/* All products of one layer, in both formats in turn; the first turn finds cold caches. */
static enum sw_status fight(struct duel *duel, double seconds, double *ratio) {
    double begin = sw_clock_monotonic();
    int64_t n = 0;
    SW_TRY(SW_ALLOC(&duel->sparse_times, MAX_TIMES, "times"));
    SW_TRY(SW_ALLOC(&duel->dense_times, MAX_TIMES, "times"));
    SW_TRY(time_step(&duel->sparse, duel->sparse_times));
    SW_TRY(time_step(&duel->dense, duel->dense_times));
    do {
        SW_TRY(time_step(&duel->sparse, &duel->sparse_times[n]));
        SW_TRY(time_step(&duel->dense, &duel->dense_times[n]));
        n++;
    } while (n < MAX_TIMES && (n < 3 || sw_clock_monotonic() - begin < 2 * seconds));
    *ratio = sw_bench_median(duel->sparse_times, n) / sw_bench_median(duel->dense_times, n);
    return SW_OK;
}

/* Time of the sparse format over that of the dense one. */
static enum sw_status compare(const struct sw_bench_kernel_options *options, struct sw_hal *hal,
                              const struct sw_bench_shape *shape, int64_t side, int percent,
                              double *ratio) {
    enum sw_layer_format format = side > 1 ? sw_format_bsr(side) : SW_FORMAT_CSR;
    double sparsity = 1.0 - percent / 100.0;
    struct duel duel = {0};
    enum sw_status status = sw_bench_layer_init(hal, shape, options->batch, format, side, sparsity,
                                                &duel.sparse);
    if (status == SW_OK)
        status = sw_bench_layer_init(hal, shape, options->batch, SW_FORMAT_DENSE, side, sparsity,
                                     &duel.dense);
    if (status == SW_OK) status = fight(&duel, options->seconds, ratio);
    drop(&duel);
    return status;
}

/* The most percent of kept weights at which the sparse kernels are as fast as the dense ones. Two
 * losses in a row end the search: a single one may be another program's fault. */
static enum sw_status tune(const struct sw_bench_kernel_options *options, struct sw_hal *hal,
                           struct sw_bench_crossing *out) {
    int losses = 0;
    for (int p = 5; p < 100 && losses < 2; p += 5) {
        double ratio = 0;
        SW_TRY(compare(options, hal, &out->shape, out->side, p, &ratio));
        losses = ratio <= 1 ? 0 : losses + 1;
        if (ratio <= 1) out->percent = p;
    }
    return SW_OK;
}

enum sw_status sw_bench_tune(const struct sw_bench_kernel_options *options,
                             struct sw_bench_crossing crossings[SW_BENCH_CROSSINGS]) {
    struct sw_hal *hal = NULL;
    enum sw_status status = SW_OK;
    SW_TRY(sw_bench_open_hal(options->backend, options->threads, options->isa, &hal));
    for (int i = 0; i < SW_BENCH_CROSSINGS && status == SW_OK; i++) {
        crossings[i] = (struct sw_bench_crossing){.shape = shapes[i % SW_BENCH_TUNED],
                                                  .side = sides[i / SW_BENCH_TUNED]};
        status = tune(options, hal, &crossings[i]);
    }
    sw_hal_close(&hal);
    return status;
}

enum sw_status sw_bench_tune_conv(const struct sw_bench_kernel_options *options,
                                  const struct sw_bench_shape *shape,
                                  struct sw_bench_crossing *out) {
    struct sw_hal *hal = NULL;
    SW_TRY(sw_bench_open_hal(options->backend, options->threads, options->isa, &hal));
    struct sw_bench_crossing crossing = {.shape = *shape, .side = 1};
    enum sw_status status = tune(options, hal, &crossing);
    sw_hal_close(&hal);
    if (status == SW_OK) *out = crossing;
    return status;
}
