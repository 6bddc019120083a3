#include "sweepstake/mask.h"

#include "sweepstake/memory.h"

static enum sw_status alloc_positions(struct sw_csr *csr) {
    size_t nnz = (size_t) csr->nnz;
    SW_TRY(SW_ALLOC(&csr->row_start, (size_t) csr->rows + 1, "row starts of a sparse matrix"));
    SW_TRY(SW_ALLOC(&csr->column, nnz, "columns of a sparse matrix"));
    SW_TRY(SW_ALLOC(&csr->column_start, (size_t) csr->columns + 1,
                    "column starts of a sparse matrix"));
    SW_TRY(SW_ALLOC(&csr->row, nnz, "rows of a sparse matrix"));
    return SW_ALLOC(&csr->value, nnz, "value places of a sparse matrix");
}

static void fill_rows(const uint8_t *mask, struct sw_csr *csr) {
    int32_t k = 0;
    for (int64_t r = 0; r < csr->rows; r++) {
        for (int64_t c = 0; c < csr->columns; c++)
            if (sw_mask_get(mask, r * csr->columns + c)) csr->column[k++] = (int32_t) c;
        csr->row_start[r + 1] = k;
    }
}

/* Counting sort by column. Rows are visited in order, so they ascend within each column. */
static void fill_columns(struct sw_csr *csr) {
    int32_t *start = csr->column_start;
    for (int64_t k = 0; k < csr->nnz; k++)
        start[csr->column[k] + 1]++;
    for (int64_t c = 0; c < csr->columns; c++)
        start[c + 1] += start[c];
    for (int64_t r = 0; r < csr->rows; r++) {
        for (int32_t k = csr->row_start[r]; k < csr->row_start[r + 1]; k++) {
            int32_t t = start[csr->column[k]]++;
            csr->row[t] = (int32_t) r;
            csr->value[t] = k;
        }
    }
    /* Each start has moved to the end of its column, which is the start of the next one. */
    for (int64_t c = csr->columns; c > 0; c--)
        start[c] = start[c - 1];
    start[0] = 0;
}

enum sw_status sw_csr_from_mask(const uint8_t *mask, int64_t rows, int64_t columns,
                                struct sw_csr *out) {
    int64_t count;
    if (rows < 0 || columns < 0)
        return SW_FAIL(SW_INTERNAL, "a sparse matrix of %lld x %lld weights: negative size",
                       (long long) rows, (long long) columns);
    if (__builtin_mul_overflow(rows, columns, &count) || count > INT32_MAX || rows >= INT32_MAX ||
        columns >= INT32_MAX)
        return SW_FAIL(SW_UNSUPPORTED,
                       "a layer of %lld x %lld weights: the limit is 2^31 - 1 weights",
                       (long long) rows, (long long) columns);
    struct sw_csr csr = {.rows = rows, .columns = columns, .nnz = sw_mask_count(mask, count)};
    enum sw_status status = alloc_positions(&csr);
    if (status != SW_OK) {
        sw_csr_fini(&csr);
        return status;
    }
    fill_rows(mask, &csr);
    fill_columns(&csr);
    *out = csr;
    return SW_OK;
}

void sw_csr_fini(struct sw_csr *csr) {
    SW_FREE(&csr->row_start);
    SW_FREE(&csr->column);
    SW_FREE(&csr->column_start);
    SW_FREE(&csr->row);
    SW_FREE(&csr->value);
    *csr = (struct sw_csr){0};
}
