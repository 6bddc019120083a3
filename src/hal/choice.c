#include "sweepstake/planes.h"

/* Raise with every change of the table: stores made with another one cannot be resumed. */
#define CHOICE_VERSION "format-2"

/* A layer with at most `weights` places multiplies through CSR kernels when at most `percent` of them
 * are kept. First row that fits; the last one of an instruction set has no limit.
 * Made with `sweepstake bench kernels --tune --batch N`, which prints such rows for the processor at
 * hand (SWEEPSTAKE_ISA=generic for the plain kernels): forward and both backward products, on the
 * dense side with scatter and gather of the values. Here on one core of an AMD EPYC (Zen 3, 512 KiB of
 * L2) with OpenBLAS 0.3.21, at 64 and at 128 lanes (avx2 twice each, generic once each); rows hold the
 * lower middle. Percent at which both formats take the same time:
 *                 10x100     100x300   300x784   1000x1000
 *   avx2          95         70-75     50-60     40-50
 *   generic       85-95      55-60     55-60     45-60 */
struct choice {
    int64_t weights;
    enum sw_isa isa;
    int percent;
};

static const struct choice choices[] = {
    {4096, SW_ISA_GENERIC, 85}, {INT64_MAX, SW_ISA_GENERIC, 55}, {4096, SW_ISA_AVX2, 95},
    {1 << 16, SW_ISA_AVX2, 70}, {1 << 19, SW_ISA_AVX2, 55},      {INT64_MAX, SW_ISA_AVX2, 45},
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

/* The same for convolutions: percent of kept weights up to which the kernels of an instruction set beat the
 * dense ones with scatter and gather. Measured as above over 3 to 128 channels of 8 x 8 to 32 x 32 pixels
 * with 3 x 3 kernels, one thread: both take the same time at 75 to 95 % (generic), 9 to 17 % (avx2). */
static const int conv_percent[] = {[SW_ISA_GENERIC] = 85, [SW_ISA_AVX2] = 12};

enum sw_layer_format sw_hal_choose_conv_format(enum sw_isa isa, const struct sw_conv *conv,
                                               int64_t nnz) {
    double weights = (double) (conv->out.channels * conv->in.channels) *
                     (double) (conv->kernel * conv->kernel);
    return (double) nnz * 100.0 <= weights * conv_percent[isa] ? SW_FORMAT_CSR : SW_FORMAT_DENSE;
}

const char *sw_hal_choice_version(void) {
    return CHOICE_VERSION;
}
