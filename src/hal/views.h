/* How the positions of a sparse matrix lie on a device: plain or blocked, by rows and by columns. */
#pragma once

#include "sweepstake/backend.h"

/* Make the views that sparse->format needs; what a failure leaves is freed by sw_hal_free_views.
 * Errors: SW_NOMEM, and those of uploads. */
enum sw_status sw_hal_create_views(const struct sw_csr *csr, struct sw_sparse *sparse) SW_NODISCARD;
void sw_hal_free_views(struct sw_sparse *sparse);

/* views_bsr.c: both views of BSR. Errors: SW_UNSUPPORTED (blocks that are kept in part). */
enum sw_status sw_hal_create_bsr(const struct sw_csr *csr, struct sw_sparse *sparse) SW_NODISCARD;

/* A new buffer with these bytes. */
enum sw_status sw_hal_upload_new(struct sw_hal *hal, const void *from, int64_t bytes,
                                 const char *what, struct sw_buffer **out) SW_NODISCARD;
