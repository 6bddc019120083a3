/* Signs of weights at the end of every epoch against those before: one bit per weight and reference. And how
 * Sign-In's factors stood before each reset: without balance they cannot cross zero. */
#include "monitor_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

#define PIECE 1024          /* weights that are looked at together */
#define SETTLED_RATE 0.001  /* a layer whose flip rate stays below has settled */
#define LOW_BALANCE 0.1     /* of the one that factors begin with */
#define ALERT_LOW_SHARE 0.5 /* so many below that are worth an alert */

struct layer {
    int64_t first; /* bit of its first weight */
    int64_t n;
    int64_t restless; /* last epoch whose flip rate was not below SETTLED_RATE */
    struct sw_sign_figures figures;
};

struct sw_signs {
    double beta;
    int64_t n_layers;
    struct layer *layers;
    int64_t weights;
    uint8_t *theta0, *start, *last; /* signs: bits of all layers */
    float *balance;                 /* [largest layer]: scratch */
};

/* ---- making and keeping ---------------------------------------------------------------------- */

struct sw_sign_figures sw_signs_unwatched(void) {
    return (struct sw_sign_figures){NAN, NAN, NAN, -1, NAN, NAN, -1, NAN, NAN, NAN};
}

static enum sw_status copy_bits(const uint8_t *from, int64_t weights, uint8_t **out) {
    size_t bytes = (size_t) sw_mask_bytes(weights);
    SW_TRY(SW_ALLOC(out, bytes, "signs of weights"));
    if (bytes > 0) memcpy(*out, from, bytes);
    return SW_OK;
}

static int64_t add_layers(struct sw_signs *signs, const struct sw_net *net) {
    int64_t n_params = 0, largest = 0;
    const struct sw_net_param *params = sw_net_params(net, &n_params);
    for (int64_t p = 0, l = 0; p < n_params; p++) {
        if (!params[p].param->prunable) continue;
        signs->layers[l++] = (struct layer){
            .first = signs->weights, .n = params[p].n, .figures = sw_signs_unwatched()};
        signs->weights += params[p].n;
        if (params[p].n > largest) largest = params[p].n;
    }
    return largest;
}

enum sw_status sw_signs_create(const struct sw_net *net, const uint8_t *theta0,
                               const uint8_t *start, double beta, struct sw_signs **out) {
    struct sw_signs *signs = NULL;
    enum sw_status status = SW_OK;
    SW_TRY(SW_ALLOC(&signs, 1, "signs of weights"));
    signs->beta = beta;
    signs->n_layers = sw_net_arch(net)->n_layers;
    SW_TRY_TO(SW_ALLOC(&signs->layers, (size_t) signs->n_layers, "signs of layers"), status,
              cleanup);
    int64_t largest = add_layers(signs, net);
    SW_TRY_TO(copy_bits(theta0, signs->weights, &signs->theta0), status, cleanup);
    SW_TRY_TO(copy_bits(start, signs->weights, &signs->start), status, cleanup);
    SW_TRY_TO(copy_bits(start, signs->weights, &signs->last), status, cleanup);
    SW_TRY_TO(SW_ALLOC(&signs->balance, (size_t) largest, "balance of factors"), status, cleanup);
    *out = signs;
    return SW_OK;
cleanup:
    sw_signs_destroy(&signs);
    return status;
}

void sw_signs_destroy(struct sw_signs **signs) {
    if (*signs == NULL) return;
    SW_FREE(&(*signs)->layers);
    SW_FREE(&(*signs)->theta0);
    SW_FREE(&(*signs)->start);
    SW_FREE(&(*signs)->last);
    SW_FREE(&(*signs)->balance);
    SW_FREE(signs);
}

const struct sw_sign_figures *sw_signs_layer(const struct sw_signs *signs, int64_t layer) {
    return &signs->layers[layer].figures;
}

/* The references are made again from what the training begins with. */
int64_t sw_signs_saved_bytes(int64_t weights, int64_t layers) {
    return sw_mask_bytes(weights) +
           layers * (int64_t) (sizeof(int64_t) + sizeof(struct sw_sign_figures));
}

int64_t sw_signs_bytes(int64_t weights, int64_t layers) {
    return 3 * sw_mask_bytes(weights) + weights * (int64_t) sizeof(float) +
           layers * (int64_t) sizeof(struct layer);
}

void sw_signs_save(const struct sw_signs *signs, void *out) {
    char *next = out;
    for (int64_t l = 0; l < signs->n_layers; l++) {
        memcpy(next, &signs->layers[l].restless, sizeof(int64_t));
        memcpy(next += sizeof(int64_t), &signs->layers[l].figures, sizeof(struct sw_sign_figures));
        next += sizeof(struct sw_sign_figures);
    }
    memcpy(next, signs->last, (size_t) sw_mask_bytes(signs->weights));
}

void sw_signs_restore(struct sw_signs *signs, const void *from) {
    const char *next = from;
    for (int64_t l = 0; l < signs->n_layers; l++) {
        memcpy(&signs->layers[l].restless, next, sizeof(int64_t));
        memcpy(&signs->layers[l].figures, next += sizeof(int64_t), sizeof(struct sw_sign_figures));
        next += sizeof(struct sw_sign_figures);
    }
    memcpy(signs->last, next, (size_t) sw_mask_bytes(signs->weights));
}

/* ---- signs ----------------------------------------------------------------------------------- */

static bool get(const uint8_t *bits, int64_t i) {
    return (bits[i / 8] >> (i % 8) & 1) != 0;
}

static void set(uint8_t *bits, int64_t i, bool positive) {
    uint8_t bit = (uint8_t) (1u << (i % 8));
    bits[i / 8] = (uint8_t) (positive ? bits[i / 8] | bit : bits[i / 8] & ~bit);
}

/* Sums over a layer. */
struct tally {
    int64_t since_last, since_start, since_theta0; /* weights with another sign */
    double magnitude, like_start, like_theta0;
};

static void count_weight(struct sw_signs *signs, int64_t bit, float value, struct tally *tally) {
    double magnitude = fabs((double) value);
    bool before = get(signs->last, bit);
    bool now = value == 0.0f ? before : !signbit(value);
    bool start = get(signs->start, bit) == now, theta0 = get(signs->theta0, bit) == now;
    tally->since_last += now != before;
    tally->since_start += !start;
    tally->since_theta0 += !theta0;
    tally->magnitude += magnitude;
    tally->like_start += start ? magnitude : 0;
    tally->like_theta0 += theta0 ? magnitude : 0;
    if (now != before) set(signs->last, bit, now);
}

static void conclude(struct layer *layer, const struct tally *tally, int64_t epoch) {
    struct sw_sign_figures *figures = &layer->figures;
    double n = (double) layer->n;
    figures->flip_rate = (double) tally->since_last / n;
    figures->flips_rewind = (double) tally->since_start / n;
    figures->flips_theta0 = (double) tally->since_theta0 / n;
    figures->flips = (figures->flips < 0 ? 0 : figures->flips) + tally->since_last;
    figures->aligned_rewind = tally->like_start / tally->magnitude;
    figures->aligned_theta0 = tally->like_theta0 / tally->magnitude;
    if (!(figures->flip_rate < SETTLED_RATE)) layer->restless = epoch;
    figures->settled = layer->restless < epoch ? layer->restless : -1;
}

static enum sw_status look_at_layer(struct sw_signs *signs, struct layer *layer,
                                    const struct sw_net_param *param, int64_t epoch) {
    float values[PIECE];
    struct tally tally = {0};
    for (int64_t at = 0; at < layer->n; at += PIECE) {
        int64_t n = layer->n - at < PIECE ? layer->n - at : PIECE;
        SW_TRY(sw_hal_download(param->values, at * (int64_t) sizeof *values, values,
                               n * (int64_t) sizeof *values));
        for (int64_t i = 0; i < n; i++)
            count_weight(signs, layer->first + at + i, values[i], &tally);
    }
    conclude(layer, &tally, epoch);
    return SW_OK;
}

static enum sw_status look(struct sw_watch *watch, const struct sw_net *net, int64_t epoch,
                           int64_t step) {
    (void) step;
    int64_t n_params = 0, layer = 0;
    const struct sw_net_param *params = sw_net_params(net, &n_params);
    for (int64_t p = 0; watch->signs != NULL && p < n_params; p++)
        if (params[p].param->prunable)
            SW_TRY(look_at_layer(watch->signs, &watch->signs->layers[layer++], &params[p], epoch));
    return SW_OK;
}

/* ---- factors --------------------------------------------------------------------------------- */

static int compare_floats(const void *a, const void *b) {
    float x = *(const float *) a, y = *(const float *) b;
    return (x > y) - (x < y);
}

static enum sw_status take_balance(const struct sw_factors *factors, float *balance) {
    float u[PIECE], w[PIECE];
    for (int64_t at = 0; at < factors->n; at += PIECE) {
        int64_t n = factors->n - at < PIECE ? factors->n - at : PIECE;
        int64_t offset = at * (int64_t) sizeof *u, bytes = n * (int64_t) sizeof *u;
        SW_TRY(sw_hal_download(factors->u, offset, u, bytes));
        SW_TRY(sw_hal_download(factors->w, offset, w, bytes));
        for (int64_t i = 0; i < n; i++)
            balance[at + i] = u[i] * u[i] - w[i] * w[i];
    }
    qsort(balance, (size_t) factors->n, sizeof *balance, compare_floats);
    return SW_OK;
}

static void warn(struct sw_watch *watch, const struct sw_net_param *param,
                 const struct sw_sign_figures *figures, int64_t step) {
    char message[sizeof watch->alerts->message];
    if (!(figures->factor_low > ALERT_LOW_SHARE)) return;
    (void) snprintf(message, sizeof message, "factors of %s lost balance: reset sooner",
                    param->param->name);
    sw_watch_alert(watch, "signs", step, figures->factor_low, message);
}

static struct layer *find_layer(const struct sw_signs *signs, const struct sw_arch *arch,
                                const struct sw_param *param) {
    for (int64_t l = 0; l < signs->n_layers; l++)
        if (sw_arch_layer(arch, l) == param) return &signs->layers[l];
    return NULL;
}

static enum sw_status look_at_factors(struct sw_watch *watch, const struct sw_net *net,
                                      const struct sw_net_param *param,
                                      const struct sw_factors *factors, int64_t step) {
    struct sw_signs *signs = watch->signs;
    if (signs == NULL) return SW_OK;
    struct layer *layer = find_layer(signs, sw_net_arch(net), param->param);
    if (layer == NULL || factors->n != layer->n)
        return SW_FAIL(SW_INTERNAL, "%s has factors, but no signs that are watched",
                       param->param->name);
    int64_t low = 0;
    SW_TRY(take_balance(factors, signs->balance));
    while (low < layer->n && (double) signs->balance[low] < LOW_BALANCE * signs->beta)
        low++;
    layer->figures.factor_least = (double) signs->balance[0];
    layer->figures.factor_median = (double) signs->balance[(layer->n - 1) / 2];
    layer->figures.factor_low = (double) low / (double) layer->n;
    warn(watch, param, &layer->figures, step);
    return SW_OK;
}

const struct sw_monitor sw_monitor_signs = {
    .name = "signs",
    .summary = "compare the signs of weights after every epoch with those before, and look at the "
               "factors of Sign-In before every reset; alert when most have lost their balance",
    .after_epoch = look,
    .before_reset = look_at_factors,
};
