#include "bench.h"

#include <stdlib.h>
#include <string.h>

#include "sweepstake/random.h"

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

/* Keep the weights of the block that element i is in; the first of a block's elements is in its corner. */
static bool is_kept(int64_t columns, int64_t side, double sparsity, uint64_t stream, int64_t i) {
    int64_t corner = i / columns / side * side * columns + i % columns / side * side;
    return sw_random_uniform(1, SW_RANDOM_BENCH, stream, (uint64_t) corner) >= sparsity;
}

int64_t sw_bench_random_mask(uint8_t *mask, int64_t rows, int64_t columns, int64_t side,
                             double sparsity, uint64_t stream) {
    int64_t kept = 0;
    for (int64_t i = 0; i < rows * columns; i++) {
        if (!is_kept(columns, side, sparsity, stream, i)) continue;
        mask[i >> 3] |= (uint8_t) (1u << (i & 7));
        kept++;
    }
    for (int64_t r = 0; kept == 0 && r < side && r < rows; r++)
        for (int64_t c = 0; c < side && c < columns; c++)
            mask[(r * columns + c) >> 3] |= (uint8_t) (1u << ((r * columns + c) & 7));
    return kept > 0 ? kept : (side < rows ? side : rows) * (side < columns ? side : columns);
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
