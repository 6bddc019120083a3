/* What the benchmarks share. Private to this folder. */
#pragma once

#include "sweepstake/bench.h"
#include "sweepstake/hal.h"

/* Open a backend by name. Errors: SW_NOT_FOUND, SW_UNSUPPORTED, SW_NOMEM. */
enum sw_status sw_bench_open_hal(const char *backend, int threads, enum sw_isa isa,
                                 struct sw_hal **out) SW_NODISCARD;

/* Keep each of `count` weights with probability 1 - sparsity, at least one; returns how many. `stream`
 * tells masks apart. Sets bits of mask[(count + 7) / 8], which is all zero. */
int64_t sw_bench_random_mask(uint8_t *mask, int64_t count, double sparsity, uint64_t stream);

/* Sort `times` and return the median. */
double sw_bench_median(double *times, int64_t n);
