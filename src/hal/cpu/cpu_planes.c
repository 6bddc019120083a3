/* Slots for images, but for convolutions (cpu_conv.c): turn buffers into kernel arguments, share out the
 * work. */
#include <math.h>

#include "cpu_planes.h"

#define GRAIN_ELEMENTS 4096
#define GRAIN_DRAWS 1024

static const struct sw_cpu_planes_kernels kernels_ref = {
    .clear_border = sw_cpu_ref_clear_border,
    .gather = sw_cpu_ref_gather_planes,
    .flatten = sw_cpu_ref_flatten,
    .unflatten = sw_cpu_ref_unflatten,
    .conv_forward = sw_cpu_ref_conv_forward,
    .conv_backward_data = sw_cpu_ref_conv_backward_data,
    .conv_backward_weights = sw_cpu_ref_conv_backward_weights,
    .sparse_conv_forward = sw_cpu_ref_sparse_conv_forward,
    .sparse_conv_backward_data = sw_cpu_ref_sparse_conv_backward_data,
    .sparse_conv_backward_weights = sw_cpu_ref_sparse_conv_backward_weights,
    .bias_activate = sw_cpu_ref_planes_bias_activate,
    .bias_backward = sw_cpu_ref_planes_bias_backward,
    .norm_statistics = sw_cpu_ref_norm_statistics,
    .norm_apply = sw_cpu_ref_norm_apply,
    .norm_backward_sums = sw_cpu_ref_norm_backward_sums,
    .norm_backward_data = sw_cpu_ref_norm_backward_data,
    .max_pool = sw_cpu_ref_max_pool,
    .max_pool_backward = sw_cpu_ref_max_pool_backward,
    .average_pool = sw_cpu_ref_average_pool,
    .average_pool_backward = sw_cpu_ref_average_pool_backward,
    .global_pool = sw_cpu_ref_global_pool,
    .global_pool_backward = sw_cpu_ref_global_pool_backward,
    .dropout = sw_cpu_ref_dropout,
    .accumulate = sw_cpu_ref_accumulate,
};

static const struct sw_cpu_planes_kernels kernels_avx2 = {
    .clear_border = sw_cpu_ref_clear_border,
    .gather = sw_cpu_ref_gather_planes,
    .flatten = sw_cpu_ref_flatten,
    .unflatten = sw_cpu_ref_unflatten,
    .conv_pack_forward = sw_cpu_avx2_conv_pack_forward,
    .conv_pack_backward = sw_cpu_avx2_conv_pack_backward,
    .conv_forward = sw_cpu_avx2_conv_forward,
    .conv_backward_data = sw_cpu_avx2_conv_backward_data,
    .conv_backward_weights = sw_cpu_avx2_conv_backward_weights,
    .sparse_conv_forward = sw_cpu_ref_sparse_conv_forward,
    .sparse_conv_backward_data = sw_cpu_ref_sparse_conv_backward_data,
    .sparse_conv_backward_weights = sw_cpu_ref_sparse_conv_backward_weights,
    .tile_product = sw_cpu_avx2_tile_product,
    .tile_gradient = sw_cpu_avx2_tile_gradient,
    .bias_activate = sw_cpu_ref_planes_bias_activate,
    .bias_backward = sw_cpu_ref_planes_bias_backward,
    .norm_statistics = sw_cpu_ref_norm_statistics,
    .norm_apply = sw_cpu_ref_norm_apply,
    .norm_backward_sums = sw_cpu_ref_norm_backward_sums,
    .norm_backward_data = sw_cpu_ref_norm_backward_data,
    .max_pool = sw_cpu_ref_max_pool,
    .max_pool_backward = sw_cpu_ref_max_pool_backward,
    .average_pool = sw_cpu_ref_average_pool,
    .average_pool_backward = sw_cpu_ref_average_pool_backward,
    .global_pool = sw_cpu_ref_global_pool,
    .global_pool_backward = sw_cpu_ref_global_pool_backward,
    .dropout = sw_cpu_ref_dropout,
    .accumulate = sw_cpu_ref_accumulate,
};

const struct sw_cpu_planes_kernels *sw_cpu_find_planes_kernels(enum sw_isa isa) {
    return isa >= SW_ISA_AVX2 ? &kernels_avx2 : &kernels_ref;
}

static const struct sw_cpu_planes_kernels *kernels_of(const struct sw_hal *hal) {
    const struct sw_cpu_state *state = hal->state;
    return state->planes;
}

/* ---- sharing out ----------------------------------------------------------------------------- */

static int64_t count_planes(const struct sw_planes *planes, int64_t ld) {
    return ld / SW_HAL_LANES * planes->channels;
}

static double count_pixels(const struct sw_planes *planes, int64_t ld) {
    return (double) (planes->channels * planes->height) * (double) (planes->width * ld);
}

/* A kernel whose units are the planes of `planes`. */
static enum sw_status run_planes(const struct sw_hal *hal, sw_cpu_kernel *kernel, const void *args,
                                 const struct sw_planes *planes, int64_t ld) {
    sw_cpu_run(hal, kernel, args, count_planes(planes, ld), 1, count_pixels(planes, ld));
    return SW_OK;
}

/* A kernel whose units are channels, each over the whole batch. */
static enum sw_status run_channels(const struct sw_hal *hal, sw_cpu_kernel *kernel,
                                   const void *args, const struct sw_planes *planes, int64_t ld) {
    sw_cpu_run(hal, kernel, args, planes->channels, 1, count_pixels(planes, ld));
    return SW_OK;
}

/* ---- input, borders -------------------------------------------------------------------------- */

static enum sw_status clear_border(struct sw_hal *hal, const struct sw_planes *planes, int64_t ld,
                                   struct sw_buffer *x) {
    struct sw_cpu_planes_border args = {.planes = *planes, .x = x->memory};
    return run_planes(hal, kernels_of(hal)->clear_border, &args, planes, ld);
}

static enum sw_status gather(struct sw_hal *hal, const struct sw_buffer *images,
                             const struct sw_buffer *labels, const struct sw_buffer *table,
                             const int32_t *index, const struct sw_augment *augment,
                             const struct sw_planes *planes, int64_t batch, struct sw_buffer *x,
                             struct sw_buffer *labels_out) {
    struct sw_cpu_planes_gather args = {.images = images->memory,
                                        .table = table->memory,
                                        .index = index,
                                        .augment = augment,
                                        .planes = *planes,
                                        .batch = batch,
                                        .x = x->memory};
    sw_cpu_gather_labels(labels, index, batch, labels_out);
    return run_planes(hal, kernels_of(hal)->gather, &args, planes, sw_hal_lanes(batch));
}

static enum sw_status flatten(struct sw_hal *hal, const struct sw_planes *planes,
                              const struct sw_buffer *x, int64_t ld, struct sw_buffer *y) {
    struct sw_cpu_flatten args = {.planes = *planes, .ld = ld, .x = x->memory, .y = y->memory};
    return run_planes(hal, kernels_of(hal)->flatten, &args, planes, ld);
}

static enum sw_status unflatten(struct sw_hal *hal, const struct sw_planes *planes,
                                const struct sw_buffer *dy, int64_t ld, struct sw_buffer *dx) {
    struct sw_cpu_flatten args = {.planes = *planes, .ld = ld, .x = dx->memory, .y = dy->memory};
    return run_planes(hal, kernels_of(hal)->unflatten, &args, planes, ld);
}

/* ---- bias ------------------------------------------------------------------------------------ */

static enum sw_status bias_activate(struct sw_hal *hal, const struct sw_planes *planes,
                                    const struct sw_buffer *bias, int64_t ld, int relu,
                                    struct sw_buffer *y) {
    struct sw_cpu_planes_activation args = {
        .planes = *planes, .bias = bias->memory, .relu = relu, .y = y->memory};
    return run_planes(hal, kernels_of(hal)->bias_activate, &args, planes, ld);
}

static enum sw_status bias_backward(struct sw_hal *hal, const struct sw_planes *planes,
                                    const struct sw_buffer *y, int64_t ld, int relu,
                                    struct sw_buffer *dy, struct sw_buffer *dbias) {
    struct sw_cpu_planes_bias_gradient args = {.planes = *planes,
                                               .blocks = ld / SW_HAL_LANES,
                                               .y = y != NULL ? y->memory : NULL,
                                               .relu = relu,
                                               .dy = dy->memory,
                                               .dbias = dbias != NULL ? dbias->memory : NULL};
    return run_channels(hal, kernels_of(hal)->bias_backward, &args, planes, ld);
}

/* ---- batch norm ------------------------------------------------------------------------------ */

static enum sw_status norm_statistics(struct sw_hal *hal, const struct sw_planes *planes,
                                      const struct sw_buffer *x, int64_t batch,
                                      struct sw_buffer *mean, struct sw_buffer *variance) {
    int64_t ld = sw_hal_lanes(batch);
    struct sw_cpu_norm_statistics args = {.planes = *planes,
                                          .blocks = ld / SW_HAL_LANES,
                                          .batch = batch,
                                          .x = x->memory,
                                          .mean = mean->memory,
                                          .variance = variance->memory};
    return run_channels(hal, kernels_of(hal)->norm_statistics, &args, planes, ld);
}

static enum sw_status norm_track(struct sw_hal *hal, int64_t channels, int64_t n, float momentum,
                                 const struct sw_buffer *mean, const struct sw_buffer *variance,
                                 struct sw_buffer *running_mean,
                                 struct sw_buffer *running_variance) {
    (void) hal;
    const float *means = mean->memory, *variances = variance->memory;
    float *to_mean = running_mean->memory, *to_variance = running_variance->memory;
    const double unbiased = n > 1 ? (double) n / (double) (n - 1) : 1.0;
    const double part = (double) momentum;
    for (int64_t c = 0; c < channels; c++) {
        to_mean[c] = (float) ((1.0 - part) * (double) to_mean[c] + part * (double) means[c]);
        to_variance[c] = (float) ((1.0 - part) * (double) to_variance[c] +
                                  part * unbiased * (double) variances[c]);
    }
    return SW_OK;
}

static enum sw_status norm_apply(struct sw_hal *hal, const struct sw_norm_input *in,
                                 const struct sw_buffer *scale, const struct sw_buffer *shift,
                                 const struct sw_buffer *other,
                                 const struct sw_planes *other_planes, int64_t ld, int relu,
                                 struct sw_buffer *y) {
    struct sw_cpu_norm_apply args = {.planes = in->planes,
                                     .out = in->out,
                                     .x = in->x->memory,
                                     .mean = in->mean->memory,
                                     .variance = in->variance->memory,
                                     .scale = scale->memory,
                                     .shift = shift->memory,
                                     .relu = relu,
                                     .y = y->memory};
    if (other != NULL) {
        args.other = other->memory;
        args.other_planes = *other_planes;
    }
    return run_planes(hal, kernels_of(hal)->norm_apply, &args, &in->planes, ld);
}

static enum sw_status norm_backward_sums(struct sw_hal *hal, const struct sw_norm_input *in,
                                         const struct sw_buffer *y, int64_t batch, int relu,
                                         struct sw_buffer *dy, struct sw_buffer *dscale,
                                         struct sw_buffer *dshift) {
    int64_t ld = sw_hal_lanes(batch);
    struct sw_cpu_norm_sums args = {.planes = in->planes,
                                    .out = in->out,
                                    .blocks = ld / SW_HAL_LANES,
                                    .x = in->x->memory,
                                    .mean = in->mean->memory,
                                    .variance = in->variance->memory,
                                    .y = y != NULL ? y->memory : NULL,
                                    .relu = relu,
                                    .dy = dy->memory,
                                    .dscale = dscale->memory,
                                    .dshift = dshift->memory};
    return run_channels(hal, kernels_of(hal)->norm_backward_sums, &args, &in->planes, ld);
}

static enum sw_status norm_backward_data(struct sw_hal *hal, const struct sw_norm_input *in,
                                         const struct sw_buffer *scale,
                                         const struct sw_buffer *dscale,
                                         const struct sw_buffer *dshift, const struct sw_buffer *dy,
                                         int64_t batch, struct sw_buffer *dx) {
    struct sw_cpu_norm_data args = {.planes = in->planes,
                                    .out = in->out,
                                    .batch = batch,
                                    .x = in->x->memory,
                                    .mean = in->mean->memory,
                                    .variance = in->variance->memory,
                                    .scale = scale->memory,
                                    .dscale = dscale->memory,
                                    .dshift = dshift->memory,
                                    .dy = dy->memory,
                                    .dx = dx->memory};
    return run_planes(hal, kernels_of(hal)->norm_backward_data, &args, &in->planes,
                      sw_hal_lanes(batch));
}

/* ---- pools ----------------------------------------------------------------------------------- */

static enum sw_status max_pool(struct sw_hal *hal, const struct sw_pooling *pool,
                               const struct sw_buffer *x, int64_t ld, struct sw_buffer *y) {
    struct sw_cpu_pool args = {.pool = *pool, .x = x->memory, .y = y->memory};
    return run_planes(hal, kernels_of(hal)->max_pool, &args, &pool->in, ld);
}

static enum sw_status max_pool_backward(struct sw_hal *hal, const struct sw_pooling *pool,
                                        const struct sw_buffer *x, const struct sw_buffer *y,
                                        const struct sw_buffer *dy, int64_t ld,
                                        struct sw_buffer *dx) {
    struct sw_cpu_pool args = {
        .pool = *pool, .x = x->memory, .y = y->memory, .dy = dy->memory, .dx = dx->memory};
    return run_planes(hal, kernels_of(hal)->max_pool_backward, &args, &pool->in, ld);
}

static enum sw_status average_pool(struct sw_hal *hal, const struct sw_pooling *pool,
                                   const struct sw_buffer *x, int64_t ld, struct sw_buffer *y) {
    struct sw_cpu_pool args = {.pool = *pool, .x = x->memory, .y = y->memory};
    return run_planes(hal, kernels_of(hal)->average_pool, &args, &pool->in, ld);
}

static enum sw_status average_pool_backward(struct sw_hal *hal, const struct sw_pooling *pool,
                                            const struct sw_buffer *dy, int64_t ld,
                                            struct sw_buffer *dx) {
    struct sw_cpu_pool args = {.pool = *pool, .dy = dy->memory, .dx = dx->memory};
    return run_planes(hal, kernels_of(hal)->average_pool_backward, &args, &pool->in, ld);
}

static enum sw_status global_pool(struct sw_hal *hal, const struct sw_planes *planes,
                                  const struct sw_buffer *x, int64_t ld, struct sw_buffer *y) {
    struct sw_cpu_global_pool args = {.planes = *planes, .ld = ld, .x = x->memory, .y = y->memory};
    return run_planes(hal, kernels_of(hal)->global_pool, &args, planes, ld);
}

static enum sw_status global_pool_backward(struct sw_hal *hal, const struct sw_planes *planes,
                                           const struct sw_buffer *dy, int64_t ld,
                                           struct sw_buffer *dx) {
    struct sw_cpu_global_pool args = {
        .planes = *planes, .ld = ld, .x = dx->memory, .y = dy->memory};
    return run_planes(hal, kernels_of(hal)->global_pool_backward, &args, planes, ld);
}

/* ---- elements -------------------------------------------------------------------------------- */

static enum sw_status dropout(struct sw_hal *hal, uint64_t seed, uint64_t stream, float rate,
                              int64_t n, struct sw_buffer *x) {
    struct sw_cpu_dropout args = {
        .seed = seed, .stream = stream, .rate = rate, .n = n, .x = x->memory};
    sw_cpu_run(hal, kernels_of(hal)->dropout, &args, (n + 3) / 4, GRAIN_DRAWS, 4.0 * (double) n);
    return SW_OK;
}

static enum sw_status accumulate(struct sw_hal *hal, const struct sw_buffer *from, int64_t n,
                                 struct sw_buffer *to) {
    struct sw_cpu_accumulate args = {.from = from->memory, .to = to->memory};
    sw_cpu_run(hal, kernels_of(hal)->accumulate, &args, n, GRAIN_ELEMENTS, (double) n);
    return SW_OK;
}

const struct sw_backend_planes sw_cpu_planes = {
    .clear_border = clear_border,
    .gather = gather,
    .flatten = flatten,
    .unflatten = unflatten,
    .conv_forward = sw_cpu_conv_forward,
    .conv_backward_data = sw_cpu_conv_backward_data,
    .conv_backward_weights = sw_cpu_conv_backward_weights,
    .sparse_conv_forward = sw_cpu_sparse_conv_forward,
    .sparse_conv_backward_data = sw_cpu_sparse_conv_backward_data,
    .sparse_conv_backward_weights = sw_cpu_sparse_conv_backward_weights,
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
    .accumulate = accumulate,
};
