/* Module: bench
 * Purpose: timings of this build on this machine, with the machine's own sgemm rate beside them.
 * Takes: shapes and settings. Gives: medians as plain numbers; the command line prints them. */
#pragma once

#include <stdint.h>

#include "sweepstake/net.h"
#include "sweepstake/sweep.h"
#include "sweepstake/system.h"

/* ---- a training step ---------------------------------------------------------------------------- */

struct sw_bench_step_options {
    const char *model;
    const char *backend;
    int64_t input_shape[3]; /* [channels, height, width]; {0, 0, 0}: what the model is known for */
    int64_t classes;
    int64_t batch;
    double sparsity; /* share of the prunable weights that a random mask removes */
    int64_t steps;   /* timed steps, after two that are not */
    double seconds;  /* stop early, with at least 3 steps, after that long; 0: never */
    int threads;
    enum sw_isa isa;
};

struct sw_bench_step {
    int64_t steps;  /* timed */
    double step_ms; /* median */
    double fastest_ms, slowest_ms;
    double us_per_sample;
    double gflops;      /* of the multiplications and additions with kept weights */
    double flops;       /* of one step */
    double loss;        /* of the last step: the work was real */
    int64_t parameters; /* weights and biases, before pruning */
    int64_t survivors;
    int64_t bytes_weights, bytes_gradients, bytes_optimizer, bytes_activations, bytes_workspace;
    int64_t peak_bytes; /* the sum of these */
};

/* Time whole training steps on synthetic bytes of the model's input shape: gather with normalisation,
 * forward, loss, backward, SGD with momentum 0.9, random mask.
 * Errors: SW_CONFIG (model or shape), SW_NOT_FOUND (backend), SW_UNSUPPORTED, SW_NOMEM. */
enum sw_status sw_bench_time_step(const struct sw_bench_step_options *options,
                                  struct sw_bench_step *out) SW_NODISCARD;

/* ---- kernels ------------------------------------------------------------------------------------ */

struct sw_bench_kernel_options {
    const char *backend;
    int64_t batch;
    double seconds; /* time spent on each kernel, about */
    int threads;
    enum sw_isa isa;
};

struct sw_bench_kernel {
    const char *name; /* "sparse_forward" */
    int64_t out, in, batch, nnz;
    double sparsity;
    double us;     /* median */
    double gflops; /* of the multiplications and additions with kept weights */
    double ratio;  /* of the machine's sgemm rate */
};

#define SW_BENCH_KERNELS_MAX 96

/* GFLOP/s of one thread of OpenBLAS's sgemm on matrices that fill it, best of a few tries. */
double sw_bench_sgemm_gflops(double seconds);

/* Time the linear layers' kernels over shapes of the known models and a range of sparsities.
 * kernels[SW_BENCH_KERNELS_MAX] is the caller's. Errors: as above. */
enum sw_status sw_bench_time_kernels(const struct sw_bench_kernel_options *options, double *sgemm,
                                     struct sw_bench_kernel *kernels,
                                     int64_t *n_kernels) SW_NODISCARD;

/* ---- the table of layer formats -------------------------------------------------------------------- */

struct sw_bench_crossing {
    int64_t out, in;
    int percent; /* of kept weights, up to which sparse kernels win */
};

#define SW_BENCH_TUNED 4

/* Find, for layers of several sizes, where dense and sparse kernels take the same time: what choice.c
 * is made from. Errors: as above. */
enum sw_status sw_bench_tune(const struct sw_bench_kernel_options *options,
                             struct sw_bench_crossing crossings[SW_BENCH_TUNED]) SW_NODISCARD;
