/* One training: epochs of a shuffled data set in steps of one batch, evaluations between them. */
#include "training.h"

#include <math.h>

#include "augment.h"
#include "sweepstake/memory.h"
#include "sweepstake/system.h"

/* ---- set-up --------------------------------------------------------------------------------- */

enum sw_status sw_train_check(const struct sw_trial_spec *spec, const char **key) {
    const struct sw_optimizer *optimizer = sw_optimizer_find(spec->train_optimizer_name);
    const struct sw_lr_schedule *schedule = sw_lr_schedule_find(spec->train_schedule_name);
    *key = "train.optimizer.name";
    if (optimizer == NULL)
        return SW_FAIL(SW_CONFIG, "%s: '%s' is not known", *key, spec->train_optimizer_name);
    if (optimizer->check != NULL) SW_TRY(optimizer->check(spec, key));
    *key = "train.schedule.name";
    if (schedule == NULL)
        return SW_FAIL(SW_CONFIG, "%s: '%s' is not known", *key, spec->train_schedule_name);
    if (schedule->check != NULL) SW_TRY(schedule->check(spec, key));
    SW_TRY(sw_training_check_signs(spec, key));
    SW_TRY(sw_accumulator_check(spec, key));
    return sw_clip_check(spec, key);
}

static enum sw_status check(const struct sw_training *training) {
    const char *key = NULL;
    SW_TRY(sw_train_check(training->spec, &key));
    if (training->steps > 0 && training->epoch_steps == 0)
        return SW_FAIL(SW_CONFIG, "data set '%s' has no training images",
                       training->data->info.name);
    if (sw_augment_is_asked(training->spec) && sw_net_input_planes(training->net) == NULL)
        return SW_FAIL(SW_CONFIG,
                       "train.augment: %s has no convolutions; only those are shown images",
                       sw_net_arch(training->net)->model);
    return SW_OK;
}

static enum sw_status begin(struct sw_training *training) {
    SW_TRY(check(training));
    for (int split = 0; split < SW_SPLIT_COUNT; split++)
        SW_TRY(sw_feed_init(training->net, training->data, (enum sw_split) split,
                            &training->feeds[split]));
    SW_TRY(
        SW_ALLOC(&training->order, (size_t) training->data->count[SW_SPLIT_TRAIN], "sample order"));
    if (sw_augment_is_asked(training->spec))
        SW_TRY(SW_ALLOC(&training->augment, (size_t) training->spec->train_batch, "augmentation"));
    SW_TRY(sw_optimizer_state_init(training->net, training->spec, training->hooks.factored,
                                   &training->optimizer));
    training->outcome.optimizer_bytes = training->optimizer.bytes;
    SW_TRY(sw_accumulator_init(training->net, training->spec, &training->accumulator));
    training->outcome.accumulator_bytes = training->accumulator.bytes;
    SW_TRY(sw_clip_init(training->net, training->spec, &training->clip));
    return sw_training_split(training);
}

static void keep_events(struct sw_training *training) {
    const struct sw_optimizer_state *state = &training->optimizer;
    int64_t n_params = 0, layer = 0;
    const struct sw_net_param *params = sw_net_params(training->net, &n_params);
    for (int64_t p = 0; state->params != NULL && p < n_params; p++)
        if (params[p].param->prunable) training->outcome.events[layer++] = state->params[p].events;
}

static void end(struct sw_training *training) {
    keep_events(training);
    sw_clip_fini(&training->clip);
    sw_accumulator_fini(&training->accumulator);
    sw_optimizer_state_fini(&training->optimizer);
    SW_FREE(&training->augment);
    SW_FREE(&training->order);
    for (int split = 0; split < SW_SPLIT_COUNT; split++)
        sw_feed_fini(&training->feeds[split]);
}

/* ---- steps ---------------------------------------------------------------------------------- */

static double learning_rate(const struct sw_training *training, int64_t step) {
    return sw_lr_at(training->spec, step, training->steps, training->epoch_steps);
}

void sw_training_order(struct sw_training *training, int64_t step) {
    sw_data_order((uint64_t) training->spec->seed, step / training->epoch_steps,
                  training->data->count[SW_SPLIT_TRAIN], training->order);
}

/* Samples of step `step`: the last one of an epoch takes what is left. */
static const int32_t *choose_batch(const struct sw_training *training, int64_t step,
                                   int64_t *batch) {
    int64_t first = step % training->epoch_steps * training->spec->train_batch;
    int64_t left = training->data->count[SW_SPLIT_TRAIN] - first;
    *batch = left < training->spec->train_batch ? left : training->spec->train_batch;
    return training->order + first;
}

/* How they are shown; NULL: as they are. */
static const struct sw_augment *augment(const struct sw_training *training, int64_t step,
                                        const int32_t *index, int64_t batch) {
    if (training->augment != NULL)
        sw_augment_draw(training->spec, step / training->epoch_steps, index, batch,
                        training->augment);
    return training->augment;
}

static enum sw_status run_step(struct sw_training *training, int64_t step) {
    struct sw_net *net = training->net;
    double loss_sum = 0;
    int64_t batch = 0;
    SW_TRY(sw_training_tend_signs(training, step));
    if (step % training->epoch_steps == 0) sw_training_order(training, step);
    const int32_t *index = choose_batch(training, step, &batch);
    SW_TRY(sw_accumulator_pass(&training->accumulator, &training->feeds[SW_SPLIT_TRAIN], net,
                               training->spec, step, index, augment(training, step, index, batch),
                               batch, &loss_sum));
    training->loss_sum += loss_sum;
    training->samples += batch;
    if (training->hooks.after_backward != NULL)
        SW_TRY(training->hooks.after_backward(training->hooks.context, net, step,
                                              loss_sum / (double) batch));
    SW_TRY(sw_training_add_norm_penalty(net, training->spec));
    SW_TRY(sw_clip_gradients(&training->clip, net));
    return sw_optimizer_state_update(&training->optimizer, net, training->spec,
                                     step - training->hooks.first_step + 1,
                                     learning_rate(training, step), training->hooks.lr_factors);
}

/* ---- evaluations ---------------------------------------------------------------------------- */

static enum sw_status measure(struct sw_training *training, enum sw_split split, double *loss,
                              int64_t *correct, double *accuracy) {
    const struct sw_feed *feed = &training->feeds[split];
    SW_TRY(sw_training_evaluate(feed, training->net, loss, correct));
    *accuracy = feed->count > 0 ? (double) *correct / (double) feed->count : NAN;
    return SW_OK;
}

/* Append a point to the curve, with the mean loss of the steps since the last one. */
static enum sw_status evaluate(struct sw_training *training, int64_t done) {
    int64_t last = training->steps > 0 ? training->steps - 1 : 0;
    struct sw_curve_point point = {
        .step = done,
        .epoch = training->epoch_steps > 0 ? (double) done / (double) training->epoch_steps : 0,
        .learning_rate = learning_rate(training, done < last ? done : last),
        .train_loss = training->samples > 0 ? training->loss_sum / (double) training->samples : NAN,
    };
    SW_TRY(measure(training, SW_SPLIT_VALIDATION, &point.validation_loss, &point.validation_correct,
                   &point.validation_accuracy));
    SW_TRY(measure(training, SW_SPLIT_TEST, &point.test_loss, &point.test_correct,
                   &point.test_accuracy));
    training->loss_sum = 0;
    training->samples = 0;
    training->curve[training->outcome.points++] = point;
    if (training->hooks.after_evaluation == NULL) return SW_OK;
    return training->hooks.after_evaluation(training->hooks.context, training->net, &point);
}

static enum sw_status time_evaluation(struct sw_training *training, int64_t done) {
    double start = sw_clock_monotonic();
    enum sw_status status = evaluate(training, done);
    double took = sw_clock_monotonic() - start;
    training->outcome.evaluate_seconds += took;
    training->elsewhere += took;
    return status;
}

/* ---- batch norm ----------------------------------------------------------------------------- */

/* Running statistics as the first batches of this training have them, with the weights as they are now. */
static enum sw_status recalibrate(struct sw_training *training) {
    struct sw_net *net = training->net;
    int64_t first = training->done;
    if (training->spec->train_recalibrate == 0 || !sw_net_has_statistics(net)) return SW_OK;
    sw_net_set_mode(net, SW_NET_RECALIBRATE, (uint64_t) training->spec->seed, first);
    for (int64_t i = 0; i < training->spec->train_recalibrate; i++) {
        int64_t step = first + i, batch = 0;
        if (i == 0 || step % training->epoch_steps == 0) sw_training_order(training, step);
        const int32_t *index = choose_batch(training, step, &batch);
        SW_TRY(sw_feed_gather(&training->feeds[SW_SPLIT_TRAIN], net, index,
                              augment(training, step, index, batch), batch));
        SW_TRY(sw_net_forward(net, batch));
    }
    return SW_OK;
}

/* ---- the training --------------------------------------------------------------------------- */

double sw_training_seconds(const struct sw_training *training) {
    return training->earlier + sw_clock_monotonic() - training->started - training->elsewhere;
}

/* What a hook does between two steps is not training. */
static enum sw_status tell_step(struct sw_training *training, int64_t done) {
    const struct sw_train_hooks *hooks = &training->hooks;
    enum sw_status status = SW_OK;
    double start = sw_clock_monotonic();
    training->done = done;
    if (hooks->between_steps != NULL && done < training->steps)
        status = hooks->between_steps(hooks->context, training, done);
    if (status == SW_OK && hooks->after_step != NULL)
        status = hooks->after_step(hooks->context, training, done);
    training->elsewhere += sw_clock_monotonic() - start;
    return status;
}

static enum sw_status start(struct sw_training *training) {
    if (training->hooks.before_start != NULL)
        SW_TRY(training->hooks.before_start(training->hooks.context, training));
    training->started = sw_clock_monotonic();
    if (training->outcome.points > 0) return SW_OK;
    SW_TRY(recalibrate(training));
    /* A rewound training may begin in the middle of an epoch. */
    if (training->done > 0 && training->done % training->epoch_steps != 0)
        sw_training_order(training, training->done);
    return time_evaluation(training, training->done);
}

static enum sw_status train(struct sw_training *training) {
    SW_TRY(start(training));
    for (int64_t step = training->done; step < training->steps; step++) {
        int64_t done = step + 1;
        SW_TRY(run_step(training, step));
        if (done % training->spec->train_evaluate_every == 0 || done == training->steps)
            SW_TRY(time_evaluation(training, done));
        SW_TRY(tell_step(training, done));
    }
    return SW_OK;
}

enum sw_status sw_train_run(struct sw_net *net, const struct sw_trial_spec *spec,
                            const struct sw_data *data, const struct sw_train_hooks *hooks,
                            struct sw_curve_point *curve, struct sw_train_outcome *out) {
    int64_t images = data->count[SW_SPLIT_TRAIN];
    struct sw_training training = {
        .net = net,
        .spec = spec,
        .data = data,
        .steps = sw_train_steps(spec, images),
        .epoch_steps = sw_train_epoch_steps(spec, images),
        .curve = curve,
    };
    if (hooks != NULL) training.hooks = *hooks;
    training.done = training.hooks.first_step;
    training.started = sw_clock_monotonic();
    enum sw_status status = begin(&training);
    if (status == SW_OK) status = train(&training);
    training.outcome.train_seconds = sw_training_seconds(&training);
    sw_clip_report(&training.clip, &training.outcome);
    end(&training);
    *out = training.outcome;
    return status;
}
