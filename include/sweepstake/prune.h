/* Module: prune
 * Purpose: trained weights + mask + criterion -> a smaller mask, with exact counts.
 * Rules that hold for every criterion: exactly the planned number of groups (weights, blocks, units)
 * is removed; ties are broken by (score, layer, index), all ascending: among equal scores the lowest
 * index goes first; nothing that was removed returns; a layer keeps at least min_keep of them. (Both
 * reference codes of the literature prune one weight more and lose ties.) */
#pragma once

#include "sweepstake/net.h"

/* ---- criteria: one file and one line in src/prune/criteria.def each ------------------------- */

/* What a criterion looks at beside the weights. A bit set. */
enum sw_score_need {
    SW_NEEDS_THETA0 = 1,    /* the initial weights */
    SW_NEEDS_REFERENCE = 2, /* weights of an earlier time: prune.sign_reference */
    SW_NEEDS_TRAINING =
        4,             /* weights that have trained: says nothing with prune.score_weights init */
    SW_NEEDS_NORM = 8, /* the scale of the batch norm behind every layer that is pruned */
    SW_NEEDS_GRADIENT = 16, /* the gradient of the loss on prune.score_samples training samples */
    SW_NEEDS_PRODUCT = 32,  /* the Hessian times that gradient, on the same samples */
    SW_NEEDS_FLOW = 64      /* the gradient of the flow through the network (flow.c), which is asked
                               again prune.score_steps times on the way to the mask */
};

/* Need number `index` in words for people, with its bit; NULL past the end. */
const char *sw_score_need_at(size_t index, unsigned *need);

/* What a criterion may look at, for one layer. Arrays of `count` elements, row order, unless another length
 * is given. What it does not need is NULL. */
struct sw_score_input {
    const struct sw_trial_spec *spec; /* for its options */
    const uint8_t *mask;              /* of the kept weights */
    const float *
        weights; /* trained values, or initial ones with prune.score_weights init; 0 where removed */
    const float *theta0;    /* values at initialisation, also where removed */
    const float *reference; /* as theta0 */
    const float *scale;     /* [rows], of batch norm */
    const double *gradient; /* of the loss, or of the flow; 0 where removed */
    const double *product;  /* 0 where removed */
    int64_t count, rows;
    uint64_t seed; /* of the trial */
    int64_t round; /* the round that the new mask is for, from 1 */
    int64_t layer;
};
struct sw_criterion {
    const char *name;
    const char *summary;
    const char *formula;        /* of the score, for people */
    const char *source;         /* where the formula is from */
    const char *const *options; /* keys of the prune.* fields that only some use; NULL-terminated */
    unsigned needs;             /* enum sw_score_need */
    bool negative;              /* scores may be below zero */
    /* Score every element; the lowest are removed. Removed ones are ignored. Errors: SW_NOMEM. */
    enum sw_status (*score)(const struct sw_score_input *input, float *scores);
};
const struct sw_criterion *sw_criterion_at(size_t index);
const struct sw_criterion *sw_criterion_find(const char *name);

/* Words of the other prune.* registries; NULL past the end. */
const char *sw_scope_at(size_t index, const char **summary);
const char *sw_granularity_at(size_t index, const char **summary);
const char *sw_prune_schedule_at(size_t index, const char **summary);
/* Source of a schedule, and the prune.* keys that only some schedules use (NULL: there is no such one). */
const char *sw_prune_schedule_source(size_t index);
const char *const *sw_prune_schedule_options(const char *name);
const char *sw_score_weights_at(size_t index, const char **summary);
const char *sw_group_score_at(size_t index, const char **summary);
const char *sw_score_reference_at(size_t index, const char **summary);

/* Ways in which layers share the pruning (prune.allocation), and the prune.* keys that only some of
 * them use (NULL: there is no such one). */
const char *sw_allocation_at(size_t index, const char **summary, const char **source);
const char *const *sw_allocation_options(const char *name);

/* ---- counts --------------------------------------------------------------------------------- */

/* The round whose trained network `round` (from 1) prunes: the one before, or with prune.schedule
 * one-shot always round 0. */
int64_t sw_prune_parent_round(const struct sw_trial_spec *spec, int64_t round);
/* Does a ticket come from nothing but the initial weights (prune.score_weights init, one cut, no rewinding)? Its round
 * then has no parent. */
bool sw_prune_is_standalone(const struct sw_trial_spec *spec);
/* Weights that the criterion of a trial compares signs with. */
enum sw_score_reference {
    SW_REFERENCE_NONE,
    SW_REFERENCE_THETA0,
    SW_REFERENCE_THETA_K, /* those that tickets rewind to; theta0 when that is step 0 */
    SW_REFERENCE_BEFORE   /* those that the parent's parent ended with; theta0 without one */
};
enum sw_score_reference sw_prune_reference(const struct sw_trial_spec *spec);

/* Counts are of groups, which are what prune.granularity removes as one, and are the same for every
 * schedule, which says how a round gets there. A pool is a layer; with scope global, all layers, but for
 * those with a rate of their own. With an allocation by rates every round removes round-half-up(rate *
 * remaining) of a pool, never below min(min_keep, size) of a layer; with prune.target the round that
 * would pass it keeps exactly round-half-up((1 - target) * all) groups: the pools' removals of that round
 * are scaled by one factor, largest remainders first, ties to the lower layer. With an allocation by
 * shares (er, erk, seed_final_ratio) a round removes round-half-up(prune.rate * remaining) of the whole
 * network, down to the target exactly, and each layer keeps its share of what is left, largest
 * remainders first. prune.rate null is solved for: the rate that reaches the target with the last of
 * prune.rounds, which is exact. */

/* Can this be done with this network? Errors: SW_CONFIG, with *key the setting to look at. */
enum sw_status sw_prune_check(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                              const char **key) SW_NODISCARD;

/* A trial whose tickets are converted (prune.convert) has two stages. Functions below that take a round know
 * which one it is in; others want the spec of that stage: prune.granularity is then that of the round. */
void sw_prune_stage(const struct sw_trial_spec *spec, int64_t round, struct sw_trial_spec *out);
/* Does the mask of a round begin anew, from the trained weights of its parent, so that weights may return? */
bool sw_prune_is_conversion(const struct sw_trial_spec *spec, int64_t round);

/* Are whole units removed, so that what is left may run as a smaller network? */
bool sw_prune_removes_units(const struct sw_trial_spec *spec);

/* Is it an N:M pattern, which one prune reaches whatever the rates are? */
bool sw_prune_is_pattern(const struct sw_trial_spec *spec);

/* A removed filter gives 0, behind its bias or batch norm too: must what has no mask of it be set to 0 before
 * a training, so that a masked network equals the smaller one layer by layer? Biases of neurons, which
 * nobody reads any more, keep their values; a random control has no removed filters. */
bool sw_prune_silences(const struct sw_trial_spec *spec, enum sw_control control);
/* Set biases, scales and shifts of units without weights to 0. `survivors` as sw_net_get_survivors gives
 * them for `mask`. */
void sw_prune_silence(const struct sw_arch *arch, const uint8_t *mask, float *survivors);

/* What a person should know of the counts of a round; false when there is nothing. */
bool sw_prune_note(const struct sw_trial_spec *spec, const struct sw_arch *arch, int64_t round,
                   char *out, size_t size);

/* How much of a round's counts is exact before anything is trained. */
enum sw_prune_known {
    SW_PRUNE_KNOWS_LAYERS, /* what every layer keeps */
    SW_PRUNE_KNOWS_TOTAL,  /* what all layers keep together; a layer at most (scope global) */
    SW_PRUNE_KNOWS_BOUNDS  /* at most: blocks may be cut by an edge, units have different sizes */
};
enum sw_prune_known sw_prune_known(const struct sw_trial_spec *spec);

/* Weights that each layer keeps in `round` (0 keeps all), exactly or at most: kept[n_layers]. */
void sw_prune_kept(const struct sw_trial_spec *spec, const struct sw_arch *arch, int64_t round,
                   int64_t *kept);
/* Weights that all layers keep together, exactly or at most. */
int64_t sw_prune_total(const struct sw_trial_spec *spec, const struct sw_arch *arch, int64_t round);
/* Weights that each layer will keep for all one can say: those of sw_prune_kept where they are exact,
 * else the layer's share of what is left. For predictions. */
void sw_prune_likely(const struct sw_trial_spec *spec, const struct sw_arch *arch, int64_t round,
                     int64_t *kept);

/* Prunes of a trial: prune.rounds, or fewer when prune.target is reached earlier. */
int64_t sw_prune_rounds(const struct sw_trial_spec *spec, const struct sw_arch *arch);

/* The sparsity that `round` asks for before rounding to whole groups. */
double sw_prune_requested(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                          int64_t round);

/* Where prune.min_keep acted: what layer l would keep without it, in groups; -1 where it did not. */
struct sw_prune_report {
    int64_t held_at[SW_MAX_LAYERS];
};

/* ---- inside of a training -------------------------------------------------------------------- */

/* Does prune.schedule prune tickets while they train? A round then begins with its parent's mask, and
 * calls at planned steps shrink it to the counts of the round, which the last call makes exact. */
bool sw_prune_is_within(const struct sw_trial_spec *spec);

/* A training from step `first` on. */
struct sw_prune_span {
    int64_t first, steps, epoch_steps;
};
/* Do the settings fit a training of this length? As sw_prune_check. */
enum sw_status sw_prune_check_span(const struct sw_trial_spec *spec,
                                   const struct sw_prune_span *span, const char **key) SW_NODISCARD;
/* Calls of a round, 0 for other schedules; is there one when `done` steps are, when is the last one, and is
 * it that? */
int64_t sw_prune_calls(const struct sw_trial_spec *spec, const struct sw_prune_span *span);
bool sw_prune_is_due(const struct sw_trial_spec *spec, const struct sw_prune_span *span,
                     int64_t done);
int64_t sw_prune_last_call(const struct sw_trial_spec *spec, const struct sw_prune_span *span);
bool sw_prune_is_last(const struct sw_trial_spec *spec, const struct sw_prune_span *span,
                      int64_t done);
/* Rows that a call writes at most: one for all that compete with each other. */
int64_t sw_prune_pools(const struct sw_trial_spec *spec, const struct sw_arch *arch);
/* One call: from a mask and the survivors' values to a mask within it; rows[sw_prune_pools]. `mask` may
 * not be mask_before. Errors: as sw_prune_round. */
enum sw_status sw_prune_within(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                               int64_t round, const struct sw_prune_span *span, int64_t done,
                               const uint8_t *mask_before, const float *survivors, uint8_t *mask,
                               struct sw_prune_call *rows, int64_t *n_rows,
                               struct sw_prune_report *report) SW_NODISCARD;
/* As sw_prune_likely, after that many steps of a round's training. */
void sw_prune_likely_within(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                            int64_t round, const struct sw_prune_span *span, int64_t done,
                            int64_t *kept);

/* ---- storage -------------------------------------------------------------------------------- */

/* Words of train.format and train.block_size; NULL past the end. */
const char *sw_prune_format_at(size_t index, const char **summary);
const char *sw_prune_block_size_at(size_t index, const char **summary);

/* How the networks of a trial store their weights: what the settings say, with the blocks that masks of
 * its granularity are made of (a random control has none). For settings that sw_prune_check allows. */
void sw_prune_storage(const struct sw_trial_spec *spec, enum sw_control control,
                      struct sw_net_storage *out);

/* ---- controls -------------------------------------------------------------------------------- */

/* The mask of a control of `round` from its ticket's, arch->mask_bytes each: the same for
 * SW_CONTROL_REINIT; for SW_CONTROL_RANDOM as many weights of every layer, drawn anew one by one; for
 * SW_CONTROL_SHUFFLE the groups of every layer in other places of the same shape (of a pattern, as
 * many of every few weights at random). Errors: SW_NOMEM, SW_INTERNAL. */
enum sw_status sw_prune_control_mask(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                                     enum sw_control control, int64_t round, const uint8_t *ticket,
                                     uint8_t *mask) SW_NODISCARD;

/* ---- selection ------------------------------------------------------------------------------ */

/* Clear bits of mask[count] so that exactly `keep` stay set: those with the highest scores (ties:
 * the higher index stays). NaN scores count as the lowest. Errors: SW_INTERNAL when fewer than
 * `keep` are set. */
enum sw_status sw_prune_select(const float *scores, int64_t count, int64_t keep,
                               uint8_t *mask) SW_NODISCARD;

/* What is beside the parent's weights. What sw_prune_needs does not name may be NULL. */
struct sw_prune_source {
    const float *theta0;    /* [parameters] */
    const float *reference; /* [parameters] */
    struct sw_hal *hal;     /* where gradients are taken */
    const struct sw_data *data;
    void (*alive)(void *context); /* called while scores are being computed; may be NULL */
    void *context;
};
/* enum sw_score_need of a trial's criterion, and SW_NEEDS_THETA0 where prune.score_weights says so. */
unsigned sw_prune_needs(const struct sw_trial_spec *spec);
/* Memory that these take beside the weights, in the prune for `round`; 0 for most criteria. */
int64_t sw_prune_bytes(const struct sw_trial_spec *spec, const struct sw_arch *arch, int64_t round,
                       enum sw_isa isa);
/* Training samples that gradients are taken on. */
int64_t sw_prune_samples(const struct sw_trial_spec *spec, int64_t classes);

/* The whole step: from the parent's trained survivors and mask to the mask of `round`.
 *   parent_mask, mask  arch->mask_bytes; parent_survivors in sw_net_get_survivors' order, NULL with
 *   prune.score_weights init; source NULL for a criterion that needs nothing.
 * The score of a group is made of the criterion's over its kept weights (of a unit: over its incoming ones, of
 * a channel over its outgoing ones) as prune.group_score says; of units that several layers make it is the
 * mean over the layers. Gradients are those of the parent's network: what was removed has none, and never
 * returns, but for a conversion, in which it scores 0. The same bits for any number of threads. Errors: SW_NOMEM, SW_CONFIG (unknown criterion),
 * SW_INTERNAL (the parent keeps less than this round has to; a source that is missing), SW_UNSUPPORTED (the
 * flow through the network is no finite number), those of the device. */
enum sw_status sw_prune_round(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                              int64_t round, const uint8_t *parent_mask,
                              const float *parent_survivors, const struct sw_prune_source *source,
                              uint8_t *mask, struct sw_prune_report *report) SW_NODISCARD;
