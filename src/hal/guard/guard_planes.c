/* Operations on images: the processor's, then a look at all canaries. */
#include "guard.h"

static enum sw_status clear_border(struct sw_hal *hal, const struct sw_planes *planes, int64_t ld,
                                   struct sw_buffer *x) {
    return sw_guard_after(hal, "clear_border", sw_cpu_planes.clear_border(hal, planes, ld, x));
}

static enum sw_status gather(struct sw_hal *hal, const struct sw_buffer *images,
                             const struct sw_buffer *labels, const struct sw_buffer *table,
                             const int32_t *index, const struct sw_augment *augment,
                             const struct sw_planes *planes, int64_t batch, struct sw_buffer *x,
                             struct sw_buffer *labels_out) {
    return sw_guard_after(hal, "gather",
                          sw_cpu_planes.gather(hal, images, labels, table, index, augment, planes,
                                               batch, x, labels_out));
}

static enum sw_status flatten(struct sw_hal *hal, const struct sw_planes *planes,
                              const struct sw_buffer *x, int64_t ld, struct sw_buffer *y) {
    return sw_guard_after(hal, "flatten", sw_cpu_planes.flatten(hal, planes, x, ld, y));
}

static enum sw_status unflatten(struct sw_hal *hal, const struct sw_planes *planes,
                                const struct sw_buffer *dy, int64_t ld, struct sw_buffer *dx) {
    return sw_guard_after(hal, "unflatten", sw_cpu_planes.unflatten(hal, planes, dy, ld, dx));
}

static enum sw_status conv_forward(struct sw_hal *hal, const struct sw_conv *conv,
                                   const struct sw_buffer *w, const struct sw_buffer *x, int64_t ld,
                                   struct sw_buffer *scratch, struct sw_buffer *y) {
    return sw_guard_after(hal, "conv_forward",
                          sw_cpu_planes.conv_forward(hal, conv, w, x, ld, scratch, y));
}

static enum sw_status conv_backward_data(struct sw_hal *hal, const struct sw_conv *conv,
                                         const struct sw_buffer *w, const struct sw_buffer *dy,
                                         int64_t ld, int add, struct sw_buffer *scratch,
                                         struct sw_buffer *dx) {
    return sw_guard_after(hal, "conv_backward_data",
                          sw_cpu_planes.conv_backward_data(hal, conv, w, dy, ld, add, scratch, dx));
}

static enum sw_status conv_backward_weights(struct sw_hal *hal, const struct sw_conv *conv,
                                            const struct sw_buffer *dy, const struct sw_buffer *x,
                                            int64_t ld, struct sw_buffer *scratch,
                                            struct sw_buffer *dw) {
    return sw_guard_after(hal, "conv_backward_weights",
                          sw_cpu_planes.conv_backward_weights(hal, conv, dy, x, ld, scratch, dw));
}

static enum sw_status sparse_conv_forward(struct sw_hal *hal,
                                          const struct sw_sparse_conv *positions,
                                          const struct sw_buffer *values, const struct sw_buffer *x,
                                          const struct sw_buffer *bias, int64_t ld, int relu,
                                          struct sw_buffer *scratch, struct sw_buffer *y) {
    return sw_guard_after(
        hal, "sparse_conv_forward",
        sw_cpu_planes.sparse_conv_forward(hal, positions, values, x, bias, ld, relu, scratch, y));
}

static enum sw_status sparse_conv_backward_data(struct sw_hal *hal,
                                                const struct sw_sparse_conv *positions,
                                                const struct sw_buffer *values,
                                                const struct sw_buffer *dy, int64_t ld, int add,
                                                struct sw_buffer *scratch, struct sw_buffer *dx) {
    return sw_guard_after(
        hal, "sparse_conv_backward_data",
        sw_cpu_planes.sparse_conv_backward_data(hal, positions, values, dy, ld, add, scratch, dx));
}

static enum sw_status
sparse_conv_backward_weights(struct sw_hal *hal, const struct sw_sparse_conv *positions,
                             const struct sw_buffer *dy, const struct sw_buffer *x, int64_t ld,
                             struct sw_buffer *scratch, struct sw_buffer *dvalues) {
    return sw_guard_after(
        hal, "sparse_conv_backward_weights",
        sw_cpu_planes.sparse_conv_backward_weights(hal, positions, dy, x, ld, scratch, dvalues));
}

static enum sw_status bias_activate(struct sw_hal *hal, const struct sw_planes *planes,
                                    const struct sw_buffer *bias, int64_t ld, int relu,
                                    struct sw_buffer *y) {
    return sw_guard_after(hal, "bias_activate",
                          sw_cpu_planes.bias_activate(hal, planes, bias, ld, relu, y));
}

static enum sw_status bias_backward(struct sw_hal *hal, const struct sw_planes *planes,
                                    const struct sw_buffer *y, int64_t ld, int relu,
                                    struct sw_buffer *dy, struct sw_buffer *dbias) {
    return sw_guard_after(hal, "bias_backward",
                          sw_cpu_planes.bias_backward(hal, planes, y, ld, relu, dy, dbias));
}

static enum sw_status norm_statistics(struct sw_hal *hal, const struct sw_planes *planes,
                                      const struct sw_buffer *x, int64_t batch,
                                      struct sw_buffer *mean, struct sw_buffer *variance) {
    return sw_guard_after(hal, "norm_statistics",
                          sw_cpu_planes.norm_statistics(hal, planes, x, batch, mean, variance));
}

static enum sw_status norm_track(struct sw_hal *hal, int64_t channels, int64_t n, float momentum,
                                 const struct sw_buffer *mean, const struct sw_buffer *variance,
                                 struct sw_buffer *running_mean,
                                 struct sw_buffer *running_variance) {
    return sw_guard_after(hal, "norm_track",
                          sw_cpu_planes.norm_track(hal, channels, n, momentum, mean, variance,
                                                   running_mean, running_variance));
}

static enum sw_status norm_apply(struct sw_hal *hal, const struct sw_norm_input *in,
                                 const struct sw_buffer *scale, const struct sw_buffer *shift,
                                 const struct sw_buffer *other,
                                 const struct sw_planes *other_planes, int64_t ld, int relu,
                                 struct sw_buffer *y) {
    return sw_guard_after(
        hal, "norm_apply",
        sw_cpu_planes.norm_apply(hal, in, scale, shift, other, other_planes, ld, relu, y));
}

static enum sw_status norm_backward_sums(struct sw_hal *hal, const struct sw_norm_input *in,
                                         const struct sw_buffer *y, int64_t batch, int relu,
                                         struct sw_buffer *dy, struct sw_buffer *dscale,
                                         struct sw_buffer *dshift) {
    return sw_guard_after(
        hal, "norm_backward_sums",
        sw_cpu_planes.norm_backward_sums(hal, in, y, batch, relu, dy, dscale, dshift));
}

static enum sw_status norm_backward_data(struct sw_hal *hal, const struct sw_norm_input *in,
                                         const struct sw_buffer *scale,
                                         const struct sw_buffer *dscale,
                                         const struct sw_buffer *dshift, const struct sw_buffer *dy,
                                         int64_t batch, struct sw_buffer *dx) {
    return sw_guard_after(
        hal, "norm_backward_data",
        sw_cpu_planes.norm_backward_data(hal, in, scale, dscale, dshift, dy, batch, dx));
}

static enum sw_status max_pool(struct sw_hal *hal, const struct sw_pooling *pool,
                               const struct sw_buffer *x, int64_t ld, struct sw_buffer *y) {
    return sw_guard_after(hal, "max_pool", sw_cpu_planes.max_pool(hal, pool, x, ld, y));
}

static enum sw_status max_pool_backward(struct sw_hal *hal, const struct sw_pooling *pool,
                                        const struct sw_buffer *x, const struct sw_buffer *y,
                                        const struct sw_buffer *dy, int64_t ld,
                                        struct sw_buffer *dx) {
    return sw_guard_after(hal, "max_pool_backward",
                          sw_cpu_planes.max_pool_backward(hal, pool, x, y, dy, ld, dx));
}

static enum sw_status average_pool(struct sw_hal *hal, const struct sw_pooling *pool,
                                   const struct sw_buffer *x, int64_t ld, struct sw_buffer *y) {
    return sw_guard_after(hal, "average_pool", sw_cpu_planes.average_pool(hal, pool, x, ld, y));
}

static enum sw_status average_pool_backward(struct sw_hal *hal, const struct sw_pooling *pool,
                                            const struct sw_buffer *dy, int64_t ld,
                                            struct sw_buffer *dx) {
    return sw_guard_after(hal, "average_pool_backward",
                          sw_cpu_planes.average_pool_backward(hal, pool, dy, ld, dx));
}

static enum sw_status global_pool(struct sw_hal *hal, const struct sw_planes *planes,
                                  const struct sw_buffer *x, int64_t ld, struct sw_buffer *y) {
    return sw_guard_after(hal, "global_pool", sw_cpu_planes.global_pool(hal, planes, x, ld, y));
}

static enum sw_status global_pool_backward(struct sw_hal *hal, const struct sw_planes *planes,
                                           const struct sw_buffer *dy, int64_t ld,
                                           struct sw_buffer *dx) {
    return sw_guard_after(hal, "global_pool_backward",
                          sw_cpu_planes.global_pool_backward(hal, planes, dy, ld, dx));
}

static enum sw_status dropout(struct sw_hal *hal, uint64_t seed, uint64_t stream, float rate,
                              int64_t n, struct sw_buffer *x) {
    return sw_guard_after(hal, "dropout", sw_cpu_planes.dropout(hal, seed, stream, rate, n, x));
}

const struct sw_backend_planes sw_guard_planes = {
    .clear_border = clear_border,
    .gather = gather,
    .flatten = flatten,
    .unflatten = unflatten,
    .conv_forward = conv_forward,
    .conv_backward_data = conv_backward_data,
    .conv_backward_weights = conv_backward_weights,
    .sparse_conv_forward = sparse_conv_forward,
    .sparse_conv_backward_data = sparse_conv_backward_data,
    .sparse_conv_backward_weights = sparse_conv_backward_weights,
    .bias_activate = bias_activate,
    .bias_backward = bias_backward,
    .norm_statistics = norm_statistics,
    .norm_track = norm_track,
    .norm_apply = norm_apply,
    .norm_backward_sums = norm_backward_sums,
    .norm_backward_data = norm_backward_data,
    .max_pool = max_pool,
    .max_pool_backward = max_pool_backward,
    .average_pool = average_pool,
    .average_pool_backward = average_pool_backward,
    .global_pool = global_pool,
    .global_pool_backward = global_pool_backward,
    .dropout = dropout,
};
