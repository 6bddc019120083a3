/* A worker's round: read what it starts from, have it trained, commit what comes back. */
#include <stdio.h>
#include <string.h>

#include "sweepstake/monitor.h"
#include "sweepstake/memory.h"
#include "sweepstake/prune.h"
#include "sweepstake/system.h"
#include "sweepstake/text.h"
#include "worker.h"

#define LOAD_SECONDS 60.0 /* a network file system may show another node's bytes that late */
#define LOAD_PAUSE 0.5

/* ---- end of a round -------------------------------------------------------------------------- */

static enum sw_status commit(struct sw_worker *worker, const struct sw_payload *payload,
                             bool failed, const struct sw_times *times) {
    SW_TRY(sw_worker_beat(worker, SW_ACTIVITY_STORE, times->now));
    enum sw_status status = sw_store_commit(*worker->site->store, worker->row, payload,
                                            worker->site->options->durable);
    if (status == SW_OK) sw_slots_remove(worker->site->slots, worker->row);
    return sw_worker_result(worker, status, failed, sw_clock_monotonic());
}

/* The weights at initialisation follow from the plan: rounds of other trials that begin with them must
 * not miss them. */
static enum sw_status add_theta0(const struct sw_worker *worker, struct sw_payload *payload,
                                 float **theta0) {
    const struct sw_round_plan *plan = &worker->task->plan;
    const struct sw_arch *arch = &worker->site->sweep->archs[plan->arch];
    if (plan->theta0_owner != plan->row) return SW_OK;
    SW_TRY(SW_ALLOC(theta0, (size_t) arch->parameters, "initial weights"));
    SW_TRY(sw_trial_draw_theta0(worker->task, arch, *theta0));
    payload->bytes[SW_SECTION_THETA0] = *theta0;
    payload->length[SW_SECTION_THETA0] = (size_t) arch->parameters * sizeof **theta0;
    return SW_OK;
}

static enum sw_status commit_failure(struct sw_worker *worker, const char *reason,
                                     const struct sw_times *times) {
    struct sw_round_record record;
    float *theta0 = NULL;
    struct sw_trial_place place = {.backend = worker->site->options->backend,
                                   .rank = sw_comm_rank(),
                                   .threads = worker->site->options->threads,
                                   .attempt = worker->handed - 1 + worker->attempt,
                                   .assigned = worker->assigned_wall};
    sw_trial_failed_record(worker->task, &place, reason, &record);
    record.measured.total_seconds = sw_clock_monotonic() - worker->assigned_at;
    struct sw_payload payload = {.bytes = {[SW_SECTION_RECORD] = &record},
                                 .length = {[SW_SECTION_RECORD] = sizeof record}};
    enum sw_status status = add_theta0(worker, &payload, &theta0);
    status = status == SW_OK ? commit(worker, &payload, true, times)
                             : sw_worker_result(worker, status, false, times->now);
    SW_FREE(&theta0);
    return status;
}

/* The trainer crashed, hung, or said that it cannot: once more, or never again. */
static enum sw_status end_attempt(struct sw_worker *worker, const char *why,
                                  const struct sw_times *times) {
    int64_t attempts = worker->site->options->attempts;
    struct sw_message message = sw_worker_message(worker, SW_MESSAGE_NOTICE);
    (void) snprintf(message.text, sizeof message.text, "%s (attempt %lld of %lld)", why,
                    (long long) worker->attempt, (long long) attempts);
    SW_TRY(sw_worker_say(worker, &message));
    sw_parcel_close(&worker->parcel);
    if (worker->attempt < attempts) {
        worker->attempt++;
        worker->state = SW_WORKER_LOADING;
        return SW_OK;
    }
    char reason[128];
    if (worker->attempt > 1)
        (void) snprintf(reason, sizeof reason, "%.90s, %lld times", why,
                        (long long) worker->attempt);
    else
        (void) snprintf(reason, sizeof reason, "%.127s", why);
    return commit_failure(worker, reason, times);
}

static enum sw_status commit_round(struct sw_worker *worker, const struct sw_times *times) {
    struct sw_payload payload;
    if (sw_parcel_result(&worker->parcel, worker->row, payload.bytes, payload.length) != SW_OK) {
        char why[128];
        SW_TEXT_COPY(why, sw_status_text());
        sw_runner_dismiss(&worker->runner, true);
        return end_attempt(worker, why, times);
    }
    struct sw_round_record *record = sw_parcel_section(&worker->parcel, SW_SECTION_RECORD);
    record->measured.total_seconds = sw_clock_monotonic() - worker->assigned_at;
    return commit(worker, &payload,
                  strncmp(record->result.status, "failed", sizeof record->result.status) == 0,
                  times);
}

/* ---- training -------------------------------------------------------------------------------- */

static enum sw_status start_training(struct sw_worker *worker, const struct sw_times *times) {
    const struct sw_site *site = worker->site;
    struct sw_parcel_header *header = worker->parcel.header;
    int64_t data = worker->task->plan.data;
    struct sw_runner_order order = {.magic = SW_RUNNER_MAGIC,
                                    .data = data,
                                    .data_bytes = worker->task->data.block_bytes,
                                    .threads = site->options->threads,
                                    .isa = (int32_t) site->isa,
                                    .cpus = site->cpus};
    header->rank = sw_comm_rank();
    header->threads = site->options->threads;
    header->attempt = worker->handed - 1 + worker->attempt;
    header->assigned = worker->assigned_wall;
    SW_TEXT_COPY(header->backend, site->options->backend);
    header->checkpoint_seconds = site->options->checkpoint_seconds;
    header->durable = site->options->durable;
    SW_TEXT_COPY(header->slots, site->slots);
    header->identity = sw_slots_identify(&worker->task->plan, sw_store_identity(*site->store),
                                         site->options->backend);
    enum sw_status status = sw_runner_begin(&worker->runner, &worker->parcel,
                                            site->share->fds[data], &order);
    if (status != SW_OK) return sw_worker_leave(worker, status);
    worker->state = SW_WORKER_TRAINING;
    worker->ticks = 0;
    worker->ticked_at = times->patient;
    worker->hung = false;
    worker->notes = 0;
    /* From now on silence means something again. */
    return sw_worker_beat(worker, SW_ACTIVITY_TRAINING, times->now);
}

/* Kill a trainer that shows no progress. */
static enum sw_status look_for_hang(struct sw_worker *worker, const struct sw_times *times) {
    int64_t ticks = atomic_load_explicit(&worker->parcel.header->ticks, memory_order_relaxed);
    double allowed = worker->site->options->hang_seconds;
    if (ticks != worker->ticks) {
        worker->ticks = ticks;
        worker->ticked_at = times->patient;
    }
    if (worker->hung || !(allowed > 0) || times->patient - worker->ticked_at <= allowed)
        return SW_OK;
    worker->hung = true;
    return sw_runner_kill(&worker->runner);
}

/* Hand on what the trainer has to say. */
static enum sw_status tell_notes(struct sw_worker *worker) {
    struct sw_message message = sw_worker_message(worker, SW_MESSAGE_NOTICE);
    while (sw_parcel_note(&worker->parcel, worker->notes, message.text, sizeof message.text)) {
        worker->notes++;
        if (message.text[0] != '\0') SW_TRY(sw_worker_say(worker, &message));
    }
    return SW_OK;
}

/* Saved and ended, as we asked. */
static bool has_given_back(const struct sw_worker *worker) {
    return worker->saving && worker->runner.failure == SW_STOPPED;
}

enum sw_status sw_worker_watch(struct sw_worker *worker, const struct sw_times *times, bool *busy) {
    enum sw_runner_news news;
    char why[256] = "";
    enum sw_status status = sw_runner_poll(&worker->runner, &news, why, sizeof why);
    if (status == SW_OK && news == SW_RUNNER_BUSY) status = look_for_hang(worker, times);
    if (status != SW_OK) return sw_worker_leave(worker, status);
    *busy |= news != SW_RUNNER_BUSY;
    SW_TRY(tell_notes(worker));
    switch (news) {
    case SW_RUNNER_DONE:
        return commit_round(worker, times);
    case SW_RUNNER_FAILED:
        /* Not the round's fault, and not this time only: no device, no such backend. */
        if (worker->runner.failure == SW_UNSUPPORTED)
            return sw_worker_leave(worker, SW_FAIL(SW_UNSUPPORTED, "%s", why));
        if (has_given_back(worker))
            return sw_worker_result(worker, SW_FAIL(SW_STOPPED, "%s", why), false, times->now);
        sw_runner_dismiss(&worker->runner, true);
        return end_attempt(worker, why, times);
    case SW_RUNNER_DIED:
        if (worker->hung)
            (void) snprintf(why, sizeof why, "the trainer made no progress for %g s",
                            worker->site->options->hang_seconds);
        return end_attempt(worker, why, times);
    default:
        return SW_OK;
    }
}

/* ---- begin of a round ------------------------------------------------------------------------ */

/* The row whose weights a ticket's criterion compares its parent's with, beside theta0 and snapshots. */
static int64_t find_grandparent(const struct sw_sweep *sweep, const struct sw_round_task *task) {
    bool asked = task->plan.control == SW_CONTROL_TICKET && task->plan.parent >= 0 &&
                 sw_prune_reference(&task->spec) == SW_REFERENCE_BEFORE;
    return asked ? sweep->rounds[task->plan.parent].parent : -1;
}

/* Weights that a row keeps of a layer, exactly or at most; all without a row. */
static int64_t kept_of(const struct sw_sweep *sweep, int64_t row, int64_t layer,
                       const struct sw_param *param) {
    return row < 0 ? param->count : sweep->kept[row * sweep->max_layers + layer];
}

/* What the trainer has to know, from the plan alone. */
static void describe_task(const struct sw_sweep *sweep, int64_t row, struct sw_round_task *task) {
    const struct sw_round_plan *plan = &sweep->rounds[row];
    const struct sw_arch *arch = &sweep->archs[plan->arch];
    memset(task, 0, sizeof *task);
    task->spec = sweep->trials[plan->trial];
    task->plan = *plan;
    task->data = sweep->datas[plan->data];
    task->n_layers = arch->n_layers;
    task->dense_row = sw_sweep_row(sweep, plan->trial, 0, SW_CONTROL_TICKET);
    task->dense_points = sweep->rounds[task->dense_row].curve_points;
    (void) sw_sweep_snapshots(sweep, row, task->snapshot_step);
    task->grandparent = find_grandparent(sweep, task);
    int64_t layer = 0;
    for (int64_t i = 0; i < arch->n_params; i++) {
        if (!arch->params[i].prunable) continue;
        task->kept[layer] = sweep->kept[row * sweep->max_layers + layer];
        task->parent_kept[layer] = kept_of(sweep, plan->parent, layer, &arch->params[i]);
        task->grandparent_kept[layer] = kept_of(sweep, task->grandparent, layer, &arch->params[i]);
        layer++;
    }
}

static void add_input(const struct sw_sweep *sweep, int64_t row, enum sw_section section,
                      struct sw_parcel_need *need) {
    struct sw_payload_layout layout;
    sw_payload_lay_out(&sweep->rounds[row], &layout);
    need->input[need->n_inputs++] = (struct sw_parcel_input){
        .row = row, .section = section, .bytes = (int64_t) layout.bytes[section]};
}

/* Of all snapshots of its round 0, the one that it begins with. */
static void add_snapshot(const struct sw_sweep *sweep, const struct sw_round_plan *plan,
                         struct sw_parcel_need *need) {
    int64_t bytes = sweep->archs[plan->arch].parameters * (int64_t) sizeof(float);
    need->input[need->n_inputs++] = (struct sw_parcel_input){.row = plan->theta_k_owner,
                                                             .section = SW_SECTION_THETA_K,
                                                             .from = plan->theta_k_index * bytes,
                                                             .bytes = bytes};
}

/* A ticket prunes its parent's trained weights; a control takes its ticket's mask. Both may begin with
 * weights of their round 0, be compared with it, or look at those that it ended with. */
static struct sw_parcel_need list_needs(const struct sw_sweep *sweep,
                                        const struct sw_round_task *task) {
    struct sw_parcel_need need = {.task = task};
    if (task->plan.parent < 0) return need;
    add_input(sweep, task->plan.parent, SW_SECTION_MASK, &need);
    if (task->plan.control == SW_CONTROL_TICKET)
        add_input(sweep, task->plan.parent, SW_SECTION_WEIGHTS, &need);
    if (task->grandparent >= 0) {
        add_input(sweep, task->grandparent, SW_SECTION_MASK, &need);
        add_input(sweep, task->grandparent, SW_SECTION_WEIGHTS, &need);
    }
    if (task->plan.theta_k_owner >= 0) add_snapshot(sweep, &task->plan, &need);
    if (sw_monitors_need_dense(task->spec.monitor))
        add_input(sweep, task->dense_row, SW_SECTION_CURVES, &need);
    bool is_there = task->plan.control == SW_CONTROL_TICKET && task->plan.parent == task->dense_row;
    if (sw_trial_needs_dense(task) && !is_there)
        add_input(sweep, task->dense_row, SW_SECTION_WEIGHTS, &need);
    return need;
}

static enum sw_status fill_input(struct sw_worker *worker, int64_t index) {
    struct sw_store *store = *worker->site->store;
    struct sw_parcel_input *input = &worker->parcel.header->input[index];
    enum sw_section section = (enum sw_section) input->section;
    void *bytes = sw_parcel_input_bytes(&worker->parcel, index);
    size_t length = 0;
    if (section == SW_SECTION_THETA_K)
        return sw_store_read_part(store, input->row, section, (size_t) input->from, bytes,
                                  (size_t) input->bytes);
    SW_TRY(sw_store_read(store, input->row, section, bytes, (size_t) input->bytes, &length));
    input->bytes = (int64_t) length;
    return SW_OK;
}

static enum sw_status fill_parcel(struct sw_worker *worker) {
    struct sw_parcel_need need = list_needs(worker->site->sweep, worker->task);
    SW_TRY(sw_parcel_create(&need, &worker->parcel));
    for (int64_t i = 0; i < need.n_inputs; i++)
        SW_TRY(fill_input(worker, i));
    return SW_OK;
}

/* Make a network file system look again: it does so when a file is opened. */
static enum sw_status reopen_store(const struct sw_site *site) {
    struct sw_store *fresh;
    SW_TRY(sw_store_open(site->store_path, SW_STORE_WRITE, &fresh));
    sw_store_close(site->store);
    *site->store = fresh;
    return SW_OK;
}

/* Read what the round starts from. The coordinator knows that it was committed, but a network
 * file system may still show older bytes. */
enum sw_status sw_worker_load(struct sw_worker *worker, const struct sw_times *times, bool *busy) {
    if (worker->saving)
        return sw_worker_result(worker, SW_FAIL(SW_STOPPED, "not begun"), false, times->now);
    if (times->now < worker->load_again) return SW_OK;
    *busy = true;
    SW_TRY(sw_worker_beat(worker, SW_ACTIVITY_STORE, times->now));
    enum sw_status status = fill_parcel(worker);
    if (status == SW_OK) return start_training(worker, times);
    sw_parcel_close(&worker->parcel);
    bool may_be_late = status == SW_NOT_FOUND || status == SW_DAMAGED;
    if (!may_be_late || times->now > worker->load_until)
        return sw_worker_result(worker, status, false, times->now);
    worker->load_again = times->now + LOAD_PAUSE;
    status = reopen_store(worker->site);
    return status == SW_OK ? SW_OK : sw_worker_result(worker, status, false, times->now);
}

/* A round that was given to several workers may be finished already. */
static enum sw_status take_over(struct sw_worker *worker, bool *finished,
                                const struct sw_times *times) {
    struct sw_round_check check;
    *finished = false;
    if (worker->handed == 1) return SW_OK;
    SW_TRY(sw_worker_beat(worker, SW_ACTIVITY_STORE, times->now));
    enum sw_status status = sw_store_check_round(*worker->site->store, worker->row, true, &check);
    if (status != SW_OK || check.state == SW_ROUND_COMMITTED) {
        *finished = true;
        if (status == SW_OK) sw_slots_remove(worker->site->slots, worker->row);
        return sw_worker_result(worker, status, status == SW_OK && check.failed,
                                sw_clock_monotonic());
    }
    if (worker->handed <= SW_LOST_LIMIT) return SW_OK;
    char reason[128];
    *finished = true;
    (void) snprintf(reason, sizeof reason, "the worker that ran it was lost, %d times",
                    SW_LOST_LIMIT);
    return commit_failure(worker, reason, times);
}

enum sw_status sw_worker_begin(struct sw_worker *worker, const struct sw_message *message,
                               const struct sw_times *times) {
    bool finished;
    worker->waited = worker->answered_at > 0 ? sw_clock_monotonic() - worker->answered_at : 0;
    worker->row = message->row;
    worker->handed = message->attempt;
    worker->attempt = 1;
    worker->assigned_wall = sw_clock_wall();
    worker->assigned_at = times->now;
    worker->load_again = times->now;
    worker->load_until = times->now + LOAD_SECONDS;
    describe_task(worker->site->sweep, worker->row, worker->task);
    SW_TRY(take_over(worker, &finished, times));
    if (!finished) worker->state = SW_WORKER_LOADING;
    return SW_OK;
}
