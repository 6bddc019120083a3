#include <math.h>
#include <string.h>

#include "sweepstake/mask.h"
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

/* Where the numbers of one parameter come from, and which of them are wanted. */
struct draw {
    uint64_t seed;
    enum sw_random_purpose purpose;
    uint64_t stream;
    const uint8_t *mask; /* NULL: all */
};

/* The wanted ones of 64 elements, the first one lowest. */
static uint64_t find_wanted(const struct draw *draw, int64_t n, int64_t first) {
    if (draw->mask != NULL) return sw_mask_word(draw->mask, n, first);
    return n - first >= 64 ? UINT64_MAX : (UINT64_C(1) << (n - first)) - 1;
}

static void fill_normal(const struct draw *draw, double deviation, int64_t n, float *out) {
    for (int64_t first = 0; first < n; first += 64)
        for (uint64_t left = find_wanted(draw, n, first); left != 0; left &= left - 1) {
            int64_t i = first + __builtin_ctzll(left);
            out[i] = (float) (deviation * sw_random_normal(draw->seed, draw->purpose, draw->stream,
                                                           (uint64_t) i));
        }
}

static void fill_uniform(const struct draw *draw, double bound, int64_t n, float *out) {
    for (int64_t first = 0; first < n; first += 64)
        for (uint64_t left = find_wanted(draw, n, first); left != 0; left &= left - 1) {
            int64_t i = first + __builtin_ctzll(left);
            double unit = sw_random_uniform(draw->seed, draw->purpose, draw->stream, (uint64_t) i);
            out[i] = (float) (bound * (2 * unit - 1));
        }
}

static void fill(double value, int64_t n, float *out) {
    for (int64_t i = 0; i < n; i++)
        out[i] = (float) value;
}

static void fill_weights(const struct sw_param *param, const struct sw_init *init,
                         const struct draw *draw, float *out) {
    double deviation = init->deviation((double) param->fan_in, (double) param->fan_out);
    if (init->uniform)
        fill_uniform(draw, sqrt(3) * deviation, param->count, out);
    else
        fill_normal(draw, deviation, param->count, out);
}

static void fill_scales(uint64_t seed, uint64_t stream, int64_t n, float *out) {
    for (int64_t i = 0; i < n; i++)
        out[i] = (float) sw_random_uniform(seed, SW_RANDOM_SCALE, stream, (uint64_t) i);
}

void sw_init_kept(const struct sw_arch *arch, const struct sw_init *init, bool uniform_scale,
                  uint64_t seed, enum sw_random_purpose purpose, int64_t round, const uint8_t *mask,
                  float *theta) {
    for (int64_t p = 0; p < arch->n_params; p++) {
        const struct sw_param *param = &arch->params[p];
        float *values = theta + param->offset;
        struct draw draw = {.seed = seed,
                            .purpose = purpose,
                            .stream = (uint64_t) round << 32 | (uint64_t) p,
                            .mask = mask != NULL ? mask + param->mask_offset : NULL};
        if (param->role == SW_ROLE_WEIGHT)
            fill_weights(param, init, &draw, values);
        else if (param->role == SW_ROLE_SCALE && uniform_scale)
            fill_scales(seed, draw.stream, param->count, values);
        else
            fill(param->role == SW_ROLE_SCALE || param->role == SW_ROLE_VARIANCE, param->count,
                 values);
    }
}

void sw_init_weights(const struct sw_arch *arch, const struct sw_init *init, bool uniform_scale,
                     uint64_t seed, enum sw_random_purpose purpose, int64_t round, float *theta) {
    sw_init_kept(arch, init, uniform_scale, seed, purpose, round, NULL, theta);
}
