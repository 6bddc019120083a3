#include "cpu.h"

/* x[f, b] = table[f / plane][images[index[b], f]], 0 for the padding. */
void sw_cpu_ref_gather(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_gather *p = args;
    for (int64_t f = first; f < last; f++) {
        const float *table = p->table + f / p->plane * 256;
        float *to = p->x + f * p->ld;
        for (int64_t b = 0; b < p->batch; b++)
            to[b] = table[p->images[p->index[b] * p->features + f]];
        for (int64_t b = p->batch; b < p->ld; b++)
            to[b] = 0.0f;
    }
}
