/* Tiles of convolutions for AVX2: how a part of an image is cut into tiles, and the place of one. A tile is
 * up to `groups` x `width` pixels: groups are rows, or rows of two blocks of samples. */
#pragma once

#include "avx2_lanes.h"
#include "cpu_planes.h"

#define LANES SW_HAL_LANES

#define TILE_WIDTH 4
#define VECTORS 8 /* of the largest tile */
#define INLINE static inline __attribute__((always_inline))

/* Shapes of tiles; PAIR: 2 x 2 pixels of two blocks of samples, for the smallest images. */
enum tile_shape { TILE_4X2, TILE_PAIR, TILE_2X2, TILE_4X1, TILE_2X1, TILE_1X1, TILE_SHAPES };
#define TILE_STEPS 4

/* One or more tiles side by side: the corner of what the first one reads in the first plane, its first
 * result, and what to fetch early, rows that tiles below read and their results. */
struct tile {
    const float *in, *ahead;
    float *out;
    const float *below;
    int64_t step, out_step; /* floats between what neighbours read, and between neighbours */
    int64_t count;          /* of tiles */
};

/* What is known of a tile when its kernel is compiled: pixels, and floats as in struct tile. */
struct shape {
    int width, groups;
    int64_t step, out_step;
};

/* From the corner of a group to that of the tile, in what is read (or written). */
INLINE int64_t group_at(const int group, int64_t row, int64_t samples) {
    return group % 2 * row + group / 2 * samples;
}

typedef void tile_function(const void *args, const struct tile *tile);

/* Move on by n pixels. */
INLINE void move_tile(const struct sw_cpu_tiles *t, struct tile *tile, int64_t n) {
    tile->in += n * t->in_step;
    tile->ahead += n * t->in_step;
    tile->out += n * t->out_step;
    tile->below += n * t->out_step;
}

/* The row of the table of shapes. */
INLINE int64_t find_steps(const struct sw_cpu_tiles *t) {
    if (t->out_step == LANES && t->in_step <= 2 * LANES) return t->in_step / LANES;
    return t->in_step == LANES && t->out_step == 2 * LANES ? 3 : 0;
}

/* Do one or more tiles at the left of `width` pixels; returns how many pixels. */
INLINE int64_t do_tiles(const struct sw_cpu_tiles *t, tile_function *const *shapes,
                        const void *args, struct tile tile, int64_t width, int64_t rows,
                        int64_t samples) {
    if (width >= TILE_WIDTH) {
        tile.count = width / TILE_WIDTH < t->span ? width / TILE_WIDTH : t->span;
        shapes[rows == 2 ? TILE_4X2 : TILE_4X1](args, &tile);
        return tile.count * TILE_WIDTH;
    }
    if (width >= 2) {
        shapes[rows != 2 ? TILE_2X1 : samples == 2 ? TILE_PAIR : TILE_2X2](args, &tile);
        return 2;
    }
    for (int64_t r = 0; r < rows; r++, tile.in += t->in_row, tile.out += t->out_row)
        shapes[TILE_1X1](args, &tile);
    return 1;
}

/* Do `width` pixels from column x on, of one band of `samples` blocks of samples: two only of the smallest
 * images. */
INLINE void walk_band(const struct sw_cpu_tiles *t,
                      tile_function *const shapes[TILE_STEPS][TILE_SHAPES], const void *args,
                      int64_t sample, int64_t samples, int64_t band, int64_t x, int64_t width) {
    const int64_t y = band * SW_CPU_TILE_ROWS, left = t->height - y;
    const int64_t rows = left < SW_CPU_TILE_ROWS ? left : SW_CPU_TILE_ROWS;
    struct tile tile = {.in = t->in + sample * t->in_samples + y * t->in_row,
                        .out = t->out + sample * t->out_samples + y * t->out_row,
                        .step = t->in_step,
                        .out_step = t->out_step,
                        .count = 1};
    tile.ahead = rows < left ? tile.in + t->below
                             : tile.in - y * t->in_row + samples * t->in_samples;
    tile.below = rows < left ? tile.out + SW_CPU_TILE_ROWS * t->out_row
                             : tile.out - y * t->out_row + samples * t->out_samples;
    move_tile(t, &tile, x);
    for (int64_t n; width > 0; width -= n) {
        n = do_tiles(t, shapes[find_steps(t)], args, tile, width, rows, samples);
        move_tile(t, &tile, n);
    }
}

/* Do `width` pixels from column x on, of one band of `samples` blocks of samples, at once if they can. */
INLINE void walk_samples(const struct sw_cpu_tiles *t,
                         tile_function *const shapes[TILE_STEPS][TILE_SHAPES], const void *args,
                         int64_t sample, int64_t samples, int64_t band, int64_t x, int64_t width) {
    if (samples == 2 && t->width == 2 && t->height == 2)
        walk_band(t, shapes, args, sample, 2, band, x, width);
    else
        for (int64_t s = sample; s < sample + samples; s++)
            walk_band(t, shapes, args, s, 1, band, x, width);
}

/* Fetch `rows` rows of what the tiles below read of one plane, as wide as a tile of that step. */
INLINE void fetch_ahead(const float *ahead, int64_t pitch, int64_t rows, const int64_t step) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < 4 * step; i += 16)
            _mm_prefetch((const char *) (ahead + r * pitch + i), _MM_HINT_T0);
}

/* Fetch the pixels of a tile whose first one is at `out`. */
INLINE void fetch_tile(const struct sw_cpu_tiles *t, const float *out, const int groups) {
    for (int g = 0; g < groups; g++) {
        const char *row = (const char *) (out + group_at(g, t->out_row, t->out_samples));
        _mm_prefetch(row, _MM_HINT_T0);
        _mm_prefetch(row + 64, _MM_HINT_T0);
    }
}

/* The table `shapes` of functions for all shapes of tiles and the common steps, from do_tile(args, tile,
 * shape): rows as find_steps numbers them. Odd ends of images do with a function for any step. */
#define STEPPED(name, suffix, width, groups, step, out_step)                                       \
    static void name##suffix(const void *args, const struct tile *tile) {                          \
        do_tile(args, tile, (struct shape){width, groups, step, out_step});                        \
    }
#define DEFINE_SHAPES                                                                              \
    STEPPED(do_4x2, _any, 4, 2, tile->step, tile->out_step)                                        \
    STEPPED(do_4x2, _1_1, 4, 2, LANES, LANES)                                                      \
    STEPPED(do_4x2, _2_1, 4, 2, 2 * LANES, LANES)                                                  \
    STEPPED(do_4x2, _1_2, 4, 2, LANES, 2 * LANES)                                                  \
    STEPPED(do_pair, _any, 2, 4, tile->step, tile->out_step)                                       \
    STEPPED(do_pair, _1_1, 2, 4, LANES, LANES)                                                     \
    STEPPED(do_2x2, _any, 2, 2, tile->step, tile->out_step)                                        \
    STEPPED(do_4x1, _any, 4, 1, tile->step, tile->out_step)                                        \
    STEPPED(do_2x1, _any, 2, 1, tile->step, tile->out_step)                                        \
    STEPPED(do_1x1, _any, 1, 1, tile->step, tile->out_step)                                        \
    static tile_function *const shapes[TILE_STEPS][TILE_SHAPES] = {                                \
        {do_4x2_any, do_pair_any, do_2x2_any, do_4x1_any, do_2x1_any, do_1x1_any},                 \
        {do_4x2_1_1, do_pair_1_1, do_2x2_any, do_4x1_any, do_2x1_any, do_1x1_any},                 \
        {do_4x2_2_1, do_pair_any, do_2x2_any, do_4x1_any, do_2x1_any, do_1x1_any},                 \
        {do_4x2_1_2, do_pair_any, do_2x2_any, do_4x1_any, do_2x1_any, do_1x1_any},                 \
    };
