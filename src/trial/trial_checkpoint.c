/* Checkpoints inside a round:
 *     header | alerts so far | watched gradient norms | watched signs | weights to rewind to | mask and
 *     prunes of a round that is pruned while it trains | state of the training */
#include "trial_run.h"

#include <stdio.h>
#include <string.h>

#include "sweepstake/memory.h"

struct checkpoint_header {
    int64_t n_alerts, suppressed;
    int64_t n_layers;
    int64_t sign_bytes;     /* of the monitor `signs` */
    int64_t snapshot_bytes; /* of all snapshots, taken or not */
    int64_t n_calls;        /* prunes so far */
    int64_t train_bytes;
};

/* ---- what both directions share ---------------------------------------------------------------- */

static int64_t watch_bytes(int64_t n_alerts, int64_t n_layers) {
    return n_alerts * (int64_t) sizeof(struct sw_alert) + n_layers * (int64_t) sizeof(double);
}

static int64_t checkpoint_bytes(int64_t n_alerts, int64_t n_layers, int64_t sign_bytes,
                                int64_t snapshot_bytes, int64_t train_bytes) {
    return (int64_t) sizeof(struct checkpoint_header) + watch_bytes(n_alerts, n_layers) +
           sign_bytes + snapshot_bytes + train_bytes;
}

static int64_t sign_bytes(const struct sw_trial_spec *spec, int64_t weights, int64_t n_layers) {
    return sw_trial_watches_signs(spec) ? sw_signs_saved_bytes(weights, n_layers) : 0;
}

int64_t sw_trial_checkpoint_bytes(const struct sw_trial_spec *spec,
                                  const struct sw_round_plan *plan, int64_t n_layers) {
    int64_t within = 0, survivors = plan->survivors;
    if (plan->start_survivors > survivors) survivors = plan->start_survivors;
    if (plan->prune_rows > 0)
        within = (int64_t) sizeof(struct sw_trial_within) + plan->length[SW_SECTION_MASK] +
                 plan->prune_rows * (int64_t) sizeof(struct sw_prune_call);
    const struct sw_train_extent extent = sw_train_extent_of(
        spec, plan->round, survivors, plan->nnz + survivors - plan->survivors, n_layers);
    return within + checkpoint_bytes(SW_ALERTS_MAX, n_layers, sign_bytes(spec, plan->nnz, n_layers),
                                     plan->length[SW_SECTION_THETA_K] * (int64_t) sizeof(float),
                                     sw_train_saved_bytes(spec, &extent, plan->curve_points) +
                                         sw_train_clip_bytes(spec, n_layers));
}

static int64_t snapshot_bytes(const struct sw_trial_run *run) {
    return run->task->plan.snapshots * run->arch.parameters * (int64_t) sizeof(float);
}

static int64_t signs_now(const struct sw_trial_run *run) {
    return sign_bytes(&run->task->spec, run->record.result.nnz, run->arch.n_layers);
}

/* The same, for the network as it is. */
static int64_t find_capacity(const struct sw_trial_run *run) {
    const struct sw_round_plan *plan = &run->task->plan;
    const struct sw_train_extent extent = sw_train_extent_of(
        &run->spec, plan->round, sw_net_survivors(run->net), run->record.result.nnz,
        run->arch.n_layers);
    return sw_trial_within_bytes(run, plan->prune_rows) +
           checkpoint_bytes(SW_ALERTS_MAX, run->arch.n_layers, signs_now(run), snapshot_bytes(run),
                            sw_train_saved_bytes(&run->spec, &extent, plan->curve_points) +
                                sw_train_clip_bytes(&run->spec, run->arch.n_layers));
}

static void tell(const struct sw_trial_run *run, const char *text) {
    if (run->sink->notice != NULL) run->sink->notice(run->sink->context, text);
}

static void tell_why(const struct sw_trial_run *run, const char *what) {
    char text[256];
    (void) snprintf(text, sizeof text, "%s: %.180s", what, sw_status_text());
    tell(run, text);
}

/* ---- back -------------------------------------------------------------------------------------- */

static bool is_text(const char *text, size_t size) {
    return memchr(text, '\0', size) != NULL;
}

static bool are_alerts(const struct sw_alert *alerts, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (!is_text(alerts[i].monitor, sizeof alerts[i].monitor) ||
            !is_text(alerts[i].message, sizeof alerts[i].message))
            return false;
    return true;
}

static enum sw_status check(const struct sw_trial_run *run, const struct checkpoint_header *header,
                            const char *alerts, int64_t bytes) {
    const int64_t n = header->n_alerts;
    if (n < 0 || n > SW_ALERTS_MAX || header->suppressed < 0 ||
        header->n_layers != run->arch.n_layers || header->sign_bytes != signs_now(run) ||
        header->snapshot_bytes != snapshot_bytes(run) || header->train_bytes < 0 ||
        header->train_bytes > bytes || header->n_calls < 0 ||
        header->n_calls > run->task->plan.prune_rows ||
        checkpoint_bytes(n, header->n_layers, header->sign_bytes, header->snapshot_bytes,
                         header->train_bytes) +
                sw_trial_within_bytes(run, header->n_calls) !=
            bytes ||
        !are_alerts((const struct sw_alert *) (const void *) alerts, n))
        return SW_FAIL(SW_DAMAGED, "%lld bytes that are none of this round", (long long) bytes);
    return SW_OK;
}

/* The state of the training, under the mask that it was saved with. Errors: SW_DAMAGED: mask and weights
 * are then those of its beginning; those of the device. */
static enum sw_status restore_training(struct sw_trial_run *run, struct sw_training *training,
                                       const char *within, int64_t within_bytes,
                                       int64_t train_bytes, int64_t *done) {
    const uint8_t *mask = (const uint8_t *) within + sizeof(struct sw_trial_within);
    if (run->within) SW_TRY(sw_train_reshape(training, mask));
    enum sw_status status = sw_train_restore(training, within + within_bytes, train_bytes, done);
    if (!run->within || status != SW_DAMAGED) return status;
    SW_TRY(sw_train_reshape(training, run->mask));
    SW_TRY(sw_net_set_theta(run->net, sw_trial_start_weights(run)));
    return SW_FAIL(SW_DAMAGED, "bytes that are no state of this training");
}

/* Errors: SW_DAMAGED, nothing is changed then; those of the device. */
static enum sw_status restore(struct sw_trial_run *run, struct sw_training *training,
                              const char *from, int64_t bytes, int64_t *done) {
    struct checkpoint_header header;
    const char *alerts = from + sizeof header;
    if (bytes < (int64_t) sizeof header)
        return SW_FAIL(SW_DAMAGED, "it has %lld bytes only", (long long) bytes);
    memcpy(&header, from, sizeof header);
    SW_TRY(check(run, &header, alerts, bytes));
    const size_t alert_bytes = (size_t) header.n_alerts * sizeof *run->alerts;
    const char *norms = alerts + alert_bytes;
    const char *signs = alerts + watch_bytes(header.n_alerts, header.n_layers);
    const char *snapshots = signs + header.sign_bytes;
    const char *within = snapshots + header.snapshot_bytes;
    SW_TRY(sw_trial_check_within(run, within, header.n_calls));
    SW_TRY(restore_training(run, training, within, sw_trial_within_bytes(run, header.n_calls),
                            header.train_bytes, done));
    sw_trial_restore_within(run, within);
    run->resumed = true;
    sw_trial_restore_snapshots(run, snapshots, *done);
    if (run->signs != NULL) sw_signs_restore(run->signs, signs);
    memcpy(run->alerts, alerts, alert_bytes);
    memcpy(run->gradient_norm, norms, (size_t) header.n_layers * sizeof *run->gradient_norm);
    run->watch.n_alerts = header.n_alerts;
    run->watch.suppressed = header.suppressed;
    return SW_OK;
}

enum sw_status sw_trial_resume(struct sw_trial_run *run, struct sw_training *training) {
    const struct sw_sink *sink = run->sink;
    char *bytes = NULL, text[96];
    size_t length = 0;
    int64_t done = 0;
    if (sink->load_checkpoint == NULL) return SW_OK;
    enum sw_status status = sink->load_checkpoint(sink->context, run->start_mask,
                                                  (size_t) find_capacity(run), &bytes, &length);
    if (status == SW_NOT_FOUND) return SW_OK;
    bool loaded = status == SW_OK;
    if (loaded) status = restore(run, training, bytes, (int64_t) length, &done);
    SW_FREE(&bytes);
    if (status != SW_OK) {
        tell_why(run, "a checkpoint is ignored");
        return loaded && status != SW_DAMAGED ? status : SW_OK;
    }
    (void) snprintf(text, sizeof text, "resumes at step %lld of %lld", (long long) done,
                    (long long) run->task->plan.steps);
    tell(run, text);
    return SW_OK;
}

/* ---- out --------------------------------------------------------------------------------------- */

static enum sw_status save(struct sw_trial_run *run, const struct sw_training *training,
                           int64_t done) {
    const struct checkpoint_header header = {.n_alerts = run->watch.n_alerts,
                                             .suppressed = run->watch.suppressed,
                                             .n_layers = run->arch.n_layers,
                                             .sign_bytes = signs_now(run),
                                             .snapshot_bytes = snapshot_bytes(run),
                                             .n_calls = run->n_calls,
                                             .train_bytes = sw_train_bytes_now(training)};
    const int64_t within = sw_trial_within_bytes(run, run->n_calls);
    const int64_t bytes = within + checkpoint_bytes(header.n_alerts, header.n_layers,
                                                    header.sign_bytes, header.snapshot_bytes,
                                                    header.train_bytes);
    const size_t alert_bytes = (size_t) header.n_alerts * sizeof *run->alerts;
    const size_t norm_bytes = (size_t) header.n_layers * sizeof *run->gradient_norm;
    if (run->checkpoint == NULL)
        SW_TRY(SW_ALLOC(&run->checkpoint, (size_t) find_capacity(run), "a checkpoint"));
    char *next = run->checkpoint;
    memcpy(next, &header, sizeof header);
    memcpy(next += sizeof header, run->alerts, alert_bytes);
    memcpy(next += alert_bytes, run->gradient_norm, norm_bytes);
    next += norm_bytes;
    if (run->signs != NULL) sw_signs_save(run->signs, next);
    next += header.sign_bytes;
    if (header.snapshot_bytes > 0) memcpy(next, run->theta_k, (size_t) header.snapshot_bytes);
    next += header.snapshot_bytes;
    sw_trial_save_within(run, next);
    SW_TRY(sw_train_save(training, next + within, header.train_bytes));
    return run->sink->save_checkpoint(run->sink->context, run->start_mask, done, run->checkpoint,
                                      (size_t) bytes);
}

enum sw_status sw_trial_checkpoint(struct sw_trial_run *run, const struct sw_training *training,
                                   int64_t done) {
    const struct sw_sink *sink = run->sink;
    if (sink->need_checkpoint == NULL) return SW_OK;
    enum sw_checkpoint_need need = sink->need_checkpoint(sink->context);
    if (need == SW_CHECKPOINT_NONE) return SW_OK;
    bool saved = save(run, training, done) == SW_OK;
    if (!saved && !run->checkpoint_told) tell_why(run, "no checkpoint could be saved");
    run->checkpoint_told |= !saved;
    if (need != SW_CHECKPOINT_END) return SW_OK;
    return SW_FAIL(SW_STOPPED, "%s at step %lld of %lld", saved ? "saved" : "ended",
                   (long long) done, (long long) run->task->plan.steps);
}
