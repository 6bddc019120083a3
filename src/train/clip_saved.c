/* What clipping carries from step to step:
 *     steps looked at | of those clipped, per layer | per history: count | the norms that are kept */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clip.h"

#define WORD ((int64_t) sizeof(int64_t))

static int64_t history_bytes(const struct sw_trial_spec *spec) {
    return WORD + spec->train_clip_window * (int64_t) sizeof(double);
}

int64_t sw_train_clip_bytes(const struct sw_trial_spec *spec, int64_t n_layers) {
    if (sw_clip_is_off(spec)) return 0;
    return (1 + n_layers) * WORD + sw_clip_histories(spec, n_layers) * history_bytes(spec);
}

void sw_clip_save(const struct sw_clip *clip, void *out) {
    char *next = out;
    const size_t ring = (size_t) clip->spec->train_clip_window * sizeof(double);
    if (sw_clip_is_off(clip->spec)) return;
    memcpy(next, &clip->steps, sizeof clip->steps);
    memcpy(next + WORD, clip->clipped, (size_t) (clip->n_layers * WORD));
    next += (1 + clip->n_layers) * WORD;
    for (int64_t i = 0; i < clip->n_norms; i++, next += history_bytes(clip->spec)) {
        memcpy(next, &clip->norms[i].count, sizeof clip->norms[i].count);
        memcpy(next + WORD, clip->norms[i].ring, ring);
    }
}

static int64_t get_word(const char *from) {
    int64_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

static bool is_history(const char *from, int64_t steps, int64_t window) {
    int64_t count = get_word(from);
    if (count < 0 || count > steps) return false;
    for (int64_t i = 0; i < window && i < count; i++) {
        double norm;
        memcpy(&norm, from + WORD + i * (int64_t) sizeof norm, sizeof norm);
        if (!isfinite(norm) || norm < 0) return false;
    }
    return true;
}

bool sw_clip_fits(const struct sw_clip *clip, const void *from, int64_t steps) {
    const char *next = from;
    if (sw_clip_is_off(clip->spec)) return true;
    if (get_word(next) != steps) return false;
    for (int64_t l = 1; l <= clip->n_layers; l++)
        if (get_word(next + l * WORD) < 0 || get_word(next + l * WORD) > steps) return false;
    next += (1 + clip->n_layers) * WORD;
    for (int64_t i = 0; i < clip->n_norms; i++, next += history_bytes(clip->spec))
        if (!is_history(next, steps, clip->spec->train_clip_window)) return false;
    return true;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

void sw_clip_restore(struct sw_clip *clip, const void *from) {
    const char *next = from;
    const int64_t window = clip->spec->train_clip_window;
    if (sw_clip_is_off(clip->spec)) return;
    clip->steps = get_word(next);
    memcpy(clip->clipped, next + WORD, (size_t) (clip->n_layers * WORD));
    next += (1 + clip->n_layers) * WORD;
    for (int64_t i = 0; i < clip->n_norms; i++, next += history_bytes(clip->spec)) {
        struct sw_norms *norms = &clip->norms[i];
        norms->count = get_word(next);
        size_t n = (size_t) (norms->count < window ? norms->count : window);
        memcpy(norms->ring, next + WORD, (size_t) window * sizeof *norms->ring);
        memcpy(norms->sorted, norms->ring, n * sizeof *norms->sorted);
        qsort(norms->sorted, n, sizeof *norms->sorted, compare_doubles);
    }
}
