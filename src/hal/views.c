#include "views.h"

#include <string.h>

#include "sweepstake/memory.h"

/* ---- sizes ----------------------------------------------------------------------------------- */

/* Blocks pay when a row has enough places in each: a visit loads and stores its sums. On Zen 3, with
 * 300 x 784 weights and 128 lanes, products gained nothing below 13 places, gradients from 8 on. */
#define LEAST_PLACES 10

static int64_t divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

static int64_t count_blocks(int64_t columns) {
    return divide_up(columns, SW_SPARSE_BLOCK);
}

/* Columns of a block; 0 when the view is plain. A pure function, so that bytes can be predicted. */
static int64_t choose_block(enum sw_isa isa, int64_t rows, int64_t columns, int64_t nnz) {
    int64_t blocks = count_blocks(columns);
    if (isa < SW_ISA_AVX2 || nnz < LEAST_PLACES * rows * blocks) return 0;
    return divide_up(columns, blocks);
}

/* Both views of BSR. */
static int64_t bsr_bytes(int64_t side, int64_t out, int64_t in, int64_t nnz) {
    int64_t starts = divide_up(out, side) + divide_up(in, side) + 2;
    return starts * (int64_t) sizeof(int32_t) +
           2 * divide_up(nnz, side * side) * (int64_t) sizeof(struct sw_bsr_block);
}

static int64_t view_bytes(enum sw_isa isa, int64_t rows, int64_t columns, int64_t nnz,
                          int transposed) {
    const int64_t number = sizeof(int32_t);
    int64_t bytes = transposed ? nnz * number : 0;
    if (choose_block(isa, rows, columns, nnz) == 0) return bytes + (rows + 1 + nnz) * number;
    bytes += count_blocks(columns) * rows * (int64_t) sizeof(struct sw_visit);
    return bytes + nnz * (int64_t) (sizeof(uint16_t) + (transposed ? sizeof(float) : 0));
}

int64_t sw_hal_sparse_predict_bytes(enum sw_isa isa, enum sw_layer_format format, int64_t out,
                                    int64_t in, int64_t nnz) {
    switch (format) {
    case SW_FORMAT_DENSE:
        return view_bytes(SW_ISA_GENERIC, out, in, nnz, 0);
    case SW_FORMAT_CSR:
        return view_bytes(isa, out, in, nnz, 0) + view_bytes(isa, in, out, nnz, 1);
    case SW_FORMAT_CSC:
        return view_bytes(SW_ISA_GENERIC, in, out, nnz, 1);
    case SW_FORMAT_COO:
        return 2 * nnz * (int64_t) sizeof(int32_t);
    default:
        return bsr_bytes(sw_format_block(format), out, in, nnz);
    }
}

static int64_t bytes_of(const struct sw_buffer *buffer) {
    return buffer != NULL ? buffer->bytes : 0;
}

static int64_t bytes_of_view(const struct sw_sparse_view *view) {
    return bytes_of(view->start) + bytes_of(view->index) + bytes_of(view->row) +
           bytes_of(view->blocks) + bytes_of(view->visits) + bytes_of(view->offset) +
           bytes_of(view->value) + bytes_of(view->ordered);
}

int64_t sw_hal_sparse_bytes(const struct sw_sparse *sparse) {
    return bytes_of_view(&sparse->by_row) + bytes_of_view(&sparse->by_column);
}

/* ---- visits ---------------------------------------------------------------------------------- */

/* Visits of the block that ends before column `limit`; at[r] moves to the first place behind it. */
static void fill_block(const int32_t *start, const int32_t *index, int64_t rows, int64_t limit,
                       int32_t *at, struct sw_visit *visits) {
    for (int64_t r = 0; r < rows; r++) {
        int32_t end = at[r];
        while (end < start[r + 1] && index[end] < limit)
            end++;
        visits[r] = (struct sw_visit){.row = (int32_t) r, .first = at[r], .count = end - at[r]};
        at[r] = end;
    }
}

/* Insertion sort by count: rows of equal count stay in order. */
static void sort_group(struct sw_visit *visits, int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        struct sw_visit moved = visits[i];
        int64_t j = i;
        for (; j > 0 && visits[j - 1].count > moved.count; j--)
            visits[j] = visits[j - 1];
        visits[j] = moved;
    }
    for (int64_t i = n - 1; i >= 0; i--)
        visits[i].run = i + 1 < n && visits[i + 1].count == visits[i].count ? visits[i + 1].run + 1
                                                                            : 1;
}

static void fill_visits(const struct sw_sparse_view *view, const int32_t *start,
                        const int32_t *index, int32_t *at, struct sw_visit *visits) {
    memcpy(at, start, (size_t) view->rows * sizeof *at);
    for (int64_t b = 0; b < count_blocks(view->columns); b++, visits += view->rows) {
        fill_block(start, index, view->rows, (b + 1) * view->block, at, visits);
        for (int64_t r = 0; r < view->rows; r += SW_SPARSE_GROUP)
            sort_group(visits + r,
                       view->rows - r < SW_SPARSE_GROUP ? view->rows - r : SW_SPARSE_GROUP);
    }
}

/* ---- making views ---------------------------------------------------------------------------- */

enum sw_status sw_hal_upload_new(struct sw_hal *hal, const void *from, int64_t bytes,
                                 const char *what, struct sw_buffer **out) {
    SW_TRY(sw_hal_alloc(hal, bytes, what, out));
    return sw_hal_upload(*out, 0, from, bytes);
}

static enum sw_status create_visits(struct sw_hal *hal, const int32_t *start, const int32_t *index,
                                    struct sw_sparse_view *view) {
    int64_t n = count_blocks(view->columns) * view->rows;
    struct sw_visit *visits = NULL;
    int32_t *at = NULL;
    enum sw_status status = SW_ALLOC(&visits, (size_t) n, "visits of a sparse matrix");
    if (status == SW_OK) status = SW_ALLOC(&at, (size_t) view->rows, "visits of a sparse matrix");
    if (status == SW_OK) {
        fill_visits(view, start, index, at, visits);
        status = sw_hal_upload_new(hal, visits, n * (int64_t) sizeof *visits, "visits",
                                   &view->visits);
    }
    SW_FREE(&at);
    SW_FREE(&visits);
    return status;
}

static enum sw_status create_offsets(struct sw_hal *hal, const int32_t *index, int64_t nnz,
                                     struct sw_sparse_view *view) {
    uint16_t *offset = NULL;
    SW_TRY(SW_ALLOC(&offset, (size_t) nnz, "columns of a sparse matrix"));
    for (int64_t t = 0; t < nnz; t++)
        offset[t] = (uint16_t) (index[t] % view->block);
    enum sw_status status = sw_hal_upload_new(hal, offset, nnz * (int64_t) sizeof *offset,
                                              "columns", &view->offset);
    SW_FREE(&offset);
    return status;
}

static enum sw_status create_view(struct sw_hal *hal, enum sw_isa isa, const int32_t *start,
                                  const int32_t *index, int64_t nnz, struct sw_sparse_view *view) {
    const int64_t number = sizeof(int32_t);
    view->block = choose_block(isa, view->rows, view->columns, nnz);
    if (view->block == 0) {
        SW_TRY(
            sw_hal_upload_new(hal, start, (view->rows + 1) * number, "row starts", &view->start));
        return sw_hal_upload_new(hal, index, nnz * number, "columns", &view->index);
    }
    SW_TRY(create_visits(hal, start, index, view));
    return create_offsets(hal, index, nnz, view);
}

static enum sw_status create_by_column(const struct sw_csr *csr, enum sw_isa isa,
                                       struct sw_sparse *sparse) {
    struct sw_sparse_view *view = &sparse->by_column;
    SW_TRY(create_view(sparse->hal, isa, csr->column_start, csr->row, csr->nnz, view));
    SW_TRY(sw_hal_upload_new(sparse->hal, csr->value, csr->nnz * (int64_t) sizeof *csr->value,
                             "value places", &view->value));
    if (view->block == 0) return SW_OK;
    return sw_hal_alloc(sparse->hal, csr->nnz * (int64_t) sizeof(float), "values by columns",
                        &view->ordered);
}

static enum sw_status create_coo(const struct sw_csr *csr, struct sw_sparse *sparse) {
    struct sw_positions coo;
    SW_TRY(sw_positions_from_csr(csr, SW_FORMAT_COO, &coo));
    int64_t bytes = coo.indices * (int64_t) sizeof *coo.index;
    enum sw_status status = sw_hal_upload_new(sparse->hal, coo.index, bytes, "columns",
                                              &sparse->by_row.index);
    if (status == SW_OK)
        status = sw_hal_upload_new(sparse->hal, coo.row, bytes, "rows", &sparse->by_row.row);
    sw_positions_fini(&coo);
    return status;
}

/* ---- all formats ----------------------------------------------------------------------------- */

enum sw_status sw_hal_create_views(const struct sw_csr *csr, struct sw_sparse *sparse) {
    struct sw_hal *hal = sparse->hal;
    struct sw_sparse_view *rows = &sparse->by_row, *columns = &sparse->by_column;
    rows->rows = columns->columns = csr->rows;
    rows->columns = columns->rows = csr->columns;
    switch (sparse->format) {
    case SW_FORMAT_DENSE:
        return create_view(hal, SW_ISA_GENERIC, csr->row_start, csr->column, csr->nnz, rows);
    case SW_FORMAT_CSR:
        SW_TRY(create_view(hal, hal->options.isa, csr->row_start, csr->column, csr->nnz, rows));
        return create_by_column(csr, hal->options.isa, sparse);
    case SW_FORMAT_CSC:
        return create_by_column(csr, SW_ISA_GENERIC, sparse);
    case SW_FORMAT_COO:
        return create_coo(csr, sparse);
    default:
        return sw_hal_create_bsr(csr, sparse);
    }
}

static void free_view(struct sw_sparse_view *view) {
    sw_hal_free(&view->start);
    sw_hal_free(&view->index);
    sw_hal_free(&view->row);
    sw_hal_free(&view->blocks);
    sw_hal_free(&view->visits);
    sw_hal_free(&view->offset);
    sw_hal_free(&view->value);
    sw_hal_free(&view->ordered);
}

void sw_hal_free_views(struct sw_sparse *sparse) {
    free_view(&sparse->by_row);
    free_view(&sparse->by_column);
}
