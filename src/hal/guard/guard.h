/* What the files of the guard share. */
#pragma once

#include "../cpu/cpu_planes.h"

/* The status of an operation, or the damage that it (or something before it) has done. */
enum sw_status sw_guard_after(const struct sw_hal *hal, const char *operation,
                              enum sw_status status) SW_NODISCARD;

/* Operations on images: the processor's, then a look at all canaries. */
extern const struct sw_backend_planes sw_guard_planes;
