/* Module: train, private: one training while it runs. */
#pragma once

#include "accumulate.h"
#include "clip.h"
#include "optimizer.h"
#include "sweepstake/feed.h"

struct sw_training {
    struct sw_net *net;
    const struct sw_trial_spec *spec;
    const struct sw_data *data;
    struct sw_train_hooks hooks;
    int64_t steps, epoch_steps;
    int64_t done; /* steps that were over when a hook was told last, or a state was put back */
    struct sw_feed feeds[SW_SPLIT_COUNT];
    struct sw_optimizer_state optimizer;
    struct sw_clip clip;
    struct sw_accumulator accumulator;
    int32_t *order; /* [training samples]: order of this epoch */
    struct sw_augment
        *augment;    /* [batch]: how the samples of a step are shown; NULL: as they are */
    double loss_sum; /* over the samples trained on since the last evaluation */
    int64_t samples; /* how many those are */
    struct sw_curve_point *curve;
    struct sw_train_outcome outcome;
    double started;   /* monotonic */
    double earlier;   /* seconds of training before this process */
    double elsewhere; /* seconds since `started` that were no training */
};

/* loop.c: fill in the order of the epoch that `step` is in. */
void sw_training_order(struct sw_training *training, int64_t step);
/* signs.c: split the weights into factors, where they train so, at the start. */
enum sw_status sw_training_split(struct sw_training *training) SW_NODISCARD;
/* signs.c: what is due between two epochs before step `step`: signs are forced, factors split anew. */
enum sw_status sw_training_tend_signs(struct sw_training *training, int64_t step) SW_NODISCARD;
/* signs.c: are signs and resets asked for in a way that can be done? As sw_train_check. */
enum sw_status sw_training_check_signs(const struct sw_trial_spec *spec,
                                       const char **key) SW_NODISCARD;
/* loop.c: seconds spent in training steps so far. */
double sw_training_seconds(const struct sw_training *training);
/* evaluate.c: mean loss and right answers over all samples, in their order; NaN and 0 without samples. */
enum sw_status sw_training_evaluate(const struct sw_feed *feed, struct sw_net *net, double *loss,
                                    int64_t *correct) SW_NODISCARD;
/* norm_penalty.c: add train.norm_penalty to the gradients of a step. Errors: SW_NOMEM, those of the device. */
enum sw_status sw_training_add_norm_penalty(struct sw_net *net,
                                            const struct sw_trial_spec *spec) SW_NODISCARD;
