/* Batch norm. */
#include "check.h"

static enum sw_status check_channels(const struct sw_hal *hal, const struct sw_buffer *buffer,
                                     const char *role, int64_t channels) {
    return sw_hal_check_input(hal, buffer, role, channels, 1, sizeof(float));
}

enum sw_status sw_hal_norm_statistics(struct sw_hal *hal, const struct sw_planes *planes,
                                      const struct sw_buffer *x, int64_t batch,
                                      struct sw_buffer *mean, struct sw_buffer *variance) {
    SW_TRY(sw_hal_check_size("the batch", batch));
    SW_TRY(sw_hal_check_planes_input(hal, x, "x", planes, sw_hal_lanes(batch)));
    int64_t channels = planes->channels;
    SW_TRY(sw_hal_check_output(hal, mean, "mean", channels, 1, sizeof(float), x, variance));
    SW_TRY(sw_hal_check_output(hal, variance, "variance", channels, 1, sizeof(float), x, mean));
    return hal->backend->planes->norm_statistics(hal, planes, x, batch, mean, variance);
}

enum sw_status sw_hal_norm_track(struct sw_hal *hal, int64_t channels, int64_t n, float momentum,
                                 const struct sw_buffer *mean, const struct sw_buffer *variance,
                                 struct sw_buffer *running_mean,
                                 struct sw_buffer *running_variance) {
    SW_TRY(sw_hal_check_size("the number of channels", channels));
    if (n < 1) return SW_FAIL(SW_INTERNAL, "statistics over %lld values", (long long) n);
    if (!(momentum >= 0.0f && momentum <= 1.0f))
        return SW_FAIL(SW_INTERNAL, "running statistics move by %g; it has to be between 0 and 1",
                       (double) momentum);
    SW_TRY(check_channels(hal, mean, "mean", channels));
    SW_TRY(check_channels(hal, variance, "variance", channels));
    SW_TRY(sw_hal_check_output(hal, running_mean, "running_mean", channels, 1, sizeof(float), mean,
                               variance));
    SW_TRY(sw_hal_check_output(hal, running_variance, "running_variance", channels, 1,
                               sizeof(float), mean, variance));
    if (running_mean == running_variance)
        return SW_FAIL(SW_INTERNAL, "running mean and variance are one buffer");
    return hal->backend->planes->norm_track(hal, channels, n, momentum, mean, variance,
                                            running_mean, running_variance);
}

static enum sw_status check_norm(const struct sw_hal *hal, const struct sw_norm_input *in,
                                 int64_t ld) {
    SW_TRY(sw_hal_check_planes_input(hal, in->x, "x", &in->planes, ld));
    SW_TRY(sw_hal_check_planes("y", &in->out));
    SW_TRY(sw_hal_check_same_image("the output of a batch norm", &in->planes, &in->out));
    SW_TRY(check_channels(hal, in->mean, "mean", in->planes.channels));
    return check_channels(hal, in->variance, "variance", in->planes.channels);
}

/* Both shapes are there, and what the passes share. */
static enum sw_status fill_norm(const struct sw_planes *planes, const struct sw_planes *out,
                                const struct sw_buffer *x, const struct sw_buffer *mean,
                                const struct sw_buffer *variance, struct sw_norm_input *in) {
    if (planes == NULL || out == NULL)
        return SW_FAIL(SW_INTERNAL, "the shape of a batch norm is missing");
    *in = (struct sw_norm_input){
        .planes = *planes, .out = *out, .x = x, .mean = mean, .variance = variance};
    return SW_OK;
}

enum sw_status sw_hal_norm_apply(struct sw_hal *hal, const struct sw_planes *planes,
                                 const struct sw_planes *out, const struct sw_buffer *x,
                                 const struct sw_buffer *mean, const struct sw_buffer *variance,
                                 const struct sw_buffer *scale, const struct sw_buffer *shift,
                                 const struct sw_buffer *other,
                                 const struct sw_planes *other_planes, int64_t ld, int relu,
                                 struct sw_buffer *y) {
    struct sw_norm_input in;
    SW_TRY(fill_norm(planes, out, x, mean, variance, &in));
    SW_TRY(check_norm(hal, &in, ld));
    SW_TRY(check_channels(hal, scale, "scale", planes->channels));
    SW_TRY(check_channels(hal, shift, "shift", planes->channels));
    if (other != NULL) {
        SW_TRY(sw_hal_check_planes_input(hal, other, "other", other_planes, ld));
        SW_TRY(sw_hal_check_same_image("the residual of a batch norm", planes, other_planes));
    }
    SW_TRY(sw_hal_check_planes_output(hal, y, "y", out, ld, x, other));
    SW_TRY(sw_hal_check_planes_output(hal, y, "y", out, ld, scale, shift));
    SW_TRY(sw_hal_check_planes_output(hal, y, "y", out, ld, mean, variance));
    return hal->backend->planes->norm_apply(hal, &in, scale, shift, other, other_planes, ld, relu,
                                            y);
}

enum sw_status sw_hal_norm_backward_sums(struct sw_hal *hal, const struct sw_planes *planes,
                                         const struct sw_planes *out, const struct sw_buffer *x,
                                         const struct sw_buffer *mean,
                                         const struct sw_buffer *variance,
                                         const struct sw_buffer *y, int64_t batch, int relu,
                                         struct sw_buffer *dy, struct sw_buffer *dscale,
                                         struct sw_buffer *dshift) {
    struct sw_norm_input in;
    SW_TRY(sw_hal_check_size("the batch", batch));
    int64_t ld = sw_hal_lanes(batch);
    SW_TRY(fill_norm(planes, out, x, mean, variance, &in));
    SW_TRY(check_norm(hal, &in, ld));
    if (relu) SW_TRY(sw_hal_check_planes_input(hal, y, "y", out, ld));
    SW_TRY(sw_hal_check_planes_output(hal, dy, "dy", out, ld, x, y));
    int64_t channels = planes->channels;
    SW_TRY(sw_hal_check_output(hal, dscale, "dscale", channels, 1, sizeof(float), dshift, dy));
    SW_TRY(sw_hal_check_output(hal, dshift, "dshift", channels, 1, sizeof(float), dscale, dy));
    SW_TRY(sw_hal_check_output(hal, dscale, "dscale", channels, 1, sizeof(float), mean, variance));
    SW_TRY(sw_hal_check_output(hal, dshift, "dshift", channels, 1, sizeof(float), mean, variance));
    return hal->backend->planes->norm_backward_sums(hal, &in, y, batch, relu, dy, dscale, dshift);
}

enum sw_status sw_hal_norm_backward_data(
    struct sw_hal *hal, const struct sw_planes *planes, const struct sw_planes *out,
    const struct sw_buffer *x, const struct sw_buffer *mean, const struct sw_buffer *variance,
    const struct sw_buffer *scale, const struct sw_buffer *dscale, const struct sw_buffer *dshift,
    const struct sw_buffer *dy, int64_t batch, struct sw_buffer *dx) {
    struct sw_norm_input in;
    SW_TRY(sw_hal_check_size("the batch", batch));
    int64_t ld = sw_hal_lanes(batch);
    SW_TRY(fill_norm(planes, out, x, mean, variance, &in));
    SW_TRY(check_norm(hal, &in, ld));
    SW_TRY(check_channels(hal, scale, "scale", planes->channels));
    SW_TRY(check_channels(hal, dscale, "dscale", planes->channels));
    SW_TRY(check_channels(hal, dshift, "dshift", planes->channels));
    SW_TRY(sw_hal_check_planes_input(hal, dy, "dy", out, ld));
    SW_TRY(sw_hal_check_planes_output(hal, dx, "dx", planes, ld, x, dy));
    return hal->backend->planes->norm_backward_data(hal, &in, scale, dscale, dshift, dy, batch, dx);
}
