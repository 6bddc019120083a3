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

/* Places of a sparse convolution. `by_output` and `by_input` are what the plain kernels read. A kernel
 * that wants other tables adds buffers here, makes and frees them in conv_views.c and counts their bytes
 * there; only for instruction sets that have such a kernel. */
struct sw_sparse_conv {
    struct sw_hal *hal;
    struct sw_conv conv; /* the borders of its planes count: offsets may be made from them */
    int64_t nnz;
    struct sw_conv_view by_output, by_input;
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
                                          int64_t ld, struct sw_buffer *scratch,
                                          struct sw_buffer *y);
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
    enum sw_status (*accumulate)(struct sw_hal *, const struct sw_buffer *from, int64_t n,
                                 struct sw_buffer *to);
};
