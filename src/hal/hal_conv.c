/* Convolutions, with dense and with sparse weights. */
#include "check.h"
#include "conv_views.h"

#include "sweepstake/memory.h"

/* ---- shapes ---------------------------------------------------------------------------------- */

#define MAX_KERNEL 1024

static enum sw_status check_conv_side(const char *side, int64_t in, int64_t out,
                                      const struct sw_conv *conv) {
    int64_t room = in + 2 * conv->padding - conv->kernel;
    if (room >= 0 && out == room / conv->stride + 1) return SW_OK;
    return SW_FAIL(SW_INTERNAL,
                   "a convolution with a kernel of %lld pixels, stride %lld and padding %lld makes "
                   "no %s of %lld out of %lld",
                   (long long) conv->kernel, (long long) conv->stride, (long long) conv->padding,
                   side, (long long) out, (long long) in);
}

static enum sw_status check_conv(const struct sw_conv *conv) {
    if (conv == NULL) return SW_FAIL(SW_INTERNAL, "the shape of a convolution is missing");
    SW_TRY(sw_hal_check_planes("a convolution's input", &conv->in));
    SW_TRY(sw_hal_check_planes("a convolution's output", &conv->out));
    SW_TRY(sw_hal_check_size("the stride of a convolution", conv->stride));
    if (conv->kernel < 1 || conv->kernel > MAX_KERNEL)
        return SW_FAIL(SW_INTERNAL, "the kernel of a convolution is %lld; it has to be 1 to %d",
                       (long long) conv->kernel, MAX_KERNEL);
    if (conv->padding < 0 || conv->padding > conv->in.border)
        return SW_FAIL(
            SW_INTERNAL,
            "the padding of a convolution is %lld; it has to be between 0 and the border "
            "of its input, %lld",
            (long long) conv->padding, (long long) conv->in.border);
    SW_TRY(check_conv_side("height", conv->in.height, conv->out.height, conv));
    SW_TRY(check_conv_side("width", conv->in.width, conv->out.width, conv));
    int64_t weights;
    if (__builtin_mul_overflow(conv->in.channels * conv->out.channels, conv->kernel * conv->kernel,
                               &weights) ||
        weights > INT32_MAX)
        return SW_FAIL(SW_INTERNAL,
                       "a convolution of %lld x %lld kernels of %lld x %lld has more "
                       "than 2^31 - 1 weights",
                       (long long) conv->out.channels, (long long) conv->in.channels,
                       (long long) conv->kernel, (long long) conv->kernel);
    return SW_OK;
}

static int64_t count_columns(const struct sw_conv *conv) {
    return conv->in.channels * conv->kernel * conv->kernel;
}

static enum sw_status check_gradient_border(const struct sw_conv *conv) {
    if (conv->out.border >= sw_conv_gradient_border(conv)) return SW_OK;
    return SW_FAIL(SW_INTERNAL,
                   "the gradient of a convolution's output has a border of %lld; it needs %lld",
                   (long long) conv->out.border, (long long) sw_conv_gradient_border(conv));
}

/* `used` are the other buffers of the operation. */
static enum sw_status check_scratch(const struct sw_hal *hal, const struct sw_conv *conv,
                                    enum sw_layer_format format, int64_t nnz, int64_t ld,
                                    const struct sw_buffer *scratch,
                                    const struct sw_buffer *const used[3]) {
    int64_t bytes = sw_hal_conv_scratch(conv, hal->options.isa, format, nnz, ld);
    if (bytes == 0) return SW_OK;
    SW_TRY(sw_hal_check_output(hal, scratch, "scratch", bytes, 1, 1, used[0], used[1]));
    return sw_hal_check_output(hal, scratch, "scratch", bytes, 1, 1, used[2], NULL);
}

static enum sw_status check_dense_scratch(const struct sw_hal *hal, const struct sw_conv *conv,
                                          int64_t ld, const struct sw_buffer *scratch,
                                          const struct sw_buffer *const used[3]) {
    return check_scratch(hal, conv, SW_FORMAT_DENSE, conv->out.channels * count_columns(conv), ld,
                         scratch, used);
}

/* ---- dense ----------------------------------------------------------------------------------- */

enum sw_status sw_hal_conv_forward(struct sw_hal *hal, const struct sw_conv *conv,
                                   const struct sw_buffer *w, const struct sw_buffer *x, int64_t ld,
                                   struct sw_buffer *scratch, struct sw_buffer *y) {
    SW_TRY(check_conv(conv));
    SW_TRY(sw_hal_check_input(hal, w, "w", conv->out.channels, count_columns(conv), sizeof(float)));
    SW_TRY(sw_hal_check_planes_input(hal, x, "x", &conv->in, ld));
    SW_TRY(sw_hal_check_planes_output(hal, y, "y", &conv->out, ld, w, x));
    SW_TRY(check_dense_scratch(hal, conv, ld, scratch, (const struct sw_buffer *[]){w, x, y}));
    return hal->backend->planes->conv_forward(hal, conv, w, x, ld, scratch, y);
}

enum sw_status sw_hal_conv_backward_data(struct sw_hal *hal, const struct sw_conv *conv,
                                         const struct sw_buffer *w, const struct sw_buffer *dy,
                                         int64_t ld, int add, struct sw_buffer *scratch,
                                         struct sw_buffer *dx) {
    SW_TRY(check_conv(conv));
    SW_TRY(check_gradient_border(conv));
    SW_TRY(sw_hal_check_input(hal, w, "w", conv->out.channels, count_columns(conv), sizeof(float)));
    SW_TRY(sw_hal_check_planes_input(hal, dy, "dy", &conv->out, ld));
    SW_TRY(sw_hal_check_planes_output(hal, dx, "dx", &conv->in, ld, w, dy));
    SW_TRY(check_dense_scratch(hal, conv, ld, scratch, (const struct sw_buffer *[]){w, dy, dx}));
    return hal->backend->planes->conv_backward_data(hal, conv, w, dy, ld, add, scratch, dx);
}

enum sw_status sw_hal_conv_backward_weights(struct sw_hal *hal, const struct sw_conv *conv,
                                            const struct sw_buffer *dy, const struct sw_buffer *x,
                                            int64_t ld, struct sw_buffer *scratch,
                                            struct sw_buffer *dw) {
    SW_TRY(check_conv(conv));
    SW_TRY(sw_hal_check_planes_input(hal, dy, "dy", &conv->out, ld));
    SW_TRY(sw_hal_check_planes_input(hal, x, "x", &conv->in, ld));
    SW_TRY(sw_hal_check_output(hal, dw, "dw", conv->out.channels, count_columns(conv),
                               sizeof(float), dy, x));
    SW_TRY(check_dense_scratch(hal, conv, ld, scratch, (const struct sw_buffer *[]){dy, x, dw}));
    return hal->backend->planes->conv_backward_weights(hal, conv, dy, x, ld, scratch, dw);
}

/* ---- sparse ---------------------------------------------------------------------------------- */

enum sw_status sw_hal_sparse_conv_create(struct sw_hal *hal, const struct sw_conv *conv,
                                         const struct sw_csr *csr, struct sw_sparse_conv **out) {
    if (hal == NULL || csr == NULL) return SW_FAIL(SW_INTERNAL, "no device or no positions");
    SW_TRY(check_conv(conv));
    SW_TRY(sw_hal_check_csr(csr));
    if (csr->rows != conv->out.channels || csr->columns != count_columns(conv))
        return SW_FAIL(SW_INTERNAL,
                       "positions of a %lld x %lld matrix for a convolution of %lld x %lld weights",
                       (long long) csr->rows, (long long) csr->columns,
                       (long long) conv->out.channels, (long long) count_columns(conv));
    struct sw_sparse_conv *sparse = NULL;
    SW_TRY(SW_ALLOC(&sparse, 1, "a sparse convolution"));
    sparse->hal = hal;
    sparse->conv = *conv;
    sparse->nnz = csr->nnz;
    enum sw_status status = sw_hal_create_conv_views(csr, sparse);
    if (status != SW_OK) {
        sw_hal_sparse_conv_free(&sparse);
        return status;
    }
    *out = sparse;
    return SW_OK;
}

void sw_hal_sparse_conv_free(struct sw_sparse_conv **sparse) {
    if (*sparse == NULL) return;
    sw_hal_free_conv_views(*sparse);
    SW_FREE(sparse);
}

static enum sw_status check_positions(const struct sw_hal *hal,
                                      const struct sw_sparse_conv *positions) {
    if (hal == NULL) return SW_FAIL(SW_INTERNAL, "no device was given");
    if (positions == NULL) return SW_FAIL(SW_INTERNAL, "no positions of a sparse convolution");
    if (positions->hal != hal)
        return SW_FAIL(SW_INTERNAL, "a sparse convolution belongs to another device");
    return SW_OK;
}

static enum sw_status check_sparse_scratch(const struct sw_sparse_conv *positions, int64_t ld,
                                           const struct sw_buffer *scratch,
                                           const struct sw_buffer *const used[3]) {
    return check_scratch(positions->hal, &positions->conv, SW_FORMAT_CSR, positions->nnz, ld,
                         scratch, used);
}

enum sw_status sw_hal_sparse_conv_forward(struct sw_hal *hal,
                                          const struct sw_sparse_conv *positions,
                                          const struct sw_buffer *values, const struct sw_buffer *x,
                                          const struct sw_buffer *bias, int64_t ld, int relu,
                                          struct sw_buffer *scratch, struct sw_buffer *y) {
    SW_TRY(check_positions(hal, positions));
    SW_TRY(sw_hal_check_input(hal, values, "values", positions->nnz, 1, sizeof(float)));
    SW_TRY(sw_hal_check_planes_input(hal, x, "x", &positions->conv.in, ld));
    SW_TRY(sw_hal_check_planes_output(hal, y, "y", &positions->conv.out, ld, values, x));
    if (bias != NULL) {
        SW_TRY(
            sw_hal_check_input(hal, bias, "bias", positions->conv.out.channels, 1, sizeof(float)));
        SW_TRY(sw_hal_check_planes_output(hal, y, "y", &positions->conv.out, ld, bias, NULL));
    }
    SW_TRY(
        check_sparse_scratch(positions, ld, scratch, (const struct sw_buffer *[]){values, x, y}));
    return hal->backend->planes->sparse_conv_forward(hal, positions, values, x, bias, ld, relu,
                                                     scratch, y);
}

enum sw_status sw_hal_sparse_conv_backward_data(struct sw_hal *hal,
                                                const struct sw_sparse_conv *positions,
                                                const struct sw_buffer *values,
                                                const struct sw_buffer *dy, int64_t ld, int add,
                                                struct sw_buffer *scratch, struct sw_buffer *dx) {
    SW_TRY(check_positions(hal, positions));
    SW_TRY(check_gradient_border(&positions->conv));
    SW_TRY(sw_hal_check_input(hal, values, "values", positions->nnz, 1, sizeof(float)));
    SW_TRY(sw_hal_check_planes_input(hal, dy, "dy", &positions->conv.out, ld));
    SW_TRY(sw_hal_check_planes_output(hal, dx, "dx", &positions->conv.in, ld, values, dy));
    SW_TRY(
        check_sparse_scratch(positions, ld, scratch, (const struct sw_buffer *[]){values, dy, dx}));
    return hal->backend->planes->sparse_conv_backward_data(hal, positions, values, dy, ld, add,
                                                           scratch, dx);
}

enum sw_status sw_hal_sparse_conv_backward_weights(
    struct sw_hal *hal, const struct sw_sparse_conv *positions, const struct sw_buffer *dy,
    const struct sw_buffer *x, int64_t ld, struct sw_buffer *scratch, struct sw_buffer *dvalues) {
    SW_TRY(check_positions(hal, positions));
    SW_TRY(sw_hal_check_planes_input(hal, dy, "dy", &positions->conv.out, ld));
    SW_TRY(sw_hal_check_planes_input(hal, x, "x", &positions->conv.in, ld));
    SW_TRY(sw_hal_check_output(hal, dvalues, "dvalues", positions->nnz, 1, sizeof(float), dy, x));
    SW_TRY(
        check_sparse_scratch(positions, ld, scratch, (const struct sw_buffer *[]){dy, x, dvalues}));
    return hal->backend->planes->sparse_conv_backward_weights(hal, positions, dy, x, ld, scratch,
                                                              dvalues);
}
