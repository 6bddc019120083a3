/* sweepstake bench kernels: products of layers in every format, and where formats meet. */
#include <stdio.h>

#include "bench_words.h"

static struct sw_bench_kernel_options options_of(const struct sw_cli_bench_words *words) {
    return (struct sw_bench_kernel_options){.backend = words->backend,
                                            .batch = words->batch,
                                            .seconds = 0.05,
                                            .threads = (int) words->threads,
                                            .isa = sw_isa_detect()};
}

/* ---- all formats ------------------------------------------------------------------------------------ */

static void print_json(const struct sw_bench_kernel *kernel) {
    json_t *json = json_object();
    json_object_set_new(json, "kernel", json_string(kernel->name));
    json_object_set_new(json, "format", json_string(sw_format_name(kernel->format)));
    json_object_set_new(json, "out", json_integer(kernel->shape.out));
    json_object_set_new(json, "in", json_integer(kernel->shape.in));
    if (kernel->shape.kernel > 0) {
        json_object_set_new(json, "side", json_integer(kernel->shape.side));
        json_object_set_new(json, "stride", json_integer(kernel->shape.stride));
        json_object_set_new(json, "kernel_side", json_integer(kernel->shape.kernel));
    }
    json_object_set_new(json, "batch", json_integer(kernel->batch));
    json_object_set_new(json, "nnz", json_integer(kernel->nnz));
    json_object_set_new(json, "sparsity", json_real(kernel->sparsity));
    json_object_set_new(json, "us", json_real(kernel->us));
    json_object_set_new(json, "gflops", json_real(kernel->gflops));
    json_object_set_new(json, "ratio", json_real(kernel->ratio));
    json_object_set_new(json, "sgemm_gflops", json_real(kernel->sgemm_gflops));
    sw_cli_print_json(json, 0);
}

static void print_head(const struct sw_cli_bench_words *words) {
    printf(
        "GFLOP/s with kept weights, and percent of sgemm's rate; * is the fastest of the layer's format "
        "choices\nbatch %lld, backend %s, threads %lld\n%-16s  %4s  %4s%s  %8s  %6s",
        (long long) words->batch, words->backend, (long long) words->threads, "product", "out",
        "in", words->conv ? "  pixels  kernel" : "", "sparsity", "sgemm");
    for (int f = 0; f < (words->conv ? SW_FORMAT_CSR + 1 : SW_FORMAT_COUNT); f++)
        printf("  %10s", sw_format_name((enum sw_layer_format) f));
    printf("\n");
}

/* One product: its formats side by side. */
static void print_line(const struct sw_bench_kernel *kernels, int64_t n) {
    const struct sw_bench_shape *shape = &kernels->shape;
    char size[128] = "";
    int64_t best = 0;
    if (shape->kernel > 0)
        snprintf(size, sizeof size, "  %2lldx%-2lld   %lldx%lld/%lld ", (long long) shape->side,
                 (long long) shape->side, (long long) shape->kernel, (long long) shape->kernel,
                 (long long) shape->stride);
    for (int64_t f = 1; f < n; f++)
        if (kernels[f].gflops > kernels[best].gflops) best = f;
    printf("%-16s  %4lld  %4lld%s  %8.3g  %6.1f", kernels->name, (long long) shape->out,
           (long long) shape->in, size, kernels->sparsity, kernels->sgemm_gflops);
    for (int64_t f = 0; f < n; f++)
        printf("  %5.1f %2.0f%%%s", kernels[f].gflops, 100 * kernels[f].ratio,
               f == best ? "*" : " ");
    printf("\n");
}

enum sw_status sw_cli_bench_kernels(const struct sw_cli_bench_words *words) {
    const struct sw_bench_kernel_options options = options_of(words);
    struct sw_bench_kernel kernels[SW_BENCH_KERNELS_MAX];
    const struct sw_bench_shape *shape = NULL;
    int64_t n = 0;
    if (!words->json) print_head(words);
    for (size_t i = 0; (shape = sw_bench_kernel_shape(words->conv, i)) != NULL; i++)
        for (int s = 0; s < words->n_sparsities; s++) {
            SW_TRY(sw_bench_time_kernels(&options, shape, words->sparsity[s], kernels, &n));
            int64_t formats = n / 3;
            for (int64_t k = 0; k < n; k++) {
                if (words->json) print_json(&kernels[k]);
                if (!words->json && k % formats == 0) print_line(&kernels[k], formats);
            }
        }
    return SW_OK;
}

/* ---- where they meet -------------------------------------------------------------------------------- */

static enum sw_status tune_convs(const struct sw_bench_kernel_options *options) {
    const struct sw_bench_shape *shape = NULL;
    for (size_t i = 0; (shape = sw_bench_kernel_shape(1, i)) != NULL; i++) {
        struct sw_bench_crossing row;
        SW_TRY(sw_bench_tune_conv(options, shape, &row));
        printf("%lld -> %lld channels, %lld x %lld, stride %lld, batch %lld: %d %%\n",
               (long long) shape->in, (long long) shape->out, (long long) shape->side,
               (long long) shape->side, (long long) shape->stride, (long long) options->batch,
               row.percent);
        (void) fflush(stdout);
    }
    return SW_OK;
}

/* Limits of a row of choice.c: weights half-way, on a log scale, to the next measured shape. */
enum sw_status sw_cli_bench_tune(const struct sw_cli_bench_words *words) {
    static const char *const limits[SW_BENCH_TUNED] = {"4096", "1 << 16", "1 << 19", "INT64_MAX"};
    const struct sw_bench_kernel_options options = options_of(words);
    struct sw_bench_crossing rows[SW_BENCH_CROSSINGS];
    if (words->conv) return tune_convs(&options);
    SW_TRY(sw_bench_tune(&options, rows));
    for (int i = 0; i < SW_BENCH_CROSSINGS; i++)
        printf("    {%s, SW_ISA_%s, %lld, %d}, /* %lld x %lld, batch %lld */\n",
               limits[i % SW_BENCH_TUNED], options.isa == SW_ISA_AVX2 ? "AVX2" : "GENERIC",
               (long long) rows[i].side, rows[i].percent, (long long) rows[i].shape.out,
               (long long) rows[i].shape.in, (long long) words->batch);
    return SW_OK;
}
