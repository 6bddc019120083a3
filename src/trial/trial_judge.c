/* How good the trained network is, and how fast. */
#include "trial_run.h"

#include <math.h>
#include <stdlib.h>

#include "sweepstake/memory.h"
#include "sweepstake/system.h"

/* ---- early stop ---------------------------------------------------------------------------------- */

/* The first evaluation with the lowest validation loss, NULL when there is none. Without validation
 * images it is the last one: the test images must not choose. */
static const struct sw_curve_point *find_early_stop(const struct sw_trial_run *run) {
    int64_t points = run->outcome.points;
    if (points == 0) return NULL;
    if (run->data->count[SW_SPLIT_VALIDATION] == 0) return &run->curve[points - 1];
    /* A network that was denser then is none that the round hands over. */
    const struct sw_curve_point *best = NULL;
    for (int64_t i = 0; i < points; i++) {
        const struct sw_curve_point *point = &run->curve[i];
        if (isnan(point->validation_loss) || point->step <= run->settled) continue;
        if (best == NULL || point->validation_loss < best->validation_loss) best = point;
    }
    return best;
}

static void judge_early_stop(struct sw_trial_run *run) {
    struct sw_round_results *result = &run->record.result;
    const struct sw_curve_point *point = find_early_stop(run);
    if (point == NULL) return;
    result->early_stop_step = point->step;
    result->early_stop_validation_loss = point->validation_loss;
    result->early_stop_validation_accuracy = point->validation_accuracy;
    result->early_stop_test_loss = point->test_loss;
    result->early_stop_test_accuracy = point->test_accuracy;
}

/* ---- end of the training ------------------------------------------------------------------------- */

/* Also without a monitor, numbers that are not numbers are no success: a split that has images has a
 * finite loss, as the store demands of a round that is ok. */
static void name_lost_loss(struct sw_trial_run *run) {
    const struct sw_round_results *result = &run->record.result;
    const struct {
        double loss;
        enum sw_split split;
        const char *reason;
    } checks[] = {
        {result->train_loss, SW_SPLIT_TRAIN,
         "training diverged: its final training loss is not finite"},
        {result->validation_loss, SW_SPLIT_VALIDATION,
         "training diverged: its final validation loss is not finite"},
        {result->test_loss, SW_SPLIT_TEST, "training diverged: its final test loss is not finite"},
    };
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        if (run->data->count[checks[i].split] == 0 || isfinite(checks[i].loss)) continue;
        sw_trial_fail_record(&run->record, checks[i].reason);
        return;
    }
}

/* The last point of the curve was evaluated after the last step; only the training images are missing. */
static enum sw_status judge_end(struct sw_trial_run *run) {
    struct sw_round_results *result = &run->record.result;
    const struct sw_curve_point *point = &run->curve[run->outcome.points - 1];
    double loss = 0;
    int64_t correct = 0;
    SW_TRY(sw_train_evaluate(run->net, run->data, SW_SPLIT_TRAIN, &loss, &correct));
    result->train_loss = loss;
    result->train_accuracy = (double) correct / (double) run->data->count[SW_SPLIT_TRAIN];
    result->validation_loss = point->validation_loss;
    result->validation_accuracy = point->validation_accuracy;
    result->test_loss = point->test_loss;
    result->test_accuracy = point->test_accuracy;
    result->test_correct = point->test_correct;
    name_lost_loss(run);
    return SW_OK;
}

/* ---- layers -------------------------------------------------------------------------------------- */

static enum sw_status judge_layer(struct sw_trial_run *run, const struct sw_net_param *param,
                                  int64_t layer) {
    struct sw_layer_record *record = &run->layers[layer];
    double squares = 0;
    SW_TRY(sw_hal_sum_squares(run->hal, param->values, param->n, &squares));
    SW_TEXT_COPY(record->name, param->param->name);
    record->weights = param->param->count;
    record->nnz = param->n;
    record->sparsity = 1 - (double) param->n / (double) param->param->count;
    record->weight_norm = sqrt(squares);
    record->gradient_norm = run->gradient_norm[layer];
    record->gradient_rms = run->gradient_norm[layer] / sqrt((double) param->n);
    record->signs = run->signs != NULL ? *sw_signs_layer(run->signs, layer) : sw_signs_unwatched();
    record->factor_unbalanced = run->outcome.events[layer].unbalanced;
    record->factor_flipped = run->outcome.events[layer].flipped;
    record->sign_forced = run->outcome.events[layer].forced;
    record->clipped = run->outcome.watched_steps > 0 ? (double) run->outcome.clipped_steps[layer] /
                                                           (double) run->outcome.watched_steps
                                                     : NAN;
    SW_TEXT_COPY(record->format, sw_format_name(sw_net_layer_format(run->net, layer)));
    return SW_OK;
}

static enum sw_status judge_layers(struct sw_trial_run *run) {
    int64_t n_params = 0, layer = 0;
    const struct sw_net_param *params = sw_net_params(run->net, &n_params);
    for (int64_t p = 0; p < n_params; p++)
        if (params[p].param->prunable) SW_TRY(judge_layer(run, &params[p], layer++));
    return SW_OK;
}

enum sw_status sw_trial_judge(struct sw_trial_run *run) {
    judge_early_stop(run);
    if (!sw_trial_has_failed(&run->record)) SW_TRY(judge_end(run));
    return judge_layers(run);
}

/* ---- inference ----------------------------------------------------------------------------------- */

#define LATENCY_PASSES 21    /* of which the median counts */
#define LATENCY_LEAST 3      /* of them, for networks whose passes are slow */
#define LATENCY_SECONDS 0.02 /* after that many no pass begins that is not needed */

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

/* Median time in microseconds from an input on the device to logits on the host. */
static enum sw_status time_forward(struct sw_trial_run *run, int64_t batch, float *logits,
                                   double *median) {
    double seconds[LATENCY_PASSES], spent = 0;
    int n = 0;
    for (bool warm = false; n < LATENCY_PASSES; warm = true) {
        if (n >= LATENCY_LEAST && spent > LATENCY_SECONDS) break;
        double start = sw_clock_monotonic();
        SW_TRY(sw_net_forward(run->net, batch));
        SW_TRY(sw_net_get_logits(run->net, batch, logits));
        if (!warm) continue; /* the first pass warms the caches */
        seconds[n] = sw_clock_monotonic() - start;
        spent += seconds[n++];
    }
    qsort(seconds, (size_t) n, sizeof *seconds, compare_doubles);
    *median = 1e6 * seconds[n / 2];
    return SW_OK;
}

/* The time does not depend on the values, so an input of zeros will do. */
enum sw_status sw_trial_time_inference(struct sw_trial_run *run) {
    struct sw_round_measured *measured = &run->record.measured;
    float *logits = NULL;
    enum sw_status status = SW_OK;
    size_t n = (size_t) (run->arch.classes * sw_hal_lanes(64));
    SW_TRY_TO(SW_ALLOC(&logits, n, "logits"), status, cleanup);
    SW_TRY_TO(sw_hal_zero(sw_net_input(run->net)), status, cleanup);
    sw_net_set_mode(run->net, SW_NET_EVALUATE, 0, 0);
    SW_TRY_TO(time_forward(run, 1, logits, &measured->latency_1_us), status, cleanup);
    SW_TRY_TO(time_forward(run, 64, logits, &measured->latency_64_us), status, cleanup);
cleanup:
    SW_FREE(&logits);
    return status;
}
