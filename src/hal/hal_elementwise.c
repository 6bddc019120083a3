/* Elementwise operations, the loss, optimizers, reductions. */
#include "check.h"

enum sw_status sw_hal_bias_activate(struct sw_hal *hal, const struct sw_buffer *bias, int64_t out,
                                    int64_t ld, int relu, struct sw_buffer *y) {
    SW_TRY(sw_hal_check_size("the number of outputs", out));
    SW_TRY(sw_hal_check_ld(ld));
    SW_TRY(sw_hal_check_input(hal, bias, "bias", out, 1, sizeof(float)));
    SW_TRY(sw_hal_check_output(hal, y, "y", out, ld, sizeof(float), bias, NULL));
    return hal->backend->bias_activate(hal, bias, out, ld, relu, y);
}

enum sw_status sw_hal_relu_backward(struct sw_hal *hal, const struct sw_buffer *y, int64_t out,
                                    int64_t ld, struct sw_buffer *dy) {
    SW_TRY(sw_hal_check_size("the number of outputs", out));
    SW_TRY(sw_hal_check_ld(ld));
    SW_TRY(sw_hal_check_input(hal, y, "y", out, ld, sizeof(float)));
    SW_TRY(sw_hal_check_output(hal, dy, "dy", out, ld, sizeof(float), y, NULL));
    return hal->backend->relu_backward(hal, y, out, ld, dy);
}

enum sw_status sw_hal_bias_backward(struct sw_hal *hal, const struct sw_buffer *dy, int64_t out,
                                    int64_t ld, struct sw_buffer *dbias) {
    SW_TRY(sw_hal_check_size("the number of outputs", out));
    SW_TRY(sw_hal_check_ld(ld));
    SW_TRY(sw_hal_check_input(hal, dy, "dy", out, ld, sizeof(float)));
    SW_TRY(sw_hal_check_output(hal, dbias, "dbias", out, 1, sizeof(float), dy, NULL));
    return hal->backend->bias_backward(hal, dy, out, ld, dbias);
}

enum sw_status sw_hal_loss(struct sw_hal *hal, const struct sw_buffer *logits,
                           const struct sw_buffer *labels, int64_t classes, int64_t batch,
                           struct sw_buffer *dlogits, double *loss_sum, int64_t *correct) {
    SW_TRY(sw_hal_check_size("the number of classes", classes));
    SW_TRY(sw_hal_check_size("the batch", batch));
    int64_t ld = sw_hal_lanes(batch);
    SW_TRY(sw_hal_check_input(hal, logits, "logits", classes, ld, sizeof(float)));
    SW_TRY(sw_hal_check_input(hal, labels, "labels", 1, ld, sizeof(int32_t)));
    if (dlogits != NULL)
        SW_TRY(sw_hal_check_output(hal, dlogits, "dlogits", classes, ld, sizeof(float), logits,
                                   labels));
    if (loss_sum == NULL || correct == NULL)
        return SW_FAIL(SW_INTERNAL, "the loss has nowhere to go");
    return hal->backend->loss(hal, logits, labels, classes, batch, dlogits, loss_sum, correct);
}

enum sw_status sw_hal_sgd(struct sw_hal *hal, struct sw_buffer *w, const struct sw_buffer *g,
                          struct sw_buffer *v, int64_t n, float lr, float momentum, float decay) {
    SW_TRY(sw_hal_check_input(hal, g, "g", n, 1, sizeof(float)));
    SW_TRY(sw_hal_check_output(hal, w, "w", n, 1, sizeof(float), g, v));
    if (v == NULL && momentum != 0.0f)
        return SW_FAIL(SW_INTERNAL, "SGD with momentum %g needs a buffer v", (double) momentum);
    if (v != NULL) SW_TRY(sw_hal_check_output(hal, v, "v", n, 1, sizeof(float), g, w));
    return hal->backend->sgd(hal, w, g, v, n, lr, momentum, decay);
}

enum sw_status sw_hal_nesterov(struct sw_hal *hal, struct sw_buffer *w, const struct sw_buffer *g,
                               struct sw_buffer *v, int64_t n, float lr, float momentum,
                               float decay) {
    SW_TRY(sw_hal_check_input(hal, g, "g", n, 1, sizeof(float)));
    SW_TRY(sw_hal_check_output(hal, w, "w", n, 1, sizeof(float), g, v));
    SW_TRY(sw_hal_check_output(hal, v, "v", n, 1, sizeof(float), g, w));
    return hal->backend->nesterov(hal, w, g, v, n, lr, momentum, decay);
}

enum sw_status sw_hal_adam(struct sw_hal *hal, struct sw_buffer *w, const struct sw_buffer *g,
                           struct sw_buffer *m, struct sw_buffer *v, int64_t n,
                           const struct sw_adam_step *step) {
    SW_TRY(sw_hal_check_input(hal, g, "g", n, 1, sizeof(float)));
    SW_TRY(sw_hal_check_output(hal, w, "w", n, 1, sizeof(float), g, m));
    SW_TRY(sw_hal_check_output(hal, m, "m", n, 1, sizeof(float), g, v));
    SW_TRY(sw_hal_check_output(hal, v, "v", n, 1, sizeof(float), g, w));
    if (step == NULL || !(step->correction1 > 0.0f) || !(step->correction2 > 0.0f))
        return SW_FAIL(SW_INTERNAL, "Adam needs positive bias corrections");
    return hal->backend->adam(hal, w, g, m, v, n, step);
}

enum sw_status sw_hal_sum_squares(struct sw_hal *hal, const struct sw_buffer *x, int64_t n,
                                  double *out) {
    SW_TRY(sw_hal_check_input(hal, x, "x", n, 1, sizeof(float)));
    if (out == NULL) return SW_FAIL(SW_INTERNAL, "the sum of squares has nowhere to go");
    return hal->backend->sum_squares(hal, x, n, out);
}
