#include "sweepstake/hal.h"

/* Raise with every change of the table: stores made with another one cannot be resumed. */
#define CHOICE_VERSION "format-1"

/* A layer with at most `weights` places multiplies through CSR kernels when at most `percent` of them
 * are kept. First row that fits; the last one of an instruction set has no limit.
 * Measured on one core of an AMD EPYC (Zen 3, 512 KiB of L2) with OpenBLAS 0.3.21, cores Haswell and
 * Nehalem, as forward and both backward products at 64 and 128 lanes, on the dense side with scatter
 * and gather of the values. The machine was not idle: figures that other programs had disturbed were
 * left out. Where both formats take the same time:
 *                 10x100     100x300   300x784   1000x1000  512x3072
 *   avx2          over 100   51-65     40-62     38-60      29-44     percent kept
 *   generic       86-97      57-63     56-60     35-53      51-57 */
struct choice {
    int64_t weights;
    enum sw_isa isa;
    int percent;
};

static const struct choice choices[] = {
    {4096, SW_ISA_GENERIC, 85}, {INT64_MAX, SW_ISA_GENERIC, 50}, {4096, SW_ISA_AVX2, 90},
    {65536, SW_ISA_AVX2, 55},   {1 << 19, SW_ISA_AVX2, 45},      {INT64_MAX, SW_ISA_AVX2, 40},
};

enum sw_layer_format sw_hal_choose_format(enum sw_isa isa, int64_t out, int64_t in, int64_t nnz) {
    double weights = (double) out * (double) in;
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        if (choices[i].isa != isa || weights > (double) choices[i].weights) continue;
        return (double) nnz * 100.0 <= weights * choices[i].percent ? SW_FORMAT_CSR
                                                                    : SW_FORMAT_DENSE;
    }
    return SW_FORMAT_DENSE;
}

const char *sw_hal_choice_version(void) {
    return CHOICE_VERSION;
}
