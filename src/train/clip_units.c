/* Brock et al. 2021, "High-performance large-scale image recognition without normalization": a unit's
 * gradient G is scaled to ratio max(|W|, epsilon) where it is longer. */
#include "clip_units.h"

#include <math.h>

#include "sweepstake/mask.h"

/* The least norm of a gradient that is divided by, as in the reference code. */
static const double least_norm = 1e-6;

static double norm_of(const float *x, int64_t n) {
    double squares = 0;
    for (int64_t i = 0; i < n; i++)
        squares += (double) x[i] * (double) x[i];
    return sqrt(squares);
}

/* Was it clipped? */
static bool clip_unit(const struct sw_trial_spec *spec, const float *values, float *gradients,
                      int64_t n) {
    double limit = spec->train_clip_ratio * fmax(norm_of(values, n), spec->train_clip_epsilon);
    double norm = norm_of(gradients, n);
    if (!isfinite(norm) || norm <= limit) return false;
    double factor = limit / fmax(norm, least_norm);
    for (int64_t i = 0; i < n; i++)
        gradients[i] = (float) ((double) gradients[i] * factor);
    return true;
}

/* The kept weights of the units of a layer follow each other; units without any are passed over. */
static bool clip_rows(const struct sw_clip *clip, const struct sw_net *net,
                      const struct sw_param *param) {
    const int64_t rows = param->shape[0], inputs = param->count / rows;
    const uint8_t *mask = sw_net_mask(net) + param->mask_offset;
    bool any = false;
    for (int64_t row = 0, first = 0; row < rows; row++) {
        int64_t n = 0;
        for (int64_t i = row * inputs; i < (row + 1) * inputs; i++)
            n += sw_mask_get(mask, i);
        any |= clip_unit(clip->spec, clip->values + first, clip->gradients + first, n);
        first += n;
    }
    return any;
}

static enum sw_status clip_param(const struct sw_clip *clip, const struct sw_net *net,
                                 const struct sw_net_param *param, bool *clipped) {
    const int64_t bytes = param->n * (int64_t) sizeof(float);
    SW_TRY(sw_hal_download(param->values, 0, clip->values, bytes));
    SW_TRY(sw_hal_download(param->gradients, 0, clip->gradients, bytes));
    bool any = param->param->prunable
                   ? clip_rows(clip, net, param->param)
                   : clip_unit(clip->spec, clip->values, clip->gradients, param->n);
    *clipped |= any;
    return any ? sw_hal_upload(param->gradients, 0, clip->gradients, bytes) : SW_OK;
}

enum sw_status sw_clip_units(struct sw_clip *clip, struct sw_net *net) {
    int64_t n_params = 0, layer = -1;
    const struct sw_net_param *params = sw_net_params(net, &n_params);
    bool clipped = false, output = false;
    for (int64_t p = 0; p < n_params; p++) {
        if (params[p].param->prunable) {
            if (clipped) clip->clipped[layer]++;
            layer++;
            clipped = false;
            output = params[p].param->output != 0;
        }
        if (output || !sw_role_is_trained(params[p].param->role)) continue;
        SW_TRY(clip_param(clip, net, &params[p], &clipped));
    }
    if (clipped) clip->clipped[layer]++;
    return SW_OK;
}
