/* Module: hal, for those who write a backend
 * Purpose: the table of operations that a device has to fill. hal.c checks every argument (buffer
 * sizes, contexts, ranges) before it calls a slot, so slots work on trusted arguments. How to add
 * one: a folder src/hal/NAME with one `const struct sw_backend sw_backend_NAME`, one line in
 *          src/hal/backends.def, and the contract test (tests/contract) passes for it unchanged. */
#pragma once

#include "sweepstake/hal.h"

#define SW_BACKEND_ABI 6

struct sw_backend_planes; /* backend_planes.h */

struct sw_buffer {
    struct sw_hal *hal;
    int64_t bytes;
    void *memory;  /* the backend's: host pointer for cpu, a handle elsewhere */
    int wrapped;   /* 1: the caller's memory, read-only */
    char what[40]; /* what it is for, for error texts; cut to fit */
};

/* Where the rows of a view stand. Plain: the places `start[r] .. start[r + 1]` of a row, and the
 * column of each. Blocked: columns are cut into blocks of `block`, and a row is visited once for
 * each, so that a kernel can keep the block's part of its input in the nearest cache. */
struct sw_visit {
    int32_t row;
    int32_t first; /* its places are first .. first + count */
    int32_t count;
    int32_t run; /* visits from this one on that have the same count, this one included */
};
/* Visits of block 0, then of block 1 and so on: `rows` each. Rows first .. first + SW_SPARSE_GROUP
 * with `first` a multiple of it stay together; within them rows are ordered by count. */
#define SW_SPARSE_GROUP 64
#define SW_SPARSE_BLOCK 264 /* most columns of a block */

/* A block of BSR. Row i of it is at value first + i width, as the values of a block row, whose blocks all
 * are whole, form a packed matrix. Blocks at an edge have fewer rows or columns. */
struct sw_bsr_block {
    int32_t index; /* block column; in a view by columns block row */
    int32_t first; /* its first value */
    int32_t width; /* values of a row of its block row */
};

/* A sparse matrix by its rows, or (then rows are columns, and columns rows) by its columns. */
struct sw_sparse_view {
    int64_t rows, columns;
    int64_t block;                   /* 0: plain */
    struct sw_buffer *start, *index; /* plain: int32[rows + 1], int32[nnz] */
    struct sw_buffer *row;           /* COO: int32[nnz], beside index, without start */
    struct sw_buffer *blocks;        /* BSR: struct sw_bsr_block[], start int32[block rows + 1] */
    struct sw_buffer *visits;        /* blocked: struct sw_visit[blocks * rows] */
    struct sw_buffer *offset;        /* blocked: uint16[nnz], column within its block */
    struct sw_buffer *value;         /* by columns: int32[nnz], place in the compact values */
    struct sw_buffer *ordered;       /* by columns, blocked: float[nnz], for the kernel's own use */
};

struct sw_sparse {
    struct sw_hal *hal;
    int64_t rows, columns, nnz;
    enum sw_layer_format format;
    /* DENSE, COO: only by_row. CSC: only by_column. Both are plain. CSR, BSR: both views. */
    struct sw_sparse_view by_row, by_column;
};

struct sw_hal {
    const struct sw_backend *backend;
    struct sw_hal_options options;
    void *state; /* the backend's */
};

/* All slots are required unless marked optional. Meanings, shapes and formulas: hal.h. */
struct sw_backend {
    int abi; /* SW_BACKEND_ABI */
    const char *name;
    const char *summary;
    enum sw_status (*probe)(void); /* can it run here? fills the status text when not */
    enum sw_status (*open)(struct sw_hal *hal);
    void (*close)(struct sw_hal *hal);

    enum sw_status (*alloc)(struct sw_buffer *buffer); /* bytes is set; fills memory, zeroed */
    enum sw_status (*wrap)(struct sw_buffer *buffer, const void *host);
    void (*free)(struct sw_buffer *buffer);
    enum sw_status (*upload)(struct sw_buffer *to, int64_t offset, const void *from, int64_t bytes);
    enum sw_status (*download)(const struct sw_buffer *from, int64_t offset, void *to,
                               int64_t bytes);
    enum sw_status (*zero)(struct sw_buffer *buffer);

    enum sw_status (*gather)(struct sw_hal *, const struct sw_buffer *images,
                             const struct sw_buffer *labels, const struct sw_buffer *table,
                             const int32_t *index, int64_t features, int64_t plane, int64_t batch,
                             struct sw_buffer *x, struct sw_buffer *labels_out);
    enum sw_status (*dense_forward)(struct sw_hal *, const struct sw_buffer *w,
                                    const struct sw_buffer *x, int64_t out, int64_t in, int64_t ld,
                                    struct sw_buffer *y);
    enum sw_status (*dense_backward_data)(struct sw_hal *, const struct sw_buffer *w,
                                          const struct sw_buffer *dy, int64_t out, int64_t in,
                                          int64_t ld, struct sw_buffer *dx);
    enum sw_status (*dense_backward_weights)(struct sw_hal *, const struct sw_buffer *dy,
                                             const struct sw_buffer *x, int64_t out, int64_t in,
                                             int64_t ld, struct sw_buffer *dw);
    enum sw_status (*sparse_forward)(struct sw_hal *, const struct sw_sparse *,
                                     const struct sw_buffer *values, const struct sw_buffer *x,
                                     int64_t ld, struct sw_buffer *y);
    enum sw_status (*sparse_backward_data)(struct sw_hal *, const struct sw_sparse *,
                                           const struct sw_buffer *values,
                                           const struct sw_buffer *dy, int64_t ld,
                                           struct sw_buffer *dx);
    enum sw_status (*sparse_backward_weights)(struct sw_hal *, const struct sw_sparse *,
                                              const struct sw_buffer *dy, const struct sw_buffer *x,
                                              int64_t ld, struct sw_buffer *dvalues);
    enum sw_status (*sparse_scatter)(struct sw_hal *, const struct sw_sparse *,
                                     const struct sw_buffer *values, struct sw_buffer *w);
    enum sw_status (*sparse_gather)(struct sw_hal *, const struct sw_sparse *,
                                    const struct sw_buffer *w, struct sw_buffer *values);
    enum sw_status (*bias_activate)(struct sw_hal *, const struct sw_buffer *bias, int64_t out,
                                    int64_t ld, int relu, struct sw_buffer *y);
    enum sw_status (*relu_backward)(struct sw_hal *, const struct sw_buffer *y, int64_t out,
                                    int64_t ld, struct sw_buffer *dy);
    enum sw_status (*bias_backward)(struct sw_hal *, const struct sw_buffer *dy, int64_t out,
                                    int64_t ld, struct sw_buffer *dbias);
    enum sw_status (*loss)(struct sw_hal *, const struct sw_buffer *logits,
                           const struct sw_buffer *labels, int64_t classes, int64_t batch,
                           struct sw_buffer *dlogits, double *loss_sum, int64_t *correct);
    enum sw_status (*sgd)(struct sw_hal *, struct sw_buffer *w, const struct sw_buffer *g,
                          struct sw_buffer *v, int64_t n, float lr, float momentum, float decay);
    enum sw_status (*nesterov)(struct sw_hal *, struct sw_buffer *w, const struct sw_buffer *g,
                               struct sw_buffer *v, int64_t n, float lr, float momentum,
                               float decay);
    enum sw_status (*adam)(struct sw_hal *, struct sw_buffer *w, const struct sw_buffer *g,
                           struct sw_buffer *m, struct sw_buffer *v, int64_t n,
                           const struct sw_adam_step *step);
    enum sw_status (*factored_sgd)(struct sw_hal *, const struct sw_factors *factors,
                                   const struct sw_buffer *g, const struct sw_sgd_step *step,
                                   struct sw_factor_events *events);
    enum sw_status (*factored_adam)(struct sw_hal *, const struct sw_factors *factors,
                                    const struct sw_buffer *g, const struct sw_adam_step *step,
                                    struct sw_factor_events *events);
    enum sw_status (*factor)(struct sw_hal *, const struct sw_factors *factors, float beta,
                             bool project);
    enum sw_status (*sum_squares)(struct sw_hal *, const struct sw_buffer *x, int64_t n,
                                  double *out);
    const struct sw_backend_planes *planes; /* operations on images */
};
