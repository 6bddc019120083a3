/* Kernels of layers in every format beside the machine's sgemm. */
#include <cblas.h>
#include <string.h>

#include "bench.h"
#include "sweepstake/memory.h"

enum { SGEMM_SIDE = 1024, MAX_TIMES = 400, IN_TURN = 5 };

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

/* ---- all formats of one layer, in turn --------------------------------------------------------------- */

/* Layers of lenet-300-100, and one that does not fit the second-level cache when dense. */
static const struct sw_bench_shape linear_shapes[] = {
    {.out = 300, .in = 784}, {.out = 100, .in = 300}, {.out = 1024, .in = 1024}};
/* Of resnet-20, conv-6, vgg-16 and resnet-18. */
static const struct sw_bench_shape conv_shapes[] = {
    {16, 16, 3, 32, 1},  {32, 32, 3, 16, 1},   {64, 64, 3, 8, 1},   {64, 3, 3, 32, 1},
    {64, 64, 3, 32, 1},  {128, 128, 3, 16, 1}, {256, 256, 3, 8, 1}, {512, 512, 3, 4, 1},
    {512, 512, 3, 2, 1}, {128, 64, 3, 32, 2}};
#define LENGTH(array) (sizeof(array) / sizeof *(array))

struct contest {
    struct sw_bench_layer layer[SW_FORMAT_COUNT];
    int formats;                /* the first ones; without sparsity only the dense one */
    double (*times)[MAX_TIMES]; /* [formats * SW_BENCH_PRODUCTS] */
    int64_t n;
};

/* Blocks for BSR, single weights for the others. */
static enum sw_status create_layers(const struct sw_bench_kernel_options *options,
                                    struct sw_hal *hal, const struct sw_bench_shape *shape,
                                    double sparsity, struct contest *contest) {
    contest->formats = shape->kernel > 0 ? SW_FORMAT_CSR + 1 : SW_FORMAT_COUNT;
    if (sparsity == 0) contest->formats = SW_FORMAT_DENSE + 1;
    SW_TRY(SW_ALLOC(&contest->times, (size_t) contest->formats * SW_BENCH_PRODUCTS, "times"));
    for (int f = 0; f < contest->formats; f++) {
        enum sw_layer_format format = (enum sw_layer_format) f;
        int64_t block = sw_format_block(format);
        SW_TRY(sw_bench_layer_init(hal, shape, options->batch, format, block > 0 ? block : 1,
                                   sparsity, &contest->layer[f]));
    }
    return SW_OK;
}

static void drop_layers(struct contest *contest) {
    for (int f = 0; f < SW_FORMAT_COUNT; f++)
        sw_bench_layer_fini(&contest->layer[f]);
    SW_FREE(&contest->times);
}

/* A few runs of one product; the one before them finds the caches as the others left them. */
static enum sw_status run_turn(const struct sw_bench_layer *layer,
                               const struct sw_bench_product *product, double *times) {
    SW_TRY(product->run(layer));
    for (int i = 0; i < IN_TURN; i++) {
        double start = sw_clock_monotonic();
        SW_TRY(product->run(layer));
        times[i] = sw_clock_monotonic() - start;
    }
    return SW_OK;
}

/* Formats take turns, so that a machine that is busy for a while is so for all of them. */
static enum sw_status run_turns(struct contest *contest, double seconds) {
    double begin = sw_clock_monotonic();
    do {
        for (int f = 0; f < contest->formats; f++)
            for (int i = 0; i < SW_BENCH_PRODUCTS; i++)
                SW_TRY(run_turn(&contest->layer[f], &sw_bench_products_of(&contest->layer[f])[i],
                                contest->times[f * SW_BENCH_PRODUCTS + i] + contest->n));
        contest->n += IN_TURN;
    } while (contest->n + IN_TURN <= MAX_TIMES && sw_clock_monotonic() - begin < seconds);
    return SW_OK;
}

static void report(const struct contest *contest, int64_t batch, double sparsity, double sgemm,
                   struct sw_bench_kernel *out) {
    for (int i = 0; i < SW_BENCH_PRODUCTS; i++) {
        for (int f = 0; f < contest->formats; f++) {
            const struct sw_bench_layer *layer = &contest->layer[f];
            double *times = contest->times[f * SW_BENCH_PRODUCTS + i];
            double median = sw_bench_median(times, contest->n);
            double gflops = 2e-9 * sw_bench_layer_work(layer) / median;
            *out = (struct sw_bench_kernel){
                .name = sw_bench_products[i].name,
                .format = layer->format,
                .shape = layer->shape,
                .batch = batch,
                .nnz = layer->nnz,
                .sparsity = sparsity,
                .us = median * 1e6,
                .gflops = gflops,
                .ratio = sgemm > 0 ? gflops / sgemm : 0,
                .sgemm_gflops = sgemm,
            };
            out++;
        }
    }
}

enum sw_status sw_bench_time_kernels(const struct sw_bench_kernel_options *options,
                                     const struct sw_bench_shape *shape, double sparsity,
                                     struct sw_bench_kernel *out, int64_t *n) {
    struct contest contest = {0};
    struct sw_hal *hal = NULL;
    SW_TRY(sw_bench_open_hal(options->backend, options->threads, options->isa, &hal));
    double sgemm = sw_bench_sgemm_gflops(0.1);
    enum sw_status status = create_layers(options, hal, shape, sparsity, &contest);
    double seconds = options->seconds * contest.formats * SW_BENCH_PRODUCTS;
    if (status == SW_OK) status = run_turns(&contest, seconds);
    if (status == SW_OK) {
        double after = sw_bench_sgemm_gflops(0.1);
        report(&contest, options->batch, sparsity, after > sgemm ? after : sgemm, out);
        *n = (int64_t) contest.formats * SW_BENCH_PRODUCTS;
    }
    drop_layers(&contest);
    sw_hal_close(&hal);
    return status;
}

const struct sw_bench_shape *sw_bench_kernel_shape(int conv, size_t index) {
    if (conv) return index < LENGTH(conv_shapes) ? &conv_shapes[index] : NULL;
    return index < LENGTH(linear_shapes) ? &linear_shapes[index] : NULL;
}
