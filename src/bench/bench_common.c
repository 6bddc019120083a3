#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/prune.h"
#include "sweepstake/random.h"
#include "sweepstake/text.h"

enum sw_status sw_bench_open_hal(const char *backend, int threads, enum sw_isa isa,
                                 struct sw_hal **out) {
    const struct sw_backend *found = sw_backend_find(backend);
    if (found == NULL)
        return SW_FAIL(SW_NOT_FOUND, "no backend '%s': sweepstake show backends lists them",
                       backend);
    SW_TRY(sw_backend_probe(found));
    struct sw_hal_options options = {.threads = threads, .isa = isa};
    return sw_hal_open(found, &options, out);
}

void sw_bench_input_shape(const char *model, int64_t shape[3]) {
    bool grey = strncmp(model, "lenet", 5) == 0 || strncmp(model, "mlp", 3) == 0;
    shape[0] = grey ? 1 : 3;
    shape[1] = shape[2] = grey ? 28 : 32;
}

/* The rows and columns of a block that are within the matrix; returns its weights. */
static int64_t keep_block(uint8_t *mask, int64_t rows, int64_t columns, int64_t side, int64_t top,
                          int64_t left) {
    int64_t bottom = top + side < rows ? top + side : rows;
    int64_t right = left + side < columns ? left + side : columns;
    for (int64_t r = top; r < bottom; r++)
        for (int64_t c = left; c < right; c++) {
            int64_t i = r * columns + c;
            mask[i >> 3] |= (uint8_t) (1u << (i & 7));
        }
    return (bottom - top) * (right - left);
}

/* Knuth's selection sampling (The Art of Computer Programming 2, algorithm 3.4.2 S). */
int64_t sw_bench_random_mask(uint8_t *mask, int64_t rows, int64_t columns, int64_t side,
                             double sparsity, uint64_t stream) {
    int64_t across = (columns + side - 1) / side, blocks = (rows + side - 1) / side * across;
    int64_t wanted = (int64_t) ((1 - sparsity) * (double) blocks + 0.5), kept = 0;
    if (wanted < 1) wanted = 1;
    for (int64_t b = 0; b < blocks && wanted > 0; b++) {
        double draw = sw_random_uniform(1, SW_RANDOM_BENCH, stream, (uint64_t) b);
        if (draw * (double) (blocks - b) >= (double) wanted) continue;
        kept += keep_block(mask, rows, columns, side, b / across * side, b % across * side);
        wanted--;
    }
    return kept;
}

static bool is_granularity(const char *name) {
    const char *word = NULL;
    for (size_t i = 0; (word = sw_granularity_at(i, NULL)) != NULL; i++)
        if (strcmp(word, name) == 0) return true;
    return false;
}

enum sw_status sw_bench_prune(const struct sw_arch *arch, const char *granularity, double sparsity,
                              const float *theta, uint8_t *mask) {
    struct sw_trial_spec spec;
    struct sw_prune_report report;
    const char *key = NULL;
    if (!is_granularity(granularity))
        return SW_FAIL(SW_CONFIG, "no granularity '%s': sweepstake show granularities lists them",
                       granularity);
    for (int64_t l = 0; l < arch->n_layers; l++)
        sw_mask_fill(mask + sw_arch_layer(arch, l)->mask_offset, sw_arch_layer(arch, l)->count);
    if (sparsity == 0) return SW_OK;
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.prune_criterion, "random");
    SW_TEXT_COPY(spec.prune_granularity, granularity);
    spec.prune_rate = sparsity;
    spec.prune_output_rate = 1;
    SW_TRY(sw_prune_check(&spec, arch, &key));
    double pattern = sw_prune_requested(&spec, arch, 1);
    if (sw_prune_is_pattern(&spec) && fabs(sparsity - pattern) > 0.02)
        return SW_FAIL(SW_CONFIG, "granularity %s of %s has sparsity %.3g, not %g", granularity,
                       arch->model, pattern, sparsity);
    return sw_prune_round(&spec, arch, 1, mask, theta, NULL, mask, &report);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

double sw_bench_median(double *times, int64_t n) {
    qsort(times, (size_t) n, sizeof *times, compare);
    return times[n / 2];
}

double sw_bench_quantile(double *times, int64_t n, double share) {
    qsort(times, (size_t) n, sizeof *times, compare);
    return times[(int64_t) (share * (double) (n - 1) + 0.5)];
}
