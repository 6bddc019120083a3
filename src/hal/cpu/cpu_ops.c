/* Slots of the backend: turn buffers into kernel arguments, share out the work, add up partial
 * sums. */
#include "cpu.h"

#define GRAIN_FEATURES 32

/* ---- input ----------------------------------------------------------------------------------- */

void sw_cpu_gather_labels(const struct sw_buffer *labels, const int32_t *index, int64_t batch,
                          struct sw_buffer *labels_out) {
    const uint8_t *from = labels->memory;
    int32_t *to = labels_out->memory;
    for (int64_t b = 0; b < sw_hal_lanes(batch); b++)
        to[b] = b < batch ? from[index[b]] : 0;
}

enum sw_status sw_cpu_gather(struct sw_hal *hal, const struct sw_buffer *images,
                             const struct sw_buffer *labels, const struct sw_buffer *table,
                             const int32_t *index, int64_t features, int64_t plane, int64_t batch,
                             struct sw_buffer *x, struct sw_buffer *labels_out) {
    int64_t ld = sw_hal_lanes(batch);
    struct sw_cpu_gather args = {.images = images->memory,
                                 .table = table->memory,
                                 .index = index,
                                 .features = features,
                                 .plane = plane,
                                 .batch = batch,
                                 .ld = ld,
                                 .x = x->memory};
    sw_cpu_run(hal, sw_cpu_kernels_of(hal)->gather, &args, features, GRAIN_FEATURES,
               (double) (features * ld));
    sw_cpu_gather_labels(labels, index, batch, labels_out);
    return SW_OK;
}

/* ---- elementwise ----------------------------------------------------------------------------- */

enum sw_status sw_cpu_bias_activate(struct sw_hal *hal, const struct sw_buffer *bias, int64_t out,
                                    int64_t ld, int relu, struct sw_buffer *y) {
    struct sw_cpu_activation args = {.bias = bias->memory, .ld = ld, .relu = relu, .y = y->memory};
    sw_cpu_run(hal, sw_cpu_kernels_of(hal)->bias_activate, &args, out, SW_CPU_GRAIN_ROWS,
               (double) (out * ld));
    return SW_OK;
}

enum sw_status sw_cpu_relu_backward(struct sw_hal *hal, const struct sw_buffer *y, int64_t out,
                                    int64_t ld, struct sw_buffer *dy) {
    struct sw_cpu_relu args = {.y = y->memory, .dy = dy->memory};
    sw_cpu_run(hal, sw_cpu_kernels_of(hal)->relu_backward, &args, out * ld, SW_CPU_GRAIN_ELEMENTS,
               (double) (out * ld));
    return SW_OK;
}

enum sw_status sw_cpu_bias_backward(struct sw_hal *hal, const struct sw_buffer *dy, int64_t out,
                                    int64_t ld, struct sw_buffer *dbias) {
    struct sw_cpu_row_sum args = {.dy = dy->memory, .ld = ld, .dbias = dbias->memory};
    sw_cpu_run(hal, sw_cpu_kernels_of(hal)->bias_backward, &args, out, SW_CPU_GRAIN_ROWS,
               (double) (out * ld));
    return SW_OK;
}

/* ---- loss ------------------------------------------------------------------------------------ */

/* Size of a part when n is cut into at most SW_CPU_PARTS of them, in multiples of `unit`. */
static int64_t part_size(int64_t n, int64_t unit) {
    int64_t units = (n + unit - 1) / unit;
    return (units + SW_CPU_PARTS - 1) / SW_CPU_PARTS * unit;
}

/* Labels are data, so no check before this one has seen them. */
static enum sw_status check_labels(const int32_t *labels, int64_t batch, int64_t classes) {
    for (int64_t b = 0; b < batch; b++)
        if (labels[b] < 0 || labels[b] >= classes)
            return SW_FAIL(SW_INTERNAL, "label %d of sample %lld: there are %lld classes",
                           labels[b], (long long) b, (long long) classes);
    return SW_OK;
}

enum sw_status sw_cpu_loss(struct sw_hal *hal, const struct sw_buffer *logits,
                           const struct sw_buffer *labels, int64_t classes, int64_t batch,
                           struct sw_buffer *dlogits, double *loss_sum, int64_t *correct) {
    double losses[SW_CPU_PARTS] = {0};
    int64_t rights[SW_CPU_PARTS] = {0};
    int64_t ld = sw_hal_lanes(batch);
    SW_TRY(check_labels(labels->memory, batch, classes));
    struct sw_cpu_loss args = {.logits = logits->memory,
                               .labels = labels->memory,
                               .classes = classes,
                               .batch = batch,
                               .ld = ld,
                               .part_columns = part_size(ld, SW_CPU_LOSS_COLUMNS),
                               .dlogits = dlogits != NULL ? dlogits->memory : NULL,
                               .loss = losses,
                               .correct = rights};
    int64_t parts = (ld + args.part_columns - 1) / args.part_columns;
    sw_cpu_run(hal, sw_cpu_kernels_of(hal)->loss, &args, parts, 1,
               8.0 * (double) classes * (double) ld);
    double sum = 0.0;
    int64_t right = 0;
    for (int64_t i = 0; i < parts; i++) {
        sum += losses[i];
        right += rights[i];
    }
    *loss_sum = sum;
    *correct = right;
    return SW_OK;
}

/* ---- optimizers and reductions --------------------------------------------------------------- */

enum sw_status sw_cpu_sgd(struct sw_hal *hal, struct sw_buffer *w, const struct sw_buffer *g,
                          struct sw_buffer *v, int64_t n, float lr, float momentum, float decay) {
    struct sw_cpu_sgd args = {.w = w->memory,
                              .v = v != NULL ? v->memory : NULL,
                              .g = g->memory,
                              .lr = lr,
                              .momentum = momentum,
                              .decay = decay};
    sw_cpu_run(hal, sw_cpu_kernels_of(hal)->sgd, &args, n, SW_CPU_GRAIN_ELEMENTS, (double) n);
    return SW_OK;
}

enum sw_status sw_cpu_nesterov(struct sw_hal *hal, struct sw_buffer *w, const struct sw_buffer *g,
                               struct sw_buffer *v, int64_t n, float lr, float momentum,
                               float decay) {
    struct sw_cpu_sgd args = {.w = w->memory,
                              .v = v->memory,
                              .g = g->memory,
                              .lr = lr,
                              .momentum = momentum,
                              .decay = decay};
    sw_cpu_run(hal, sw_cpu_kernels_of(hal)->nesterov, &args, n, SW_CPU_GRAIN_ELEMENTS, (double) n);
    return SW_OK;
}

enum sw_status sw_cpu_adam(struct sw_hal *hal, struct sw_buffer *w, const struct sw_buffer *g,
                           struct sw_buffer *m, struct sw_buffer *v, int64_t n,
                           const struct sw_adam_step *step) {
    struct sw_cpu_adam args = {
        .w = w->memory, .m = m->memory, .v = v->memory, .g = g->memory, .step = *step};
    sw_cpu_run(hal, sw_cpu_kernels_of(hal)->adam, &args, n, SW_CPU_GRAIN_ELEMENTS,
               4.0 * (double) n);
    return SW_OK;
}

enum sw_status sw_cpu_sum_squares(struct sw_hal *hal, const struct sw_buffer *x, int64_t n,
                                  double *out) {
    double sums[SW_CPU_PARTS] = {0};
    struct sw_cpu_sum_squares args = {
        .x = x->memory, .n = n, .part_size = part_size(n, SW_CPU_GRAIN_ELEMENTS), .sums = sums};
    int64_t parts = n == 0 ? 0 : (n + args.part_size - 1) / args.part_size;
    sw_cpu_run(hal, sw_cpu_kernels_of(hal)->sum_squares, &args, parts, 1, (double) n);
    double sum = 0.0;
    for (int64_t i = 0; i < parts; i++)
        sum += sums[i];
    *out = sum;
    return SW_OK;
}
