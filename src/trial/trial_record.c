/* The record of a round, and the hand-over of everything that it made. */
#include "trial_run.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sweepstake/memory.h"
#include "sweepstake/system.h"

/* ---- known in advance ---------------------------------------------------------------------------- */

static void blank_figures(struct sw_round_record *record) {
    size_t n_columns = 0, row_bytes = 0;
    const struct sw_column *columns = sw_spec_columns(SW_TABLE_ROUNDS, &n_columns, &row_bytes);
    double missing = NAN;
    memset(record, 0, sizeof *record);
    for (size_t i = 0; i < n_columns; i++)
        if (columns[i].kind == SW_COLUMN_F64)
            memcpy((char *) record + columns[i].offset, &missing, sizeof missing);
    record->result.test_correct = -1;
    record->result.early_stop_step = -1;
}

static void plan_results(const struct sw_round_task *task, const struct sw_arch *arch,
                         struct sw_round_results *result) {
    const struct sw_round_plan *plan = &task->plan;
    result->row = plan->row;
    result->trial = plan->trial;
    result->round = plan->round;
    SW_TEXT_COPY(result->control, sw_control_name((enum sw_control) plan->control));
    SW_TEXT_COPY(result->status, "ok");
    result->parameters = arch->trained;
    result->prunable = arch->prunable;
    result->nnz = plan->nnz;
    result->sparsity_requested = plan->sparsity_requested;
    if (arch->prunable > 0) result->sparsity = 1 - (double) plan->nnz / (double) arch->prunable;
    result->first_step = plan->rewind_to;
    result->steps = plan->steps;
    result->train_images = task->data.train;
    result->validation_images = task->data.validation;
    result->test_images = task->data.test;
    result->train_flops = plan->flops;
    int64_t likely[SW_MAX_LAYERS];
    sw_prune_likely(&task->spec, arch, plan->round, likely);
    result->inference_flops = sw_net_forward_flops(arch, likely);
}

/* The processors that this process may run on, as a list like "0-3,8"; cut with "..." when too long. */
static void list_cores(char *out, size_t size) {
    cpu_set_t set[8]; /* 8192 processors */
    size_t used = 0;
    int limit = (int) (8 * sizeof set);
    if (sched_getaffinity(0, sizeof set, set) != 0) return;
    for (int first = 0, last = 0; first < limit; first = last + 1) {
        last = first;
        if (!CPU_ISSET_S(first, sizeof set, set)) continue;
        while (last + 1 < limit && CPU_ISSET_S(last + 1, sizeof set, set))
            last++;
        char item[32];
        const char *comma = used > 0 ? "," : "";
        if (first == last)
            snprintf(item, sizeof item, "%s%d", comma, first);
        else
            snprintf(item, sizeof item, "%s%d-%d", comma, first, last);
        bool fits = used + strlen(item) + strlen(",...") < size;
        used += (size_t) snprintf(out + used, size - used, "%s", fits ? item : ",...");
        if (!fits) return;
    }
}

static void plan_place(const struct sw_trial_place *place, struct sw_round_measured *measured) {
    measured->rank = place->rank;
    measured->threads = place->threads;
    measured->attempt = place->attempt;
    SW_TEXT_COPY(measured->backend, place->backend);
    if (place->attempt == 0) return; /* never tried: it has no host */
    if (gethostname(measured->host, sizeof measured->host - 1) != 0) measured->host[0] = '\0';
    list_cores(measured->cores, sizeof measured->cores);
}

void sw_trial_plan_record(const struct sw_round_task *task, const struct sw_arch *arch,
                          const struct sw_trial_place *place, struct sw_round_record *record) {
    blank_figures(record);
    plan_results(task, arch, &record->result);
    plan_place(place, &record->measured);
}

void sw_trial_count_kept(struct sw_trial_run *run) {
    struct sw_round_results *result = &run->record.result;
    const struct sw_round_task *task = run->task;
    result->nnz = 0;
    for (int64_t l = 0; l < run->arch.n_layers; l++)
        result->nnz += run->kept[l];
    if (run->arch.prunable > 0)
        result->sparsity = 1 - (double) result->nnz / (double) run->arch.prunable;
    result->train_flops = sw_train_flops_from(&run->spec, &run->arch, &task->data,
                                              task->plan.rewind_to, run->kept);
    result->inference_flops = sw_net_forward_flops(&run->arch, run->kept);
}

/* ---- failures ------------------------------------------------------------------------------------ */

void sw_trial_fail_record(struct sw_round_record *record, const char *reason) {
    SW_TEXT_COPY(record->result.status, "failed");
    SW_TEXT_COPY(record->result.reason, reason);
}

bool sw_trial_has_failed(const struct sw_round_record *record) {
    return strcmp(record->result.status, "failed") == 0;
}

void sw_trial_failed_record(const struct sw_round_task *task, const struct sw_trial_place *place,
                            const char *reason, struct sw_round_record *out) {
    struct sw_arch arch = {0};
    /* A model that cannot be laid out (no memory) leaves its counts at 0: the record must be made. */
    enum sw_status status = sw_arch_create(task->spec.model_name, task->data.shape,
                                           task->data.classes, &arch);
    (void) status;
    sw_trial_plan_record(task, &arch, place, out);
    out->result.train_flops = NAN;
    sw_trial_fail_record(out, reason);
    sw_arch_fini(&arch);
}

/* ---- known at the end ---------------------------------------------------------------------------- */

/* One letter per layer. */
static void list_formats(const struct sw_trial_run *run, char *out, size_t size) {
    for (int64_t l = 0; l < run->arch.n_layers && l < (int64_t) size - 1; l++)
        out[l] = sw_format_letter(sw_net_layer_format(run->net, l));
}

static void measure_memory(const struct sw_trial_run *run, struct sw_round_measured *measured) {
    struct sw_net_memory memory = run->peak;
    struct rusage usage;
    if (!run->within) sw_net_memory(run->net, &memory);
    measured->bytes_weights = memory.weights;
    measured->bytes_gradients = memory.gradients + run->outcome.accumulator_bytes;
    measured->bytes_optimizer = run->outcome.optimizer_bytes;
    measured->bytes_activations = memory.activations;
    measured->bytes_workspace = memory.workspace;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        measured->peak_rss = (int64_t) usage.ru_maxrss * 1024; /* Linux counts KiB */
}

static void finish_record(struct sw_trial_run *run) {
    struct sw_round_measured *measured = &run->record.measured;
    run->record.result.curve_points = run->outcome.points;
    run->record.result.alerts = run->watch.n_alerts;
    measured->train_seconds = run->outcome.train_seconds;
    measured->evaluate_seconds = run->outcome.evaluate_seconds;
    list_formats(run, measured->inference_format, sizeof measured->inference_format);
    measure_memory(run, measured);
    measured->total_seconds = sw_clock_wall() - run->place->assigned;
}

/* ---- hand-over ----------------------------------------------------------------------------------- */

static enum sw_status save(const struct sw_trial_run *run, enum sw_section section,
                           const void *from, size_t n) {
    return run->sink->save(run->sink->context, section, from,
                           n * sw_section_element_bytes(section));
}

static enum sw_status save_weights(const struct sw_trial_run *run) {
    float *survivors = NULL;
    enum sw_status status = SW_OK;
    size_t n = (size_t) sw_net_survivors(run->net);
    SW_TRY_TO(SW_ALLOC(&survivors, n, "trained weights"), status, cleanup);
    SW_TRY_TO(sw_net_get_survivors(run->net, survivors), status, cleanup);
    SW_TRY_TO(save(run, SW_SECTION_WEIGHTS, survivors, n), status, cleanup);
cleanup:
    SW_FREE(&survivors);
    return status;
}

enum sw_status sw_trial_hand_over(struct sw_trial_run *run) {
    const struct sw_round_plan *plan = &run->task->plan;
    const struct sw_arch *arch = &run->arch;
    if (plan->theta0_owner == plan->row)
        SW_TRY(save(run, SW_SECTION_THETA0, run->theta0, (size_t) arch->parameters));
    /* A training that diverged before the last of them has none to give. */
    if (plan->snapshots > 0 && run->snapshots == plan->snapshots)
        SW_TRY(save(run, SW_SECTION_THETA_K, run->theta_k,
                    (size_t) (plan->snapshots * arch->parameters)));
    if (plan->mask_owner == plan->row)
        SW_TRY(save(run, SW_SECTION_MASK, run->mask, (size_t) arch->mask_bytes));
    /* A training that diverged on its way may have more than there is room for. */
    if (!run->within || sw_net_survivors(run->net) <= plan->survivors) SW_TRY(save_weights(run));
    SW_TRY(save(run, SW_SECTION_LAYERS, run->layers, (size_t) arch->n_layers));
    SW_TRY(save(run, SW_SECTION_CURVES, run->curve, (size_t) run->outcome.points));
    if (plan->prune_rows > 0)
        SW_TRY(save(run, SW_SECTION_PRUNES, run->calls, (size_t) run->n_calls));
    SW_TRY(save(run, SW_SECTION_ALERTS, run->alerts, (size_t) run->watch.n_alerts));
    finish_record(run);
    return save(run, SW_SECTION_RECORD, &run->record, 1);
}
