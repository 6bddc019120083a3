/* Slots of convolutions: turn buffers into kernel arguments, share out the work. */
#include "cpu_planes.h"

static const struct sw_cpu_planes_kernels *kernels_of(const struct sw_hal *hal) {
    const struct sw_cpu_state *state = hal->state;
    return state->planes;
}

static float *memory_of(const struct sw_buffer *buffer) {
    return buffer != NULL ? buffer->memory : NULL;
}

/* Multiplications of one of the three products when each channel of outputs has `taps` of all. */
static double work_of(const struct sw_conv *conv, double weights, int64_t ld) {
    return weights * (double) (conv->out.height * conv->out.width) * (double) ld;
}

/* ---- dense ----------------------------------------------------------------------------------- */

static double dense_work(const struct sw_conv *conv, int64_t ld) {
    return work_of(conv,
                   (double) (conv->out.channels * conv->in.channels) *
                       (double) (conv->kernel * conv->kernel),
                   ld);
}

/* Bring the weights of `channels` channels into the order in which the product that follows reads them. */
static void pack_weights(const struct sw_hal *hal, sw_cpu_kernel *kernel,
                         const struct sw_cpu_conv *args, int64_t channels) {
    const struct sw_conv *c = args->conv;
    if (kernel == NULL) return;
    sw_cpu_run(hal, kernel, args, (channels + SW_CONV_GROUP - 1) / SW_CONV_GROUP, 1,
               (double) (c->out.channels * c->in.channels) * (double) (c->kernel * c->kernel));
}

enum sw_status sw_cpu_conv_forward(struct sw_hal *hal, const struct sw_conv *conv,
                                   const struct sw_buffer *w, const struct sw_buffer *x, int64_t ld,
                                   struct sw_buffer *scratch, struct sw_buffer *y) {
    struct sw_cpu_conv args = {.conv = conv,
                               .blocks = ld / SW_HAL_LANES,
                               .w = w->memory,
                               .x = x->memory,
                               .y = y->memory,
                               .scratch = memory_of(scratch)};
    pack_weights(hal, kernels_of(hal)->conv_pack_forward, &args, conv->out.channels);
    sw_cpu_run(hal, kernels_of(hal)->conv_forward, &args, args.blocks * conv->out.height, 1,
               dense_work(conv, ld));
    return SW_OK;
}

enum sw_status sw_cpu_conv_backward_data(struct sw_hal *hal, const struct sw_conv *conv,
                                         const struct sw_buffer *w, const struct sw_buffer *dy,
                                         int64_t ld, int add, struct sw_buffer *scratch,
                                         struct sw_buffer *dx) {
    struct sw_cpu_conv args = {.conv = conv,
                               .blocks = ld / SW_HAL_LANES,
                               .w = w->memory,
                               .dy = dy->memory,
                               .dx = dx->memory,
                               .add = add,
                               .scratch = memory_of(scratch)};
    pack_weights(hal, kernels_of(hal)->conv_pack_backward, &args, conv->in.channels);
    sw_cpu_run(hal, kernels_of(hal)->conv_backward_data, &args, args.blocks * conv->in.height, 1,
               dense_work(conv, ld));
    return SW_OK;
}

enum sw_status sw_cpu_conv_backward_weights(struct sw_hal *hal, const struct sw_conv *conv,
                                            const struct sw_buffer *dy, const struct sw_buffer *x,
                                            int64_t ld, struct sw_buffer *scratch,
                                            struct sw_buffer *dw) {
    struct sw_cpu_conv args = {.conv = conv,
                               .blocks = ld / SW_HAL_LANES,
                               .x = x->memory,
                               .dy = dy->memory,
                               .dw = dw->memory,
                               .scratch = memory_of(scratch)};
    sw_cpu_run(hal, kernels_of(hal)->conv_backward_weights, &args,
               conv->in.channels * conv->kernel * conv->kernel, 1, dense_work(conv, ld));
    return SW_OK;
}

/* ---- sparse ---------------------------------------------------------------------------------- */

/* Arguments of a product that walks along a view. */
static struct sw_cpu_sparse_conv sparse_args(const struct sw_sparse_conv *positions,
                                             const struct sw_conv_view *view, int64_t ld,
                                             const struct sw_buffer *scratch) {
    return (struct sw_cpu_sparse_conv){.positions = positions,
                                       .blocks = ld / SW_HAL_LANES,
                                       .start = view->start->memory,
                                       .index = view->index->memory,
                                       .place = view->place != NULL ? view->place->memory : NULL,
                                       .scratch = memory_of(scratch)};
}

static double sparse_work(const struct sw_sparse_conv *positions, int64_t ld) {
    return work_of(&positions->conv, (double) positions->nnz, ld);
}

enum sw_status sw_cpu_sparse_conv_forward(struct sw_hal *hal,
                                          const struct sw_sparse_conv *positions,
                                          const struct sw_buffer *values, const struct sw_buffer *x,
                                          int64_t ld, struct sw_buffer *scratch,
                                          struct sw_buffer *y) {
    struct sw_cpu_sparse_conv args = sparse_args(positions, &positions->by_output, ld, scratch);
    args.values = values->memory;
    args.x = x->memory;
    args.y = y->memory;
    sw_cpu_run(hal, kernels_of(hal)->sparse_conv_forward, &args,
               args.blocks * positions->conv.out.height, 1, sparse_work(positions, ld));
    return SW_OK;
}

enum sw_status sw_cpu_sparse_conv_backward_data(struct sw_hal *hal,
                                                const struct sw_sparse_conv *positions,
                                                const struct sw_buffer *values,
                                                const struct sw_buffer *dy, int64_t ld, int add,
                                                struct sw_buffer *scratch, struct sw_buffer *dx) {
    struct sw_cpu_sparse_conv args = sparse_args(positions, &positions->by_input, ld, scratch);
    args.values = values->memory;
    args.dy = dy->memory;
    args.dx = dx->memory;
    args.add = add;
    sw_cpu_run(hal, kernels_of(hal)->sparse_conv_backward_data, &args,
               args.blocks * positions->conv.in.height, 1, sparse_work(positions, ld));
    return SW_OK;
}

enum sw_status sw_cpu_sparse_conv_backward_weights(
    struct sw_hal *hal, const struct sw_sparse_conv *positions, const struct sw_buffer *dy,
    const struct sw_buffer *x, int64_t ld, struct sw_buffer *scratch, struct sw_buffer *dvalues) {
    struct sw_cpu_sparse_conv args = sparse_args(positions, &positions->by_output, ld, scratch);
    args.dy = dy->memory;
    args.x = x->memory;
    args.dvalues = dvalues->memory;
    sw_cpu_run(hal, kernels_of(hal)->sparse_conv_backward_weights, &args,
               positions->conv.out.channels, 1, sparse_work(positions, ld));
    return SW_OK;
}
