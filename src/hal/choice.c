#include "sweepstake/hal.h"

/* Raise with every change of the table: stores made with another one cannot be resumed. */
#define CHOICE_VERSION "format-1"

/* A layer with at most `weights` places multiplies through CSR kernels when at most `percent` of
 * them are kept. First row that fits; the last one of an instruction set has no limit. */
struct choice {
    enum sw_isa isa;
    int64_t weights;
    int percent;
};

static const struct choice choices[] = {
    {SW_ISA_GENERIC, INT64_MAX, 20},
    {SW_ISA_AVX2, INT64_MAX, 30},
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
