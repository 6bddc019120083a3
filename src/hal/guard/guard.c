/* A device for tests: the processor's kernels over memory that behaves like a device's.
 * - Host memory is copied, also when it is wrapped: a program that relies on sharing goes wrong here.
 * - Canaries stand around every allocation and are looked at after every operation.
 * - Freed memory is poisoned with NaN and kept for a while: what still reads it computes NaN, what still
 *   writes it is found. */
#include <stdio.h>
#include <string.h>

#include "guard.h"
#include "sweepstake/memory.h"

#define CANARY_BYTES ((int64_t) SW_ALIGNMENT)
#define CANARY 0xc5
#define POISON 0xff          /* four of them are a NaN */
#define KEPT_FREED 8         /* freed blocks that stay poisoned */
#define KEPT_BYTES (1 << 20) /* larger ones go at once: each operation looks through them */

/* One allocation: canary, memory, canary. A buffer's `memory` points behind the first canary. */
struct block {
    struct block *next;
    uint8_t *bytes; /* the first canary */
    int64_t size;   /* of the memory between the canaries */
    char what[40];
};

struct guard_state {
    struct sw_cpu_state cpu;
    struct block *live;              /* newest first */
    struct block *freed[KEPT_FREED]; /* a ring */
    int64_t n_freed;
    char damage[160]; /* the first damage that was found; empty when none */
};

/* ---- looking for damage ---------------------------------------------------------------------- */

static bool is_all(const uint8_t *bytes, int64_t n, uint8_t value) {
    for (int64_t i = 0; i < n; i++)
        if (bytes[i] != value) return false;
    return true;
}

static void note_damage(struct guard_state *state, const char *how, const struct block *block) {
    if (state->damage[0] != '\0') return;
    (void) snprintf(state->damage, sizeof state->damage, "%s buffer '%s' of %lld bytes", how,
                    block->what, (long long) block->size);
}

static void look_at_block(struct guard_state *state, const struct block *block) {
    if (!is_all(block->bytes, CANARY_BYTES, CANARY))
        note_damage(state, "written in front of", block);
    if (!is_all(block->bytes + CANARY_BYTES + block->size, CANARY_BYTES, CANARY))
        note_damage(state, "written past the end of", block);
}

static void look_at_freed(struct guard_state *state, const struct block *block) {
    if (!is_all(block->bytes, block->size + 2 * CANARY_BYTES, POISON))
        note_damage(state, "written after it was freed:", block);
}

enum sw_status sw_guard_after(const struct sw_hal *hal, const char *operation,
                              enum sw_status status) {
    if (status != SW_OK) return status;
    struct guard_state *state = hal->state;
    for (const struct block *block = state->live; block != NULL; block = block->next)
        look_at_block(state, block);
    for (int64_t i = 0; i < KEPT_FREED && i < state->n_freed; i++)
        look_at_freed(state, state->freed[i]);
    if (state->damage[0] == '\0') return SW_OK;
    return SW_FAIL(SW_INTERNAL, "guard: %s (seen after %s)", state->damage, operation);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void release_block(struct block *block) {
    if (block == NULL) return;
    SW_FREE(&block->bytes);
    SW_FREE(&block);
}

static enum sw_status guard_alloc(struct sw_buffer *buffer) {
    struct guard_state *state = buffer->hal->state;
    struct block *block = NULL;
    SW_TRY(SW_ALLOC(&block, 1, buffer->what));
    size_t total = (size_t) buffer->bytes + 2 * (size_t) CANARY_BYTES;
    enum sw_status status = SW_ALLOC(&block->bytes, total, buffer->what);
    if (status != SW_OK) {
        release_block(block);
        return status;
    }
    block->size = buffer->bytes;
    memcpy(block->what, buffer->what, sizeof block->what);
    memset(block->bytes, CANARY, (size_t) CANARY_BYTES);
    memset(block->bytes + CANARY_BYTES + block->size, CANARY, (size_t) CANARY_BYTES);
    block->next = state->live;
    state->live = block;
    buffer->memory = block->bytes + CANARY_BYTES;
    return SW_OK;
}

static enum sw_status guard_wrap(struct sw_buffer *buffer, const void *host) {
    SW_TRY(guard_alloc(buffer));
    memcpy(buffer->memory, host, (size_t) buffer->bytes);
    return SW_OK;
}

static void guard_free(struct sw_buffer *buffer) {
    struct guard_state *state = buffer->hal->state;
    struct block **link = &state->live;
    while (*link != NULL && (*link)->bytes + CANARY_BYTES != (uint8_t *) buffer->memory)
        link = &(*link)->next;
    struct block *block = *link;
    if (block == NULL) return;
    *link = block->next;
    look_at_block(state, block);
    if (block->size > KEPT_BYTES) {
        release_block(block);
        return;
    }
    struct block **slot = &state->freed[state->n_freed++ % KEPT_FREED];
    if (*slot != NULL) look_at_freed(state, *slot);
    release_block(*slot);
    memset(block->bytes, POISON, (size_t) (block->size + 2 * CANARY_BYTES));
    *slot = block;
}

static enum sw_status guard_upload(struct sw_buffer *to, int64_t offset, const void *from,
                                   int64_t bytes) {
    if (bytes > 0) memcpy((char *) to->memory + offset, from, (size_t) bytes);
    return sw_guard_after(to->hal, "upload", SW_OK);
}

static enum sw_status guard_download(const struct sw_buffer *from, int64_t offset, void *to,
                                     int64_t bytes) {
    SW_TRY(sw_guard_after(from->hal, "download", SW_OK));
    if (bytes > 0) memcpy(to, (const char *) from->memory + offset, (size_t) bytes);
    return SW_OK;
}

static enum sw_status guard_zero(struct sw_buffer *buffer) {
    memset(buffer->memory, 0, (size_t) buffer->bytes);
    return sw_guard_after(buffer->hal, "zero", SW_OK);
}

/* ---- device ---------------------------------------------------------------------------------- */

static enum sw_status guard_probe(void) {
    return SW_OK;
}

static enum sw_status guard_open(struct sw_hal *hal) {
    struct guard_state *state = NULL;
    SW_TRY(SW_ALLOC(&state, 1, "the state of a guard device"));
    sw_cpu_open_state(&state->cpu, hal->options.isa);
    hal->state = state;
    return SW_OK;
}

static void guard_close(struct sw_hal *hal) {
    struct guard_state *state = hal->state;
    for (int64_t i = 0; i < KEPT_FREED; i++)
        release_block(state->freed[i]);
    SW_FREE(&hal->state);
}

/* ---- operations: the processor's, then a look at all canaries ---------------------------------- */

static enum sw_status guard_gather(struct sw_hal *hal, const struct sw_buffer *images,
                                   const struct sw_buffer *labels, const struct sw_buffer *table,
                                   const int32_t *index, int64_t features, int64_t plane,
                                   int64_t batch, struct sw_buffer *x,
                                   struct sw_buffer *labels_out) {
    return sw_guard_after(
        hal, "gather",
        sw_cpu_gather(hal, images, labels, table, index, features, plane, batch, x, labels_out));
}

static enum sw_status guard_dense_forward(struct sw_hal *hal, const struct sw_buffer *w,
                                          const struct sw_buffer *x, int64_t out, int64_t in,
                                          int64_t ld, struct sw_buffer *y) {
    return sw_guard_after(hal, "dense_forward", sw_cpu_dense_forward(hal, w, x, out, in, ld, y));
}

static enum sw_status guard_dense_backward_data(struct sw_hal *hal, const struct sw_buffer *w,
                                                const struct sw_buffer *dy, int64_t out, int64_t in,
                                                int64_t ld, struct sw_buffer *dx) {
    return sw_guard_after(hal, "dense_backward_data",
                          sw_cpu_dense_backward_data(hal, w, dy, out, in, ld, dx));
}

static enum sw_status guard_dense_backward_weights(struct sw_hal *hal, const struct sw_buffer *dy,
                                                   const struct sw_buffer *x, int64_t out,
                                                   int64_t in, int64_t ld, struct sw_buffer *dw) {
    return sw_guard_after(hal, "dense_backward_weights",
                          sw_cpu_dense_backward_weights(hal, dy, x, out, in, ld, dw));
}

static enum sw_status guard_sparse_forward(struct sw_hal *hal, const struct sw_sparse *positions,
                                           const struct sw_buffer *values,
                                           const struct sw_buffer *x, int64_t ld,
                                           struct sw_buffer *y) {
    return sw_guard_after(hal, "sparse_forward",
                          sw_cpu_sparse_forward(hal, positions, values, x, ld, y));
}

static enum sw_status guard_sparse_backward_data(struct sw_hal *hal,
                                                 const struct sw_sparse *positions,
                                                 const struct sw_buffer *values,
                                                 const struct sw_buffer *dy, int64_t ld,
                                                 struct sw_buffer *dx) {
    return sw_guard_after(hal, "sparse_backward_data",
                          sw_cpu_sparse_backward_data(hal, positions, values, dy, ld, dx));
}

static enum sw_status guard_sparse_backward_weights(struct sw_hal *hal,
                                                    const struct sw_sparse *positions,
                                                    const struct sw_buffer *dy,
                                                    const struct sw_buffer *x, int64_t ld,
                                                    struct sw_buffer *dvalues) {
    return sw_guard_after(hal, "sparse_backward_weights",
                          sw_cpu_sparse_backward_weights(hal, positions, dy, x, ld, dvalues));
}

static enum sw_status guard_sparse_scatter(struct sw_hal *hal, const struct sw_sparse *positions,
                                           const struct sw_buffer *values, struct sw_buffer *w) {
    return sw_guard_after(hal, "sparse_scatter", sw_cpu_sparse_scatter(hal, positions, values, w));
}

static enum sw_status guard_sparse_gather(struct sw_hal *hal, const struct sw_sparse *positions,
                                          const struct sw_buffer *w, struct sw_buffer *values) {
    return sw_guard_after(hal, "sparse_gather", sw_cpu_sparse_gather(hal, positions, w, values));
}

static enum sw_status guard_bias_activate(struct sw_hal *hal, const struct sw_buffer *bias,
                                          int64_t out, int64_t ld, int relu, struct sw_buffer *y) {
    return sw_guard_after(hal, "bias_activate", sw_cpu_bias_activate(hal, bias, out, ld, relu, y));
}

static enum sw_status guard_relu_backward(struct sw_hal *hal, const struct sw_buffer *y,
                                          int64_t out, int64_t ld, struct sw_buffer *dy) {
    return sw_guard_after(hal, "relu_backward", sw_cpu_relu_backward(hal, y, out, ld, dy));
}

static enum sw_status guard_bias_backward(struct sw_hal *hal, const struct sw_buffer *dy,
                                          int64_t out, int64_t ld, struct sw_buffer *dbias) {
    return sw_guard_after(hal, "bias_backward", sw_cpu_bias_backward(hal, dy, out, ld, dbias));
}

static enum sw_status guard_loss(struct sw_hal *hal, const struct sw_buffer *logits,
                                 const struct sw_buffer *labels, int64_t classes, int64_t batch,
                                 struct sw_buffer *dlogits, double *loss_sum, int64_t *correct) {
    return sw_guard_after(
        hal, "loss", sw_cpu_loss(hal, logits, labels, classes, batch, dlogits, loss_sum, correct));
}

static enum sw_status guard_sgd(struct sw_hal *hal, struct sw_buffer *w, const struct sw_buffer *g,
                                struct sw_buffer *v, int64_t n, float lr, float momentum,
                                float decay) {
    return sw_guard_after(hal, "sgd", sw_cpu_sgd(hal, w, g, v, n, lr, momentum, decay));
}

static enum sw_status guard_nesterov(struct sw_hal *hal, struct sw_buffer *w,
                                     const struct sw_buffer *g, struct sw_buffer *v, int64_t n,
                                     float lr, float momentum, float decay) {
    return sw_guard_after(hal, "nesterov", sw_cpu_nesterov(hal, w, g, v, n, lr, momentum, decay));
}

static enum sw_status guard_adam(struct sw_hal *hal, struct sw_buffer *w, const struct sw_buffer *g,
                                 struct sw_buffer *m, struct sw_buffer *v, int64_t n,
                                 const struct sw_adam_step *step) {
    return sw_guard_after(hal, "adam", sw_cpu_adam(hal, w, g, m, v, n, step));
}

static enum sw_status guard_factored_sgd(struct sw_hal *hal, const struct sw_factors *factors,
                                         const struct sw_buffer *g, const struct sw_sgd_step *step,
                                         struct sw_factor_events *events) {
    return sw_guard_after(hal, "factored_sgd", sw_cpu_factored_sgd(hal, factors, g, step, events));
}

static enum sw_status guard_factored_adam(struct sw_hal *hal, const struct sw_factors *factors,
                                          const struct sw_buffer *g,
                                          const struct sw_adam_step *step,
                                          struct sw_factor_events *events) {
    return sw_guard_after(hal, "factored_adam",
                          sw_cpu_factored_adam(hal, factors, g, step, events));
}

static enum sw_status guard_factor(struct sw_hal *hal, const struct sw_factors *factors, float beta,
                                   bool project) {
    return sw_guard_after(hal, "factor", sw_cpu_factor(hal, factors, beta, project));
}

static enum sw_status guard_sum_squares(struct sw_hal *hal, const struct sw_buffer *x, int64_t n,
                                        double *out) {
    return sw_guard_after(hal, "sum_squares", sw_cpu_sum_squares(hal, x, n, out));
}

const struct sw_backend sw_backend_guard = {
    .abi = SW_BACKEND_ABI,
    .name = "guard",
    .summary =
        "for tests: the processor's kernels over separate memory with canaries around every buffer",
    .probe = guard_probe,
    .open = guard_open,
    .close = guard_close,
    .alloc = guard_alloc,
    .wrap = guard_wrap,
    .free = guard_free,
    .upload = guard_upload,
    .download = guard_download,
    .zero = guard_zero,
    .gather = guard_gather,
    .dense_forward = guard_dense_forward,
    .dense_backward_data = guard_dense_backward_data,
    .dense_backward_weights = guard_dense_backward_weights,
    .sparse_forward = guard_sparse_forward,
    .sparse_backward_data = guard_sparse_backward_data,
    .sparse_backward_weights = guard_sparse_backward_weights,
    .sparse_scatter = guard_sparse_scatter,
    .sparse_gather = guard_sparse_gather,
    .bias_activate = guard_bias_activate,
    .relu_backward = guard_relu_backward,
    .bias_backward = guard_bias_backward,
    .loss = guard_loss,
    .sgd = guard_sgd,
    .nesterov = guard_nesterov,
    .adam = guard_adam,
    .factored_sgd = guard_factored_sgd,
    .factored_adam = guard_factored_adam,
    .factor = guard_factor,
    .sum_squares = guard_sum_squares,
    .planes = &sw_guard_planes,
};
