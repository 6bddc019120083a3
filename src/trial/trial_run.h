/* What the files of trial share: one round while it runs. */
#pragma once

#include "sweepstake/monitor.h"
#include "sweepstake/prune.h"
#include "sweepstake/train.h"
#include "sweepstake/trial.h"

struct sw_trial_run {
    /* What it was given; borrowed. */
    const struct sw_round_task *task;
    struct sw_hal *hal;
    const struct sw_data *data;
    const struct sw_trial_place *place;
    const struct sw_sink *sink;
    /* What it makes; owned. */
    struct sw_trial_spec spec; /* the task's, as this round has it (sw_train_round_spec) */
    struct sw_arch arch;
    float *theta0;     /* [parameters] */
    bool theta0_whole; /* also where the mask keeps nothing */
    float *theta_k;    /* weights of the steps that others rewind to, [plan.snapshots * parameters];
                            or those that this round begins with, [parameters] */
    int64_t snapshots; /* of the former, taken so far */
    struct sw_lr_prune prune; /* what the prune did; of norms only where trained weights are kept */
    double *lr_factors;       /* [n_params] on the rate of each parameter; NULL: none */
    uint8_t *mask;            /* [mask_bytes] */
    uint8_t *forced; /* signs that weights are forced to, one bit per kept weight; NULL: none */
    int64_t kept[SW_MAX_LAYERS]; /* weights of each layer that it keeps */
    struct sw_net *net;
    struct sw_curve_point *curve;   /* [plan.curve_points] */
    double *gradient_norm;          /* [n_layers] */
    struct sw_signs *signs;         /* of the monitor `signs`; NULL: it is off */
    struct sw_layer_record *layers; /* [n_layers] */
    struct sw_alert *alerts;        /* [SW_ALERTS_MAX] */
    struct sw_curve_point *dense;   /* curve of round 0, where a monitor needs it */
    struct sw_watch watch;
    struct sw_train_outcome outcome;
    struct sw_round_record record;
    /* Of rounds that are pruned while they train. */
    bool within;
    bool resumed;                /* it went on from a checkpoint */
    struct sw_digest start_mask; /* digest of the mask that the training began with */
    struct sw_prune_call *calls; /* [plan.prune_rows]; owned */
    int64_t n_calls;
    int64_t settled; /* step at which the mask changed last, -1: never */
    double flops;    /* of the steps up to flops_from */
    int64_t flops_from;
    struct sw_net_memory peak; /* the most that the network took */
    char *checkpoint;          /* memory for one, allocated with the first; owned */
    bool checkpoint_told;      /* that they cannot be saved */
};

/* trial_start.c: memory and the record as far as it is known in advance. Errors: SW_NOMEM, SW_CONFIG
 * (model), SW_INTERNAL (the task does not fit its model or data). */
enum sw_status sw_trial_prepare(struct sw_trial_run *run) SW_NODISCARD;
void sw_trial_release(struct sw_trial_run *run);
/* trial_start.c: the weights at initialisation, as far as somebody looks at them: all of them in a
 * round that hands them over, else those that the mask keeps, and none when the training begins with
 * weights of a later step. A reinit control draws its own. Errors: SW_CONFIG (distribution). */
enum sw_status sw_trial_make_theta0(struct sw_trial_run *run) SW_NODISCARD;
/* trial_start.c: draw them: those that `mask` keeps, or all. Errors: SW_CONFIG (distribution). */
enum sw_status sw_trial_draw(struct sw_trial_run *run, const uint8_t *mask) SW_NODISCARD;
/* trial_start.c: the mask of another row, of that round, which keeps as many weights of every layer as was
 * planned. Errors: what the sink returns, SW_DAMAGED. */
enum sw_status sw_trial_load_mask(const struct sw_trial_run *run, int64_t row, int64_t round,
                                  const int64_t *planned, uint8_t *mask) SW_NODISCARD;
void sw_trial_keep_all(const struct sw_trial_run *run, uint8_t *mask);
/* trial_prune.c: the mask of a ticket, from its parent's or, without a parent, from the initial weights; alerts
 * where prune.min_keep acted. Errors: SW_NOMEM, what the sink returns, SW_DAMAGED, those of sw_prune_round. */
enum sw_status sw_trial_prune_parent(struct sw_trial_run *run) SW_NODISCARD;
/* trial_snapshot.c: memory for snapshots, or one of round 0. Errors: SW_NOMEM, what the sink returns. */
enum sw_status sw_trial_load_theta_k(struct sw_trial_run *run) SW_NODISCARD;
/* trial_snapshot.c: the weights that the training begins with, [parameters]; borrowed. */
const float *sw_trial_start_weights(const struct sw_trial_run *run);
/* trial_snapshot.c: keep the weights when they are those of a step that others rewind to. */
enum sw_status sw_trial_take_snapshot(struct sw_trial_run *run, int64_t step) SW_NODISCARD;
/* trial_snapshot.c: put back the snapshots of a training that goes on after `done` steps. */
void sw_trial_restore_snapshots(struct sw_trial_run *run, const void *from, int64_t done);
/* trial_start.c: all ones for round 0, pruned from the parent for a ticket, made from the ticket's for a
 * control.
 * Fills in `kept` and alerts where prune.min_keep acted. Errors: SW_NOMEM, what the sink returns,
 * SW_DAMAGED (a mask that does not fit its counts). */
enum sw_status sw_trial_make_mask(struct sw_trial_run *run) SW_NODISCARD;

/* trial_start.c: what has no mask of removed filters becomes 0 in the network. Errors: SW_NOMEM, those of
 * the device. */
enum sw_status sw_trial_silence(struct sw_trial_run *run, struct sw_net *net) SW_NODISCARD;
/* trial.c: a network of this round's mask, with `theta` where the mask keeps it. */
enum sw_status sw_trial_create_net(struct sw_trial_run *run, const float *theta,
                                   struct sw_net **out) SW_NODISCARD;
/* trial_convert.c: what the parent's trained weights are worth under this round's new mask, before they go
 * back and train; into the record. Errors: SW_NOMEM, those of the device. */
enum sw_status sw_trial_judge_conversion(struct sw_trial_run *run, const uint8_t *parent_mask,
                                         const float *survivors) SW_NODISCARD;
/* trial_rates.c: with rewind.mode learning-rate or fine-tune, keep the parent's trained weights to begin
 * with, and what the prune took of them; `survivors` as the parent handed them over. */
void sw_trial_take_parent(struct sw_trial_run *run, const uint8_t *parent_mask,
                          const float *survivors);
/* trial_rates.c: learning rates of this round, once its mask is known. */
enum sw_status sw_trial_make_rates(struct sw_trial_run *run) SW_NODISCARD;
/* trial_signs.c: the signs that weights are forced to, where the settings ask for it. Errors: SW_NOMEM,
 * what the sink returns. */
enum sw_status sw_trial_make_signs(struct sw_trial_run *run) SW_NODISCARD;

/* trial_signs.c: what the monitor `signs` needs, when it is on and the network has its weights. */
enum sw_status sw_trial_watch_signs(struct sw_trial_run *run) SW_NODISCARD;
bool sw_trial_watches_signs(const struct sw_trial_spec *spec);

/* trial_checkpoint.c: hooks of the training. Go on from a checkpoint, if there is one; take one when
 * it is time. What goes wrong with a checkpoint is told, and the training goes on without. Errors:
 * SW_STOPPED (asked to end), SW_NOMEM, those of the device. */
enum sw_status sw_trial_resume(struct sw_trial_run *run, struct sw_training *training) SW_NODISCARD;
enum sw_status sw_trial_checkpoint(struct sw_trial_run *run, const struct sw_training *training,
                                   int64_t done) SW_NODISCARD;

/* trial_judge.c: the figures of the trained network, into the record and `layers`. */
enum sw_status sw_trial_judge(struct sw_trial_run *run) SW_NODISCARD;
/* trial_judge.c: how long a forward pass takes. */
enum sw_status sw_trial_time_inference(struct sw_trial_run *run) SW_NODISCARD;

/* trial_record.c: a record with what the task says, and no figures: NaN, or -1 for whole numbers. */
void sw_trial_plan_record(const struct sw_round_task *task, const struct sw_arch *arch,
                          const struct sw_trial_place *place, struct sw_round_record *record);
/* trial_record.c: what follows from the mask itself: counts, sparsity, FLOPs. */
void sw_trial_count_kept(struct sw_trial_run *run);
/* trial_record.c: the round is a failure; `reason` is copied. */
void sw_trial_fail_record(struct sw_round_record *record, const char *reason);
bool sw_trial_has_failed(const struct sw_round_record *record);
/* trial_record.c: hand every section to the sink, the record last. */
enum sw_status sw_trial_hand_over(struct sw_trial_run *run) SW_NODISCARD;

/* trial_within.c: rounds that are pruned while they train; nothing in others. Memory and counts, when the
 * mask is that of the parent. */
enum sw_status sw_trial_begin_within(struct sw_trial_run *run) SW_NODISCARD;
/* trial_within.c: shrink mask and network when it is time. Errors: SW_NOMEM, those of the device. */
enum sw_status sw_trial_shrink(struct sw_trial_run *run, struct sw_training *training,
                               int64_t done) SW_NODISCARD;
/* trial_within.c: what an evaluation behind that many steps is to find; NaN before the last prune. */
double sw_trial_asked_sparsity(const struct sw_trial_run *run, int64_t step);
/* trial_within.c: the mask is the one that was planned, unless the training failed. */
enum sw_status sw_trial_end_within(struct sw_trial_run *run) SW_NODISCARD;

/* trial_within.c: its part of a checkpoint: this | mask | calls. */
struct sw_trial_within {
    int64_t n_calls, settled, flops_from;
    double flops;
};
int64_t sw_trial_within_bytes(const struct sw_trial_run *run, int64_t n_calls);
void sw_trial_save_within(const struct sw_trial_run *run, char *out);
/* Errors: SW_DAMAGED. */
enum sw_status sw_trial_check_within(const struct sw_trial_run *run, const char *from,
                                     int64_t n_calls) SW_NODISCARD;
void sw_trial_restore_within(struct sw_trial_run *run, const char *from);

/* trial_start.c: count what the mask keeps; it is what was planned, or at most that. */
enum sw_status sw_trial_count_mask(struct sw_trial_run *run) SW_NODISCARD;
/* trial_prune.c: alerts where a floor, not the scores, decided. */
void sw_trial_report_floors(struct sw_trial_run *run, const struct sw_prune_report *report);
