/* Module: train, private: gradients that are too large are scaled down before an update (train.clip). */
#pragma once

#include "sweepstake/train.h"

/* Norms that a percentile is taken of, the oldest of which gives way: in the order in which they came,
 * and sorted. */
struct sw_norms {
    int64_t count;  /* that ever came */
    double *ring;   /* [window]; number i stands at i % window */
    double *sorted; /* [window] the same in rising order; follows from the ring */
};

struct sw_clip {
    const struct sw_trial_spec *spec;
    int64_t n_layers;
    int64_t n_norms;                /* histories: of every layer, of the network, or none */
    struct sw_norms *norms;         /* [n_norms] */
    double *squares;                /* [n_layers] of this step's gradients */
    double *factors;                /* [n_layers] on them */
    float *values, *gradients;      /* host copies of one parameter, [largest] */
    int64_t steps;                  /* looked at */
    int64_t clipped[SW_MAX_LAYERS]; /* of those clipped, per layer */
};

/* Is there nothing to clip, and how many histories of norms does a training keep? */
bool sw_clip_is_off(const struct sw_trial_spec *spec);
int64_t sw_clip_histories(const struct sw_trial_spec *spec, int64_t n_layers);

/* Do the settings fit together? Errors: as of sw_train_check. */
enum sw_status sw_clip_check(const struct sw_trial_spec *spec, const char **key) SW_NODISCARD;

/* Nothing is allocated, and nothing done in a step, with kind none. A layer is its weights and all
 * parameters behind them up to the next weights. */
enum sw_status sw_clip_init(struct sw_net *net, const struct sw_trial_spec *spec,
                            struct sw_clip *out) SW_NODISCARD;
void sw_clip_fini(struct sw_clip *clip);
/* Scale the gradients of a step. */
enum sw_status sw_clip_gradients(struct sw_clip *clip, struct sw_net *net) SW_NODISCARD;
void sw_clip_report(const struct sw_clip *clip, struct sw_train_outcome *out);

/* clip_saved.c: the state as sw_train_clip_bytes plain bytes, and back. */
void sw_clip_save(const struct sw_clip *clip, void *out);
/* Are these bytes one of a training that has done `steps` steps? They may be anything. */
bool sw_clip_fits(const struct sw_clip *clip, const void *from, int64_t steps);
void sw_clip_restore(struct sw_clip *clip, const void *from);

/* clip.c: one more norm, and the percentile of those that are kept, interpolated. */
double sw_norms_add(struct sw_norms *norms, int64_t window, double percentile, double norm);
