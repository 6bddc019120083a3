/* Argument checks that stand before every operation of a device. */
#pragma once

#include "sweepstake/backend_planes.h"

/* A buffer of `hal` that holds at least rows * columns elements of `size` bytes. `role` is the name
 * of the argument in hal.h. Errors: SW_INTERNAL. */
enum sw_status sw_hal_check_input(const struct sw_hal *hal, const struct sw_buffer *buffer,
                                  const char *role, int64_t rows, int64_t columns,
                                  size_t size) SW_NODISCARD;

/* The same for a buffer that is written: not host memory, and not one of the inputs `a` and `b`
 * (each may be NULL), which kernels read while they write. */
enum sw_status sw_hal_check_output(const struct sw_hal *hal, const struct sw_buffer *buffer,
                                   const char *role, int64_t rows, int64_t columns, size_t size,
                                   const struct sw_buffer *a,
                                   const struct sw_buffer *b) SW_NODISCARD;

/* A size that is at least 1 and fits the 32-bit numbers of BLAS libraries. */
enum sw_status sw_hal_check_size(const char *role, int64_t value) SW_NODISCARD;

/* A leading dimension: a positive multiple of SW_HAL_LANES. */
enum sw_status sw_hal_check_ld(int64_t ld) SW_NODISCARD;

/* A byte range within a buffer, and host memory to copy from or to. */
enum sw_status sw_hal_check_range(const struct sw_buffer *buffer, int64_t offset, const void *host,
                                  int64_t bytes) SW_NODISCARD;

/* A shape of planes whose blocks of samples have fewer than 2^31 floats, so that kernels may keep places
 * in a block as 32-bit numbers. */
enum sw_status sw_hal_check_planes(const char *role, const struct sw_planes *planes) SW_NODISCARD;

/* sw_hal_check_input and sw_hal_check_output for planes of `ld` lanes. */
enum sw_status sw_hal_check_planes_input(const struct sw_hal *hal, const struct sw_buffer *buffer,
                                         const char *role, const struct sw_planes *planes,
                                         int64_t ld) SW_NODISCARD;
enum sw_status sw_hal_check_planes_output(const struct sw_hal *hal, const struct sw_buffer *buffer,
                                          const char *role, const struct sw_planes *planes,
                                          int64_t ld, const struct sw_buffer *a,
                                          const struct sw_buffer *b) SW_NODISCARD;

/* The two shapes differ in their borders only. `what` names the second one. */
enum sw_status sw_hal_check_same_image(const char *what, const struct sw_planes *a,
                                       const struct sw_planes *b) SW_NODISCARD;

/* Samples of a batch to gather: each stands in both buffers. */
enum sw_status sw_hal_check_samples(const struct sw_buffer *images, const struct sw_buffer *labels,
                                    const int32_t *index, int64_t features,
                                    int64_t batch) SW_NODISCARD;

/* Positions that lie within their matrix: kernels index with these numbers unchecked. */
enum sw_status sw_hal_check_csr(const struct sw_csr *csr) SW_NODISCARD;
