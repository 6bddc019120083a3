/* Gathering images, borders, dropout, sums of gradients. */
#include <string.h>

#include "cpu_planes.h"
#include "sweepstake/random.h"

#define LANES SW_HAL_LANES

void sw_cpu_ref_clear_border(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_planes_border *p = args;
    const struct sw_planes *planes = &p->planes;
    const int64_t pitch = sw_cpu_pitch(planes), side = planes->border * LANES;
    const size_t edge = (size_t) (planes->border * pitch) * sizeof *p->x;
    for (int64_t plane = first; plane < last; plane++) {
        float *x = p->x + plane * sw_planes_stride(planes);
        memset(x, 0, edge);
        memset(x + (planes->border + planes->height) * pitch, 0, edge);
        for (int64_t row = 0; row < planes->height; row++) {
            float *at = p->x + sw_cpu_row(planes, plane, row);
            memset(at - side, 0, (size_t) side * sizeof *at);
            memset(at + planes->width * LANES, 0, (size_t) side * sizeof *at);
        }
    }
}

/* One row of one sample as it is shown: byte 0 where the moved image does not reach. `from` is the stored
 * row, NULL when it lies outside. */
static void show_row(const uint8_t *from, const float *table, int64_t width, int64_t right,
                     int mirror, float *to) {
    for (int64_t x = 0; x < width; x++) {
        int64_t stored = (mirror ? width - 1 - x : x) - right;
        uint8_t byte = from != NULL && stored >= 0 && stored < width ? from[stored] : 0;
        to[x * LANES] = table[byte];
    }
}

static void gather_sample(const struct sw_cpu_planes_gather *p, int64_t plane, int lane) {
    const struct sw_planes *planes = &p->planes;
    const int64_t channel = plane % planes->channels, area = planes->height * planes->width;
    const int64_t sample = plane / planes->channels * LANES + lane;
    struct sw_augment shown = {0};
    if (p->augment != NULL) shown = p->augment[sample];
    const uint8_t *image = p->images + (p->index[sample] * planes->channels + channel) * area;
    for (int64_t y = 0; y < planes->height; y++) {
        int64_t stored = y - shown.down;
        int inside = stored >= 0 && stored < planes->height;
        show_row(inside ? image + stored * planes->width : NULL, p->table + channel * 256,
                 planes->width, shown.right, shown.mirror,
                 p->x + sw_cpu_row(planes, plane, y) + lane);
    }
}

static void clear_lane(const struct sw_planes *planes, int64_t plane, int lane, float *x) {
    for (int64_t y = 0; y < planes->height; y++)
        for (int64_t i = 0; i < planes->width; i++)
            x[sw_cpu_row(planes, plane, y) + i * LANES + lane] = 0.0f;
}

void sw_cpu_ref_gather_planes(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_planes_gather *p = args;
    for (int64_t plane = first; plane < last; plane++)
        for (int lane = 0; lane < LANES; lane++) {
            if (plane / p->planes.channels * LANES + lane < p->batch)
                gather_sample(p, plane, lane);
            else
                clear_lane(&p->planes, plane, lane, p->x);
        }
}

void sw_cpu_ref_dropout(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_dropout *p = args;
    const float scale = (float) (1.0 / (1.0 - (double) p->rate));
    for (int64_t draw = first; draw < last; draw++) {
        struct sw_random_words words = sw_random_draw(p->seed, SW_RANDOM_DROPOUT, p->stream,
                                                      (uint64_t) draw);
        for (int64_t i = draw * 4; i < draw * 4 + 4 && i < p->n; i++)
            p->x[i] *= (double) words.word[i % 4] * 0x1p-32 < (double) p->rate ? 0.0f : scale;
    }
}

void sw_cpu_ref_accumulate(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_accumulate *p = args;
    const float *restrict from = p->from;
    float *restrict to = p->to;
    for (int64_t i = first; i < last; i++)
        to[i] += from[i];
}
