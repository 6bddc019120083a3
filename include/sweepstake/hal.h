/* Module: hal (hardware abstraction layer), for its users
 * Purpose: tensor operations on a device. Everything above works on opaque buffers and never sees
 *          device memory; a backend is one table of operations (backend.h).
 * Layout: activations are batch-innermost, [features, ld] with ld = sw_hal_lanes(batch): the batch
 *         rounded up to SW_HAL_LANES. Columns batch .. ld of inputs and of gradients are kept at
 *         zero by the operations that make them (gather, loss), so that kernels run over whole
 *         vectors. Columns batch .. ld of other activations hold finite numbers without meaning.
 * Letters: B batch, L = ld, I inputs, O outputs, nnz nonzeros. All matrices are row-major, packed.
 * Threads: results do not depend on their number. One context is used by one thread at a time.
 * Errors of all operations: SW_INTERNAL when a buffer is too small, is of another context, is host
 *         memory to be written, or is input and output at once (checked, never compiled out);
 *         SW_NOMEM from allocations. On failure nothing is changed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sweepstake/formats.h"
#include "sweepstake/system.h"

#define SW_HAL_LANES 8
static inline int64_t sw_hal_lanes(int64_t batch) {
    return (batch + SW_HAL_LANES - 1) / SW_HAL_LANES * SW_HAL_LANES;
}

struct sw_backend; /* backend.h */
struct sw_hal;     /* a device in use; opaque */
struct sw_buffer;  /* memory of a device; opaque */

struct sw_hal_options {
    int threads;     /* at least 1 */
    enum sw_isa isa; /* instruction set for CPU backends */
};

/* ---- backends ------------------------------------------------------------------------------- */

/* Backend number `index` of this build, NULL past the end; by name, NULL when unknown. */
const struct sw_backend *sw_backend_at(size_t index);
const struct sw_backend *sw_backend_find(const char *name);
const char *sw_backend_name(const struct sw_backend *backend);
const char *sw_backend_summary(const struct sw_backend *backend);
/* SW_OK when it can run here; SW_UNSUPPORTED with the reason in the status text. */
enum sw_status sw_backend_probe(const struct sw_backend *backend) SW_NODISCARD;

/* Open a device. The caller owns *out; sw_hal_close frees it (after all its buffers). */
enum sw_status sw_hal_open(const struct sw_backend *backend, const struct sw_hal_options *options,
                           struct sw_hal **out) SW_NODISCARD;
void sw_hal_close(struct sw_hal **hal);
int sw_hal_threads(const struct sw_hal *hal);
enum sw_isa sw_hal_isa(const struct sw_hal *hal);
/* The BLAS behind dense products: version, build and core as it reports them. Never NULL. */
const char *sw_hal_blas_version(void);

/* ---- memory --------------------------------------------------------------------------------- */

/* Zeroed memory of a device. The caller owns it; free before closing the device. */
enum sw_status sw_hal_alloc(struct sw_hal *hal, int64_t bytes, const char *what,
                            struct sw_buffer **out) SW_NODISCARD;
/* Make host memory readable by the device, without a copy where the device can. The memory stays
 * the caller's, must outlive the buffer and is never written. */
enum sw_status sw_hal_wrap(struct sw_hal *hal, const void *host, int64_t bytes,
                           struct sw_buffer **out) SW_NODISCARD;
void sw_hal_free(struct sw_buffer **buffer);
int64_t sw_hal_bytes(const struct sw_buffer *buffer);
/* Copy between host and device; `offset` in bytes within the buffer. */
enum sw_status sw_hal_upload(struct sw_buffer *to, int64_t offset, const void *from,
                             int64_t bytes) SW_NODISCARD;
enum sw_status sw_hal_download(const struct sw_buffer *from, int64_t offset, void *to,
                               int64_t bytes) SW_NODISCARD;
/* Set all bytes to zero. */
enum sw_status sw_hal_zero(struct sw_buffer *buffer) SW_NODISCARD;

/* ---- input ---------------------------------------------------------------------------------- */

/* x[f, b] = table[f / plane][images[index[b], f]] for b < batch, 0 for the padding;
 * labels_out[b] = labels[index[b]].
 * images u8[samples, features], labels u8[samples], table float[features / plane, 256], index host
 * int32[batch] (each in 0..samples-1; the caller checks), x float[features, L], labels_out
 * int32[L]. */
enum sw_status sw_hal_gather(struct sw_hal *hal, const struct sw_buffer *images,
                             const struct sw_buffer *labels, const struct sw_buffer *table,
                             const int32_t *index, int64_t features, int64_t plane, int64_t batch,
                             struct sw_buffer *x, struct sw_buffer *labels_out) SW_NODISCARD;

/* ---- linear layers, dense: through a BLAS --------------------------------------------------- */

/* y[O, L] = w[O, I] x[I, L] */
enum sw_status sw_hal_dense_forward(struct sw_hal *hal, const struct sw_buffer *w,
                                    const struct sw_buffer *x, int64_t out, int64_t in, int64_t ld,
                                    struct sw_buffer *y) SW_NODISCARD;
/* dx[I, L] = transpose(w)[I, O] dy[O, L] */
enum sw_status sw_hal_dense_backward_data(struct sw_hal *hal, const struct sw_buffer *w,
                                          const struct sw_buffer *dy, int64_t out, int64_t in,
                                          int64_t ld, struct sw_buffer *dx) SW_NODISCARD;
/* dw[O, I] = dy[O, L] transpose(x)[L, I] */
enum sw_status sw_hal_dense_backward_weights(struct sw_hal *hal, const struct sw_buffer *dy,
                                             const struct sw_buffer *x, int64_t out, int64_t in,
                                             int64_t ld, struct sw_buffer *dw) SW_NODISCARD;

/* ---- linear layers, sparse: only nonzeros are stored, multiplied and given gradients -------- */

/* How a linear layer of that shape and density is computed fastest: a pure function from a
 * committed table (choice.c), so that every rank decides alike. `block`: side of the blocks that are kept
 * or removed whole, 4, 8 or 16; other numbers: none. */
enum sw_layer_format sw_hal_choose_format(enum sw_isa isa, int64_t out, int64_t in, int64_t nnz,
                                          int64_t block);
/* Names the table and its edition ("format-4"); part of a store's identity. Never NULL. */
const char *sw_hal_choice_version(void);

/* Positions of a sparse [O, I] matrix on a device. Values are separate buffers float[nnz] in row
 * order, whatever the format. SW_FORMAT_DENSE is for scatter and gather only: its products are those of
 * the dense matrix (SW_INTERNAL). BSR takes matrices whose blocks are kept or removed whole, but for the
 * edge of the matrix: what is removed must not train. Errors of create: SW_UNSUPPORTED (other matrices),
 * SW_INTERNAL (positions outside the matrix), SW_NOMEM. */
struct sw_sparse; /* opaque */
enum sw_status sw_hal_sparse_create(struct sw_hal *hal, const struct sw_csr *csr,
                                    enum sw_layer_format format,
                                    struct sw_sparse **out) SW_NODISCARD;
void sw_hal_sparse_free(struct sw_sparse **sparse);
int64_t sw_hal_sparse_bytes(const struct sw_sparse *sparse); /* bytes of the positions */
/* The same before they exist; of BSR at least, as blocks at an edge keep fewer weights. */
int64_t sw_hal_sparse_predict_bytes(enum sw_isa isa, enum sw_layer_format format, int64_t out,
                                    int64_t in, int64_t nnz);

/* y[O, L] = W x[I, L] */
enum sw_status sw_hal_sparse_forward(struct sw_hal *hal, const struct sw_sparse *positions,
                                     const struct sw_buffer *values, const struct sw_buffer *x,
                                     int64_t ld, struct sw_buffer *y) SW_NODISCARD;
/* dx[I, L] = transpose(W) dy[O, L] */
enum sw_status sw_hal_sparse_backward_data(struct sw_hal *hal, const struct sw_sparse *positions,
                                           const struct sw_buffer *values,
                                           const struct sw_buffer *dy, int64_t ld,
                                           struct sw_buffer *dx) SW_NODISCARD;
/* dvalues[k] = sum over b of dy[row of k, b] x[column of k, b] */
enum sw_status sw_hal_sparse_backward_weights(struct sw_hal *hal, const struct sw_sparse *positions,
                                              const struct sw_buffer *dy, const struct sw_buffer *x,
                                              int64_t ld, struct sw_buffer *dvalues) SW_NODISCARD;
/* Between compact values and a dense matrix: w[O, I] = 0 with values at the positions; and back. */
enum sw_status sw_hal_sparse_scatter(struct sw_hal *hal, const struct sw_sparse *positions,
                                     const struct sw_buffer *values,
                                     struct sw_buffer *w) SW_NODISCARD;
enum sw_status sw_hal_sparse_gather(struct sw_hal *hal, const struct sw_sparse *positions,
                                    const struct sw_buffer *w,
                                    struct sw_buffer *values) SW_NODISCARD;

/* ---- elementwise ---------------------------------------------------------------------------- */

/* y[o, b] += bias[o], then max(0, .) when relu is not 0; in place over y[O, L]. */
enum sw_status sw_hal_bias_activate(struct sw_hal *hal, const struct sw_buffer *bias, int64_t out,
                                    int64_t ld, int relu, struct sw_buffer *y) SW_NODISCARD;
/* dy = 0 where y <= 0 (y is the activation after ReLU); in place over dy[O, L]. */
enum sw_status sw_hal_relu_backward(struct sw_hal *hal, const struct sw_buffer *y, int64_t out,
                                    int64_t ld, struct sw_buffer *dy) SW_NODISCARD;
/* dbias[o] = sum over b < L of dy[o, b] */
enum sw_status sw_hal_bias_backward(struct sw_hal *hal, const struct sw_buffer *dy, int64_t out,
                                    int64_t ld, struct sw_buffer *dbias) SW_NODISCARD;

/* ---- loss ----------------------------------------------------------------------------------- */

/* Softmax cross-entropy over logits[C, L]. loss_sum: sum over b < batch of -log softmax(label), in
 * double; correct: samples whose largest logit (lowest class on ties) is the label. dlogits, when
 * not NULL: (softmax - onehot) / batch for b < batch, 0 for the padding. */
enum sw_status sw_hal_loss(struct sw_hal *hal, const struct sw_buffer *logits,
                           const struct sw_buffer *labels, int64_t classes, int64_t batch,
                           struct sw_buffer *dlogits, double *loss_sum,
                           int64_t *correct) SW_NODISCARD;

/* ---- optimizers: one pass over n values ----------------------------------------------------- */

/* g += decay w; v = momentum v + g; w -= lr v  (v may be NULL when momentum is 0). PyTorch's SGD.
 */
enum sw_status sw_hal_sgd(struct sw_hal *hal, struct sw_buffer *w, const struct sw_buffer *g,
                          struct sw_buffer *v, int64_t n, float lr, float momentum,
                          float decay) SW_NODISCARD;
/* g += decay w; v = momentum v + g; w -= lr (g + momentum v). Nesterov's momentum in PyTorch's form:
 * w stands where the gradient is taken, one momentum step ahead. */
enum sw_status sw_hal_nesterov(struct sw_hal *hal, struct sw_buffer *w, const struct sw_buffer *g,
                               struct sw_buffer *v, int64_t n, float lr, float momentum,
                               float decay) SW_NODISCARD;
struct sw_adam_step {
    float lr, beta1, beta2, epsilon;
    float decay;       /* L2 penalty, in the gradient: Adam's */
    float decoupled;   /* decay beside the gradient: AdamW's */
    float correction1; /* 1 - beta1^t */
    float correction2; /* 1 - beta2^t */
};
/* w *= 1 - lr decoupled; g += decay w; m = beta1 m + (1-beta1) g; v = beta2 v + (1-beta2) g^2;
 * w -= lr (m/correction1) / (sqrt(v/correction2) + epsilon). Kingma & Ba 2015, Loshchilov & Hutter
 * 2019, PyTorch's order. */
enum sw_status sw_hal_adam(struct sw_hal *hal, struct sw_buffer *w, const struct sw_buffer *g,
                           struct sw_buffer *m, struct sw_buffer *v, int64_t n,
                           const struct sw_adam_step *step) SW_NODISCARD;

/* ---- weights that are products of two factors: one pass over n values ------------------------- */

/* theta = u w, elementwise: theta is what layers multiply with, u and w are what trains. Each is
 * float[n], and so is every array of an optimizer, which has one for u and one for w. */
struct sw_factors {
    struct sw_buffer *theta, *u, *w;
    struct sw_buffer *first_u, *first_w; /* velocity, or Adam's first moment; NULL: there is none */
    struct sw_buffer *second_u, *second_w; /* Adam's second moment; NULL: there is none */
    int64_t n;
};
/* What happened to the factors in a step; operations add to it. */
struct sw_factor_events {
    int64_t unbalanced; /* u^2 - w^2 was not below zero before, and is now */
    int64_t flipped;    /* u has another sign than before */
};
struct sw_sgd_step {
    float lr, momentum, decay;
    bool nesterov;
};
/* sw_hal_sgd, or sw_hal_nesterov, on u with the gradient g w and on w with the gradient g u, both of
 * before the step; then theta = u w. g is the gradient of theta. */
enum sw_status sw_hal_factored_sgd(struct sw_hal *hal, const struct sw_factors *factors,
                                   const struct sw_buffer *g, const struct sw_sgd_step *step,
                                   struct sw_factor_events *events) SW_NODISCARD;
/* sw_hal_adam in the same way. */
enum sw_status sw_hal_factored_adam(struct sw_hal *hal, const struct sw_factors *factors,
                                    const struct sw_buffer *g, const struct sw_adam_step *step,
                                    struct sw_factor_events *events) SW_NODISCARD;
/* u = sqrt((beta + sqrt(beta^2 + 4 theta^2)) / 2), w = theta / u (0 where u is 0): u^2 - w^2 = beta,
 * theta stays as it is. With `project` an optimizer's arrays follow. They are taken for those of some array
 * v over theta, v_u = v w and v_w = v u: v is the one that fits best (least squares), and is multiplied
 * with the new factors; in the same way with squares for second moments. beta is at least 0. */
enum sw_status sw_hal_factor(struct sw_hal *hal, const struct sw_factors *factors, float beta,
                             bool project) SW_NODISCARD;

/* ---- reductions ----------------------------------------------------------------------------- */

/* Sum of squares of n floats, in double, in a fixed order. */
enum sw_status sw_hal_sum_squares(struct sw_hal *hal, const struct sw_buffer *x, int64_t n,
                                  double *out) SW_NODISCARD;
