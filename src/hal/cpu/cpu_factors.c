/* Weights that are products of two factors. */
#include "cpu.h"

static float *memory_of(const struct sw_buffer *buffer) {
    return buffer != NULL ? buffer->memory : NULL;
}

static struct sw_cpu_factors describe(const struct sw_factors *factors) {
    return (struct sw_cpu_factors){.theta = factors->theta->memory,
                                   .u = factors->u->memory,
                                   .w = factors->w->memory,
                                   .first_u = memory_of(factors->first_u),
                                   .first_w = memory_of(factors->first_w),
                                   .second_u = memory_of(factors->second_u),
                                   .second_w = memory_of(factors->second_w)};
}

enum sw_status sw_cpu_factored_sgd(struct sw_hal *hal, const struct sw_factors *factors,
                                   const struct sw_buffer *g, const struct sw_sgd_step *step,
                                   struct sw_factor_events *events) {
    struct sw_cpu_factors args = describe(factors);
    args.g = g->memory;
    args.sgd = *step;
    args.events = events;
    sw_cpu_run(hal, sw_cpu_kernels_of(hal)->factored_sgd, &args, factors->n, SW_CPU_GRAIN_ELEMENTS,
               2.0 * (double) factors->n);
    return SW_OK;
}

enum sw_status sw_cpu_factored_adam(struct sw_hal *hal, const struct sw_factors *factors,
                                    const struct sw_buffer *g, const struct sw_adam_step *step,
                                    struct sw_factor_events *events) {
    struct sw_cpu_factors args = describe(factors);
    args.g = g->memory;
    args.adam = *step;
    args.events = events;
    sw_cpu_run(hal, sw_cpu_kernels_of(hal)->factored_adam, &args, factors->n, SW_CPU_GRAIN_ELEMENTS,
               8.0 * (double) factors->n);
    return SW_OK;
}

enum sw_status sw_cpu_factor(struct sw_hal *hal, const struct sw_factors *factors, float beta,
                             bool project) {
    struct sw_cpu_factors args = describe(factors);
    args.beta = beta;
    args.project = project;
    sw_cpu_run(hal, sw_cpu_ref_factor, &args, factors->n, SW_CPU_GRAIN_ELEMENTS,
               4.0 * (double) factors->n);
    return SW_OK;
}
