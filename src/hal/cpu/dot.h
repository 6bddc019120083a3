/* Dot products of two runs of lanes, for every instruction set. */
#pragma once

#include "cpu.h"

/* Sum over b of a[b] c[b], in SW_HAL_LANES interleaved sums that are then added in pairs. */
static inline float sw_cpu_dot(const float *restrict a, const float *restrict c, int64_t n) {
    float sum[SW_HAL_LANES] = {0};
    for (int64_t b = 0; b < n; b += SW_HAL_LANES)
        for (int i = 0; i < SW_HAL_LANES; i++)
            sum[i] += a[b + i] * c[b + i];
    for (int width = SW_HAL_LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++)
            sum[i] += sum[i + width];
    return sum[0];
}
