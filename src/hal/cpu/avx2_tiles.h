/* Tiles of convolutions for AVX2: how a part of an image is cut into tiles, and the place of one. A tile is
 * up to `groups` x `width` pixels: groups are rows, or rows of two blocks of samples. */
#pragma once

#include <immintrin.h>

#include "cpu_planes.h"

#define LANES SW_HAL_LANES

#define VECTORS 8 /* of the largest tile */
#define INLINE static inline __attribute__((always_inline))

/* Shapes of tiles; PAIR: 2 x 2 pixels of two blocks of samples, for the smallest images. */
enum tile_shape { TILE_4X2, TILE_4X1, TILE_PAIR, TILE_2X2, TILE_2X1, TILE_1X1, TILE_SHAPES };

/* The corner of what a tile reads in the first plane, its first result, and rows to fetch early. */
struct tile {
    const float *in, *ahead;
    float *out;
    int64_t step; /* floats between what neighbours read */
};

/* From the corner of a group to that of the tile, in what is read (or written). */
INLINE int64_t group_at(const int group, int64_t row, int64_t samples) {
    return group % 2 * row + group / 2 * samples;
}

typedef void tile_function(const void *args, const struct tile *tile);

/* Do the tiles of a row of n samples' worth of pixels. */
INLINE void walk_row(const struct sw_cpu_tiles *t, tile_function *const *shapes, const void *args,
                     struct tile tile, int64_t rows, int64_t samples) {
    int64_t width = t->width;
    while (width > 0) {
        int64_t n = width >= 4 ? 4 : width >= 2 ? 2 : 1;
        if (n == 4)
            shapes[rows == 2 ? TILE_4X2 : TILE_4X1](args, &tile);
        else if (n == 2)
            shapes[rows != 2 ? TILE_2X1 : samples == 2 ? TILE_PAIR : TILE_2X2](args, &tile);
        else
            for (int64_t r = 0; r < rows; r++)
                shapes[TILE_1X1](args, &(struct tile){.in = tile.in + r * t->in_row,
                                                      .ahead = tile.ahead,
                                                      .out = tile.out + r * t->out_row,
                                                      .step = tile.step});
        width -= n;
        tile.in += n * t->in_step;
        tile.ahead += n * t->in_step;
        tile.out += n * t->out_step;
    }
}

/* Do band `band` of the blocks of samples from `sample` on. */
INLINE void walk_band(const struct sw_cpu_tiles *t, tile_function *const shapes[3][TILE_SHAPES],
                      const void *args, int64_t sample, int64_t band) {
    int64_t y = band * SW_CPU_TILE_ROWS,
            rows = t->height - y < SW_CPU_TILE_ROWS ? t->height - y : SW_CPU_TILE_ROWS;
    int64_t samples = sw_cpu_samples_at_once(t);
    struct tile tile = {.in = t->in + sample * t->in_samples + y * t->in_row,
                        .out = t->out + sample * t->out_samples + y * t->out_row,
                        .step = t->in_step};
    tile.ahead = y + rows < t->height ? tile.in + t->below
                                      : tile.in - y * t->in_row + samples * t->in_samples;
    if (samples == 2 && sample + 1 == t->samples) samples = 1;
    int64_t step = t->in_step / LANES;
    walk_row(t, shapes[step <= 2 ? step : 0], args, tile, rows, samples);
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

/* The table `shapes` of functions for all shapes of tiles, each for any step and for steps of one and two
 * pixels, from do_tile(args, tile, width, groups, step). */
#define SHAPE(name, width, groups)                                                                 \
    static void name##_step1(const void *args, const struct tile *tile) {                          \
        do_tile(args, tile, width, groups, LANES);                                                 \
    }                                                                                              \
    static void name##_step2(const void *args, const struct tile *tile) {                          \
        do_tile(args, tile, width, groups, 2 * LANES);                                             \
    }                                                                                              \
    static void name(const void *args, const struct tile *tile) {                                  \
        do_tile(args, tile, width, groups, tile->step);                                            \
    }
#define SHAPES(suffix)                                                                             \
    {                                                                                              \
        [TILE_4X2] = do_4x2##suffix, [TILE_4X1] = do_4x1##suffix, [TILE_PAIR] = do_pair##suffix,   \
        [TILE_2X2] = do_2x2##suffix, [TILE_2X1] = do_2x1##suffix, [TILE_1X1] = do_1x1##suffix      \
    }
#define DEFINE_SHAPES                                                                              \
    SHAPE(do_4x2, 4, 2)                                                                            \
    SHAPE(do_4x1, 4, 1)                                                                            \
    SHAPE(do_pair, 2, 4)                                                                           \
    SHAPE(do_2x2, 2, 2)                                                                            \
    SHAPE(do_2x1, 2, 1)                                                                            \
    SHAPE(do_1x1, 1, 1)                                                                            \
    static tile_function *const shapes[3][TILE_SHAPES] = {SHAPES(), SHAPES(_step1), SHAPES(_step2)};
