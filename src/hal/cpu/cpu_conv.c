/* Slots of convolutions: turn buffers into kernel arguments, share out the work. */
#include "cpu_planes.h"

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
    pack_weights(hal, sw_cpu_planes_of(hal)->conv_pack_forward, &args, conv->out.channels);
    sw_cpu_run(hal, sw_cpu_planes_of(hal)->conv_forward, &args, args.blocks * conv->out.height, 1,
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
    pack_weights(hal, sw_cpu_planes_of(hal)->conv_pack_backward, &args, conv->in.channels);
    sw_cpu_run(hal, sw_cpu_planes_of(hal)->conv_backward_data, &args, args.blocks * conv->in.height,
               1, dense_work(conv, ld));
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
    sw_cpu_run(hal, sw_cpu_planes_of(hal)->conv_backward_weights, &args,
               conv->in.channels * conv->kernel * conv->kernel, 1, dense_work(conv, ld));
    return SW_OK;
}

/* ---- sparse ---------------------------------------------------------------------------------- */

/* Arguments of a product that walks along a view. */
static struct sw_cpu_sparse_conv sparse_args(const struct sw_sparse_conv *positions,
                                             const struct sw_conv_view *view, int64_t ld) {
    return (struct sw_cpu_sparse_conv){.positions = positions,
                                       .blocks = ld / SW_HAL_LANES,
                                       .start = view->start->memory,
                                       .index = view->index->memory,
                                       .place = view->place != NULL ? view->place->memory : NULL};
}

static double sparse_work(const struct sw_sparse_conv *positions, int64_t ld) {
    return work_of(&positions->conv, (double) positions->nnz, ld);
}

static enum sw_status plain_forward(struct sw_hal *hal, const struct sw_sparse_conv *positions,
                                    const struct sw_buffer *values, const struct sw_buffer *x,
                                    int64_t ld, struct sw_buffer *y) {
    struct sw_cpu_sparse_conv args = sparse_args(positions, &positions->by_output, ld);
    args.values = values->memory;
    args.x = x->memory;
    args.y = y->memory;
    sw_cpu_run(hal, sw_cpu_planes_of(hal)->sparse_conv_forward, &args,
               args.blocks * positions->conv.out.height, 1, sparse_work(positions, ld));
    return SW_OK;
}

static enum sw_status plain_backward_data(struct sw_hal *hal,
                                          const struct sw_sparse_conv *positions,
                                          const struct sw_buffer *values,
                                          const struct sw_buffer *dy, int64_t ld, int add,
                                          struct sw_buffer *dx) {
    struct sw_cpu_sparse_conv args = sparse_args(positions, &positions->by_input, ld);
    args.values = values->memory;
    args.dy = dy->memory;
    args.dx = dx->memory;
    args.add = add;
    sw_cpu_run(hal, sw_cpu_planes_of(hal)->sparse_conv_backward_data, &args,
               args.blocks * positions->conv.in.height, 1, sparse_work(positions, ld));
    return SW_OK;
}

static enum sw_status plain_backward_weights(struct sw_hal *hal,
                                             const struct sw_sparse_conv *positions,
                                             const struct sw_buffer *dy, const struct sw_buffer *x,
                                             int64_t ld, struct sw_buffer *dvalues) {
    struct sw_cpu_sparse_conv args = sparse_args(positions, &positions->by_output, ld);
    args.dy = dy->memory;
    args.x = x->memory;
    args.dvalues = dvalues->memory;
    sw_cpu_run(hal, sw_cpu_planes_of(hal)->sparse_conv_backward_weights, &args,
               positions->conv.out.channels, 1, sparse_work(positions, ld));
    return SW_OK;
}

/* ---- sparse, by tiles ------------------------------------------------------------------------ */

/* A part of planes `to`, each tile of which reads `side` rows of planes `from`. */
static struct sw_cpu_tiles tiles_of(const struct sw_conv_tiles *tiles, const struct sw_planes *from,
                                    const struct sw_planes *to, int64_t ld) {
    return (struct sw_cpu_tiles){.visits = tiles->visits->memory,
                                 .start = tiles->start->memory,
                                 .offset = tiles->offset->memory,
                                 .block = tiles->block,
                                 .blocks = tiles->blocks,
                                 .ahead = tiles->ahead,
                                 .span = tiles->span,
                                 .samples = ld / SW_HAL_LANES,
                                 .in_pitch = sw_cpu_pitch(from),
                                 .in_plane = sw_planes_stride(from),
                                 .in_samples = from->channels * sw_planes_stride(from),
                                 .out_step = tiles->parts * SW_HAL_LANES,
                                 .out_row = tiles->parts * sw_cpu_pitch(to),
                                 .out_plane = sw_planes_stride(to),
                                 .out_samples = to->channels * sw_planes_stride(to)};
}

/* All outputs, and what they read of x. */
static struct sw_cpu_tiles output_tiles(const struct sw_sparse_conv *positions, const float *x,
                                        float *y, int64_t ld) {
    const struct sw_conv *conv = &positions->conv;
    struct sw_cpu_tiles t = tiles_of(&positions->forward, &conv->in, &conv->out, ld);
    t.height = conv->out.height;
    t.width = conv->out.width;
    t.in_step = conv->stride * SW_HAL_LANES;
    t.in_row = conv->stride * t.in_pitch;
    t.below = t.in_row + conv->kernel * t.in_pitch;
    t.in = x + sw_cpu_row(&conv->in, 0, 0) - conv->padding * (t.in_pitch + SW_HAL_LANES);
    t.out = y + sw_cpu_row(&conv->out, 0, 0);
    return t;
}

/* Every stride-th row and column of the gradient of x from row y and column x on, and what they read of
 * dy. */
static struct sw_cpu_tiles input_tiles(const struct sw_sparse_conv *positions, const float *dy,
                                       float *dx, int64_t ld, int64_t y, int64_t x) {
    const struct sw_conv *conv = &positions->conv;
    struct sw_cpu_tiles t = tiles_of(&positions->backward, &conv->out, &conv->in, ld);
    t.start += (y * conv->stride + x) * t.blocks;
    t.height = sw_conv_part_size(conv->in.height, conv->stride, y);
    t.width = sw_conv_part_size(conv->in.width, conv->stride, x);
    t.in_step = SW_HAL_LANES;
    t.in_row = t.in_pitch;
    t.below = t.in_row + (conv->kernel + conv->stride - 1) / conv->stride * t.in_pitch;
    t.in = dy + sw_cpu_row(&conv->out, 0, sw_conv_part_corner(conv, y)) +
           sw_conv_part_corner(conv, x) * SW_HAL_LANES;
    t.out = dx + sw_cpu_row(&conv->in, 0, y) + x * SW_HAL_LANES;
    return t;
}

/* The values in the order of a table, in the scratch memory. */
static const float *order_values(const struct sw_hal *hal, const struct sw_sparse_conv *positions,
                                 const struct sw_conv_tiles *tiles, const struct sw_buffer *values,
                                 struct sw_buffer *scratch) {
    struct sw_cpu_order order = {
        .place = tiles->place->memory, .from = values->memory, .to = memory_of(scratch)};
    sw_cpu_run(hal, sw_cpu_ref_order, &order, positions->nnz, SW_CPU_GRAIN_ELEMENTS,
               (double) positions->nnz);
    return order.to;
}

static enum sw_status run_product(const struct sw_hal *hal,
                                  const struct sw_cpu_tile_product *product, double work) {
    const struct sw_cpu_tiles *t = product->parts;
    int64_t once = sw_cpu_samples_at_once(t), groups = (t->samples + once - 1) / once;
    sw_cpu_run(hal, sw_cpu_planes_of(hal)->tile_product, product, groups * sw_cpu_count_bands(t), 1,
               work);
    return SW_OK;
}

/* ---- sparse, slots --------------------------------------------------------------------------- */

enum sw_status sw_cpu_sparse_conv_forward(struct sw_hal *hal,
                                          const struct sw_sparse_conv *positions,
                                          const struct sw_buffer *values, const struct sw_buffer *x,
                                          const struct sw_buffer *bias, int64_t ld, int relu,
                                          struct sw_buffer *scratch, struct sw_buffer *y) {
    if (positions->by_output.start != NULL) {
        SW_TRY(plain_forward(hal, positions, values, x, ld, y));
        if (bias == NULL) return SW_OK;
        return sw_cpu_planes.bias_activate(hal, &positions->conv.out, bias, ld, relu, y);
    }
    struct sw_cpu_tiles tiles = output_tiles(positions, x->memory, y->memory, ld);
    struct sw_cpu_tile_product product = {
        .parts = &tiles,
        .n_parts = 1,
        .values = order_values(hal, positions, &positions->forward, values, scratch),
        .bias = bias != NULL ? bias->memory : NULL,
        .relu = relu};
    return run_product(hal, &product, sparse_work(positions, ld));
}

enum sw_status sw_cpu_sparse_conv_backward_data(struct sw_hal *hal,
                                                const struct sw_sparse_conv *positions,
                                                const struct sw_buffer *values,
                                                const struct sw_buffer *dy, int64_t ld, int add,
                                                struct sw_buffer *scratch, struct sw_buffer *dx) {
    const int64_t stride = positions->conv.stride;
    if (positions->by_output.start != NULL)
        return plain_backward_data(hal, positions, values, dy, ld, add, dx);
    struct sw_cpu_tiles parts[SW_CONV_PARTS];
    struct sw_cpu_tile_product product = {
        .parts = parts,
        .n_parts = stride * stride,
        .values = order_values(hal, positions, &positions->backward, values, scratch),
        .add = add};
    parts[0] = input_tiles(positions, dy->memory, dx->memory, ld, 0, 0);
    for (int64_t i = 1; i < product.n_parts; i++) {
        parts[i] = input_tiles(positions, dy->memory, dx->memory, ld, i / stride, i % stride);
        parts[i].ahead = 0; /* the first one fetches for all */
    }
    return run_product(hal, &product, sparse_work(positions, ld));
}

enum sw_status sw_cpu_sparse_conv_backward_weights(
    struct sw_hal *hal, const struct sw_sparse_conv *positions, const struct sw_buffer *dy,
    const struct sw_buffer *x, int64_t ld, struct sw_buffer *scratch, struct sw_buffer *dvalues) {
    if (positions->by_output.start != NULL)
        return plain_backward_weights(hal, positions, dy, x, ld, dvalues);
    struct sw_cpu_tile_gradient gradient = {
        .tiles = output_tiles(positions, x->memory, dy->memory, ld),
        .chunk = positions->forward.chunk->memory,
        .place = positions->forward.place->memory,
        .sums = memory_of(scratch),
        .dvalues = dvalues->memory};
    sw_cpu_run(hal, sw_cpu_planes_of(hal)->tile_gradient, &gradient, positions->forward.chunks, 1,
               sparse_work(positions, ld));
    return SW_OK;
}
