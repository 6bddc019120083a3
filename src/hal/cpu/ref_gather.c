#include "cpu.h"

#define SAMPLES 8 /* at a time: their addresses stay in registers */

/* Features first .. last, all of one plane, for the samples of the batch from b on. The padding
 * reads a sample of the batch and is then overwritten. AVX2's gather instruction was a fifth slower
 * than these loads. */
static void gather_samples(const struct sw_cpu_gather *p, const float *restrict table, int64_t b,
                           int64_t first, int64_t last) {
    const uint8_t *from[SAMPLES];
    for (int i = 0; i < SAMPLES; i++)
        from[i] = p->images + p->index[b + i < p->batch ? b + i : b] * p->features;
    const uint8_t *s0 = from[0], *s1 = from[1], *s2 = from[2], *s3 = from[3];
    const uint8_t *s4 = from[4], *s5 = from[5], *s6 = from[6], *s7 = from[7];
    float *restrict to = p->x + first * p->ld + b;
    for (int64_t f = first; f < last; f++, to += p->ld) {
        to[0] = table[s0[f]];
        to[1] = table[s1[f]];
        to[2] = table[s2[f]];
        to[3] = table[s3[f]];
        to[4] = table[s4[f]];
        to[5] = table[s5[f]];
        to[6] = table[s6[f]];
        to[7] = table[s7[f]];
    }
    for (int64_t f = first; f < last; f++)
        for (int64_t i = p->batch; i < b + SAMPLES; i++)
            p->x[f * p->ld + i] = 0.0f;
}

/* x[f, b] = table[f / plane][images[index[b], f]], 0 for the padding. */
void sw_cpu_ref_gather(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_gather *p = args;
    while (first < last) {
        int64_t plane = first / p->plane;
        int64_t end = (plane + 1) * p->plane < last ? (plane + 1) * p->plane : last;
        for (int64_t b = 0; b < p->batch; b += SAMPLES)
            gather_samples(p, p->table + plane * 256, b, first, end);
        first = end;
    }
}
