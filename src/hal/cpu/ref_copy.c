/* Copies between compact values and a dense matrix for layouts that trainings multiply with. Each place is
 * written once, so that no order matters. */
#include <string.h>

#include "cpu.h"

void sw_cpu_ref_zero(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_copy *p = args;
    int64_t columns = p->positions->columns;
    memset(p->w + first * columns, 0, (size_t) ((last - first) * columns) * sizeof *p->w);
}

static void copy(const struct sw_cpu_copy *p, int64_t value, int64_t row, int64_t column) {
    float *at = p->w + row * p->positions->columns + column;
    if (p->gather)
        p->values[value] = *at;
    else
        *at = p->values[value];
}

void sw_cpu_ref_copy_visits(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_copy *p = args;
    const struct sw_sparse_view *view = &p->positions->by_row;
    const struct sw_visit *visits = view->visits->memory;
    const uint16_t *offset = view->offset->memory;
    for (int64_t column = 0; column < view->columns; column += view->block, visits += view->rows)
        for (int64_t v = first; v < last; v++)
            for (int32_t k = visits[v].first; k < visits[v].first + visits[v].count; k++)
                copy(p, k, visits[v].row, column + offset[k]);
}

void sw_cpu_ref_copy_csc(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_copy *p = args;
    const struct sw_sparse_view *view = &p->positions->by_column;
    const int32_t *start = view->start->memory, *row = view->index->memory;
    const int32_t *place = view->value->memory;
    for (int64_t c = first; c < last; c++)
        for (int32_t t = start[c]; t < start[c + 1]; t++)
            copy(p, place[t], row[t], c);
}

void sw_cpu_ref_copy_coo(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_copy *p = args;
    const int32_t *row = p->positions->by_row.row->memory;
    const int32_t *column = p->positions->by_row.index->memory;
    for (int64_t k = first; k < last; k++)
        copy(p, k, row[k], column[k]);
}

void sw_cpu_ref_copy_bsr(const void *args, int64_t first, int64_t last) {
    const struct sw_cpu_copy *p = args;
    const struct sw_sparse_view *view = &p->positions->by_row;
    const int32_t *start = view->start->memory;
    const struct sw_bsr_block *blocks = view->blocks->memory;
    int64_t side = sw_format_block(p->positions->format);
    for (int64_t r = first * side; r < last * side && r < view->rows; r++)
        for (int32_t t = start[r / side]; t < start[r / side + 1]; t++) {
            int64_t value = blocks[t].first + r % side * blocks[t].width;
            int64_t column = blocks[t].index * side;
            for (int64_t c = column; c < column + side && c < view->columns; c++)
                copy(p, value++, r, c);
        }
}
