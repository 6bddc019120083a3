/* Tables of the kernels that make a tile of pixels at a time (backend_planes.h). */
#pragma once

#include "sweepstake/backend_planes.h"

/* Whether a convolution has such tables: a pure function. */
int sw_hal_conv_has_tiles(enum sw_isa isa, const struct sw_conv *conv);

/* Make both tables; what a failure leaves is freed by sw_hal_free_conv_tiles. Errors: SW_NOMEM, and those of
 * uploads. */
enum sw_status sw_hal_create_conv_tiles(const struct sw_csr *csr,
                                        struct sw_sparse_conv *sparse) SW_NODISCARD;
void sw_hal_free_conv_tiles(struct sw_sparse_conv *sparse);

/* Bytes of both; the same before they exist. */
int64_t sw_hal_conv_tiles_bytes(const struct sw_sparse_conv *sparse);
int64_t sw_hal_conv_tiles_predict_bytes(const struct sw_conv *conv, int64_t nnz);
