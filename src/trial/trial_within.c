/* Rounds that are pruned while they train: they begin with their parent's mask, and end with the one that
 * was planned. */
#include "trial_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

static struct sw_prune_span span_of(const struct sw_trial_run *run) {
    return (struct sw_prune_span){
        .first = run->task->plan.rewind_to,
        .steps = run->task->plan.steps,
        .epoch_steps = sw_train_epoch_steps(&run->spec, run->data->count[SW_SPLIT_TRAIN])};
}

double sw_trial_asked_sparsity(const struct sw_trial_run *run, int64_t step) {
    const struct sw_prune_span span = span_of(run);
    /* An evaluation comes before the call of its step, but for the first one. */
    bool on_the_way = run->within && step <= sw_prune_last_call(&run->spec, &span) &&
                      !sw_prune_is_last(&run->spec, &span, span.first);
    return on_the_way ? NAN : run->task->plan.sparsity_requested;
}

static void count_layers(struct sw_trial_run *run) {
    for (int64_t l = 0; l < run->arch.n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(&run->arch, l);
        run->kept[l] = sw_mask_count(run->mask + layer->mask_offset, layer->count);
    }
}

enum sw_status sw_trial_begin_within(struct sw_trial_run *run) {
    const struct sw_prune_span span = span_of(run);
    int64_t rows = sw_prune_calls(&run->spec, &span) * sw_prune_pools(&run->spec, &run->arch);
    if (rows != run->task->plan.prune_rows)
        return SW_FAIL(SW_INTERNAL, "the task has room for %lld rows of prunes instead of %lld",
                       (long long) run->task->plan.prune_rows, (long long) rows);
    run->flops_from = run->task->plan.rewind_to;
    count_layers(run);
    return SW_ALLOC(&run->calls, (size_t) rows, "what prunes did");
}

/* FLOPs up to a step, with the mask as it is. */
static void count_flops(struct sw_trial_run *run, int64_t done) {
    const struct sw_round_task *task = run->task;
    run->flops += sw_train_flops_span(&run->spec, &run->arch, &task->data, task->plan.rewind_to,
                                      run->flops_from, done, run->kept);
    run->flops_from = done;
}

/* The most that the network took. */
static void note_memory(struct sw_trial_run *run) {
    struct sw_net_memory now;
    sw_net_memory(run->net, &now);
    if (now.weights > run->peak.weights) run->peak.weights = now.weights;
    if (now.gradients > run->peak.gradients) run->peak.gradients = now.gradients;
    if (now.activations > run->peak.activations) run->peak.activations = now.activations;
    if (now.workspace > run->peak.workspace) run->peak.workspace = now.workspace;
}

/* How far the seed's rule had come before exact counts did the rest. */
static void tell_distance(struct sw_trial_run *run, int64_t done, const struct sw_prune_call *rows,
                          int64_t n) {
    double furthest = 0;
    char message[80];
    if (strcmp(run->spec.prune_schedule, "seed_dynamic") != 0) return;
    for (int64_t i = 0; i < n; i++)
        if (rows[i].realised - rows[i].requested > furthest)
            furthest = rows[i].realised - rows[i].requested;
    if (furthest <= 0) return;
    (void) snprintf(message, sizeof message,
                    "the rule was %.3f of the weights short of its end: cut there exactly",
                    furthest);
    sw_watch_alert(&run->watch, "prune", done, furthest, message);
}

/* One call: the mask shrinks, and with it the network. */
static enum sw_status call(struct sw_trial_run *run, struct sw_training *training, int64_t done,
                           const float *survivors, uint8_t *mask) {
    const struct sw_prune_span span = span_of(run);
    const size_t bytes = (size_t) run->arch.mask_bytes;
    struct sw_prune_report report;
    struct sw_prune_call *rows = run->calls + run->n_calls;
    int64_t n = 0;
    SW_TRY(sw_prune_within(&run->spec, &run->arch, run->task->plan.round, &span, done, run->mask,
                           survivors, mask, rows, &n, &report));
    run->n_calls += n;
    if (sw_prune_is_last(&run->spec, &span, done)) {
        tell_distance(run, done, rows, n);
        sw_trial_report_floors(run, &report);
    }
    if (memcmp(mask, run->mask, bytes) == 0) return SW_OK;
    count_flops(run, done);
    note_memory(run);
    SW_TRY(sw_train_reshape(training, mask));
    memcpy(run->mask, mask, bytes);
    count_layers(run);
    run->settled = done;
    return SW_OK;
}

enum sw_status sw_trial_shrink(struct sw_trial_run *run, struct sw_training *training,
                               int64_t done) {
    const struct sw_prune_span span = span_of(run);
    uint8_t *mask = NULL;
    float *survivors = NULL;
    enum sw_status status = SW_OK;
    if (!run->within || !sw_prune_is_due(&run->spec, &span, done)) return SW_OK;
    SW_TRY_TO(SW_ALLOC(&mask, (size_t) run->arch.mask_bytes, "a mask"), status, cleanup);
    SW_TRY_TO(SW_ALLOC(&survivors, (size_t) sw_net_survivors(run->net), "weights"), status,
              cleanup);
    SW_TRY_TO(sw_net_get_survivors(run->net, survivors), status, cleanup);
    SW_TRY_TO(call(run, training, done, survivors, mask), status, cleanup);
cleanup:
    SW_FREE(&mask);
    SW_FREE(&survivors);
    return status;
}

enum sw_status sw_trial_end_within(struct sw_trial_run *run) {
    if (!run->within) return SW_OK;
    note_memory(run);
    if (!sw_trial_has_failed(&run->record))
        SW_TRY(sw_trial_count_mask(run));
    else
        sw_trial_count_kept(run); /* one that diverged has any mask of those on the way */
    count_flops(run, run->task->plan.steps);
    run->record.result.train_flops = run->flops;
    return SW_OK;
}

/* ---- checkpoints ---------------------------------------------------------------------------- */

static bool is_possible(const struct sw_trial_run *run, const uint8_t *mask) {
    for (int64_t l = 0; l < run->arch.n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(&run->arch, l);
        const uint8_t *bits = mask + layer->mask_offset;
        if (!sw_mask_is_clean(bits, layer->count) || sw_mask_count(bits, layer->count) == 0 ||
            !sw_mask_is_nested(bits, run->mask + layer->mask_offset, layer->count))
            return false;
    }
    return true;
}

int64_t sw_trial_within_bytes(const struct sw_trial_run *run, int64_t n_calls) {
    if (!run->within) return 0;
    return (int64_t) sizeof(struct sw_trial_within) + run->arch.mask_bytes +
           n_calls * (int64_t) sizeof *run->calls;
}

void sw_trial_save_within(const struct sw_trial_run *run, char *out) {
    const struct sw_trial_within state = {.n_calls = run->n_calls,
                                          .settled = run->settled,
                                          .flops_from = run->flops_from,
                                          .flops = run->flops};
    if (!run->within) return;
    memcpy(out, &state, sizeof state);
    memcpy(out += sizeof state, run->mask, (size_t) run->arch.mask_bytes);
    memcpy(out + run->arch.mask_bytes, run->calls, (size_t) run->n_calls * sizeof *run->calls);
}

enum sw_status sw_trial_check_within(const struct sw_trial_run *run, const char *from,
                                     int64_t n_calls) {
    struct sw_trial_within state;
    if (!run->within) return SW_OK;
    memcpy(&state, from, sizeof state);
    if (state.n_calls != n_calls || state.settled > run->task->plan.steps ||
        state.flops_from < run->task->plan.rewind_to || state.flops_from > run->task->plan.steps ||
        !is_possible(run, (const uint8_t *) from + sizeof state))
        return SW_FAIL(SW_DAMAGED, "a mask that is none of this round");
    return SW_OK;
}

void sw_trial_restore_within(struct sw_trial_run *run, const char *from) {
    struct sw_trial_within state;
    if (!run->within) return;
    memcpy(&state, from, sizeof state);
    run->n_calls = state.n_calls;
    run->settled = state.settled;
    run->flops_from = state.flops_from;
    run->flops = state.flops;
    memcpy(run->mask, from + sizeof state, (size_t) run->arch.mask_bytes);
    memcpy(run->calls, from + sizeof state + run->arch.mask_bytes,
           (size_t) run->n_calls * sizeof *run->calls);
    count_layers(run);
}
