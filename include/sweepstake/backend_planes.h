/* Module: hal, for those who write a backend
 * Purpose: the operations on images that a device has to fill, beside those of backend.h. Their arguments
 *          are checked before (hal_planes.c, hal_conv.c, hal_norm.c). Meanings and shapes: planes.h. */
#pragma once

#include "sweepstake/backend.h"
#include "sweepstake/planes.h"

/* Taps of a sparse convolution, channel by channel: channel r owns start[r] .. start[r + 1]. */
struct sw_conv_view {
    struct sw_buffer *start; /* int32[channels + 1] */
    struct sw_buffer *index; /* int32[nnz]: (channel of the other side) K K + ky K + kx */
    struct sw_buffer
        *place; /* by input: int32[nnz], place in the compact values; by output: NULL */
};

/* Taps in the order of kernels that make a tile of a few pixels at a time and keep what it needs of the
 * input in the nearest cache. A result is made in parts: part (y, x) has every stride-th row and column
 * from y and x on (one part for outputs; stride x stride parts for gradients of inputs). In each, the
 * channels that are read are cut into blocks, and a channel of results is visited once for each block. */
struct sw_conv_visit {
    int32_t row;          /* channel of the result */
    int32_t first, count; /* its taps are first .. first + count */
    int32_t ahead;        /* pixels from the block's first plane to rows to fetch meanwhile */
};
#define SW_CONV_PARTS 64 /* most parts */
/* Visits whose gradients one thread makes. */
#define SW_CONV_CHUNK 4096 /* most taps */
struct sw_conv_chunk {
    int32_t block, first, last; /* visits first .. last of that block */
};
struct sw_conv_tiles {
    int64_t
        parts; /* along each side; all of stride 1 in what they read, unless there is only one */
    int64_t block, blocks;    /* most channels of a block; how many blocks */
    int64_t span;             /* tiles side by side that a visit does in turn */
    int64_t ahead;            /* rows to fetch in a visit */
    int64_t chunks;           /* 0: not for gradients of weights */
    struct sw_buffer *start;  /* int32[parts parts blocks + 1]: first visit of each block */
    struct sw_buffer *visits; /* struct sw_conv_visit[start's last + 1] */
    struct sw_buffer
        *offset; /* uint16[nnz]: pixels from the corner of what a tile reads in the block */
    struct sw_buffer *place; /* int32[nnz]: place in the compact values */
    struct sw_buffer *chunk; /* struct sw_conv_chunk[chunks] */
};

/* Rows or columns of a part that begins at `first`, of `size`. */
static inline int64_t sw_conv_part_size(int64_t size, int64_t parts, int64_t first) {
    return (size - first + parts - 1) / parts;
}
/* The last row or column of the kernel that a part of the gradient of inputs reads, and the pixel of the
 * output on which it falls for the part's first pixel; negative: none. */
static inline int64_t sw_conv_part_tap(const struct sw_conv *conv, int64_t first) {
    int64_t residue = (first + conv->padding) % conv->stride;
    return conv->kernel <= residue ? -1
                                   : conv->kernel - 1 - (conv->kernel - 1 - residue) % conv->stride;
}
static inline int64_t sw_conv_part_corner(const struct sw_conv *conv, int64_t first) {
    int64_t tap = sw_conv_part_tap(conv, first);
    return tap < 0 ? 0 : (first + conv->padding - tap) / conv->stride;
}

/* Places of a sparse convolution: `by_output` and `by_input` are what the plain kernels read; `forward`
 * and `backward` what the others do. Only one kind is there: the plain one when start is not NULL. */
struct sw_sparse_conv {
    struct sw_hal *hal;
    struct sw_conv conv; /* the borders of its planes count: offsets are made from them */
    int64_t nnz;
    struct sw_conv_view by_output, by_input;
    struct sw_conv_tiles forward, backward;
};

/* Scratch memory of dense convolutions holds the weights once, in groups of this many channels, and a number
 * for each tap (sw_hal_conv_scratch). */
#define SW_CONV_GROUP 4

/* What the passes over a batch norm share. */
struct sw_norm_input {
    struct sw_planes planes, out; /* of x, and of y and dy */
    const struct sw_buffer *x, *mean, *variance;
};

/* All slots are required. `scratch` has at least sw_hal_conv_scratch bytes; NULL when that is 0. */
struct sw_backend_planes {
    enum sw_status (*clear_border)(struct sw_hal *, const struct sw_planes *, int64_t ld,
                                   struct sw_buffer *x);
    enum sw_status (*gather)(struct sw_hal *, const struct sw_buffer *images,
                             const struct sw_buffer *labels, const struct sw_buffer *table,
                             const int32_t *index, const struct sw_augment *augment,
                             const struct sw_planes *, int64_t batch, struct sw_buffer *x,
                             struct sw_buffer *labels_out);
    enum sw_status (*flatten)(struct sw_hal *, const struct sw_planes *, const struct sw_buffer *x,
                              int64_t ld, struct sw_buffer *y);
    enum sw_status (*unflatten)(struct sw_hal *, const struct sw_planes *,
                                const struct sw_buffer *dy, int64_t ld, struct sw_buffer *dx);

    enum sw_status (*conv_forward)(struct sw_hal *, const struct sw_conv *,
                                   const struct sw_buffer *w, const struct sw_buffer *x, int64_t ld,
                                   struct sw_buffer *scratch, struct sw_buffer *y);
    enum sw_status (*conv_backward_data)(struct sw_hal *, const struct sw_conv *,
                                         const struct sw_buffer *w, const struct sw_buffer *dy,
                                         int64_t ld, int add, struct sw_buffer *scratch,
                                         struct sw_buffer *dx);
    enum sw_status (*conv_backward_weights)(struct sw_hal *, const struct sw_conv *,
                                            const struct sw_buffer *dy, const struct sw_buffer *x,
                                            int64_t ld, struct sw_buffer *scratch,
                                            struct sw_buffer *dw);
    enum sw_status (*sparse_conv_forward)(struct sw_hal *, const struct sw_sparse_conv *,
                                          const struct sw_buffer *values, const struct sw_buffer *x,
                                          const struct sw_buffer *bias, int64_t ld, int relu,
                                          struct sw_buffer *scratch, struct sw_buffer *y);
    enum sw_status (*sparse_conv_backward_data)(struct sw_hal *, const struct sw_sparse_conv *,
                                                const struct sw_buffer *values,
                                                const struct sw_buffer *dy, int64_t ld, int add,
                                                struct sw_buffer *scratch, struct sw_buffer *dx);
    enum sw_status (*sparse_conv_backward_weights)(struct sw_hal *, const struct sw_sparse_conv *,
                                                   const struct sw_buffer *dy,
                                                   const struct sw_buffer *x, int64_t ld,
                                                   struct sw_buffer *scratch,
                                                   struct sw_buffer *dvalues);

    enum sw_status (*bias_activate)(struct sw_hal *, const struct sw_planes *,
                                    const struct sw_buffer *bias, int64_t ld, int relu,
                                    struct sw_buffer *y);
    enum sw_status (*bias_backward)(struct sw_hal *, const struct sw_planes *,
                                    const struct sw_buffer *y, int64_t ld, int relu,
                                    struct sw_buffer *dy, struct sw_buffer *dbias);

    enum sw_status (*norm_statistics)(struct sw_hal *, const struct sw_planes *,
                                      const struct sw_buffer *x, int64_t batch,
                                      struct sw_buffer *mean, struct sw_buffer *variance);
    enum sw_status (*norm_track)(struct sw_hal *, int64_t channels, int64_t n, float momentum,
                                 const struct sw_buffer *mean, const struct sw_buffer *variance,
                                 struct sw_buffer *running_mean,
                                 struct sw_buffer *running_variance);
    enum sw_status (*norm_apply)(struct sw_hal *, const struct sw_norm_input *,
                                 const struct sw_buffer *scale, const struct sw_buffer *shift,
                                 const struct sw_buffer *other,
                                 const struct sw_planes *other_planes, int64_t ld, int relu,
                                 struct sw_buffer *y);
    enum sw_status (*norm_backward_sums)(struct sw_hal *, const struct sw_norm_input *,
                                         const struct sw_buffer *y, int64_t batch, int relu,
                                         struct sw_buffer *dy, struct sw_buffer *dscale,
                                         struct sw_buffer *dshift);
    enum sw_status (*norm_backward_data)(struct sw_hal *, const struct sw_norm_input *,
                                         const struct sw_buffer *scale,
                                         const struct sw_buffer *dscale,
                                         const struct sw_buffer *dshift, const struct sw_buffer *dy,
                                         int64_t batch, struct sw_buffer *dx);

    enum sw_status (*max_pool)(struct sw_hal *, const struct sw_pooling *,
                               const struct sw_buffer *x, int64_t ld, struct sw_buffer *y);
    enum sw_status (*max_pool_backward)(struct sw_hal *, const struct sw_pooling *,
                                        const struct sw_buffer *x, const struct sw_buffer *y,
                                        const struct sw_buffer *dy, int64_t ld,
                                        struct sw_buffer *dx);
    enum sw_status (*average_pool)(struct sw_hal *, const struct sw_pooling *,
                                   const struct sw_buffer *x, int64_t ld, struct sw_buffer *y);
    enum sw_status (*average_pool_backward)(struct sw_hal *, const struct sw_pooling *,
                                            const struct sw_buffer *dy, int64_t ld,
                                            struct sw_buffer *dx);
    enum sw_status (*global_pool)(struct sw_hal *, const struct sw_planes *,
                                  const struct sw_buffer *x, int64_t ld, struct sw_buffer *y);
    enum sw_status (*global_pool_backward)(struct sw_hal *, const struct sw_planes *,
                                           const struct sw_buffer *dy, int64_t ld,
                                           struct sw_buffer *dx);
    enum sw_status (*dropout)(struct sw_hal *, uint64_t seed, uint64_t stream, float rate,
                              int64_t n, struct sw_buffer *x);
};
