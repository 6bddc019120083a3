/* Views of matrices that are made of blocks. */
#include "views.h"

#include "sweepstake/memory.h"

static int64_t divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

/* Both views on the host. */
struct bsr {
    struct sw_positions rows; /* start and index by rows */
    struct sw_bsr_block *by_row, *by_column;
    int32_t *column_start; /* [block columns + 1] */
};

static void fini_bsr(struct bsr *bsr) {
    sw_positions_fini(&bsr->rows);
    SW_FREE(&bsr->by_row);
    SW_FREE(&bsr->by_column);
    SW_FREE(&bsr->column_start);
}

/* Blocks by rows, and counts of them in column_start[block column + 1]. */
static void fill_block_rows(const struct sw_csr *csr, int64_t side, struct bsr *bsr) {
    for (int64_t top = 0; top + 1 < bsr->rows.starts; top++) {
        int32_t first = csr->row_start[top * side];
        int32_t width = csr->row_start[top * side + 1] - first;
        for (int32_t k = bsr->rows.start[top]; k < bsr->rows.start[top + 1]; k++) {
            bsr->by_row[k] = (struct sw_bsr_block){bsr->rows.index[k], first, width};
            first += (int32_t) side;
            bsr->column_start[bsr->rows.index[k] + 1]++;
        }
    }
}

/* Counting sort by block column. */
static void fill_block_columns(int64_t wide, struct bsr *bsr) {
    int32_t *start = bsr->column_start;
    for (int64_t left = 0; left < wide; left++)
        start[left + 1] += start[left];
    for (int64_t top = 0; top + 1 < bsr->rows.starts; top++)
        for (int32_t k = bsr->rows.start[top]; k < bsr->rows.start[top + 1]; k++) {
            struct sw_bsr_block *block = &bsr->by_column[start[bsr->by_row[k].index]++];
            *block = bsr->by_row[k];
            block->index = (int32_t) top;
        }
    for (int64_t left = wide; left > 0; left--)
        start[left] = start[left - 1];
    start[0] = 0;
}

static enum sw_status make_bsr(const struct sw_csr *csr, enum sw_layer_format format,
                               struct bsr *bsr) {
    int64_t side = sw_format_block(format), wide = divide_up(csr->columns, side);
    SW_TRY(sw_positions_from_csr(csr, format, &bsr->rows));
    if (bsr->rows.inside != csr->nnz)
        return SW_FAIL(
            SW_UNSUPPORTED,
            "a %lld x %lld matrix keeps parts of blocks of %lld x %lld weights: %s stores "
            "whole blocks",
            (long long) csr->rows, (long long) csr->columns, (long long) side, (long long) side,
            sw_format_name(format));
    size_t n = (size_t) bsr->rows.indices;
    SW_TRY(SW_ALLOC(&bsr->by_row, n, "blocks by rows"));
    SW_TRY(SW_ALLOC(&bsr->by_column, n, "blocks by columns"));
    SW_TRY(SW_ALLOC(&bsr->column_start, (size_t) wide + 1, "starts of block columns"));
    fill_block_rows(csr, side, bsr);
    fill_block_columns(wide, bsr);
    return SW_OK;
}

static enum sw_status create_bsr_view(struct sw_hal *hal, const int32_t *start, int64_t starts,
                                      const struct sw_bsr_block *blocks, int64_t n,
                                      struct sw_sparse_view *view) {
    SW_TRY(sw_hal_upload_new(hal, start, starts * (int64_t) sizeof *start, "starts of block rows",
                             &view->start));
    return sw_hal_upload_new(hal, blocks, n * (int64_t) sizeof *blocks, "blocks", &view->blocks);
}

enum sw_status sw_hal_create_bsr(const struct sw_csr *csr, struct sw_sparse *sparse) {
    struct bsr bsr = {0};
    int64_t wide = divide_up(csr->columns, sw_format_block(sparse->format));
    enum sw_status status = make_bsr(csr, sparse->format, &bsr);
    if (status == SW_OK)
        status = create_bsr_view(sparse->hal, bsr.rows.start, bsr.rows.starts, bsr.by_row,
                                 bsr.rows.indices, &sparse->by_row);
    if (status == SW_OK)
        status = create_bsr_view(sparse->hal, bsr.column_start, wide + 1, bsr.by_column,
                                 bsr.rows.indices, &sparse->by_column);
    fini_bsr(&bsr);
    return status;
}
