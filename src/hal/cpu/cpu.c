#include "cpu_planes.h"

#include <cblas.h>
#include <string.h>

#include "sweepstake/memory.h"

static const struct sw_cpu_kernels kernels_ref = {
    .gather = sw_cpu_ref_gather,
    .sparse_product = sw_cpu_ref_sparse_product,
    .sparse_gradient = sw_cpu_ref_sparse_gradient,
    .blocked_product = sw_cpu_ref_blocked_product,
    .blocked_gradient = sw_cpu_ref_blocked_gradient,
    .bsr_product = sw_cpu_ref_bsr_product,
    .bsr_gradient = sw_cpu_ref_bsr_gradient,
    .coo_product = sw_cpu_ref_coo_product,
    .csc_product = sw_cpu_ref_csc_product,
    .coo_gradient = sw_cpu_ref_coo_gradient,
    .csc_gradient = sw_cpu_ref_csc_gradient,
    .bias_activate = sw_cpu_ref_bias_activate,
    .relu_backward = sw_cpu_ref_relu_backward,
    .bias_backward = sw_cpu_ref_bias_backward,
    .loss = sw_cpu_ref_loss,
    .sgd = sw_cpu_ref_sgd,
    .nesterov = sw_cpu_ref_nesterov,
    .adam = sw_cpu_ref_adam,
    .factored_sgd = sw_cpu_ref_factored_sgd,
    .factored_adam = sw_cpu_ref_factored_adam,
    .sum_squares = sw_cpu_ref_sum_squares,
};

static const struct sw_cpu_kernels kernels_avx2 = {
    .gather = sw_cpu_avx2_gather,
    .sparse_product = sw_cpu_avx2_sparse_product,
    .sparse_gradient = sw_cpu_avx2_sparse_gradient,
    .blocked_product = sw_cpu_avx2_blocked_product,
    .blocked_gradient = sw_cpu_avx2_blocked_gradient,
    .bsr_product = sw_cpu_avx2_bsr_product,
    .bsr_gradient = sw_cpu_avx2_bsr_gradient,
    .coo_product = sw_cpu_avx2_coo_product,
    .csc_product = sw_cpu_avx2_csc_product,
    .coo_gradient = sw_cpu_avx2_coo_gradient,
    .csc_gradient = sw_cpu_avx2_csc_gradient,
    .bias_activate = sw_cpu_avx2_bias_activate,
    .relu_backward = sw_cpu_avx2_relu_backward,
    .bias_backward = sw_cpu_avx2_bias_backward,
    .loss = sw_cpu_avx2_loss,
    .sgd = sw_cpu_avx2_sgd,
    .nesterov = sw_cpu_avx2_nesterov,
    .adam = sw_cpu_avx2_adam,
    .factored_sgd = sw_cpu_avx2_factored_sgd,
    .factored_adam = sw_cpu_avx2_factored_adam,
    .sum_squares = sw_cpu_avx2_sum_squares,
};

/* ---- device ---------------------------------------------------------------------------------- */

void sw_cpu_open_state(struct sw_cpu_state *state, enum sw_isa isa) {
    state->kernels = isa >= SW_ISA_AVX2 ? &kernels_avx2 : &kernels_ref;
    state->planes = sw_cpu_find_planes_kernels(isa);
    openblas_set_num_threads(1);
}

static enum sw_status cpu_probe(void) {
    return SW_OK;
}

static enum sw_status cpu_open(struct sw_hal *hal) {
    struct sw_cpu_state *state = NULL;
    SW_TRY(SW_ALLOC(&state, 1, "the state of a cpu device"));
    sw_cpu_open_state(state, hal->options.isa);
    hal->state = state;
    return SW_OK;
}

static void cpu_close(struct sw_hal *hal) {
    SW_FREE(&hal->state);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static enum sw_status cpu_alloc(struct sw_buffer *buffer) {
    return sw_memory_alloc((size_t) buffer->bytes, 1, buffer->what, &buffer->memory);
}

/* The compiler cannot see that a wrapped buffer is never written; hal.c refuses it. */
static enum sw_status cpu_wrap(struct sw_buffer *buffer, const void *host) {
    buffer->memory = (void *) (uintptr_t) host;
    return SW_OK;
}

static void cpu_free(struct sw_buffer *buffer) {
    if (!buffer->wrapped) SW_FREE(&buffer->memory);
}

static enum sw_status cpu_upload(struct sw_buffer *to, int64_t offset, const void *from,
                                 int64_t bytes) {
    if (bytes > 0) memcpy((char *) to->memory + offset, from, (size_t) bytes);
    return SW_OK;
}

static enum sw_status cpu_download(const struct sw_buffer *from, int64_t offset, void *to,
                                   int64_t bytes) {
    if (bytes > 0) memcpy(to, (const char *) from->memory + offset, (size_t) bytes);
    return SW_OK;
}

static enum sw_status cpu_zero(struct sw_buffer *buffer) {
    memset(buffer->memory, 0, (size_t) buffer->bytes);
    return SW_OK;
}

const struct sw_backend sw_backend_cpu = {
    .abi = SW_BACKEND_ABI,
    .name = "cpu",
    .summary = "this processor: own kernels per instruction set, dense products through OpenBLAS",
    .probe = cpu_probe,
    .open = cpu_open,
    .close = cpu_close,
    .alloc = cpu_alloc,
    .wrap = cpu_wrap,
    .free = cpu_free,
    .upload = cpu_upload,
    .download = cpu_download,
    .zero = cpu_zero,
    .gather = sw_cpu_gather,
    .dense_forward = sw_cpu_dense_forward,
    .dense_backward_data = sw_cpu_dense_backward_data,
    .dense_backward_weights = sw_cpu_dense_backward_weights,
    .sparse_forward = sw_cpu_sparse_forward,
    .sparse_backward_data = sw_cpu_sparse_backward_data,
    .sparse_backward_weights = sw_cpu_sparse_backward_weights,
    .sparse_scatter = sw_cpu_sparse_scatter,
    .sparse_gather = sw_cpu_sparse_gather,
    .bias_activate = sw_cpu_bias_activate,
    .relu_backward = sw_cpu_relu_backward,
    .bias_backward = sw_cpu_bias_backward,
    .loss = sw_cpu_loss,
    .sgd = sw_cpu_sgd,
    .nesterov = sw_cpu_nesterov,
    .adam = sw_cpu_adam,
    .factored_sgd = sw_cpu_factored_sgd,
    .factored_adam = sw_cpu_factored_adam,
    .factor = sw_cpu_factor,
    .sum_squares = sw_cpu_sum_squares,
    .planes = &sw_cpu_planes,
};
