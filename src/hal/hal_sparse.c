/* Linear layers of which only the nonzeros are stored. */
#include "check.h"
#include "views.h"

#include "sweepstake/memory.h"

/* ---- positions ------------------------------------------------------------------------------- */

enum sw_status sw_hal_sparse_create(struct sw_hal *hal, const struct sw_csr *csr,
                                    enum sw_layer_format format, struct sw_sparse **out) {
    if (hal == NULL || csr == NULL) return SW_FAIL(SW_INTERNAL, "no device or no positions");
    if ((int) format < 0 || format >= SW_FORMAT_COUNT)
        return SW_FAIL(SW_INTERNAL, "format %d of a sparse matrix is not known", (int) format);
    SW_TRY(sw_hal_check_csr(csr));
    struct sw_sparse *sparse = NULL;
    SW_TRY(SW_ALLOC(&sparse, 1, "a sparse matrix"));
    sparse->hal = hal;
    sparse->rows = csr->rows;
    sparse->columns = csr->columns;
    sparse->nnz = csr->nnz;
    sparse->format = format;
    enum sw_status status = sw_hal_create_views(csr, sparse);
    if (status != SW_OK) {
        sw_hal_sparse_free(&sparse);
        return status;
    }
    *out = sparse;
    return SW_OK;
}

void sw_hal_sparse_free(struct sw_sparse **sparse) {
    if (*sparse == NULL) return;
    sw_hal_free_views(*sparse);
    SW_FREE(sparse);
}

/* ---- products -------------------------------------------------------------------------------- */

static enum sw_status check_positions(const struct sw_hal *hal, const struct sw_sparse *positions) {
    if (hal == NULL) return SW_FAIL(SW_INTERNAL, "no device was given");
    if (positions == NULL) return SW_FAIL(SW_INTERNAL, "no positions of a sparse matrix");
    if (positions->hal != hal)
        return SW_FAIL(SW_INTERNAL, "a sparse matrix belongs to another device");
    return SW_OK;
}

static enum sw_status check_product(const struct sw_hal *hal, const struct sw_sparse *positions) {
    SW_TRY(check_positions(hal, positions));
    if (positions->format == SW_FORMAT_DENSE)
        return SW_FAIL(SW_INTERNAL,
                       "positions of a sparse matrix were made for copies, not for products");
    return SW_OK;
}

enum sw_status sw_hal_sparse_forward(struct sw_hal *hal, const struct sw_sparse *positions,
                                     const struct sw_buffer *values, const struct sw_buffer *x,
                                     int64_t ld, struct sw_buffer *y) {
    SW_TRY(check_product(hal, positions));
    SW_TRY(sw_hal_check_ld(ld));
    SW_TRY(sw_hal_check_input(hal, values, "values", positions->nnz, 1, sizeof(float)));
    SW_TRY(sw_hal_check_input(hal, x, "x", positions->columns, ld, sizeof(float)));
    SW_TRY(sw_hal_check_output(hal, y, "y", positions->rows, ld, sizeof(float), values, x));
    return hal->backend->sparse_forward(hal, positions, values, x, ld, y);
}

enum sw_status sw_hal_sparse_backward_data(struct sw_hal *hal, const struct sw_sparse *positions,
                                           const struct sw_buffer *values,
                                           const struct sw_buffer *dy, int64_t ld,
                                           struct sw_buffer *dx) {
    SW_TRY(check_product(hal, positions));
    SW_TRY(sw_hal_check_ld(ld));
    SW_TRY(sw_hal_check_input(hal, values, "values", positions->nnz, 1, sizeof(float)));
    SW_TRY(sw_hal_check_input(hal, dy, "dy", positions->rows, ld, sizeof(float)));
    SW_TRY(sw_hal_check_output(hal, dx, "dx", positions->columns, ld, sizeof(float), values, dy));
    return hal->backend->sparse_backward_data(hal, positions, values, dy, ld, dx);
}

enum sw_status sw_hal_sparse_backward_weights(struct sw_hal *hal, const struct sw_sparse *positions,
                                              const struct sw_buffer *dy, const struct sw_buffer *x,
                                              int64_t ld, struct sw_buffer *dvalues) {
    SW_TRY(check_product(hal, positions));
    SW_TRY(sw_hal_check_ld(ld));
    SW_TRY(sw_hal_check_input(hal, dy, "dy", positions->rows, ld, sizeof(float)));
    SW_TRY(sw_hal_check_input(hal, x, "x", positions->columns, ld, sizeof(float)));
    SW_TRY(sw_hal_check_output(hal, dvalues, "dvalues", positions->nnz, 1, sizeof(float), dy, x));
    return hal->backend->sparse_backward_weights(hal, positions, dy, x, ld, dvalues);
}

enum sw_status sw_hal_sparse_scatter(struct sw_hal *hal, const struct sw_sparse *positions,
                                     const struct sw_buffer *values, struct sw_buffer *w) {
    SW_TRY(check_positions(hal, positions));
    SW_TRY(sw_hal_check_input(hal, values, "values", positions->nnz, 1, sizeof(float)));
    SW_TRY(sw_hal_check_output(hal, w, "w", positions->rows, positions->columns, sizeof(float),
                               values, NULL));
    return hal->backend->sparse_scatter(hal, positions, values, w);
}

enum sw_status sw_hal_sparse_gather(struct sw_hal *hal, const struct sw_sparse *positions,
                                    const struct sw_buffer *w, struct sw_buffer *values) {
    SW_TRY(check_positions(hal, positions));
    SW_TRY(sw_hal_check_input(hal, w, "w", positions->rows, positions->columns, sizeof(float)));
    SW_TRY(sw_hal_check_output(hal, values, "values", positions->nnz, 1, sizeof(float), w, NULL));
    return hal->backend->sparse_gather(hal, positions, w, values);
}
