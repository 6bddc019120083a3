/* What the tests of the backends share: every device of this machine, and buffers on it. */
#pragma once

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/test_main.h"
#include "sweepstake/backend.h"
#include "sweepstake/memory.h"
#include "sweepstake/random.h"

static inline struct sw_hal *open_device(const struct sw_backend *backend, enum sw_isa isa,
                                         int threads) {
    struct sw_hal_options options = {.threads = threads, .isa = isa};
    struct sw_hal *hal = NULL;
    SW_TEST_OK(sw_hal_open(backend, &options, &hal));
    return hal;
}

/* Run a check on every device with 1, 2 and 3 threads. */
static inline void on_every_device(void (*check)(struct sw_hal *hal)) {
    const struct sw_backend *backend;
    for (size_t i = 0; (backend = sw_backend_at(i)) != NULL; i++) {
        if (sw_backend_probe(backend) != SW_OK) continue;
        for (int isa = SW_ISA_GENERIC; isa <= (int) sw_isa_detect(); isa++)
            for (int threads = 1; threads <= 3; threads++) {
                struct sw_hal *hal = open_device(backend, (enum sw_isa) isa, threads);
                unsigned before = CU_get_number_of_failures();
                check(hal);
                if (CU_get_number_of_failures() > before)
                    fprintf(stderr, "  on %s, %s, %d threads\n", sw_backend_name(backend),
                            sw_isa_name((enum sw_isa) isa), threads);
                sw_hal_close(&hal);
            }
    }
}

static inline struct sw_buffer *upload(struct sw_hal *hal, const void *from, int64_t bytes) {
    struct sw_buffer *buffer = NULL;
    SW_TEST_OK(sw_hal_alloc(hal, bytes, "test", &buffer));
    SW_TEST_OK(sw_hal_upload(buffer, 0, from, bytes));
    return buffer;
}

static inline struct sw_buffer *floats(struct sw_hal *hal, const float *from, int64_t n) {
    return upload(hal, from, n * (int64_t) sizeof *from);
}

/* A buffer of n NaNs: an operation has to write all that it says it writes. */
static inline struct sw_buffer *unset(struct sw_hal *hal, int64_t n) {
    float *nan = NULL;
    SW_TEST_OK(SW_ALLOC(&nan, (size_t) n, "test"));
    memset(nan, 0xff, (size_t) n * sizeof *nan);
    struct sw_buffer *buffer = floats(hal, nan, n);
    SW_FREE(&nan);
    return buffer;
}

static inline float *fetch(const struct sw_buffer *buffer, int64_t n) {
    float *to = NULL;
    SW_TEST_OK(SW_ALLOC(&to, (size_t) n, "test"));
    SW_TEST_OK(sw_hal_download(buffer, 0, to, n * (int64_t) sizeof *to));
    return to;
}

static inline float *random_floats(int64_t n, uint64_t stream) {
    float *to = NULL;
    SW_TEST_OK(SW_ALLOC(&to, (size_t) n, "test"));
    for (int64_t i = 0; i < n; i++)
        to[i] = (float) (2.0 * sw_random_uniform(7, SW_RANDOM_BENCH, stream, (uint64_t) i) - 1.0);
    return to;
}

/* With one thread: remember a result. With more: it has to be the same bits. */
static inline void same_for_any_threads(const struct sw_hal *hal, int slot, const void *result,
                                        size_t bytes) {
    static struct {
        void *bytes;
        size_t size;
    } first[1024];
    if (sw_hal_threads(hal) == 1) {
        free(first[slot].bytes);
        first[slot].bytes = malloc(bytes + 1);
        first[slot].size = bytes;
        CU_ASSERT_PTR_NOT_NULL_FATAL(first[slot].bytes);
        memcpy(first[slot].bytes, result, bytes);
        return;
    }
    CU_ASSERT_EQUAL_FATAL(first[slot].size, bytes);
    CU_ASSERT_EQUAL(memcmp(first[slot].bytes, result, bytes), 0);
    if (sw_hal_threads(hal) == 3) {
        free(first[slot].bytes);
        first[slot].bytes = NULL;
    }
}
