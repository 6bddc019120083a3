/* Operations on images on the processor: arguments of the kernels and the table of them. As in cpu.h, a
 * kernel does a range of units, alone, and how the units are cut into ranges never changes a result. */
#pragma once

#include "cpu.h"
#include "sweepstake/backend_planes.h"

/* ---- planes ---------------------------------------------------------------------------------- */

/* Floats from one row of pixels to the next. */
static inline int64_t sw_cpu_pitch(const struct sw_planes *p) {
    return (p->width + 2 * p->border) * SW_HAL_LANES;
}
/* From the start of a plane to its first pixel inside the border. */
static inline int64_t sw_cpu_inside(const struct sw_planes *p) {
    return p->border * sw_cpu_pitch(p) + p->border * SW_HAL_LANES;
}
/* Row `y` of plane number `plane` (block of samples times channels plus channel) of a buffer. */
static inline int64_t sw_cpu_row(const struct sw_planes *p, int64_t plane, int64_t y) {
    return plane * sw_planes_stride(p) + sw_cpu_inside(p) + y * sw_cpu_pitch(p);
}

/* ---- arguments of the kernels ---------------------------------------------------------------- */

struct sw_cpu_planes_border {
    struct sw_planes planes;
    float *x;
};

struct sw_cpu_planes_gather {
    const uint8_t *images;            /* u8[samples, C H W] */
    const float *table;               /* [C, 256] */
    const int32_t *index;             /* [batch] */
    const struct sw_augment *augment; /* [batch] or NULL */
    struct sw_planes planes;
    int64_t batch;
    float *x;
};

struct sw_cpu_flatten {
    struct sw_planes planes;
    int64_t ld;
    float *x, *y; /* planes and [C H W, ld]; one of them is only read */
};

/* Dense weights [O, C K K]. */
struct sw_cpu_conv {
    const struct sw_conv *conv;
    int64_t blocks; /* of SW_HAL_LANES samples */
    const float *w, *x, *dy;
    float *y, *dx, *dw; /* what the operation writes; the others are NULL */
    int add;
    float *scratch;
};

/* Weights at the taps of a view: `positions` is the whole, start, index and place are those of the view
 * that the operation walks along. */
struct sw_cpu_sparse_conv {
    const struct sw_sparse_conv *positions;
    int64_t blocks;
    const int32_t *start, *index, *place;
    const float *values, *x, *dy;
    float *y, *dx, *dvalues;
    int add;
};

/* One part of a convolution over its tables, in floats: `in` is the corner of what the first pixel of
 * results reads, `out` that pixel. */
struct sw_cpu_tiles {
    const struct sw_conv_visit *visits;
    const int32_t *start; /* [blocks + 1] */
    const uint16_t *offset;
    int64_t block, blocks, ahead, span;
    int64_t height, width, samples; /* pixels of the part, blocks of samples */
    int64_t in_step, in_row; /* from what a pixel reads to what the next one, the one below do */
    int64_t in_pitch, in_plane, in_samples;
    int64_t below; /* from a tile's corner to the first row that only tiles below read */
    int64_t out_step, out_row, out_plane, out_samples;
    const float *in;
    float *out; /* only read by gradients: dy */
};

/* Units of a product: rows of tiles, of one block of samples or, of the smallest images, two. */
#define SW_CPU_TILE_ROWS 2
static inline int64_t sw_cpu_count_bands(const struct sw_cpu_tiles *t) {
    return (t->height + SW_CPU_TILE_ROWS - 1) / SW_CPU_TILE_ROWS;
}
static inline int64_t sw_cpu_samples_at_once(const struct sw_cpu_tiles *t) {
    return t->width == 2 && t->height == 2 ? 2 : 1;
}

struct sw_cpu_tile_product {
    const struct sw_cpu_tiles *parts; /* [n_parts], none larger than the first */
    int64_t n_parts;
    const float *values; /* in the order of the table */
    int add;
    const float
        *bias; /* [channels], added at last, then max(0, .) when relu is not 0; NULL: neither */
    int relu;
};

struct sw_cpu_tile_gradient {
    struct sw_cpu_tiles tiles;
    const struct sw_conv_chunk *chunk;
    const int32_t *place;
    float *sums; /* in the order of the table */
    float *dvalues;
};

struct sw_cpu_planes_activation {
    struct sw_planes planes;
    const float *bias; /* [C] */
    int relu;
    float *y;
};

struct sw_cpu_planes_bias_gradient {
    struct sw_planes planes;
    int64_t blocks;
    const float *y;
    int relu;
    float *dy;
    float *dbias; /* [C] or NULL */
};

struct sw_cpu_norm_statistics {
    struct sw_planes planes;
    int64_t blocks, batch;
    const float *x;
    float *mean, *variance; /* [C] */
};

struct sw_cpu_norm_apply {
    struct sw_planes planes, out, other_planes;
    const float *x, *mean, *variance, *scale, *shift;
    const float *other; /* or NULL */
    int relu;
    float *y;
};

struct sw_cpu_norm_sums {
    struct sw_planes planes, out;
    int64_t blocks;
    const float *x, *mean, *variance, *y;
    int relu;
    float *dy, *dscale, *dshift;
};

struct sw_cpu_norm_data {
    struct sw_planes planes, out;
    int64_t batch;
    const float *x, *mean, *variance, *scale, *dscale, *dshift, *dy;
    float *dx;
};

struct sw_cpu_pool {
    struct sw_pooling pool;
    const float *x, *dy;
    float *y, *dx; /* y is read by the max pool's backward pass */
};

struct sw_cpu_global_pool {
    struct sw_planes planes;
    int64_t ld;
    float *x, *y; /* planes and [C, ld]; one of them is only read */
};

struct sw_cpu_dropout {
    uint64_t seed, stream;
    float rate;
    int64_t n;
    float *x;
};

/* ---- kernels --------------------------------------------------------------------------------- */

/* A plane is (block of samples, channel), a row (block of samples, row of pixels, all channels). */
struct sw_cpu_planes_kernels {
    sw_cpu_kernel *clear_border;                 /* planes */
    sw_cpu_kernel *gather;                       /* planes */
    sw_cpu_kernel *flatten, *unflatten;          /* planes */
    sw_cpu_kernel *conv_pack_forward;            /* SW_CONV_GROUP outputs; NULL: none */
    sw_cpu_kernel *conv_pack_backward;           /* SW_CONV_GROUP inputs; NULL: none */
    sw_cpu_kernel *conv_forward;                 /* output rows */
    sw_cpu_kernel *conv_backward_data;           /* input rows */
    sw_cpu_kernel *conv_backward_weights;        /* columns of w */
    sw_cpu_kernel *sparse_conv_forward;          /* output rows */
    sw_cpu_kernel *sparse_conv_backward_data;    /* input rows */
    sw_cpu_kernel *sparse_conv_backward_weights; /* output channels */
    sw_cpu_kernel *tile_product;                 /* sw_cpu_count_bands; NULL: no such tables */
    sw_cpu_kernel *tile_gradient;                /* chunks */
    sw_cpu_kernel *bias_activate;                /* planes */
    sw_cpu_kernel *bias_backward;                /* channels */
    sw_cpu_kernel *norm_statistics;              /* channels */
    sw_cpu_kernel *norm_apply;                   /* planes */
    sw_cpu_kernel *norm_backward_sums;           /* channels */
    sw_cpu_kernel *norm_backward_data;           /* planes */
    sw_cpu_kernel *max_pool, *max_pool_backward; /* planes */
    sw_cpu_kernel *average_pool, *average_pool_backward;
    sw_cpu_kernel *global_pool, *global_pool_backward;
    sw_cpu_kernel *dropout; /* draws: four elements each */
};

sw_cpu_kernel sw_cpu_ref_clear_border, sw_cpu_ref_gather_planes;
sw_cpu_kernel sw_cpu_ref_flatten, sw_cpu_ref_unflatten;
sw_cpu_kernel sw_cpu_ref_conv_forward, sw_cpu_ref_conv_backward_data;
sw_cpu_kernel sw_cpu_ref_conv_backward_weights;
sw_cpu_kernel sw_cpu_ref_sparse_conv_forward, sw_cpu_ref_sparse_conv_backward_data;
sw_cpu_kernel sw_cpu_ref_sparse_conv_backward_weights;
sw_cpu_kernel sw_cpu_avx2_tile_product, sw_cpu_avx2_tile_gradient;
sw_cpu_kernel sw_cpu_avx2_planes_bias_activate, sw_cpu_avx2_planes_bias_backward;
sw_cpu_kernel sw_cpu_avx2_norm_statistics, sw_cpu_avx2_norm_apply;
sw_cpu_kernel sw_cpu_avx2_norm_backward_sums, sw_cpu_avx2_norm_backward_data;
sw_cpu_kernel sw_cpu_avx2_max_pool, sw_cpu_avx2_max_pool_backward;
sw_cpu_kernel sw_cpu_ref_planes_bias_activate, sw_cpu_ref_planes_bias_backward;
sw_cpu_kernel sw_cpu_ref_norm_statistics, sw_cpu_ref_norm_apply;
sw_cpu_kernel sw_cpu_ref_norm_backward_sums, sw_cpu_ref_norm_backward_data;
sw_cpu_kernel sw_cpu_ref_max_pool, sw_cpu_ref_max_pool_backward;
sw_cpu_kernel sw_cpu_ref_average_pool, sw_cpu_ref_average_pool_backward;
sw_cpu_kernel sw_cpu_ref_global_pool, sw_cpu_ref_global_pool_backward;
sw_cpu_kernel sw_cpu_ref_dropout;

sw_cpu_kernel sw_cpu_avx2_conv_pack_forward, sw_cpu_avx2_conv_pack_backward;
sw_cpu_kernel sw_cpu_avx2_conv_forward, sw_cpu_avx2_conv_backward_data;
sw_cpu_kernel sw_cpu_avx2_conv_backward_weights;

/* The kernels of an instruction set (cpu_planes.c). */
const struct sw_cpu_planes_kernels *sw_cpu_find_planes_kernels(enum sw_isa isa);
/* Those of a device that is open. */
static inline const struct sw_cpu_planes_kernels *sw_cpu_planes_of(const struct sw_hal *hal) {
    const struct sw_cpu_state *state = hal->state;
    return state->planes;
}

/* Slots over buffers whose `memory` is a host pointer: those of convolutions (cpu_conv.c) are put into
 * the table with the others (cpu_planes.c). */
extern const struct sw_backend_planes sw_cpu_planes;
enum sw_status sw_cpu_conv_forward(struct sw_hal *hal, const struct sw_conv *conv,
                                   const struct sw_buffer *w, const struct sw_buffer *x, int64_t ld,
                                   struct sw_buffer *scratch, struct sw_buffer *y);
enum sw_status sw_cpu_conv_backward_data(struct sw_hal *hal, const struct sw_conv *conv,
                                         const struct sw_buffer *w, const struct sw_buffer *dy,
                                         int64_t ld, int add, struct sw_buffer *scratch,
                                         struct sw_buffer *dx);
enum sw_status sw_cpu_conv_backward_weights(struct sw_hal *hal, const struct sw_conv *conv,
                                            const struct sw_buffer *dy, const struct sw_buffer *x,
                                            int64_t ld, struct sw_buffer *scratch,
                                            struct sw_buffer *dw);
enum sw_status sw_cpu_sparse_conv_forward(struct sw_hal *hal,
                                          const struct sw_sparse_conv *positions,
                                          const struct sw_buffer *values, const struct sw_buffer *x,
                                          const struct sw_buffer *bias, int64_t ld, int relu,
                                          struct sw_buffer *scratch, struct sw_buffer *y);
enum sw_status sw_cpu_sparse_conv_backward_data(struct sw_hal *hal,
                                                const struct sw_sparse_conv *positions,
                                                const struct sw_buffer *values,
                                                const struct sw_buffer *dy, int64_t ld, int add,
                                                struct sw_buffer *scratch, struct sw_buffer *dx);
enum sw_status sw_cpu_sparse_conv_backward_weights(
    struct sw_hal *hal, const struct sw_sparse_conv *positions, const struct sw_buffer *dy,
    const struct sw_buffer *x, int64_t ld, struct sw_buffer *scratch, struct sw_buffer *dvalues);
