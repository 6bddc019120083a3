/* Products over COO and CSC, written once for every instruction set: include after defining KERNEL(name).
 * Their output rows are not visited in order, so a range is one of lanes: what one thread adds up, no other
 * touches, and each output's terms are added in the order of the positions. */
#include <string.h>

#include "dot.h"

static void clear(float *out, int64_t rows, int64_t ld, int64_t lane, int64_t lanes) {
    for (int64_t r = 0; r < rows; r++)
        memset(out + r * ld + lane, 0, (size_t) lanes * sizeof *out);
}

static inline void add(float *restrict out, float value, const float *restrict in, int64_t lanes) {
    for (int64_t b = 0; b < lanes; b += SW_HAL_LANES)
        for (int i = 0; i < SW_HAL_LANES; i++)
            out[b + i] += value * in[b + i];
}

void KERNEL(coo_product)(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_coo_product *p = args;
    int64_t lane = first * SW_HAL_LANES, lanes = (last - first) * SW_HAL_LANES;
    clear(p->out, p->rows, p->ld, lane, lanes);
    for (int64_t k = 0; k < p->nnz; k++)
        add(p->out + p->to[k] * p->ld + lane, p->values[k], p->in + p->from[k] * p->ld + lane,
            lanes);
}

void KERNEL(csc_product)(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_csc_product *p = args;
    int64_t lane = first * SW_HAL_LANES, lanes = (last - first) * SW_HAL_LANES;
    clear(p->out, p->rows, p->ld, lane, lanes);
    for (int64_t c = 0; c < p->columns; c++)
        for (int32_t t = p->start[c]; t < p->start[c + 1]; t++)
            add(p->out + p->row[t] * p->ld + lane, p->values[p->place[t]], p->in + c * p->ld + lane,
                lanes);
}

void KERNEL(coo_gradient)(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_coo_gradient *p = args;
    for (int64_t k = first; k < last; k++)
        p->dvalues[k] = sw_cpu_dot(p->dy + p->row[k] * p->ld, p->x + p->column[k] * p->ld, p->ld);
}

void KERNEL(csc_gradient)(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_csc_gradient *p = args;
    for (int64_t c = first; c < last; c++)
        for (int32_t t = p->start[c]; t < p->start[c + 1]; t++)
            p->dvalues[p->place[t]] = sw_cpu_dot(p->dy + p->row[t] * p->ld, p->x + c * p->ld,
                                                 p->ld);
}
