/* Module: hal, operations on images
 * Purpose: convolutions, batch norm, pools on a device. hal.h has the rest: memory, linear layers, loss,
 *          optimizers. Rules of hal.h (checked arguments, errors, threads) hold here too.
 * Layout: image activations are [L / 8, C, H + 2 border, W + 2 border, 8]: blocks of SW_HAL_LANES
 *         samples outermost, the samples of a block innermost, so that one pixel is one vector and a
 *         row of pixels is contiguous; a block's tile stays in the nearest cache (with the batch alone
 *         innermost, pixels of a tile are 4 L bytes apart and fall into the same cache sets). Border
 *         pixels are zero: every operation that writes such a buffer writes the inside only, and
 *         sw_hal_alloc zeroes. So kernels read past the edge of an image without a test.
 *         Lanes batch .. L: zero in inputs and in all gradients, finite without meaning elsewhere.
 * Letters: B batch, L = ld = sw_hal_lanes(B), C channels, H, W height and width, O output channels,
 *         K kernel side. Convolution weights are [O, C, K, K] as in PyTorch; as a matrix [O, C K K].
 *         "planes" is the shape of such a buffer. */
#pragma once

#include "sweepstake/hal.h"

/* Shape of one sample's image, and the zero border around each of its planes. */
struct sw_planes {
    int64_t channels, height, width;
    int64_t border;
};
/* Floats of one channel of one block of samples; of a whole buffer. */
static inline int64_t sw_planes_stride(const struct sw_planes *p) {
    return (p->height + 2 * p->border) * (p->width + 2 * p->border) * SW_HAL_LANES;
}
static inline int64_t sw_planes_floats(const struct sw_planes *p, int64_t ld) {
    return ld / SW_HAL_LANES * p->channels * sw_planes_stride(p);
}

/* Set the border to zero: for memory that held planes of another shape before. */
enum sw_status sw_hal_clear_border(struct sw_hal *hal, const struct sw_planes *planes, int64_t ld,
                                   struct sw_buffer *x) SW_NODISCARD;

/* ---- input ---------------------------------------------------------------------------------- */

/* How the image of a sample is shown: moved by that many pixels (what enters is byte 0, the pixel that
 * the table then normalises, as torchvision pads before it normalises), then mirrored left to right. */
struct sw_augment {
    int8_t down, right; /* the shown image is the stored one moved down and right by that */
    int8_t mirror;      /* 1: mirrored */
};

/* As sw_hal_gather, into planes: x[b, c, y, x] = table[c][pixel]. `augment` host [batch], or NULL.
 * images u8[samples, C H W], table float[C, 256]. */
enum sw_status sw_hal_gather_planes(struct sw_hal *hal, const struct sw_buffer *images,
                                    const struct sw_buffer *labels, const struct sw_buffer *table,
                                    const int32_t *index, const struct sw_augment *augment,
                                    const struct sw_planes *planes, int64_t batch,
                                    struct sw_buffer *x, struct sw_buffer *labels_out) SW_NODISCARD;

/* Between planes and the rows of a linear layer, [C H W, L], features in PyTorch's order. */
enum sw_status sw_hal_flatten(struct sw_hal *hal, const struct sw_planes *planes,
                              const struct sw_buffer *x, int64_t ld,
                              struct sw_buffer *y) SW_NODISCARD;
enum sw_status sw_hal_unflatten(struct sw_hal *hal, const struct sw_planes *planes,
                                const struct sw_buffer *dy, int64_t ld,
                                struct sw_buffer *dx) SW_NODISCARD;

/* ---- convolutions --------------------------------------------------------------------------- */

struct sw_conv {
    struct sw_planes in, out; /* in.border >= padding, out.border >= 0; out sizes are
                                 (size + 2 padding - kernel) / stride + 1 */
    int64_t kernel, stride, padding;
};

/* Border that the gradient of the output needs for sw_hal_conv_backward_data. */
static inline int64_t sw_conv_gradient_border(const struct sw_conv *conv) {
    int64_t before = (conv->kernel - 1 - conv->padding + conv->stride - 1) / conv->stride;
    int64_t after = (conv->in.height - 1 + conv->padding) / conv->stride - conv->out.height + 1;
    int64_t right = (conv->in.width - 1 + conv->padding) / conv->stride - conv->out.width + 1;
    if (right > after) after = right;
    if (before > after) after = before;
    return after > 0 ? after : 0;
}

/* Bytes of scratch memory that the operations on such a convolution need, for batches of up to `ld` lanes; one
 * buffer serves all convolutions of a network in turn (NULL where 0 bytes are enough). A pure function. */
int64_t sw_hal_conv_scratch(const struct sw_conv *conv, enum sw_isa isa,
                            enum sw_layer_format format, int64_t nnz, int64_t ld);

/* How a convolution of that shape with nnz weights is computed fastest; as sw_hal_choose_format. */
enum sw_layer_format sw_hal_choose_conv_format(enum sw_isa isa, const struct sw_conv *conv,
                                               int64_t nnz);

/* y = w * x (cross-correlation, as PyTorch's conv2d); w float[O, C K K]. */
enum sw_status sw_hal_conv_forward(struct sw_hal *hal, const struct sw_conv *conv,
                                   const struct sw_buffer *w, const struct sw_buffer *x, int64_t ld,
                                   struct sw_buffer *scratch, struct sw_buffer *y) SW_NODISCARD;
/* dx = gradient of x; added to dx when `add` is not 0. The border of dy (conv->out) has to be at least
 * sw_conv_gradient_border wide. */
enum sw_status sw_hal_conv_backward_data(struct sw_hal *hal, const struct sw_conv *conv,
                                         const struct sw_buffer *w, const struct sw_buffer *dy,
                                         int64_t ld, int add, struct sw_buffer *scratch,
                                         struct sw_buffer *dx) SW_NODISCARD;
/* dw[O, C K K] = sum over samples and pixels of dy x. */
enum sw_status sw_hal_conv_backward_weights(struct sw_hal *hal, const struct sw_conv *conv,
                                            const struct sw_buffer *dy, const struct sw_buffer *x,
                                            int64_t ld, struct sw_buffer *scratch,
                                            struct sw_buffer *dw) SW_NODISCARD;

/* Positions of the nonzeros of a convolution on a device, from the CSR of its [O, C K K] matrix; values
 * are float[nnz] in row order. The three products as above, for nonzeros only. */
struct sw_sparse_conv; /* opaque */
enum sw_status sw_hal_sparse_conv_create(struct sw_hal *hal, const struct sw_conv *conv,
                                         const struct sw_csr *csr,
                                         struct sw_sparse_conv **out) SW_NODISCARD;
void sw_hal_sparse_conv_free(struct sw_sparse_conv **sparse);
int64_t sw_hal_sparse_conv_bytes(const struct sw_sparse_conv *sparse);
int64_t sw_hal_sparse_conv_predict_bytes(enum sw_isa isa, const struct sw_conv *conv, int64_t nnz);

/* `bias` not NULL: and then what sw_hal_planes_bias_activate does. */
enum sw_status sw_hal_sparse_conv_forward(struct sw_hal *hal,
                                          const struct sw_sparse_conv *positions,
                                          const struct sw_buffer *values, const struct sw_buffer *x,
                                          const struct sw_buffer *bias, int64_t ld, int relu,
                                          struct sw_buffer *scratch,
                                          struct sw_buffer *y) SW_NODISCARD;
enum sw_status sw_hal_sparse_conv_backward_data(struct sw_hal *hal,
                                                const struct sw_sparse_conv *positions,
                                                const struct sw_buffer *values,
                                                const struct sw_buffer *dy, int64_t ld, int add,
                                                struct sw_buffer *scratch,
                                                struct sw_buffer *dx) SW_NODISCARD;
enum sw_status sw_hal_sparse_conv_backward_weights(struct sw_hal *hal,
                                                   const struct sw_sparse_conv *positions,
                                                   const struct sw_buffer *dy,
                                                   const struct sw_buffer *x, int64_t ld,
                                                   struct sw_buffer *scratch,
                                                   struct sw_buffer *dvalues) SW_NODISCARD;

/* ---- elementwise ---------------------------------------------------------------------------- */

/* y[c] += bias[c] inside the borders, then max(0, .) when relu is not 0; in place. */
enum sw_status sw_hal_planes_bias_activate(struct sw_hal *hal, const struct sw_planes *planes,
                                           const struct sw_buffer *bias, int64_t ld, int relu,
                                           struct sw_buffer *y) SW_NODISCARD;
/* dy = 0 where y <= 0 (when relu is not 0), in place, and dbias[c] = sum of dy in the same pass
 * (dbias NULL: none). */
enum sw_status sw_hal_planes_bias_backward(struct sw_hal *hal, const struct sw_planes *planes,
                                           const struct sw_buffer *y, int64_t ld, int relu,
                                           struct sw_buffer *dy,
                                           struct sw_buffer *dbias) SW_NODISCARD;

/* ---- batch norm ----------------------------------------------------------------------------- */
/* Ioffe & Szegedy 2015, PyTorch's BatchNorm2d: epsilon 1e-5, biased variance for normalising,
 * unbiased for the running variance, momentum 0.1. */

/* mean[C] and variance[C] (biased) over the batch and the pixels; float, sums in double or
 * compensated, in a fixed order. Samples batch .. L do not count. */
enum sw_status sw_hal_norm_statistics(struct sw_hal *hal, const struct sw_planes *planes,
                                      const struct sw_buffer *x, int64_t batch,
                                      struct sw_buffer *mean,
                                      struct sw_buffer *variance) SW_NODISCARD;
/* running = (1 - momentum) running + momentum batch's; the variance's unbiased by n / (n - 1), n = B H W.
 * The variance of one value, n = 1, has no unbiased form: it stays as it is, 0. */
enum sw_status sw_hal_norm_track(struct sw_hal *hal, int64_t channels, int64_t n, float momentum,
                                 const struct sw_buffer *mean, const struct sw_buffer *variance,
                                 struct sw_buffer *running_mean,
                                 struct sw_buffer *running_variance) SW_NODISCARD;
/* y = (x - mean) / sqrt(variance + 1e-5) scale + shift, plus `other` when not NULL (a residual, same
 * planes as y), then max(0, .) when relu is not 0. x and y have the planes of their own borders:
 * `planes` is x's, `out` y's. */
enum sw_status sw_hal_norm_apply(struct sw_hal *hal, const struct sw_planes *planes,
                                 const struct sw_planes *out, const struct sw_buffer *x,
                                 const struct sw_buffer *mean, const struct sw_buffer *variance,
                                 const struct sw_buffer *scale, const struct sw_buffer *shift,
                                 const struct sw_buffer *other,
                                 const struct sw_planes *other_planes, int64_t ld, int relu,
                                 struct sw_buffer *y) SW_NODISCARD;
/* First pass backward: dy = 0 where y <= 0 (when relu is not 0), in place; then dscale[c] = sum of dy xhat,
 * dshift[c] = sum of dy. dy and y share the planes `out`. */
enum sw_status sw_hal_norm_backward_sums(struct sw_hal *hal, const struct sw_planes *planes,
                                         const struct sw_planes *out, const struct sw_buffer *x,
                                         const struct sw_buffer *mean,
                                         const struct sw_buffer *variance,
                                         const struct sw_buffer *y, int64_t batch, int relu,
                                         struct sw_buffer *dy, struct sw_buffer *dscale,
                                         struct sw_buffer *dshift) SW_NODISCARD;
/* Second pass: dx = scale / sqrt(variance + 1e-5) (dy - dshift / n - xhat dscale / n), n = B H W; samples
 * batch .. L get 0. dx has the planes of x. */
enum sw_status sw_hal_norm_backward_data(
    struct sw_hal *hal, const struct sw_planes *planes, const struct sw_planes *out,
    const struct sw_buffer *x, const struct sw_buffer *mean, const struct sw_buffer *variance,
    const struct sw_buffer *scale, const struct sw_buffer *dscale, const struct sw_buffer *dshift,
    const struct sw_buffer *dy, int64_t batch, struct sw_buffer *dx) SW_NODISCARD;

/* ---- pools, dropout ------------------------------------------------------------------------- */

struct sw_pooling {
    struct sw_planes in, out;
    int64_t kernel,
        stride; /* no padding; rows and columns that do not fill a window are left out */
    int relu;   /* 1: x comes from a ReLU, and max_pool_backward gives the gradient before that */
};
/* Largest value of each window. Backward: to the first largest in reading order, as PyTorch; dx is
 * written (not added to), windows may overlap. With `relu` dx = 0 where x <= 0. */
enum sw_status sw_hal_max_pool(struct sw_hal *hal, const struct sw_pooling *pool,
                               const struct sw_buffer *x, int64_t ld,
                               struct sw_buffer *y) SW_NODISCARD;
enum sw_status sw_hal_max_pool_backward(struct sw_hal *hal, const struct sw_pooling *pool,
                                        const struct sw_buffer *x, const struct sw_buffer *y,
                                        const struct sw_buffer *dy, int64_t ld,
                                        struct sw_buffer *dx) SW_NODISCARD;
enum sw_status sw_hal_average_pool(struct sw_hal *hal, const struct sw_pooling *pool,
                                   const struct sw_buffer *x, int64_t ld,
                                   struct sw_buffer *y) SW_NODISCARD;
enum sw_status sw_hal_average_pool_backward(struct sw_hal *hal, const struct sw_pooling *pool,
                                            const struct sw_buffer *dy, int64_t ld,
                                            struct sw_buffer *dx) SW_NODISCARD;
/* Mean of each plane into the rows of a linear layer, [C, L]; and back. */
enum sw_status sw_hal_global_pool(struct sw_hal *hal, const struct sw_planes *planes,
                                  const struct sw_buffer *x, int64_t ld,
                                  struct sw_buffer *y) SW_NODISCARD;
enum sw_status sw_hal_global_pool_backward(struct sw_hal *hal, const struct sw_planes *planes,
                                           const struct sw_buffer *dy, int64_t ld,
                                           struct sw_buffer *dx) SW_NODISCARD;

/* Element i of n is multiplied by 1 / (1 - rate) where word i % 4 of draw i / 4 of stream `stream`
 * (SW_RANDOM_DROPOUT), as a number in [0, 1), is not below `rate`, else by 0; in place. The same call on
 * the gradient is the backward pass. rate in [0, 1). */
enum sw_status sw_hal_dropout(struct sw_hal *hal, uint64_t seed, uint64_t stream, float rate,
                              int64_t n, struct sw_buffer *x) SW_NODISCARD;
