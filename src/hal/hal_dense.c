/* Gathering a batch, and linear layers with dense weights. */
#include "check.h"

enum sw_status sw_hal_gather(struct sw_hal *hal, const struct sw_buffer *images,
                             const struct sw_buffer *labels, const struct sw_buffer *table,
                             const int32_t *index, int64_t features, int64_t plane, int64_t batch,
                             struct sw_buffer *x, struct sw_buffer *labels_out) {
    SW_TRY(sw_hal_check_size("the number of features", features));
    SW_TRY(sw_hal_check_size("the number of features of a plane", plane));
    SW_TRY(sw_hal_check_size("the batch", batch));
    if (features % plane != 0)
        return SW_FAIL(SW_INTERNAL, "%lld features are no multiple of a plane of %lld",
                       (long long) features, (long long) plane);
    int64_t ld = sw_hal_lanes(batch);
    SW_TRY(sw_hal_check_input(hal, images, "images", 1, features, 1));
    SW_TRY(sw_hal_check_input(hal, labels, "labels", 1, 1, 1));
    SW_TRY(sw_hal_check_input(hal, table, "table", features / plane, 256, sizeof(float)));
    SW_TRY(sw_hal_check_output(hal, x, "x", features, ld, sizeof(float), images, table));
    SW_TRY(sw_hal_check_output(hal, labels_out, "labels_out", 1, ld, sizeof(int32_t), labels, x));
    SW_TRY(sw_hal_check_samples(images, labels, index, features, batch));
    return hal->backend->gather(hal, images, labels, table, index, features, plane, batch, x,
                                labels_out);
}

static enum sw_status check_shape(int64_t out, int64_t in, int64_t ld) {
    SW_TRY(sw_hal_check_size("the number of outputs", out));
    SW_TRY(sw_hal_check_size("the number of inputs", in));
    return sw_hal_check_ld(ld);
}

enum sw_status sw_hal_dense_forward(struct sw_hal *hal, const struct sw_buffer *w,
                                    const struct sw_buffer *x, int64_t out, int64_t in, int64_t ld,
                                    struct sw_buffer *y) {
    SW_TRY(check_shape(out, in, ld));
    SW_TRY(sw_hal_check_input(hal, w, "w", out, in, sizeof(float)));
    SW_TRY(sw_hal_check_input(hal, x, "x", in, ld, sizeof(float)));
    SW_TRY(sw_hal_check_output(hal, y, "y", out, ld, sizeof(float), w, x));
    return hal->backend->dense_forward(hal, w, x, out, in, ld, y);
}

enum sw_status sw_hal_dense_backward_data(struct sw_hal *hal, const struct sw_buffer *w,
                                          const struct sw_buffer *dy, int64_t out, int64_t in,
                                          int64_t ld, struct sw_buffer *dx) {
    SW_TRY(check_shape(out, in, ld));
    SW_TRY(sw_hal_check_input(hal, w, "w", out, in, sizeof(float)));
    SW_TRY(sw_hal_check_input(hal, dy, "dy", out, ld, sizeof(float)));
    SW_TRY(sw_hal_check_output(hal, dx, "dx", in, ld, sizeof(float), w, dy));
    return hal->backend->dense_backward_data(hal, w, dy, out, in, ld, dx);
}

enum sw_status sw_hal_dense_backward_weights(struct sw_hal *hal, const struct sw_buffer *dy,
                                             const struct sw_buffer *x, int64_t out, int64_t in,
                                             int64_t ld, struct sw_buffer *dw) {
    SW_TRY(check_shape(out, in, ld));
    SW_TRY(sw_hal_check_input(hal, dy, "dy", out, ld, sizeof(float)));
    SW_TRY(sw_hal_check_input(hal, x, "x", in, ld, sizeof(float)));
    SW_TRY(sw_hal_check_output(hal, dw, "dw", out, in, sizeof(float), dy, x));
    return hal->backend->dense_backward_weights(hal, dy, x, out, in, ld, dw);
}
