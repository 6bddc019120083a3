/* One round of one lottery. sw_trial_run_round reads like the algorithm; the steps are in the files
 * beside it. */
#include "trial_run.h"

#include "sweepstake/system.h"

/* ---- training, watched --------------------------------------------------------------------------- */

static void tell_progress(const struct sw_trial_run *run, int64_t step) {
    struct sw_progress progress = {.step = step, .steps = run->task->plan.steps};
    if (run->sink->progress != NULL) run->sink->progress(run->sink->context, &progress);
}

static enum sw_status after_backward(void *context, struct sw_net *net, int64_t step, double loss) {
    struct sw_trial_run *run = context;
    tell_progress(run, step);
    SW_TRY(sw_trial_take_snapshot(run, step)); /* before the update: after `step` steps */
    return sw_watch_backward(&run->watch, run->spec.monitor, net, step, loss);
}

static enum sw_status after_evaluation(void *context, struct sw_net *net,
                                       const struct sw_curve_point *point) {
    struct sw_trial_run *run = context;
    tell_progress(run, point->step);
    run->watch.sparsity = sw_trial_asked_sparsity(run, point->step);
    return sw_watch_evaluation(&run->watch, run->spec.monitor, net, point);
}

static enum sw_status before_start(void *context, struct sw_training *training) {
    struct sw_trial_run *run = context;
    SW_TRY(sw_trial_resume(run, training));
    return run->resumed ? SW_OK : sw_trial_shrink(run, training, run->task->plan.rewind_to);
}

static enum sw_status between_steps(void *context, struct sw_training *training, int64_t done) {
    return sw_trial_shrink(context, training, done);
}

static enum sw_status before_reset(void *context, const struct sw_net_param *param,
                                   const struct sw_factors *factors, int64_t step) {
    struct sw_trial_run *run = context;
    return sw_watch_reset(&run->watch, run->spec.monitor, run->net, param, factors, step);
}

/* A last epoch that is cut short is one, too. */
static enum sw_status watch_epoch(struct sw_trial_run *run, int64_t done) {
    const struct sw_trial_spec *spec = &run->spec;
    int64_t epoch_steps = sw_train_epoch_steps(spec, run->data->count[SW_SPLIT_TRAIN]);
    int64_t epoch = (done + epoch_steps - 1) / epoch_steps;
    if (done % epoch_steps != 0 && done != run->task->plan.steps) return SW_OK;
    return sw_watch_epoch(&run->watch, spec->monitor, run->net, epoch, done);
}

static enum sw_status after_step(void *context, const struct sw_training *training, int64_t done) {
    SW_TRY(watch_epoch(context, done));
    return sw_trial_checkpoint(context, training, done);
}

/* A training that diverges is a result, not an error. */
static enum sw_status train(struct sw_trial_run *run) {
    struct sw_train_hooks hooks = {
        .context = run,
        .before_start = before_start,
        .after_backward = after_backward,
        .after_evaluation = after_evaluation,
        .between_steps = between_steps,
        .after_step = after_step,
        .before_reset = before_reset,
        .first_step = run->task->plan.rewind_to,
        .factored = sw_train_is_factored(&run->spec, run->task->plan.round),
        .lr_factors = run->lr_factors,
        .sign_reference = run->forced};
    run->record.measured.started = sw_clock_wall();
    enum sw_status status = sw_train_run(run->net, &run->spec, run->data, &hooks, run->curve,
                                         &run->outcome);
    if (status != SW_DIVERGED) return status;
    sw_trial_fail_record(&run->record, sw_status_text());
    return SW_OK;
}

/* ---- rewinding ----------------------------------------------------------------------------------- */

enum sw_status sw_trial_create_net(struct sw_trial_run *run, const float *theta,
                                   struct sw_net **out) {
    int64_t batch = sw_train_max_batch(&run->spec, &run->arch);
    const struct sw_round_plan *plan = &run->task->plan;
    struct sw_net_storage storage;
    struct sw_trial_spec stage;
    sw_prune_stage(&run->spec, plan->round, &stage);
    sw_prune_storage(&stage, (enum sw_control) plan->control, &storage);
    storage.whole = run->within;
    SW_TRY(sw_net_create_as(run->hal, &run->arch, run->mask, batch, &storage, out));
    SW_TRY(sw_net_set_theta(*out, theta));
    return sw_trial_silence(run, *out);
}

/* The survivors of the mask go back to their values at initialisation, or at the step that says the plan;
 * or they stay what their parent trained. */
static enum sw_status rewind_weights(struct sw_trial_run *run) {
    return sw_trial_create_net(run, sw_trial_start_weights(run), &run->net);
}

/* ---- the round ----------------------------------------------------------------------------------- */

enum sw_status sw_trial_run_round(const struct sw_round_task *task, struct sw_hal *hal,
                                  const struct sw_data *data, const struct sw_trial_place *place,
                                  const struct sw_sink *sink) {
    struct sw_trial_run run = {
        .task = task, .hal = hal, .data = data, .place = place, .sink = sink};
    enum sw_status status = SW_OK;
    SW_TRY_TO(sw_trial_prepare(&run), status, cleanup);
    SW_TRY_TO(sw_trial_load_theta_k(&run), status, cleanup);
    SW_TRY_TO(sw_trial_make_mask(&run), status, cleanup);
    SW_TRY_TO(sw_trial_make_theta0(&run), status, cleanup);
    SW_TRY_TO(sw_trial_make_rates(&run), status, cleanup);
    SW_TRY_TO(sw_trial_make_signs(&run), status, cleanup);
    SW_TRY_TO(rewind_weights(&run), status, cleanup);
    SW_TRY_TO(sw_trial_watch_signs(&run), status, cleanup);
    SW_TRY_TO(train(&run), status, cleanup);
    SW_TRY_TO(sw_trial_end_within(&run), status, cleanup);
    SW_TRY_TO(sw_trial_judge(&run), status, cleanup);
    SW_TRY_TO(sw_trial_time_inference(&run), status, cleanup);
    SW_TRY_TO(sw_trial_hand_over(&run), status, cleanup);
cleanup:
    sw_trial_release(&run);
    return status;
}
