/* Images of another size or number of channels than the files hold: data.resize and data.channels.
 * Private to data. */
#pragma once

#include "sweepstake/data.h"

/* The shape that `spec` makes of images of shape `stored`. Errors: SW_CONFIG when the channels do not fit. */
enum sw_status sw_reshape_target(const struct sw_trial_spec *spec, const int64_t stored[3],
                                 int64_t out[3]) SW_NODISCARD;

/* Images u8[n][stored] into u8[n][shape]: bilinear between pixel centres, the nearest one beyond the outermost
 * (PyTorch's interpolate with align_corners off), rounded half up; one grey channel repeated. */
enum sw_status sw_reshape_images(const int64_t stored[3], const int64_t shape[3], int64_t n,
                                 const uint8_t *images, uint8_t *out) SW_NODISCARD;
