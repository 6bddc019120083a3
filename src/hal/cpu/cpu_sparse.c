/* Slots of the backend for layers of which only nonzeros are stored: which kernel a format needs. */
#include "cpu.h"

static double product_work(const struct sw_sparse_view *view, int64_t nnz, int64_t ld) {
    return (double) (nnz + view->rows) * (double) ld;
}

/* out = view times in, with values in the view's order. */
static void run_blocked_product(struct sw_hal *hal, const struct sw_sparse_view *view, int64_t nnz,
                                const float *values, const float *in, int64_t ld, float *out) {
    struct sw_cpu_blocked_product args = {.visits = view->visits->memory,
                                          .offset = view->offset->memory,
                                          .values = values,
                                          .in = in,
                                          .rows = view->rows,
                                          .columns = view->columns,
                                          .block = view->block,
                                          .ld = ld,
                                          .out = out};
    sw_cpu_run(hal, sw_cpu_kernels_of(hal)->blocked_product, &args, view->rows, SW_SPARSE_GROUP,
               product_work(view, nnz, ld));
}

static void run_plain_product(struct sw_hal *hal, const struct sw_sparse_view *view, int64_t nnz,
                              const float *values, const float *in, int64_t ld, float *out) {
    struct sw_cpu_sparse_product args = {.start = view->start->memory,
                                         .index = view->index->memory,
                                         .place = view->value != NULL ? view->value->memory : NULL,
                                         .values = values,
                                         .in = in,
                                         .ld = ld,
                                         .out = out};
    sw_cpu_run(hal, sw_cpu_kernels_of(hal)->sparse_product, &args, view->rows, SW_CPU_GRAIN_ROWS,
               product_work(view, nnz, ld));
}

/* ---- the products of each format -------------------------------------------------------------- */

static void run_bsr_product(struct sw_hal *hal, const struct sw_sparse *positions, int transposed,
                            const float *values, const float *in, int64_t ld, float *out) {
    const struct sw_sparse_view *view = transposed ? &positions->by_column : &positions->by_row;
    int64_t side = sw_format_block(positions->format);
    struct sw_cpu_bsr_product args = {.start = view->start->memory,
                                      .blocks = view->blocks->memory,
                                      .values = values,
                                      .in = in,
                                      .rows = view->rows,
                                      .columns = view->columns,
                                      .side = side,
                                      .ld = ld,
                                      .transposed = transposed,
                                      .out = out};
    sw_cpu_run(hal, sw_cpu_kernels_of(hal)->bsr_product, &args, (view->rows + side - 1) / side, 1,
               product_work(view, positions->nnz, ld));
}

static void run_coo_product(struct sw_hal *hal, const struct sw_sparse *positions, int transposed,
                            const float *values, const float *in, int64_t ld, float *out) {
    const struct sw_sparse_view *view = &positions->by_row;
    const int32_t *row = view->row->memory, *column = view->index->memory;
    struct sw_cpu_coo_product args = {.to = transposed ? column : row,
                                      .from = transposed ? row : column,
                                      .values = values,
                                      .in = in,
                                      .rows = transposed ? positions->columns : positions->rows,
                                      .nnz = positions->nnz,
                                      .ld = ld,
                                      .out = out};
    sw_cpu_run(hal, sw_cpu_kernels_of(hal)->coo_product, &args, ld / SW_HAL_LANES, 2,
               product_work(view, positions->nnz, ld));
}

static void run_csc_product(struct sw_hal *hal, const struct sw_sparse *positions,
                            const float *values, const float *in, int64_t ld, float *out) {
    const struct sw_sparse_view *view = &positions->by_column;
    struct sw_cpu_csc_product args = {.start = view->start->memory,
                                      .row = view->index->memory,
                                      .place = view->value->memory,
                                      .values = values,
                                      .in = in,
                                      .rows = positions->rows,
                                      .columns = positions->columns,
                                      .ld = ld,
                                      .out = out};
    sw_cpu_run(hal, sw_cpu_kernels_of(hal)->csc_product, &args, ld / SW_HAL_LANES, 2,
               product_work(view, positions->nnz, ld));
}

/* By columns. Each value is used once for every 64 lanes: read in one stream, it costs less. */
static void run_ordered_product(struct sw_hal *hal, const struct sw_sparse *positions,
                                const float *values, const float *in, int64_t ld, float *out) {
    const struct sw_sparse_view *view = &positions->by_column;
    struct sw_cpu_order order = {
        .place = view->value->memory, .from = values, .to = view->ordered->memory};
    sw_cpu_run(hal, sw_cpu_ref_order, &order, positions->nnz, SW_CPU_GRAIN_ELEMENTS,
               (double) positions->nnz);
    run_blocked_product(hal, view, positions->nnz, order.to, in, ld, out);
}

enum sw_status sw_cpu_sparse_forward(struct sw_hal *hal, const struct sw_sparse *positions,
                                     const struct sw_buffer *values, const struct sw_buffer *x,
                                     int64_t ld, struct sw_buffer *y) {
    const struct sw_sparse_view *view = &positions->by_row;
    const float *v = values->memory, *in = x->memory;
    if (sw_format_block(positions->format) > 0)
        run_bsr_product(hal, positions, 0, v, in, ld, y->memory);
    else if (positions->format == SW_FORMAT_COO)
        run_coo_product(hal, positions, 0, v, in, ld, y->memory);
    else if (positions->format == SW_FORMAT_CSC)
        run_csc_product(hal, positions, v, in, ld, y->memory);
    else if (view->block > 0)
        run_blocked_product(hal, view, positions->nnz, v, in, ld, y->memory);
    else
        run_plain_product(hal, view, positions->nnz, v, in, ld, y->memory);
    return SW_OK;
}

enum sw_status sw_cpu_sparse_backward_data(struct sw_hal *hal, const struct sw_sparse *positions,
                                           const struct sw_buffer *values,
                                           const struct sw_buffer *dy, int64_t ld,
                                           struct sw_buffer *dx) {
    const struct sw_sparse_view *view = &positions->by_column;
    const float *v = values->memory, *in = dy->memory;
    if (sw_format_block(positions->format) > 0)
        run_bsr_product(hal, positions, 1, v, in, ld, dx->memory);
    else if (positions->format == SW_FORMAT_COO)
        run_coo_product(hal, positions, 1, v, in, ld, dx->memory);
    else if (view->block > 0)
        run_ordered_product(hal, positions, v, in, ld, dx->memory);
    else
        run_plain_product(hal, view, positions->nnz, v, in, ld, dx->memory);
    return SW_OK;
}

/* ---- gradients ------------------------------------------------------------------------------- */

static double gradient_work(const struct sw_sparse *positions, int64_t ld) {
    return (double) positions->nnz * (double) ld;
}

static void run_blocked_gradient(struct sw_hal *hal, const struct sw_sparse *positions,
                                 const float *dy, const float *x, int64_t ld, float *dvalues) {
    const struct sw_sparse_view *view = &positions->by_row;
    struct sw_cpu_blocked_gradient args = {.visits = view->visits->memory,
                                           .offset = view->offset->memory,
                                           .dy = dy,
                                           .x = x,
                                           .rows = view->rows,
                                           .columns = view->columns,
                                           .block = view->block,
                                           .ld = ld,
                                           .dvalues = dvalues};
    sw_cpu_run(hal, sw_cpu_kernels_of(hal)->blocked_gradient, &args, view->rows, SW_SPARSE_GROUP,
               gradient_work(positions, ld));
}

static void run_plain_gradient(struct sw_hal *hal, const struct sw_sparse *positions,
                               const float *dy, const float *x, int64_t ld, float *dvalues) {
    struct sw_cpu_sparse_gradient args = {.row_start = positions->by_row.start->memory,
                                          .column = positions->by_row.index->memory,
                                          .dy = dy,
                                          .x = x,
                                          .ld = ld,
                                          .dvalues = dvalues};
    sw_cpu_run(hal, sw_cpu_kernels_of(hal)->sparse_gradient, &args, positions->rows,
               SW_CPU_GRAIN_ROWS, gradient_work(positions, ld));
}

static void run_bsr_gradient(struct sw_hal *hal, const struct sw_sparse *positions, const float *dy,
                             const float *x, int64_t ld, float *dvalues) {
    const struct sw_sparse_view *view = &positions->by_row;
    int64_t side = sw_format_block(positions->format);
    struct sw_cpu_bsr_gradient args = {.start = view->start->memory,
                                       .blocks = view->blocks->memory,
                                       .dy = dy,
                                       .x = x,
                                       .rows = view->rows,
                                       .columns = view->columns,
                                       .side = side,
                                       .ld = ld,
                                       .dvalues = dvalues};
    sw_cpu_run(hal, sw_cpu_kernels_of(hal)->bsr_gradient, &args, (view->rows + side - 1) / side, 1,
               gradient_work(positions, ld));
}

static void run_coo_gradient(struct sw_hal *hal, const struct sw_sparse *positions, const float *dy,
                             const float *x, int64_t ld, float *dvalues) {
    struct sw_cpu_coo_gradient args = {.row = positions->by_row.row->memory,
                                       .column = positions->by_row.index->memory,
                                       .dy = dy,
                                       .x = x,
                                       .ld = ld,
                                       .dvalues = dvalues};
    sw_cpu_run(hal, sw_cpu_kernels_of(hal)->coo_gradient, &args, positions->nnz, SW_CPU_GRAIN_ROWS,
               gradient_work(positions, ld));
}

static void run_csc_gradient(struct sw_hal *hal, const struct sw_sparse *positions, const float *dy,
                             const float *x, int64_t ld, float *dvalues) {
    struct sw_cpu_csc_gradient args = {.start = positions->by_column.start->memory,
                                       .row = positions->by_column.index->memory,
                                       .place = positions->by_column.value->memory,
                                       .dy = dy,
                                       .x = x,
                                       .ld = ld,
                                       .dvalues = dvalues};
    sw_cpu_run(hal, sw_cpu_kernels_of(hal)->csc_gradient, &args, positions->columns,
               SW_CPU_GRAIN_ROWS, gradient_work(positions, ld));
}

enum sw_status sw_cpu_sparse_backward_weights(struct sw_hal *hal, const struct sw_sparse *positions,
                                              const struct sw_buffer *dy, const struct sw_buffer *x,
                                              int64_t ld, struct sw_buffer *dvalues) {
    const float *d = dy->memory, *in = x->memory;
    if (sw_format_block(positions->format) > 0)
        run_bsr_gradient(hal, positions, d, in, ld, dvalues->memory);
    else if (positions->format == SW_FORMAT_COO)
        run_coo_gradient(hal, positions, d, in, ld, dvalues->memory);
    else if (positions->format == SW_FORMAT_CSC)
        run_csc_gradient(hal, positions, d, in, ld, dvalues->memory);
    else if (positions->by_row.block > 0)
        run_blocked_gradient(hal, positions, d, in, ld, dvalues->memory);
    else
        run_plain_gradient(hal, positions, d, in, ld, dvalues->memory);
    return SW_OK;
}

/* ---- copies ---------------------------------------------------------------------------------- */

/* Positions that are rows with a start: those for copies, and CSR without blocks. */
static bool is_plain_rows(const struct sw_sparse *positions) {
    return positions->by_row.start != NULL && positions->by_row.index != NULL;
}

static struct sw_cpu_sparse_copy row_args(const struct sw_sparse *positions, float *values,
                                          float *w) {
    return (struct sw_cpu_sparse_copy){.row_start = positions->by_row.start->memory,
                                       .column = positions->by_row.index->memory,
                                       .columns = positions->columns,
                                       .values = values,
                                       .w = w};
}

/* The other layouts. */
static void run_copy(struct sw_hal *hal, const struct sw_sparse *positions, float *values, float *w,
                     int gather) {
    struct sw_cpu_copy args = {.positions = positions, .values = values, .w = w, .gather = gather};
    int64_t side = sw_format_block(positions->format);
    double work = (double) positions->nnz;
    if (!gather)
        sw_cpu_run(hal, sw_cpu_ref_zero, &args, positions->rows, SW_CPU_GRAIN_ROWS,
                   (double) positions->rows * (double) positions->columns);
    if (side > 0)
        sw_cpu_run(hal, sw_cpu_ref_copy_bsr, &args, (positions->rows + side - 1) / side, 1, work);
    else if (positions->format == SW_FORMAT_COO)
        sw_cpu_run(hal, sw_cpu_ref_copy_coo, &args, positions->nnz, SW_CPU_GRAIN_ELEMENTS, work);
    else if (positions->format == SW_FORMAT_CSC)
        sw_cpu_run(hal, sw_cpu_ref_copy_csc, &args, positions->columns, SW_CPU_GRAIN_ROWS, work);
    else
        sw_cpu_run(hal, sw_cpu_ref_copy_visits, &args, positions->rows, SW_SPARSE_GROUP, work);
}

enum sw_status sw_cpu_sparse_scatter(struct sw_hal *hal, const struct sw_sparse *positions,
                                     const struct sw_buffer *values, struct sw_buffer *w) {
    if (!is_plain_rows(positions)) {
        run_copy(hal, positions, values->memory, w->memory, 0);
        return SW_OK;
    }
    struct sw_cpu_sparse_copy args = row_args(positions, values->memory, w->memory);
    sw_cpu_run(hal, sw_cpu_ref_sparse_scatter, &args, positions->rows, SW_CPU_GRAIN_ROWS,
               (double) positions->rows * (double) positions->columns);
    return SW_OK;
}

enum sw_status sw_cpu_sparse_gather(struct sw_hal *hal, const struct sw_sparse *positions,
                                    const struct sw_buffer *w, struct sw_buffer *values) {
    if (!is_plain_rows(positions)) {
        run_copy(hal, positions, values->memory, w->memory, 1);
        return SW_OK;
    }
    struct sw_cpu_sparse_copy args = row_args(positions, values->memory, w->memory);
    sw_cpu_run(hal, sw_cpu_ref_sparse_gather, &args, positions->rows, SW_CPU_GRAIN_ROWS,
               (double) positions->nnz);
    return SW_OK;
}
