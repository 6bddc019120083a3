/* Module: train
 * Purpose: net + data + settings -> a trained net and its curve.
 * Takes: a network with its weights set. Gives: trained weights in place, curve points, timings.
 * Not here: pruning, files, processes. Others join through hooks. */
#pragma once

#include "sweepstake/net.h"

/* ---- optimizers: one file and one line in src/train/optimizers.def each --------------------- */

struct sw_optimizer_state; /* buffers for every net parameter; opaque */
struct sw_optimizer {
    const char *name;
    const char *summary;
    const char *const *options; /* keys of the train.optimizer.* fields it uses; NULL-terminated */
    /* State arrays float[n] kept per parameter, as many as `spec` needs (0 for sgd without
     * momentum). */
    int (*n_states)(const struct sw_trial_spec *spec);
    /* Update one parameter. `states` has n_states buffers; `step` counts from 1; `lr` is this
     * step's. */
    enum sw_status (*update)(struct sw_hal *hal, const struct sw_trial_spec *spec,
                             const struct sw_net_param *param, struct sw_buffer *const *states,
                             int64_t step, double lr);
    /* Do the settings fit together? NULL: they always do. Errors: SW_CONFIG, with *key the setting
     * to look at. */
    enum sw_status (*check)(const struct sw_trial_spec *spec, const char **key);
    /* Update a parameter that is a product of two factors, in the same way; its states are in
     * `factors`. NULL: signin.enabled is refused. */
    enum sw_status (*update_factored)(struct sw_hal *hal, const struct sw_trial_spec *spec,
                                      const struct sw_net_param *param,
                                      const struct sw_factors *factors, int64_t step, double lr,
                                      struct sw_factor_events *events);
};
const struct sw_optimizer *sw_optimizer_at(size_t index);
const struct sw_optimizer *sw_optimizer_find(const char *name);

/* ---- learning-rate schedules: one file and one line in src/train/schedules.def each --------- */

/* A step of a training and what surrounds it. */
struct sw_lr_moment {
    int64_t step;        /* from 0 */
    int64_t steps;       /* of the training */
    int64_t epoch_steps; /* of one epoch */
    int64_t warmup;      /* steps of the warmup; sw_lr_at fills it */
};

struct sw_lr_schedule {
    const char *name;
    const char *summary;
    /* Keys of the train.schedule.* fields it uses beside the warmup's. */
    const char *const *options;
    /* Factor on the base rate, without the warmup. Its bits must not depend on the processor: no
     * functions of the C library that round differently (cos, pow). */
    double (*factor)(const struct sw_trial_spec *spec, const struct sw_lr_moment *moment);
    /* As in struct sw_optimizer. */
    enum sw_status (*check)(const struct sw_trial_spec *spec, const char **key);
};
const struct sw_lr_schedule *sw_lr_schedule_at(size_t index);
const struct sw_lr_schedule *sw_lr_schedule_find(const char *name);

/* Learning rate of step `step` (from 0): base * factor, times a linear ramp from warmup.start to 1
 * over the first ceil(fraction * steps) steps. */
double sw_lr_at(const struct sw_trial_spec *spec, int64_t step, int64_t steps, int64_t epoch_steps);

/* ---- rounds that are pruned (sparse.c) -------------------------------------------------------- */

/* Words of train.sparse.lr_rule and rewind.mode; NULL past the end. */
const char *sw_lr_rule_at(size_t index, const char **summary);
const char *sw_rewind_mode_at(size_t index, const char **summary);

/* The settings that a training of `round` has: those of the trial for round 0, for others with what
 * train.sparse and rewind.mode make of batch, weight decay, warmup, length and rate. All functions here
 * that take a spec mean one of a round; `images` are the training images. */
void sw_train_round_spec(const struct sw_trial_spec *spec, int64_t round, int64_t images,
                         struct sw_trial_spec *out);
/* Do the settings of pruned rounds fit together? Errors: as of sw_train_check. */
enum sw_status sw_train_check_sparse(const struct sw_trial_spec *spec,
                                     const char **key) SW_NODISCARD;

/* What a prune did, as far as a learning rate may follow from it. */
struct sw_lr_prune {
    double left;         /* kept share of all prunable weights */
    double removed;      /* share of the parent's kept weights that was removed */
    double norm_before;  /* L2 norm of the parent's trained prunable weights */
    double norm_removed; /* the same of those that were removed */
    int64_t steps;       /* of this training */
    int64_t dense_steps; /* of the dense one */
};
/* Factor of train.sparse.lr_rule on all rates of a pruned round. Exact arithmetic and roots only: the
 * same bits everywhere. */
double sw_lr_rule_factor(const struct sw_trial_spec *spec, const struct sw_lr_prune *prune);
/* Does the rule treat layers differently? Then factors[arch->n_params] from the weights that each layer
 * keeps: smupar's 1 / density for the weights of hidden layers, 1 for all else. */
bool sw_lr_rule_scales_layers(const struct sw_trial_spec *spec);
void sw_lr_rule_layers(const struct sw_arch *arch, const int64_t *kept, double *factors);

/* Are optimizer and schedule known, and do their settings fit together? Errors: SW_CONFIG, with
 * *key the setting to look at. */
enum sw_status sw_train_check(const struct sw_trial_spec *spec, const char **key) SW_NODISCARD;

/* ---- clipping (clip.c) ------------------------------------------------------------------------ */

struct sw_clip_kind {
    const char *name;
    const char *summary;
    const char *const *options; /* as of struct sw_optimizer, of train.clip */
};
const struct sw_clip_kind *sw_clip_kind_at(size_t index);
const struct sw_clip_kind *sw_clip_kind_find(const char *name);

/* ---- Sign-In and signs ---------------------------------------------------------------------- */

/* Words of signin.buffers, signin.rounds and sign.seed_force.reference; NULL past the end. */
const char *sw_signin_buffers_at(size_t index, const char **summary);
const char *sw_signin_rounds_at(size_t index, const char **summary);
const char *sw_sign_reference_at(size_t index, const char **summary);

/* Are the weights of that round trained as products of two factors? */
bool sw_train_is_factored(const struct sw_trial_spec *spec, int64_t round);
/* Where the signs come from that the weights of a round are forced to. */
enum sw_sign_reference {
    SW_SIGN_NONE,   /* they are not */
    SW_SIGN_THETA0, /* initial weights, those of the control for a reinit */
    SW_SIGN_REWIND, /* weights that the training begins with */
    SW_SIGN_DENSE   /* trained weights of the dense round */
};
enum sw_sign_reference sw_train_sign_reference(const struct sw_trial_spec *spec, int64_t round);

/* What happened to the weights of a layer in a training. */
struct sw_sign_events {
    int64_t unbalanced; /* steps in which u^2 - w^2 of a weight fell below zero */
    int64_t flipped;    /* steps in which the u of a weight changed its sign */
    int64_t forced;     /* signs that sign.seed_force changed */
};

/* ---- length --------------------------------------------------------------------------------- */

/* Steps of a training (train.steps, or epochs * ceil(images / batch)), steps of one epoch, and rows
 * of its curve: an evaluation before step 0, after every `evaluate.every` steps, and at the end. */
int64_t sw_train_steps(const struct sw_trial_spec *spec, int64_t train_images);
int64_t sw_train_epoch_steps(const struct sw_trial_spec *spec, int64_t train_images);
int64_t sw_train_curve_points(const struct sw_trial_spec *spec, int64_t steps);
/* Rows of the curve of a training that begins with step `first`: an evaluation before that. */
int64_t sw_train_curve_points_from(const struct sw_trial_spec *spec, int64_t first, int64_t steps);
/* FLOPs of a whole training with its evaluations, for layers with kept[l] weights; and of one that
 * begins with step `first`. */
double sw_train_flops(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                      const struct sw_data_info *data, const int64_t *kept);
double sw_train_flops_from(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                           const struct sw_data_info *data, int64_t first, const int64_t *kept);
/* The same for the steps behind `from` up to `to`, with the evaluations of a training that begins with
 * `first` which fall between them. */
double sw_train_flops_span(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                           const struct sw_data_info *data, int64_t first, int64_t from, int64_t to,
                           const int64_t *kept);
/* What the size of a training's state depends on. */
struct sw_train_extent {
    int64_t survivors; /* parameters, of which ... */
    int64_t factored;  /* weights are products of two factors */
    int64_t layers;    /* of the network */
};
/* Of a training of that round, whose network has that many survivors and, among them, weights. */
struct sw_train_extent sw_train_extent_of(const struct sw_trial_spec *spec, int64_t round,
                                          int64_t survivors, int64_t weights, int64_t layers);
/* Bytes of optimizer state, factors included. */
int64_t sw_train_state_bytes(const struct sw_trial_spec *spec,
                             const struct sw_train_extent *extent);
/* Bytes of gradients that are added up. */
int64_t sw_train_accumulator_bytes(const struct sw_trial_spec *spec, int64_t survivors);

/* ---- training ------------------------------------------------------------------------------- */

/* Samples of one forward pass of an evaluation, at most SW_EVALUATE_BATCH: fewer with convolutions, whose
 * activations take more room than a training step may. A net that is evaluated has at least this max_batch. */
#define SW_EVALUATE_BATCH 256
int64_t sw_train_evaluate_batch(const struct sw_arch *arch);
/* Samples of one pass of a training step: train.batch, or a part of it with train.accumulate. */
int64_t sw_train_part(const struct sw_trial_spec *spec);
/* max_batch of a net that is trained and evaluated. */
int64_t sw_train_max_batch(const struct sw_trial_spec *spec, const struct sw_arch *arch);

struct sw_training; /* a training that is running; opaque */

/* How others take part in a training. Any member may be NULL. A status other than SW_OK ends the
 * training and is returned (SW_DIVERGED marks the round as failed). */
struct sw_train_hooks {
    void *context;
    /* Once, before the first evaluation: the place for sw_train_restore. */
    enum sw_status (*before_start)(void *context, struct sw_training *training);
    /* After the backward pass of a step, before the update. `loss` is the mean over the batch. */
    enum sw_status (*after_backward)(void *context, struct sw_net *net, int64_t step, double loss);
    /* After each evaluation. */
    enum sw_status (*after_evaluation)(void *context, struct sw_net *net,
                                       const struct sw_curve_point *point);
    /* Between two steps, before after_step; not after the last one: the place for sw_train_reshape. */
    enum sw_status (*between_steps)(void *context, struct sw_training *training, int64_t done);
    /* Between two steps, when `done` of them and what follows them are over; also after the last
     * one: the place for sw_train_save. Its time does not count as training. */
    enum sw_status (*after_step)(void *context, const struct sw_training *training, int64_t done);
    /* The training begins with this step: learning rates and the order of the samples are those of
     * step first_step and on, the optimizer starts anew. 0 for a whole training. */
    int64_t first_step;
    /* Factors on the learning rate of each parameter, [n_params]; NULL: none. */
    const double *lr_factors;
    /* The weights train as products of two factors. */
    bool factored;
    /* Before factors of a parameter are split anew, other than at the start; `step` steps are done. */
    enum sw_status (*before_reset)(void *context, const struct sw_net_param *param,
                                   const struct sw_factors *factors, int64_t step);
    /* Signs that weights are forced to as sign.seed_force says, one bit per kept weight, layer after layer,
     * lowest bit first, 1 for positive; NULL: they are not. The caller's. */
    const uint8_t *sign_reference;
};

struct sw_train_outcome {
    double train_seconds, evaluate_seconds;
    int64_t optimizer_bytes;              /* device memory of the optimizer state */
    int64_t accumulator_bytes;            /* of gradients that are added up */
    int64_t watched_steps;                /* steps that train.clip looked at; 0 without */
    int64_t clipped_steps[SW_MAX_LAYERS]; /* of those it clipped, per layer */
    int64_t points; /* curve points written; fewer than planned when it diverged */
    struct sw_sign_events events[SW_MAX_LAYERS];
};

/* Train. curve[sw_train_curve_points(...)] is the caller's. Deterministic: depends on spec, data
 * and the net's weights only. *out is written on failure too: out->points rows of the curve are
 * valid. Errors: what hooks return; SW_CONFIG (unknown optimizer or schedule, data that does not
 * fit the network); SW_NOMEM. */
enum sw_status sw_train_run(struct sw_net *net, const struct sw_trial_spec *spec,
                            const struct sw_data *data, const struct sw_train_hooks *hooks,
                            struct sw_curve_point *curve,
                            struct sw_train_outcome *out) SW_NODISCARD;

/* Go on with another mask, from before_start or between_steps: what both masks keep has its values and
 * its optimizer states, what is gone has neither, and what is new has zeros. For networks that never run
 * as smaller ones (struct sw_net_storage). Errors: SW_NOMEM, SW_CONFIG as for sw_net_create; those of
 * the device. The training has to end then. */
enum sw_status sw_train_reshape(struct sw_training *training, const uint8_t *mask) SW_NODISCARD;

/* Mean loss and count of right answers over a split (0 images: NaN and 0). */
enum sw_status sw_train_evaluate(struct sw_net *net, const struct sw_data *data,
                                 enum sw_split split, double *loss, int64_t *correct) SW_NODISCARD;

/* ---- interruption --------------------------------------------------------------------------- */

/* All that a training carries from one step to the next, in one piece of plain memory:
 *     header | curve so far | trained values of the survivors | optimizer states of the survivors |
 *     factors of the weights and the states of the second ones | events of the layers | clipping
 * What stays the same during a training (settings, data, mask) is not part of it. A training that
 * is restored goes on as if it had never been interrupted, to the bit. */

/* Bytes of the state of such a training after that many evaluations, but for clipping; and of clipping. */
int64_t sw_train_saved_bytes(const struct sw_trial_spec *spec, const struct sw_train_extent *extent,
                             int64_t points);
int64_t sw_train_clip_bytes(const struct sw_trial_spec *spec, int64_t n_layers);
/* All of it for a running training, now. */
int64_t sw_train_bytes_now(const struct sw_training *training);
/* Take the state out, into exactly sw_train_bytes_now bytes. Errors: SW_INTERNAL (other `bytes`);
 * those of downloads. */
enum sw_status sw_train_save(const struct sw_training *training, void *out,
                             int64_t bytes) SW_NODISCARD;
/* Put it back into a training of the same settings, data and mask, from before_start; *done is the
 * number of steps done. The bytes may be anything. Errors: SW_DAMAGED, with what does not fit: the
 * training then starts at its beginning as if nothing had been tried. */
enum sw_status sw_train_restore(struct sw_training *training, const void *from, int64_t bytes,
                                int64_t *done) SW_NODISCARD;
