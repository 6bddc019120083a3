/* Clipping by the norm of the network's gradient (Pascanu et al. 2013) or of every layer's, against a fixed
 * limit or a percentile of the norms so far (Seetharaman et al. 2020, "AutoClip"); and adaptive gradient
 * clipping of every unit against the norm of its weights (Brock et al. 2021). Norms are those of the
 * kept weights' gradients. A norm that is not a number clips nothing: that training has diverged. */
#include "clip.h"

#include <math.h>
#include <string.h>

#include "clip_units.h"
#include "sweepstake/memory.h"

/* ---- kinds ----------------------------------------------------------------------------------- */

static const char *const no_options[] = {NULL};
static const char *const norm_options[] = {"train.clip.norm", "train.clip.percentile",
                                           "train.clip.window", NULL};
static const char *const agc_options[] = {"train.clip.ratio", "train.clip.epsilon", NULL};

static const struct sw_clip_kind kinds[] = {
    {"none", "gradients are taken as they are", no_options},
    {"global", "the gradient of the whole network has a largest norm", norm_options},
    {"layer", "the gradient of every layer has a largest norm, or a percentile of its own norms",
     norm_options},
    {"agc",
     "the gradient of every unit has at most a share of the norm of its weights; the output "
     "layer is left out",
     agc_options},
};
#define N_KINDS (sizeof kinds / sizeof *kinds)

const struct sw_clip_kind *sw_clip_kind_at(size_t index) {
    return index < N_KINDS ? &kinds[index] : NULL;
}

const struct sw_clip_kind *sw_clip_kind_find(const char *name) {
    for (size_t i = 0; i < N_KINDS; i++)
        if (strcmp(kinds[i].name, name) == 0) return &kinds[i];
    return NULL;
}

static bool is_kind(const struct sw_trial_spec *spec, const char *name) {
    return strcmp(spec->train_clip_kind, name) == 0;
}

bool sw_clip_is_off(const struct sw_trial_spec *spec) {
    return is_kind(spec, "none");
}

enum sw_status sw_clip_check(const struct sw_trial_spec *spec, const char **key) {
    const bool norm = !isnan(spec->train_clip_norm), share = !isnan(spec->train_clip_percentile);
    *key = "train.clip.kind";
    if (sw_clip_kind_find(spec->train_clip_kind) == NULL)
        return SW_FAIL(SW_CONFIG, "%s: '%s' is not known", *key, spec->train_clip_kind);
    if (sw_clip_is_off(spec) || is_kind(spec, "agc")) return SW_OK;
    if (norm == share) {
        *key = norm ? "train.clip.percentile" : "train.clip.kind";
        return SW_FAIL(SW_CONFIG, "%s: give either train.clip.norm or train.clip.percentile", *key);
    }
    *key = "train.clip.window";
    if (norm && spec->train_clip_window != 1000)
        return SW_FAIL(SW_CONFIG, "%s is not used with train.clip.norm: there is no percentile",
                       *key);
    return SW_OK;
}

/* ---- set-up ---------------------------------------------------------------------------------- */

int64_t sw_clip_histories(const struct sw_trial_spec *spec, int64_t n_layers) {
    if (sw_clip_is_off(spec) || isnan(spec->train_clip_percentile)) return 0;
    return is_kind(spec, "layer") ? n_layers : is_kind(spec, "global") ? 1 : 0;
}

static int64_t largest_param(struct sw_net *net) {
    int64_t n_params = 0, most = 0;
    const struct sw_net_param *params = sw_net_params(net, &n_params);
    for (int64_t p = 0; p < n_params; p++)
        if (params[p].n > most) most = params[p].n;
    return most;
}

enum sw_status sw_clip_init(struct sw_net *net, const struct sw_trial_spec *spec,
                            struct sw_clip *out) {
    const size_t window = (size_t) spec->train_clip_window, most = (size_t) largest_param(net);
    out->spec = spec;
    out->n_layers = sw_net_arch(net)->n_layers;
    if (sw_clip_is_off(spec)) return SW_OK;
    out->n_norms = sw_clip_histories(spec, out->n_layers);
    SW_TRY(SW_ALLOC(&out->squares, (size_t) out->n_layers, "squares of gradients"));
    SW_TRY(SW_ALLOC(&out->factors, (size_t) out->n_layers, "factors on gradients"));
    SW_TRY(SW_ALLOC(&out->values, most, "weights of a layer"));
    SW_TRY(SW_ALLOC(&out->gradients, most, "gradients of a layer"));
    SW_TRY(SW_ALLOC(&out->norms, (size_t) out->n_norms, "histories of norms"));
    for (int64_t i = 0; i < out->n_norms; i++) {
        SW_TRY(SW_ALLOC(&out->norms[i].ring, window, "a history of norms"));
        SW_TRY(SW_ALLOC(&out->norms[i].sorted, window, "a history of norms"));
    }
    return SW_OK;
}

void sw_clip_fini(struct sw_clip *clip) {
    for (int64_t i = 0; clip->norms != NULL && i < clip->n_norms; i++) {
        SW_FREE(&clip->norms[i].ring);
        SW_FREE(&clip->norms[i].sorted);
    }
    SW_FREE(&clip->norms);
    SW_FREE(&clip->squares);
    SW_FREE(&clip->factors);
    SW_FREE(&clip->values);
    SW_FREE(&clip->gradients);
}

/* ---- percentiles ------------------------------------------------------------------------------ */

/* First of n sorted numbers that is not below x. */
static int64_t find_place(const double *sorted, int64_t n, double x) {
    int64_t low = 0, high = n;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (sorted[middle] < x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static double percentile_of(const double *sorted, int64_t n, double percentile) {
    double at = percentile / 100 * (double) (n - 1);
    int64_t below = (int64_t) floor(at);
    if (below >= n - 1) return sorted[n - 1];
    return sorted[below] + (at - (double) below) * (sorted[below + 1] - sorted[below]);
}

double sw_norms_add(struct sw_norms *norms, int64_t window, double percentile, double norm) {
    int64_t n = norms->count < window ? norms->count : window;
    double *slot = &norms->ring[norms->count % window];
    if (n == window) {
        int64_t old = find_place(norms->sorted, n, *slot);
        n--;
        memmove(norms->sorted + old, norms->sorted + old + 1,
                (size_t) (n - old) * sizeof *norms->sorted);
    }
    int64_t at = find_place(norms->sorted, n, norm);
    memmove(norms->sorted + at + 1, norms->sorted + at, (size_t) (n - at) * sizeof *norms->sorted);
    norms->sorted[at] = *slot = norm;
    norms->count++;
    return percentile_of(norms->sorted, n + 1, percentile);
}

/* ---- norms ----------------------------------------------------------------------------------- */

static enum sw_status measure(struct sw_clip *clip, struct sw_net *net) {
    int64_t n_params = 0, layer = -1;
    const struct sw_net_param *params = sw_net_params(net, &n_params);
    memset(clip->squares, 0, (size_t) clip->n_layers * sizeof *clip->squares);
    for (int64_t p = 0; p < n_params; p++) {
        double squares = 0;
        layer += params[p].param->prunable != 0;
        if (!sw_role_is_trained(params[p].param->role)) continue;
        SW_TRY(sw_hal_sum_squares(sw_net_hal(net), params[p].gradients, params[p].n, &squares));
        clip->squares[layer] += squares;
    }
    return SW_OK;
}

/* Factor on a gradient of that norm; `history` is that of the layer or network. */
static double factor_of(struct sw_clip *clip, int64_t history, double norm) {
    const struct sw_trial_spec *spec = clip->spec;
    double limit = spec->train_clip_norm;
    if (!isfinite(norm)) return 1;
    if (clip->n_norms > 0)
        limit = sw_norms_add(&clip->norms[history], spec->train_clip_window,
                             spec->train_clip_percentile, norm);
    return norm > limit ? limit / norm : 1;
}

static void choose_factors(struct sw_clip *clip) {
    double all = 0;
    if (is_kind(clip->spec, "layer")) {
        for (int64_t l = 0; l < clip->n_layers; l++)
            clip->factors[l] = factor_of(clip, l, sqrt(clip->squares[l]));
        return;
    }
    for (int64_t l = 0; l < clip->n_layers; l++)
        all += clip->squares[l];
    double factor = factor_of(clip, 0, sqrt(all));
    for (int64_t l = 0; l < clip->n_layers; l++)
        clip->factors[l] = factor;
}

static enum sw_status scale(const struct sw_clip *clip, const struct sw_net_param *param,
                            double factor) {
    const int64_t bytes = param->n * (int64_t) sizeof *clip->gradients;
    SW_TRY(sw_hal_download(param->gradients, 0, clip->gradients, bytes));
    for (int64_t i = 0; i < param->n; i++)
        clip->gradients[i] = (float) ((double) clip->gradients[i] * factor);
    return sw_hal_upload(param->gradients, 0, clip->gradients, bytes);
}

static enum sw_status clip_norms(struct sw_clip *clip, struct sw_net *net) {
    int64_t n_params = 0, layer = -1;
    const struct sw_net_param *params = sw_net_params(net, &n_params);
    SW_TRY(measure(clip, net));
    choose_factors(clip);
    for (int64_t p = 0; p < n_params; p++) {
        layer += params[p].param->prunable != 0;
        if (!sw_role_is_trained(params[p].param->role) || clip->factors[layer] == 1) continue;
        clip->clipped[layer] += params[p].param->prunable != 0;
        SW_TRY(scale(clip, &params[p], clip->factors[layer]));
    }
    return SW_OK;
}

enum sw_status sw_clip_gradients(struct sw_clip *clip, struct sw_net *net) {
    if (clip->squares == NULL) return SW_OK;
    clip->steps++;
    return is_kind(clip->spec, "agc") ? sw_clip_units(clip, net) : clip_norms(clip, net);
}

void sw_clip_report(const struct sw_clip *clip, struct sw_train_outcome *out) {
    out->watched_steps = clip->steps;
    memcpy(out->clipped_steps, clip->clipped, sizeof out->clipped_steps);
}
