/* Bounds on what any data set may ask for; they keep all size arithmetic far from overflow.
 * Private to data. */
#pragma once

#include <stdint.h>

#define SW_DATA_MAX_SAMPLES INT64_C(2147483647) /* an order is int32_t */
#define SW_DATA_MAX_SIDE INT64_C(4096)          /* pixels */
#define SW_DATA_MAX_CHANNELS INT64_C(4)         /* sw_data_info holds four means */
#define SW_DATA_MAX_CLASSES INT64_C(256)        /* a label is one byte */
#define SW_DATA_MAX_BYTES (INT64_C(16) << 30)   /* pixels of one part, 16 GiB */
