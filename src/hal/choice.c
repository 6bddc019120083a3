#include "sweepstake/planes.h"

/* Raise with every change of the table: stores made with another one cannot be resumed. */
#define CHOICE_VERSION "format-4"

/* A layer with at most `weights` places multiplies through CSR kernels, or with whole blocks of `side` through
 * those of BSR, when at most `percent` of them are kept. First row that fits; the last one of an instruction set has no limit.
 * Made with `sweepstake bench kernels --tune --batch N`, which prints such rows for the processor at
 * hand (SWEEPSTAKE_ISA=generic for the plain kernels): forward and both backward products, on the
 * dense side with scatter and gather of the values. Here on one core of an AMD EPYC (Zen 3, 512 KiB of
 * L2) with OpenBLAS 0.3.21, at 64 and at 128 lanes (avx2 twice each, generic once each); rows hold the
 * lower middle. Percent at which both formats take the same time:
 *                        10x100     100x300   300x784   1000x1000
 *   avx2, single weights 95         65-75     40-60     40-50
 *   avx2, blocks of 4    95         80-95     80-90     60-70
 *   avx2, blocks of 8    95         90-95     90-95     80-90
 *   avx2, blocks of 16   95         90-95     95        85-95
 *   generic              80-95      55-60     50-60     30-60
 * The plain kernels are no faster with blocks (30-55 for 8): there, these stay in CSR. */
struct choice {
    int64_t weights;
    enum sw_isa isa;
    int side; /* 1: single weights, in CSR */
    int percent;
};

static const struct choice choices[] = {
    {4096, SW_ISA_GENERIC, 1, 85},   {INT64_MAX, SW_ISA_GENERIC, 1, 55},
    {4096, SW_ISA_AVX2, 1, 95},      {1 << 16, SW_ISA_AVX2, 1, 70},
    {1 << 19, SW_ISA_AVX2, 1, 55},   {INT64_MAX, SW_ISA_AVX2, 1, 45},
    {4096, SW_ISA_AVX2, 4, 95},      {1 << 16, SW_ISA_AVX2, 4, 90},
    {1 << 19, SW_ISA_AVX2, 4, 85},   {INT64_MAX, SW_ISA_AVX2, 4, 65},
    {1 << 16, SW_ISA_AVX2, 8, 95},   {1 << 19, SW_ISA_AVX2, 8, 90},
    {INT64_MAX, SW_ISA_AVX2, 8, 80}, {INT64_MAX, SW_ISA_AVX2, 16, 95},
};

static const struct choice *find_choice(enum sw_isa isa, double weights, int64_t side) {
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++)
        if (choices[i].isa == isa && choices[i].side == side &&
            weights <= (double) choices[i].weights)
            return &choices[i];
    return NULL;
}

enum sw_layer_format sw_hal_choose_format(enum sw_isa isa, int64_t out, int64_t in, int64_t nnz,
                                          int64_t block) {
    double weights = (double) out * (double) in;
    enum sw_layer_format sparse = sw_format_bsr(block);
    const struct choice *choice = NULL;
    if (sparse != SW_FORMAT_DENSE) choice = find_choice(isa, weights, block);
    if (choice == NULL) { /* no blocks, or no kernels for them that pay */
        sparse = SW_FORMAT_CSR;
        choice = find_choice(isa, weights, 1);
    }
    if (choice == NULL) return SW_FORMAT_DENSE;
    return (double) nnz * 100.0 <= weights * choice->percent ? sparse : SW_FORMAT_DENSE;
}

/* The same for convolutions: percent of kept weights up to which the kernels of an instruction set beat the
 * dense ones with scatter and gather. Measured as above (`bench kernels --conv --tune`), one thread: plain
 * kernels over 3 to 128 channels of 8 x 8 to 32 x 32 pixels take the same time at 75 to 95 %; those for AVX2
 * over the ten convolutions of that benchmark at 70 to 90 % (batch 64). */
static const int conv_percent[] = {[SW_ISA_GENERIC] = 85, [SW_ISA_AVX2] = 70};

enum sw_layer_format sw_hal_choose_conv_format(enum sw_isa isa, const struct sw_conv *conv,
                                               int64_t nnz) {
    double weights = (double) (conv->out.channels * conv->in.channels) *
                     (double) (conv->kernel * conv->kernel);
    return (double) nnz * 100.0 <= weights * conv_percent[isa] ? SW_FORMAT_CSR : SW_FORMAT_DENSE;
}

const char *sw_hal_choice_version(void) {
    return CHOICE_VERSION;
}
