/* What the benchmarks share. Private to this folder. */
#pragma once

#include "sweepstake/bench.h"
#include "sweepstake/hal.h"
#include "sweepstake/sched.h"

/* Open a backend by name. Errors: SW_NOT_FOUND, SW_UNSUPPORTED, SW_NOMEM. */
enum sw_status sw_bench_open_hal(const char *backend, int threads, enum sw_isa isa,
                                 struct sw_hal **out) SW_NODISCARD;

/* The images that a model is known for: 28 x 28 grey for the LeNets and plain networks, else CIFAR's. */
void sw_bench_input_shape(const char *model, int64_t shape[3]);

/* Keep each of `count` weights with probability 1 - sparsity, at least one; returns how many. `stream`
 * tells masks apart. Sets bits of mask[(count + 7) / 8], which is all zero. */
int64_t sw_bench_random_mask(uint8_t *mask, int64_t count, double sparsity, uint64_t stream);

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
