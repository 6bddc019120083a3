#include "conv_views.h"

#include "check.h"
#include "conv_tiles.h"
#include "sweepstake/memory.h"

/* ---- sizes ----------------------------------------------------------------------------------- */

/* Dense weights in whole groups of channels, for one product at a time, and a number for each tap. */
static int64_t packed_numbers(int64_t channels, int64_t taps) {
    return ((channels + SW_CONV_GROUP - 1) / SW_CONV_GROUP * SW_CONV_GROUP + 1) * taps;
}

int64_t sw_hal_conv_scratch(const struct sw_conv *conv, enum sw_isa isa,
                            enum sw_layer_format format, int64_t nnz, int64_t ld) {
    (void) ld;
    const int64_t number = sizeof(float);
    if (isa < SW_ISA_AVX2) return 0;
    if (format != SW_FORMAT_DENSE) /* the values in the order of a table */
        return sw_hal_conv_has_tiles(isa, conv) ? nnz * number : 0;
    int64_t area = conv->kernel * conv->kernel;
    int64_t forward = packed_numbers(conv->out.channels, conv->in.channels * area);
    int64_t backward = packed_numbers(conv->in.channels, conv->out.channels * area);
    return (forward > backward ? forward : backward) * number;
}

int64_t sw_hal_sparse_conv_predict_bytes(enum sw_isa isa, const struct sw_conv *conv, int64_t nnz) {
    if (sw_hal_conv_has_tiles(isa, conv)) return sw_hal_conv_tiles_predict_bytes(conv, nnz);
    const int64_t number = sizeof(int32_t);
    return (conv->out.channels + 1 + conv->in.channels + 1 + 3 * nnz) * number;
}

static int64_t bytes_of_view(const struct sw_conv_view *view) {
    return view->start->bytes + view->index->bytes + (view->place != NULL ? view->place->bytes : 0);
}

int64_t sw_hal_sparse_conv_bytes(const struct sw_sparse_conv *sparse) {
    if (sparse->by_output.start == NULL) return sw_hal_conv_tiles_bytes(sparse);
    return bytes_of_view(&sparse->by_output) + bytes_of_view(&sparse->by_input);
}

/* ---- making views ---------------------------------------------------------------------------- */

static enum sw_status upload_numbers(struct sw_hal *hal, const int32_t *from, int64_t n,
                                     const char *what, struct sw_buffer **out) {
    SW_TRY(sw_hal_alloc(hal, n * (int64_t) sizeof *from, what, out));
    return sw_hal_upload(*out, 0, from, n * (int64_t) sizeof *from);
}

/* The columns of a channel of inputs stand side by side in the CSR's list by columns. */
static void fill_by_input(const struct sw_csr *csr, const struct sw_conv *conv, int32_t *start,
                          int32_t *index) {
    const int64_t area = conv->kernel * conv->kernel;
    for (int64_t c = 0; c <= conv->in.channels; c++)
        start[c] = csr->column_start[c * area];
    for (int64_t column = 0; column < csr->columns; column++)
        for (int32_t t = csr->column_start[column]; t < csr->column_start[column + 1]; t++)
            index[t] = (int32_t) (csr->row[t] * area + column % area);
}

static enum sw_status create_by_input(const struct sw_csr *csr, struct sw_sparse_conv *sparse) {
    struct sw_conv_view *view = &sparse->by_input;
    int64_t channels = sparse->conv.in.channels;
    int32_t *start = NULL, *index = NULL;
    enum sw_status status = SW_OK;
    SW_TRY_TO(SW_ALLOC(&start, (size_t) channels + 1, "taps by input"), status, cleanup);
    SW_TRY_TO(SW_ALLOC(&index, (size_t) csr->nnz, "taps by input"), status, cleanup);
    fill_by_input(csr, &sparse->conv, start, index);
    SW_TRY_TO(upload_numbers(sparse->hal, start, channels + 1, "tap starts", &view->start), status,
              cleanup);
    SW_TRY_TO(upload_numbers(sparse->hal, index, csr->nnz, "taps", &view->index), status, cleanup);
    SW_TRY_TO(upload_numbers(sparse->hal, csr->value, csr->nnz, "value places", &view->place),
              status, cleanup);
cleanup:
    SW_FREE(&start);
    SW_FREE(&index);
    return status;
}

enum sw_status sw_hal_create_conv_views(const struct sw_csr *csr, struct sw_sparse_conv *sparse) {
    struct sw_conv_view *view = &sparse->by_output;
    if (sw_hal_conv_has_tiles(sparse->hal->options.isa, &sparse->conv))
        return sw_hal_create_conv_tiles(csr, sparse);
    SW_TRY(upload_numbers(sparse->hal, csr->row_start, csr->rows + 1, "tap starts", &view->start));
    SW_TRY(upload_numbers(sparse->hal, csr->column, csr->nnz, "taps", &view->index));
    return create_by_input(csr, sparse);
}

static void free_view(struct sw_conv_view *view) {
    sw_hal_free(&view->start);
    sw_hal_free(&view->index);
    sw_hal_free(&view->place);
}

void sw_hal_free_conv_views(struct sw_sparse_conv *sparse) {
    free_view(&sparse->by_output);
    free_view(&sparse->by_input);
    sw_hal_free_conv_tiles(sparse);
}
