/* Module: bench
 * Purpose: timings of this build on this machine, each beside what the machine itself can do.
 * Takes: shapes and settings. Gives: medians as plain numbers; the command line prints them. */
#pragma once

#include <stdint.h>

#include "sweepstake/net.h"
#include "sweepstake/proc.h"
#include "sweepstake/store.h"
#include "sweepstake/sweep.h"
#include "sweepstake/system.h"

/* ---- a training step ---------------------------------------------------------------------------- */

struct sw_bench_step_options {
    const char *model;
    const char *backend;
    int64_t input_shape[3]; /* [channels, height, width]; {0, 0, 0}: what the model is known for */
    int64_t classes;
    int64_t batch;
    double sparsity;               /* share that a random mask removes of what is removed as one */
    struct sw_net_storage storage; /* all zero: as trainings choose */
    const char *granularity;       /* what that is: a word of prune.granularity */
    int64_t steps;                 /* timed steps, after two that are not */
    double seconds; /* stop early, with at least 3 steps, after that long; 0: never */
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
    double sparsity; /* of the prunable weights */
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

/* A linear layer, or with a kernel a convolution of images of side x side pixels, padding kernel / 2. */
struct sw_bench_shape {
    int64_t out, in;              /* units, or channels */
    int64_t kernel, side, stride; /* 0: a linear layer */
};

struct sw_bench_kernel {
    const char *name; /* "forward" */
    enum sw_layer_format format;
    struct sw_bench_shape shape;
    int64_t batch, nnz;
    double sparsity;
    double us;           /* median */
    double gflops;       /* of the multiplications and additions with kept weights */
    double ratio;        /* of the machine's sgemm rate */
    double sgemm_gflops; /* that, before or after these */
};

/* Shapes worth timing: linear layers of the known models and one beyond the caches, or convolutions of the
 * known models. NULL past the end. */
const struct sw_bench_shape *sw_bench_kernel_shape(int conv, size_t index);

/* GFLOP/s of one thread of OpenBLAS's sgemm on matrices that fill it, best of a few tries. */
double sw_bench_sgemm_gflops(double seconds);

/* Time the products of a layer in every format, in turn; without sparsity in the dense one only, and with a
 * convolution, which has no others, in CSR too. For each product the formats in their order. Masks are random: of blocks for BSR, else of weights; dense
 * includes scattering the values and gathering their gradients. out[SW_BENCH_KERNELS_MAX] is the caller's.
 * Errors: as above. */
#define SW_BENCH_KERNELS_MAX (3 * SW_FORMAT_COUNT)
enum sw_status sw_bench_time_kernels(const struct sw_bench_kernel_options *options,
                                     const struct sw_bench_shape *shape, double sparsity,
                                     struct sw_bench_kernel *out, int64_t *n) SW_NODISCARD;

/* ---- the table of layer formats -------------------------------------------------------------------- */

struct sw_bench_crossing {
    struct sw_bench_shape shape;
    int64_t side; /* of blocks that are kept as one, in BSR; 1: of single weights, in CSR */
    int percent;  /* of kept weights, up to which sparse kernels win */
};

#define SW_BENCH_TUNED 4 /* shapes */
#define SW_BENCH_SIDES 4
#define SW_BENCH_CROSSINGS (SW_BENCH_TUNED * SW_BENCH_SIDES)

/* Find, for layers of several sizes, where dense and sparse kernels take the same time: what choice.c
 * is made from; all shapes of one side, then of the next. Errors: as above. */
enum sw_status sw_bench_tune(const struct sw_bench_kernel_options *options,
                             struct sw_bench_crossing crossings[SW_BENCH_CROSSINGS]) SW_NODISCARD;
/* The same for one convolution. */
enum sw_status sw_bench_tune_conv(const struct sw_bench_kernel_options *options,
                                  const struct sw_bench_shape *shape,
                                  struct sw_bench_crossing *out) SW_NODISCARD;

/* ---- the store ---------------------------------------------------------------------------------- */

struct sw_bench_store_options {
    const char *folder; /* on the file system to be measured; scratch files are removed again */
    int64_t megabytes;  /* payload of a round, about */
    int64_t rounds;     /* timed commits, and as many raw writes in turn with them */
    struct sw_store_identity identity;
    enum sw_isa isa;
};

/* Commits of whole rounds against the same bytes in as many calls through MPI-IO alone. */
struct sw_bench_commits {
    double commit_ms, raw_ms;   /* medians */
    double commit_mbs, raw_mbs; /* 1e6 bytes per second */
    double ratio;               /* commit_mbs / raw_mbs */
};

#define SW_BENCH_CREATIONS 3
struct sw_bench_creation {
    int64_t rounds;
    double ms;          /* until the store has its name; median */
    int64_t bytes;      /* size of the file */
    int64_t disk_bytes; /* of that on the disk: slabs are holes until they are written */
};

struct sw_bench_store {
    int64_t rounds;
    int64_t payload_bytes; /* of one commit, commit record included */
    int64_t calls;         /* write calls of one commit; with `durable` two syncs come with them */
    struct sw_bench_commits plain, durable;
    double small_us, small_durable_us; /* a commit of small_bytes; medians */
    int64_t small_bytes;
    double read_mbs; /* reading sections back and comparing checksums; from the page cache */
    struct sw_bench_creation creations[SW_BENCH_CREATIONS]; /* lenet-300-100, 10 rounds per trial */
};

/* After sw_comm_init, alone. Errors: SW_IO, SW_NOMEM, SW_CONFIG (a payload that no network has),
 * SW_UNSUPPORTED (more than one rank). */
enum sw_status sw_bench_time_store(const struct sw_bench_store_options *options,
                                   struct sw_bench_store *out) SW_NODISCARD;

/* ---- handing out rounds --------------------------------------------------------------------------- */

struct sw_bench_dispatch_options {
    const char *folder;  /* for the stores; every rank sees it; removed again */
    int64_t rounds;      /* tiny rounds that do not wait for each other */
    double idle_seconds; /* then: how long one worker trains while the others have nothing */
    struct sw_store_identity identity;
    enum sw_isa isa;
};

struct sw_bench_dispatch {
    int64_t rounds, workers;
    double seconds; /* of the tiny rounds */
    double rounds_per_second;
    double coordinator_ms;                         /* CPU of rank 0's work per round */
    double rank0_ms;                               /* all CPU of rank 0's process per round */
    double dispatch_ms, dispatch_p99_ms, worst_ms; /* result sent to next assignment received */
    int64_t dispatches;                            /* that these are taken from; 0: they are NaN */
    double idle_seconds;                           /* of the time with one long round */
    double rank0_share;                            /* of a core, in that time */
    double idle_share; /* the busiest worker without a round; NaN when there is none */
};

/* Run tiny rounds, then a long one, on all ranks with `server` of each. Collective; *out is rank 0's.
 * Errors: those of sw_sched_run; SW_INTERNAL when a round failed. */
enum sw_status sw_bench_time_dispatch(const struct sw_bench_dispatch_options *options,
                                      struct sw_server *server,
                                      struct sw_bench_dispatch *out) SW_NODISCARD;

/* ---- inference ------------------------------------------------------------------------------------ */

/* A network to time: owned, freed with sw_bench_ticket_fini. */
struct sw_bench_ticket {
    struct sw_arch arch;
    uint8_t *mask; /* [arch.mask_bytes] */
    float *theta;  /* [arch.parameters]; removed weights are 0 */
    double sparsity;
};
/* A random mask over random weights, of a share `sparsity` of what prune.granularity removes as one.
 * input_shape NULL: what the model is known for. Errors: SW_CONFIG (model, shape, granularity), SW_NOMEM. */
enum sw_status sw_bench_make_ticket(const char *model, const int64_t input_shape[3],
                                    int64_t classes, const char *granularity, double sparsity,
                                    struct sw_bench_ticket *out) SW_NODISCARD;
/* The trained weights of a committed round. Errors: SW_NOT_FOUND, SW_DAMAGED, SW_IO, SW_NOMEM. */
enum sw_status sw_bench_load_ticket(struct sw_store *store, int64_t row,
                                    struct sw_bench_ticket *out) SW_NODISCARD;
void sw_bench_ticket_fini(struct sw_bench_ticket *ticket);

struct sw_bench_inference_options {
    const struct sw_bench_ticket *ticket;
    const char *backend;
    int64_t passes; /* timed, each format in turn */
    int threads;
    enum sw_isa isa;
};

#define SW_BENCH_FORMATS 3    /* dense, csr, chosen: what training and the store's figures use */
#define SW_BENCH_INFERENCES 6 /* each at batch 1 and 64 */
#define SW_BENCH_LAYERS 257
struct sw_bench_inference {
    int64_t batch;
    const char *format;
    char layers[SW_BENCH_LAYERS]; /* the format of each, as in /rounds: a letter */
    double us;                    /* from an input on the device to logits on the host; median */
    double ratio;                 /* time of dense / time of this */
    int64_t bytes_weights, bytes_activations; /* fewer of the latter: without removed units */
    double difference; /* largest of the logits to those of dense, over the largest logit */
};
/* Errors: SW_NOT_FOUND (backend), SW_UNSUPPORTED, SW_NOMEM, SW_INTERNAL (formats that disagree). */
enum sw_status
sw_bench_time_inference(const struct sw_bench_inference_options *options,
                        struct sw_bench_inference out[SW_BENCH_INFERENCES]) SW_NODISCARD;
