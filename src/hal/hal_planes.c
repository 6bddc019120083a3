/* Operations on images but for convolutions and batch norm: input, bias, pools, dropout. */
#include "check.h"

/* ---- input, borders -------------------------------------------------------------------------- */

enum sw_status sw_hal_clear_border(struct sw_hal *hal, const struct sw_planes *planes, int64_t ld,
                                   struct sw_buffer *x) {
    SW_TRY(sw_hal_check_planes_output(hal, x, "x", planes, ld, NULL, NULL));
    return hal->backend->planes->clear_border(hal, planes, ld, x);
}

enum sw_status sw_hal_gather_planes(struct sw_hal *hal, const struct sw_buffer *images,
                                    const struct sw_buffer *labels, const struct sw_buffer *table,
                                    const int32_t *index, const struct sw_augment *augment,
                                    const struct sw_planes *planes, int64_t batch,
                                    struct sw_buffer *x, struct sw_buffer *labels_out) {
    SW_TRY(sw_hal_check_size("the batch", batch));
    int64_t ld = sw_hal_lanes(batch);
    SW_TRY(sw_hal_check_planes_output(hal, x, "x", planes, ld, images, table));
    int64_t features = planes->channels * planes->height * planes->width;
    SW_TRY(sw_hal_check_input(hal, images, "images", 1, features, 1));
    SW_TRY(sw_hal_check_input(hal, labels, "labels", 1, 1, 1));
    SW_TRY(sw_hal_check_input(hal, table, "table", planes->channels, 256, sizeof(float)));
    SW_TRY(sw_hal_check_output(hal, labels_out, "labels_out", 1, ld, sizeof(int32_t), labels, x));
    SW_TRY(sw_hal_check_samples(images, labels, index, features, batch));
    return hal->backend->planes->gather(hal, images, labels, table, index, augment, planes, batch,
                                        x, labels_out);
}

static int64_t count_features(const struct sw_planes *planes) {
    return planes->channels * planes->height * planes->width;
}

enum sw_status sw_hal_flatten(struct sw_hal *hal, const struct sw_planes *planes,
                              const struct sw_buffer *x, int64_t ld, struct sw_buffer *y) {
    SW_TRY(sw_hal_check_planes_input(hal, x, "x", planes, ld));
    SW_TRY(sw_hal_check_output(hal, y, "y", count_features(planes), ld, sizeof(float), x, NULL));
    return hal->backend->planes->flatten(hal, planes, x, ld, y);
}

enum sw_status sw_hal_unflatten(struct sw_hal *hal, const struct sw_planes *planes,
                                const struct sw_buffer *dy, int64_t ld, struct sw_buffer *dx) {
    SW_TRY(sw_hal_check_planes_output(hal, dx, "dx", planes, ld, dy, NULL));
    SW_TRY(sw_hal_check_input(hal, dy, "dy", count_features(planes), ld, sizeof(float)));
    return hal->backend->planes->unflatten(hal, planes, dy, ld, dx);
}

/* ---- bias ------------------------------------------------------------------------------------ */

enum sw_status sw_hal_planes_bias_activate(struct sw_hal *hal, const struct sw_planes *planes,
                                           const struct sw_buffer *bias, int64_t ld, int relu,
                                           struct sw_buffer *y) {
    SW_TRY(sw_hal_check_planes_output(hal, y, "y", planes, ld, bias, NULL));
    SW_TRY(sw_hal_check_input(hal, bias, "bias", planes->channels, 1, sizeof(float)));
    return hal->backend->planes->bias_activate(hal, planes, bias, ld, relu, y);
}

enum sw_status sw_hal_planes_bias_backward(struct sw_hal *hal, const struct sw_planes *planes,
                                           const struct sw_buffer *y, int64_t ld, int relu,
                                           struct sw_buffer *dy, struct sw_buffer *dbias) {
    SW_TRY(sw_hal_check_planes_output(hal, dy, "dy", planes, ld, y, dbias));
    if (relu) SW_TRY(sw_hal_check_planes_input(hal, y, "y", planes, ld));
    if (dbias != NULL)
        SW_TRY(sw_hal_check_output(hal, dbias, "dbias", planes->channels, 1, sizeof(float), y, dy));
    return hal->backend->planes->bias_backward(hal, planes, y, ld, relu, dy, dbias);
}

/* ---- pools ----------------------------------------------------------------------------------- */

static enum sw_status check_pool_side(const char *side, int64_t in, int64_t out, int64_t kernel,
                                      int64_t stride) {
    if (in >= kernel && out == (in - kernel) / stride + 1) return SW_OK;
    return SW_FAIL(SW_INTERNAL, "a pool of %lld pixels every %lld makes no %s of %lld out of %lld",
                   (long long) kernel, (long long) stride, side, (long long) out, (long long) in);
}

static enum sw_status check_pool(const struct sw_pooling *pool) {
    if (pool == NULL) return SW_FAIL(SW_INTERNAL, "the shape of a pool is missing");
    SW_TRY(sw_hal_check_planes("a pool's input", &pool->in));
    SW_TRY(sw_hal_check_planes("a pool's output", &pool->out));
    SW_TRY(sw_hal_check_size("the side of a pool's window", pool->kernel));
    SW_TRY(sw_hal_check_size("the stride of a pool", pool->stride));
    if (pool->in.channels != pool->out.channels)
        return SW_FAIL(SW_INTERNAL, "a pool makes no %lld channels out of %lld",
                       (long long) pool->out.channels, (long long) pool->in.channels);
    SW_TRY(
        check_pool_side("height", pool->in.height, pool->out.height, pool->kernel, pool->stride));
    return check_pool_side("width", pool->in.width, pool->out.width, pool->kernel, pool->stride);
}

enum sw_status sw_hal_max_pool(struct sw_hal *hal, const struct sw_pooling *pool,
                               const struct sw_buffer *x, int64_t ld, struct sw_buffer *y) {
    SW_TRY(check_pool(pool));
    SW_TRY(sw_hal_check_planes_input(hal, x, "x", &pool->in, ld));
    SW_TRY(sw_hal_check_planes_output(hal, y, "y", &pool->out, ld, x, NULL));
    return hal->backend->planes->max_pool(hal, pool, x, ld, y);
}

enum sw_status sw_hal_max_pool_backward(struct sw_hal *hal, const struct sw_pooling *pool,
                                        const struct sw_buffer *x, const struct sw_buffer *y,
                                        const struct sw_buffer *dy, int64_t ld,
                                        struct sw_buffer *dx) {
    SW_TRY(check_pool(pool));
    SW_TRY(sw_hal_check_planes_input(hal, x, "x", &pool->in, ld));
    SW_TRY(sw_hal_check_planes_input(hal, y, "y", &pool->out, ld));
    SW_TRY(sw_hal_check_planes_input(hal, dy, "dy", &pool->out, ld));
    SW_TRY(sw_hal_check_planes_output(hal, dx, "dx", &pool->in, ld, x, y));
    SW_TRY(sw_hal_check_planes_output(hal, dx, "dx", &pool->in, ld, dy, NULL));
    return hal->backend->planes->max_pool_backward(hal, pool, x, y, dy, ld, dx);
}

enum sw_status sw_hal_average_pool(struct sw_hal *hal, const struct sw_pooling *pool,
                                   const struct sw_buffer *x, int64_t ld, struct sw_buffer *y) {
    SW_TRY(check_pool(pool));
    SW_TRY(sw_hal_check_planes_input(hal, x, "x", &pool->in, ld));
    SW_TRY(sw_hal_check_planes_output(hal, y, "y", &pool->out, ld, x, NULL));
    return hal->backend->planes->average_pool(hal, pool, x, ld, y);
}

enum sw_status sw_hal_average_pool_backward(struct sw_hal *hal, const struct sw_pooling *pool,
                                            const struct sw_buffer *dy, int64_t ld,
                                            struct sw_buffer *dx) {
    SW_TRY(check_pool(pool));
    SW_TRY(sw_hal_check_planes_input(hal, dy, "dy", &pool->out, ld));
    SW_TRY(sw_hal_check_planes_output(hal, dx, "dx", &pool->in, ld, dy, NULL));
    return hal->backend->planes->average_pool_backward(hal, pool, dy, ld, dx);
}

enum sw_status sw_hal_global_pool(struct sw_hal *hal, const struct sw_planes *planes,
                                  const struct sw_buffer *x, int64_t ld, struct sw_buffer *y) {
    SW_TRY(sw_hal_check_planes_input(hal, x, "x", planes, ld));
    SW_TRY(sw_hal_check_output(hal, y, "y", planes->channels, ld, sizeof(float), x, NULL));
    return hal->backend->planes->global_pool(hal, planes, x, ld, y);
}

enum sw_status sw_hal_global_pool_backward(struct sw_hal *hal, const struct sw_planes *planes,
                                           const struct sw_buffer *dy, int64_t ld,
                                           struct sw_buffer *dx) {
    SW_TRY(sw_hal_check_planes_output(hal, dx, "dx", planes, ld, dy, NULL));
    SW_TRY(sw_hal_check_input(hal, dy, "dy", planes->channels, ld, sizeof(float)));
    return hal->backend->planes->global_pool_backward(hal, planes, dy, ld, dx);
}

/* ---- elements -------------------------------------------------------------------------------- */

enum sw_status sw_hal_dropout(struct sw_hal *hal, uint64_t seed, uint64_t stream, float rate,
                              int64_t n, struct sw_buffer *x) {
    if (!(rate >= 0.0f && rate < 1.0f))
        return SW_FAIL(SW_INTERNAL, "dropout of a share of %g; it has to be at least 0 and below 1",
                       (double) rate);
    SW_TRY(sw_hal_check_output(hal, x, "x", n, 1, sizeof(float), NULL, NULL));
    return hal->backend->planes->dropout(hal, seed, stream, rate, n, x);
}

enum sw_status sw_hal_accumulate(struct sw_hal *hal, const struct sw_buffer *from, int64_t n,
                                 struct sw_buffer *to) {
    SW_TRY(sw_hal_check_input(hal, from, "from", n, 1, sizeof(float)));
    SW_TRY(sw_hal_check_output(hal, to, "to", n, 1, sizeof(float), from, NULL));
    return hal->backend->planes->accumulate(hal, from, n, to);
}
