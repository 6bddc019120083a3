#include <string.h>

#include "dot.h"

void sw_cpu_ref_sparse_product(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_sparse_product *p = args;
    for (int64_t r = first; r < last; r++) {
        float *restrict out = p->out + r * p->ld;
        memset(out, 0, (size_t) p->ld * sizeof *out);
        for (int32_t t = p->start[r]; t < p->start[r + 1]; t++) {
            const float *restrict in = p->in + p->index[t] * p->ld;
            float value = p->values[p->place != NULL ? p->place[t] : t];
            for (int64_t b = 0; b < p->ld; b++)
                out[b] += value * in[b];
        }
    }
}

void sw_cpu_ref_sparse_gradient(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_sparse_gradient *p = args;
    for (int64_t r = first; r < last; r++)
        for (int32_t k = p->row_start[r]; k < p->row_start[r + 1]; k++)
            p->dvalues[k] = sw_cpu_dot(p->dy + r * p->ld, p->x + p->column[k] * p->ld, p->ld);
}

/* ---- blocked views: the same, visit by visit ------------------------------------------------- */

void sw_cpu_ref_blocked_product(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_blocked_product *p = args;
    memset(p->out + first * p->ld, 0, (size_t) ((last - first) * p->ld) * sizeof *p->out);
    for (int64_t column = 0, v = 0; column < p->columns; column += p->block, v += p->rows) {
        for (const struct sw_visit *at = p->visits + v + first; at < p->visits + v + last; at++) {
            float *restrict out = p->out + at->row * p->ld;
            for (int32_t t = at->first; t < at->first + at->count; t++) {
                const float *restrict in = p->in + (column + p->offset[t]) * p->ld;
                for (int64_t b = 0; b < p->ld; b++)
                    out[b] += p->values[t] * in[b];
            }
        }
    }
}

void sw_cpu_ref_blocked_gradient(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_blocked_gradient *p = args;
    for (int64_t column = 0, v = 0; column < p->columns; column += p->block, v += p->rows)
        for (const struct sw_visit *at = p->visits + v + first; at < p->visits + v + last; at++)
            for (int32_t k = at->first; k < at->first + at->count; k++)
                p->dvalues[k] = sw_cpu_dot(p->dy + at->row * p->ld,
                                           p->x + (column + p->offset[k]) * p->ld, p->ld);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

void sw_cpu_ref_bsr_product(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_bsr_product *p = args;
    for (int64_t r = first * p->side; r < least(last * p->side, p->rows); r++) {
        float *restrict out = p->out + r * p->ld;
        int64_t i = r % p->side;
        memset(out, 0, (size_t) p->ld * sizeof *out);
        for (int32_t t = p->start[r / p->side]; t < p->start[r / p->side + 1]; t++) {
            struct sw_bsr_block block = p->blocks[t];
            int64_t column = block.index * p->side, n = least(p->side, p->columns - column);
            for (int64_t k = 0; k < n; k++) {
                int64_t at = p->transposed ? k * block.width + i : i * block.width + k;
                const float *restrict in = p->in + (column + k) * p->ld;
                float value = p->values[block.first + at];
                for (int64_t b = 0; b < p->ld; b++)
                    out[b] += value * in[b];
            }
        }
    }
}

void sw_cpu_ref_bsr_gradient(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_bsr_gradient *p = args;
    for (int64_t r = first * p->side; r < least(last * p->side, p->rows); r++) {
        for (int32_t t = p->start[r / p->side]; t < p->start[r / p->side + 1]; t++) {
            struct sw_bsr_block block = p->blocks[t];
            int64_t column = block.index * p->side, n = least(p->side, p->columns - column);
            float *dvalues = p->dvalues + block.first + r % p->side * block.width;
            for (int64_t k = 0; k < n; k++)
                dvalues[k] = sw_cpu_dot(p->dy + r * p->ld, p->x + (column + k) * p->ld, p->ld);
        }
    }
}

/* ---- copies ---------------------------------------------------------------------------------- */

void sw_cpu_ref_order(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_order *p = args;
    for (int64_t t = first; t < last; t++)
        p->to[t] = p->from[p->place[t]];
}

void sw_cpu_ref_sparse_scatter(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_sparse_copy *p = args;
    for (int64_t r = first; r < last; r++) {
        float *row = p->w + r * p->columns;
        memset(row, 0, (size_t) p->columns * sizeof *row);
        for (int32_t k = p->row_start[r]; k < p->row_start[r + 1]; k++)
            row[p->column[k]] = p->values[k];
    }
}

void sw_cpu_ref_sparse_gather(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_sparse_copy *p = args;
    for (int64_t r = first; r < last; r++)
        for (int32_t k = p->row_start[r]; k < p->row_start[r + 1]; k++)
            p->values[k] = p->w[r * p->columns + p->column[k]];
}
