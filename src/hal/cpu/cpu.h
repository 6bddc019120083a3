/* The processor as a device: what its files share.
 * A kernel works on one range of rows or elements, alone and without threads; run.c hands ranges to
 * threads. How a range is cut never changes a result, so results do not depend on the thread count.
 * Kernels with the prefix sw_cpu_ref_ are plain C for every x86-64 processor (and the oracle of the
 * others); those with sw_cpu_avx2_ need AVX2 and FMA. */
#pragma once

#include "sweepstake/backend.h"

/* ---- arguments of the kernels; shapes as in hal.h -------------------------------------------- */

struct sw_cpu_gather {
    const uint8_t *images; /* u8[samples, features] */
    const float *table;    /* [features / plane, 256] */
    const int32_t *index;  /* [batch] */
    int64_t features, plane, batch, ld;
    float *x; /* [features, ld] */
};

/* out[r] = sum over t in start[r] .. start[r + 1] of values[place[t]] in[index[t]]; rows of ld
 * floats. Forward: rows of the matrix, place NULL (t itself). Backward: its columns. */
struct sw_cpu_sparse_product {
    const int32_t *start, *index, *place;
    const float *values, *in;
    int64_t ld;
    float *out;
};

/* The same over a blocked view. Ranges of rows begin at multiples of SW_SPARSE_GROUP. */
struct sw_cpu_blocked_product {
    const struct sw_visit *visits;
    const uint16_t *offset;
    const float *values, *in; /* [nnz] in the view's order, [columns, ld] */
    int64_t rows, columns, block, ld;
    float *out; /* [rows, ld] */
};

struct sw_cpu_blocked_gradient {
    const struct sw_visit *visits;
    const uint16_t *offset;
    const float *dy, *x; /* [rows, ld], [columns, ld] */
    int64_t rows, columns, block, ld;
    float *dvalues; /* [nnz] */
};

/* Of a view by blocks: out = W in. Rows first .. last of a kernel are block rows. Value of row i and column
 * k of a block: values[first + i width + k]; transposed, in views by columns: values[first + k width + i].
 */
struct sw_cpu_bsr_product {
    const int32_t *start; /* [block rows + 1] */
    const struct sw_bsr_block *blocks;
    const float *values, *in; /* [nnz], [columns, ld] */
    int64_t rows, columns, side, ld;
    int transposed;
    float *out; /* [rows, ld] */
};

struct sw_cpu_bsr_gradient {
    const int32_t *start;
    const struct sw_bsr_block *blocks;
    const float *dy, *x; /* [rows, ld], [columns, ld] */
    int64_t rows, columns, side, ld;
    float *dvalues; /* [nnz] */
};

/* out[to[k]] += values[k] in[from[k]] for k < nnz, from zero. The same lanes of all rows at a time. */
struct sw_cpu_coo_product {
    const int32_t *to, *from;
    const float *values, *in;
    int64_t rows, nnz, ld;
    float *out; /* [rows, ld] */
};

/* The same by columns: column c of the matrix adds its multiples to the rows it keeps. */
struct sw_cpu_csc_product {
    const int32_t *start, *row, *place;
    const float *values, *in;
    int64_t rows, columns, ld;
    float *out;
};

/* dvalues[k] = dy[row[k]] x[column[k]]; by columns: dvalues[place[t]], t in start[c] .. start[c + 1]. */
struct sw_cpu_coo_gradient {
    const int32_t *row, *column;
    const float *dy, *x;
    int64_t ld;
    float *dvalues;
};
struct sw_cpu_csc_gradient {
    const int32_t *start, *row, *place;
    const float *dy, *x;
    int64_t ld;
    float *dvalues;
};

/* to[t] = from[place[t]] */
struct sw_cpu_order {
    const int32_t *place;
    const float *from;
    float *to;
};

struct sw_cpu_sparse_gradient {
    const int32_t *row_start, *column;
    const float *dy, *x; /* [rows, ld], [columns, ld] */
    int64_t ld;
    float *dvalues; /* [nnz] */
};

/* Between compact values and a dense matrix; the one that is read stays unchanged. */
struct sw_cpu_sparse_copy {
    const int32_t *row_start, *column;
    int64_t columns;
    float *values, *w; /* [nnz], [rows, columns] */
};

/* The same for the other layouts of positions: gather 1 fills `values`, 0 the places of a `w` that is all
 * zero. */
struct sw_cpu_copy {
    const struct sw_sparse *positions;
    float *values, *w;
    int gather;
};

struct sw_cpu_activation {
    const float *bias; /* [rows] */
    int64_t ld;
    int relu;
    float *y; /* [rows, ld] */
};

struct sw_cpu_relu {
    const float *y;
    float *dy;
};

struct sw_cpu_row_sum {
    const float *dy; /* [rows, ld] */
    int64_t ld;
    float *dbias; /* [rows] */
};

struct sw_cpu_sgd {
    float *w, *v; /* v may be NULL, not for nesterov */
    const float *g;
    float lr, momentum, decay;
};

struct sw_cpu_adam {
    float *w, *m, *v;
    const float *g;
    struct sw_adam_step step;
};

struct sw_cpu_factors {
    float *theta, *u, *w;
    float *first_u, *first_w, *second_u, *second_w; /* those that there are */
    const float *g;
    struct sw_sgd_step sgd;
    struct sw_adam_step adam;
    float beta;                      /* of `factor` */
    bool project;                    /* of `factor` */
    struct sw_factor_events *events; /* ranges add to it, atomically */
};

/* Reductions are cut into this many parts, whatever the number of threads; parts are added in
 * order. */
#define SW_CPU_PARTS 64
/* The loss walks through the classes of this many samples at a time. */
#define SW_CPU_LOSS_COLUMNS 32

struct sw_cpu_loss {
    const float *logits;   /* [classes, ld] */
    const int32_t *labels; /* [batch], each in 0 .. classes - 1 */
    int64_t classes, batch, ld;
    int64_t part_columns; /* samples of a part, a multiple of SW_CPU_LOSS_COLUMNS */
    float *dlogits;       /* [classes, ld] or NULL */
    double *loss;         /* [SW_CPU_PARTS] */
    int64_t *correct;     /* [SW_CPU_PARTS] */
};

struct sw_cpu_sum_squares {
    const float *x;
    int64_t n, part_size;
    double *sums; /* [SW_CPU_PARTS] */
};

/* ---- kernels --------------------------------------------------------------------------------- */

/* Do the rows, elements or parts first .. last of the operation that `args` describes. */
typedef void sw_cpu_kernel(const void *args, int64_t first, int64_t last);

struct sw_cpu_kernels {
    sw_cpu_kernel *gather;           /* features */
    sw_cpu_kernel *sparse_product;   /* output rows */
    sw_cpu_kernel *sparse_gradient;  /* rows */
    sw_cpu_kernel *blocked_product;  /* output rows */
    sw_cpu_kernel *blocked_gradient; /* rows */
    sw_cpu_kernel *bsr_product;      /* output block rows */
    sw_cpu_kernel *bsr_gradient;     /* block rows */
    sw_cpu_kernel *coo_product;      /* vectors of SW_HAL_LANES lanes */
    sw_cpu_kernel *csc_product;      /* the same */
    sw_cpu_kernel *coo_gradient;     /* places */
    sw_cpu_kernel *csc_gradient;     /* columns */
    sw_cpu_kernel *bias_activate;    /* rows */
    sw_cpu_kernel *relu_backward;    /* elements */
    sw_cpu_kernel *bias_backward;    /* rows */
    sw_cpu_kernel *loss;             /* parts */
    sw_cpu_kernel *sgd;              /* elements */
    sw_cpu_kernel *nesterov;         /* elements */
    sw_cpu_kernel *adam;             /* elements */
    sw_cpu_kernel *factored_sgd;     /* elements */
    sw_cpu_kernel *factored_adam;    /* elements */
    sw_cpu_kernel *sum_squares;      /* parts */
};

sw_cpu_kernel sw_cpu_ref_gather, sw_cpu_ref_sparse_product, sw_cpu_ref_sparse_gradient;
sw_cpu_kernel sw_cpu_ref_blocked_product, sw_cpu_ref_blocked_gradient;
sw_cpu_kernel sw_cpu_ref_bsr_product, sw_cpu_ref_bsr_gradient;
sw_cpu_kernel sw_cpu_ref_coo_product, sw_cpu_ref_csc_product;
sw_cpu_kernel sw_cpu_ref_coo_gradient, sw_cpu_ref_csc_gradient;
sw_cpu_kernel sw_cpu_ref_sparse_scatter, sw_cpu_ref_sparse_gather, sw_cpu_ref_order;
sw_cpu_kernel sw_cpu_ref_zero, sw_cpu_ref_copy_visits, sw_cpu_ref_copy_csc, sw_cpu_ref_copy_coo;
sw_cpu_kernel sw_cpu_ref_copy_bsr;
sw_cpu_kernel sw_cpu_ref_bias_activate, sw_cpu_ref_relu_backward, sw_cpu_ref_bias_backward;
sw_cpu_kernel sw_cpu_ref_loss, sw_cpu_ref_sgd, sw_cpu_ref_nesterov, sw_cpu_ref_adam;
sw_cpu_kernel sw_cpu_ref_factored_sgd, sw_cpu_ref_factored_adam, sw_cpu_ref_factor;
sw_cpu_kernel sw_cpu_ref_sum_squares;

sw_cpu_kernel sw_cpu_avx2_gather, sw_cpu_avx2_sparse_product, sw_cpu_avx2_sparse_gradient;
sw_cpu_kernel sw_cpu_avx2_blocked_product, sw_cpu_avx2_blocked_gradient;
sw_cpu_kernel sw_cpu_avx2_bsr_product, sw_cpu_avx2_bsr_gradient;
sw_cpu_kernel sw_cpu_avx2_coo_product, sw_cpu_avx2_csc_product;
sw_cpu_kernel sw_cpu_avx2_coo_gradient, sw_cpu_avx2_csc_gradient;
sw_cpu_kernel sw_cpu_avx2_bias_activate, sw_cpu_avx2_relu_backward, sw_cpu_avx2_bias_backward;
sw_cpu_kernel sw_cpu_avx2_loss, sw_cpu_avx2_sgd, sw_cpu_avx2_nesterov, sw_cpu_avx2_adam;
sw_cpu_kernel sw_cpu_avx2_factored_sgd, sw_cpu_avx2_factored_adam;
sw_cpu_kernel sw_cpu_avx2_sum_squares;

/* Run a kernel over 0 .. n on the device's threads, in ranges that begin at multiples of `grain`.
 * `work` is about the number of multiplications or elements: little work stays on this thread. */
void sw_cpu_run(const struct sw_hal *hal, sw_cpu_kernel *kernel, const void *args, int64_t n,
                int64_t grain, double work);

/* Ranges begin at multiples of these: whole cache lines for elements, a few rows at a time. */
#define SW_CPU_GRAIN_ELEMENTS 4096
#define SW_CPU_GRAIN_ROWS 4

/* ---- the device ------------------------------------------------------------------------------ */

/* First member of the state of every backend that computes with these operations. */
struct sw_cpu_state {
    const struct sw_cpu_kernels *kernels;
    const struct sw_cpu_planes_kernels *planes; /* cpu_planes.h */
};

static inline const struct sw_cpu_kernels *sw_cpu_kernels_of(const struct sw_hal *hal) {
    const struct sw_cpu_state *state = hal->state;
    return state->kernels;
}

/* Choose the kernels of an instruction set, and one thread per call for the BLAS. */
void sw_cpu_open_state(struct sw_cpu_state *state, enum sw_isa isa);

/* labels_out[b] = labels[index[b]], 0 for the padding. */
void sw_cpu_gather_labels(const struct sw_buffer *labels, const int32_t *index, int64_t batch,
                          struct sw_buffer *labels_out);

/* Slots of struct sw_backend over buffers whose `memory` is a host pointer. */
enum sw_status sw_cpu_gather(struct sw_hal *hal, const struct sw_buffer *images,
                             const struct sw_buffer *labels, const struct sw_buffer *table,
                             const int32_t *index, int64_t features, int64_t plane, int64_t batch,
                             struct sw_buffer *x, struct sw_buffer *labels_out);
enum sw_status sw_cpu_dense_forward(struct sw_hal *hal, const struct sw_buffer *w,
                                    const struct sw_buffer *x, int64_t out, int64_t in, int64_t ld,
                                    struct sw_buffer *y);
enum sw_status sw_cpu_dense_backward_data(struct sw_hal *hal, const struct sw_buffer *w,
                                          const struct sw_buffer *dy, int64_t out, int64_t in,
                                          int64_t ld, struct sw_buffer *dx);
enum sw_status sw_cpu_dense_backward_weights(struct sw_hal *hal, const struct sw_buffer *dy,
                                             const struct sw_buffer *x, int64_t out, int64_t in,
                                             int64_t ld, struct sw_buffer *dw);
enum sw_status sw_cpu_sparse_forward(struct sw_hal *hal, const struct sw_sparse *positions,
                                     const struct sw_buffer *values, const struct sw_buffer *x,
                                     int64_t ld, struct sw_buffer *y);
enum sw_status sw_cpu_sparse_backward_data(struct sw_hal *hal, const struct sw_sparse *positions,
                                           const struct sw_buffer *values,
                                           const struct sw_buffer *dy, int64_t ld,
                                           struct sw_buffer *dx);
enum sw_status sw_cpu_sparse_backward_weights(struct sw_hal *hal, const struct sw_sparse *positions,
                                              const struct sw_buffer *dy, const struct sw_buffer *x,
                                              int64_t ld, struct sw_buffer *dvalues);
enum sw_status sw_cpu_sparse_scatter(struct sw_hal *hal, const struct sw_sparse *positions,
                                     const struct sw_buffer *values, struct sw_buffer *w);
enum sw_status sw_cpu_sparse_gather(struct sw_hal *hal, const struct sw_sparse *positions,
                                    const struct sw_buffer *w, struct sw_buffer *values);
enum sw_status sw_cpu_bias_activate(struct sw_hal *hal, const struct sw_buffer *bias, int64_t out,
                                    int64_t ld, int relu, struct sw_buffer *y);
enum sw_status sw_cpu_relu_backward(struct sw_hal *hal, const struct sw_buffer *y, int64_t out,
                                    int64_t ld, struct sw_buffer *dy);
enum sw_status sw_cpu_bias_backward(struct sw_hal *hal, const struct sw_buffer *dy, int64_t out,
                                    int64_t ld, struct sw_buffer *dbias);
enum sw_status sw_cpu_loss(struct sw_hal *hal, const struct sw_buffer *logits,
                           const struct sw_buffer *labels, int64_t classes, int64_t batch,
                           struct sw_buffer *dlogits, double *loss_sum, int64_t *correct);
enum sw_status sw_cpu_sgd(struct sw_hal *hal, struct sw_buffer *w, const struct sw_buffer *g,
                          struct sw_buffer *v, int64_t n, float lr, float momentum, float decay);
enum sw_status sw_cpu_nesterov(struct sw_hal *hal, struct sw_buffer *w, const struct sw_buffer *g,
                               struct sw_buffer *v, int64_t n, float lr, float momentum,
                               float decay);
enum sw_status sw_cpu_adam(struct sw_hal *hal, struct sw_buffer *w, const struct sw_buffer *g,
                           struct sw_buffer *m, struct sw_buffer *v, int64_t n,
                           const struct sw_adam_step *step);
enum sw_status sw_cpu_factored_sgd(struct sw_hal *hal, const struct sw_factors *factors,
                                   const struct sw_buffer *g, const struct sw_sgd_step *step,
                                   struct sw_factor_events *events);
enum sw_status sw_cpu_factored_adam(struct sw_hal *hal, const struct sw_factors *factors,
                                    const struct sw_buffer *g, const struct sw_adam_step *step,
                                    struct sw_factor_events *events);
enum sw_status sw_cpu_factor(struct sw_hal *hal, const struct sw_factors *factors, float beta,
                             bool project);
enum sw_status sw_cpu_sum_squares(struct sw_hal *hal, const struct sw_buffer *x, int64_t n,
                                  double *out);
