#include <math.h>
#include <string.h>

#include "sweepstake/net.h"

#define SW_INIT(id, name, uniform, formula, summary)                                               \
    static double deviation_##id(double fan_in, double fan_out) {                                  \
        (void) fan_out;                                                                            \
        return formula;                                                                            \
    }
#include "inits.def"
#undef SW_INIT

static const struct sw_init inits[] = {
#define SW_INIT(id, name, uniform, formula, summary) {name, summary, uniform, deviation_##id},
#include "inits.def"
#undef SW_INIT
};
#define N_INITS (sizeof inits / sizeof *inits)

const struct sw_init *sw_init_at(size_t index) {
    return index < N_INITS ? &inits[index] : NULL;
}

const struct sw_init *sw_init_find(const char *name) {
    for (size_t i = 0; i < N_INITS; i++)
        if (strcmp(inits[i].name, name) == 0) return &inits[i];
    return NULL;
}

static void fill_normal(uint64_t seed, enum sw_random_purpose purpose, uint64_t stream,
                        double deviation, int64_t n, float *out) {
    for (int64_t i = 0; i < n; i++)
        out[i] = (float) (deviation * sw_random_normal(seed, purpose, stream, (uint64_t) i));
}

static void fill_uniform(uint64_t seed, enum sw_random_purpose purpose, uint64_t stream,
                         double bound, int64_t n, float *out) {
    for (int64_t i = 0; i < n; i++)
        out[i] = (float) (bound * (2 * sw_random_uniform(seed, purpose, stream, (uint64_t) i) - 1));
}

static void fill(double value, int64_t n, float *out) {
    for (int64_t i = 0; i < n; i++)
        out[i] = (float) value;
}

static void fill_weights(const struct sw_param *param, const struct sw_init *init, uint64_t seed,
                         enum sw_random_purpose purpose, uint64_t stream, float *out) {
    double deviation = init->deviation((double) param->fan_in, (double) param->fan_out);
    if (init->uniform)
        fill_uniform(seed, purpose, stream, sqrt(3) * deviation, param->count, out);
    else
        fill_normal(seed, purpose, stream, deviation, param->count, out);
}

static void fill_scales(uint64_t seed, uint64_t stream, int64_t n, float *out) {
    for (int64_t i = 0; i < n; i++)
        out[i] = (float) sw_random_uniform(seed, SW_RANDOM_SCALE, stream, (uint64_t) i);
}

void sw_init_weights(const struct sw_arch *arch, const struct sw_init *init, bool uniform_scale,
                     uint64_t seed, enum sw_random_purpose purpose, int64_t round, float *theta) {
    for (int64_t p = 0; p < arch->n_params; p++) {
        const struct sw_param *param = &arch->params[p];
        float *values = theta + param->offset;
        uint64_t stream = (uint64_t) round << 32 | (uint64_t) p;
        if (param->role == SW_ROLE_WEIGHT)
            fill_weights(param, init, seed, purpose, stream, values);
        else if (param->role == SW_ROLE_SCALE && uniform_scale)
            fill_scales(seed, stream, param->count, values);
        else
            fill(param->role == SW_ROLE_SCALE || param->role == SW_ROLE_VARIANCE, param->count,
                 values);
    }
}
