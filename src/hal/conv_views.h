/* How the taps of a sparse convolution lie on a device, by output and by input channels. */
#pragma once

#include "sweepstake/backend_planes.h"

/* Make the views; what a failure leaves is freed by sw_hal_free_conv_views. Errors: SW_NOMEM, and those of
 * uploads. */
enum sw_status sw_hal_create_conv_views(const struct sw_csr *csr,
                                        struct sw_sparse_conv *sparse) SW_NODISCARD;
void sw_hal_free_conv_views(struct sw_sparse_conv *sparse);
