#include "coordinator.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "meter.h"
#include "report.h"
#include "signals.h"
#include "slots.h"
#include "sweepstake/memory.h"
#include "sweepstake/system.h"
#include "sweepstake/text.h"

#define TICK_SECONDS 0.1

/* ---- start and end --------------------------------------------------------------------------- */

enum sw_status sw_coordinator_open(const struct sw_site *site,
                                   const struct sw_sched_observer *observer,
                                   struct sw_store_lock *lock, const struct sw_times *times,
                                   struct sw_coordinator *out) {
    struct sw_coordinator coordinator = {.site = site,
                                         .observer = observer,
                                         .lock = lock,
                                         .n_ranks = sw_comm_size(),
                                         .first = sw_comm_size() > 1 ? 1 : 0,
                                         .started = times->now};
    enum sw_status status = sw_ledger_init(site->sweep, &coordinator.ledger);
    if (status == SW_OK)
        status = SW_ALLOC(&coordinator.seats, (size_t) coordinator.n_ranks, "workers");
    if (status != SW_OK) {
        sw_coordinator_close(&coordinator);
        return status;
    }
    for (int rank = 0; rank < coordinator.n_ranks; rank++)
        coordinator.seats[rank] = (struct sw_seat){
            .row = -1, .last = -1, .heard_at = times->patient};
    *out = coordinator;
    return SW_OK;
}

void sw_coordinator_close(struct sw_coordinator *coordinator) {
    sw_ledger_fini(&coordinator->ledger);
    SW_FREE(&coordinator->seats);
    SW_FREE(&coordinator->news);
}

static enum sw_status say(const struct sw_coordinator *coordinator, int rank,
                          enum sw_message_kind kind) {
    struct sw_message message = sw_message_make(kind, coordinator->site->run);
    return sw_comm_send(rank, &message);
}

/* A sign of life to every worker, and to those who look at the lock file. */
static enum sw_status pulse(struct sw_coordinator *coordinator, const struct sw_times *times) {
    if (times->now - coordinator->pulsed_at <
        fmin(SW_BEAT_SECONDS, coordinator->site->silent_seconds / 4))
        return SW_OK;
    coordinator->pulsed_at = times->now;
    if (coordinator->lock != NULL) {
        struct sw_sched_view view = sw_report_view(coordinator, times);
        enum sw_status status = sw_store_lock_beat(coordinator->lock, view.done, view.workers);
        if (status != SW_OK) sw_coordinator_stop(coordinator, status, sw_status_text(), 0, times);
    }
    for (int rank = coordinator->first; rank < coordinator->n_ranks; rank++)
        if (!coordinator->seats[rank].lost) SW_TRY(say(coordinator, rank, SW_MESSAGE_PULSE));
    return SW_OK;
}

enum sw_status sw_coordinator_scan(struct sw_coordinator *coordinator, struct sw_times *times) {
    const struct sw_sweep *sweep = coordinator->site->sweep;
    for (int64_t row = 0; row < sweep->n_rounds; row++) {
        struct sw_round_check check;
        char name[96];
        SW_TRY(sw_store_check_round(*coordinator->site->store, row, true, &check));
        if (check.state == SW_ROUND_COMMITTED)
            sw_ledger_found(&coordinator->ledger, row, check.failed);
        if (check.state == SW_ROUND_TORN || check.state == SW_ROUND_DAMAGED)
            sw_report_notice(coordinator, "%s is damaged and runs again: %s",
                             sw_report_name(coordinator, row, name, sizeof name), check.detail);
        sw_times_advance(times);
        SW_TRY(pulse(coordinator, times));
    }
    for (int rank = coordinator->first; rank < coordinator->n_ranks; rank++)
        coordinator->seats[rank].heard_at = times->patient;
    return sw_ledger_start(&coordinator->ledger);
}

static bool is_committed(void *context, int64_t row) {
    const struct sw_coordinator *coordinator = context;
    if (row >= coordinator->site->sweep->n_rounds) return true;
    uint8_t phase = coordinator->ledger.phase[row];
    return phase == SW_PHASE_DONE || phase == SW_PHASE_FAILED;
}

void sw_coordinator_tidy(struct sw_coordinator *coordinator) {
    sw_slots_tidy(coordinator->site->slots, is_committed, coordinator);
}

void sw_coordinator_stop(struct sw_coordinator *coordinator, enum sw_status why, const char *text,
                         double grace, const struct sw_times *times) {
    double deadline = times->now + fmax(grace, 0);
    bool stopping = coordinator->stop != SW_OK;
    coordinator->deadline = stopping ? fmin(coordinator->deadline, deadline) : deadline;
    /* The first reason counts, but a signal never hides a failure. */
    if (stopping && (coordinator->stop != SW_STOPPED || why == SW_STOPPED)) return;
    coordinator->stop = why;
    SW_TEXT_COPY(coordinator->stop_text, text);
    if (coordinator->state == SW_COORDINATOR_WORKING) coordinator->state = SW_COORDINATOR_STOPPING;
    sw_report_notice(coordinator, "stopping: %s", coordinator->stop_text);
}

/* ---- messages -------------------------------------------------------------------------------- */

/* True when another worker has the same row. */
static bool is_held_elsewhere(const struct sw_coordinator *coordinator, int rank, int64_t row) {
    for (int other = coordinator->first; other < coordinator->n_ranks; other++) {
        const struct sw_seat *seat = &coordinator->seats[other];
        if (other != rank && seat->row == row && !seat->lost) return true;
    }
    return false;
}

/* Take a round from a worker; it is ready again unless another has it, too. */
static enum sw_status take_away(struct sw_coordinator *coordinator, int rank) {
    struct sw_seat *seat = &coordinator->seats[rank];
    int64_t row = seat->row;
    seat->row = -1;
    if (row < 0 || is_held_elsewhere(coordinator, rank, row)) return SW_OK;
    return sw_ledger_give_back(&coordinator->ledger, row);
}

/* A worker says which round it has. It is another one only when it was thought lost meanwhile. */
static enum sw_status hold(struct sw_coordinator *coordinator, int rank, int64_t row) {
    if (coordinator->seats[rank].row == row) return SW_OK;
    SW_TRY(take_away(coordinator, rank));
    coordinator->seats[rank].row = row;
    sw_ledger_resume(&coordinator->ledger, row);
    return SW_OK;
}

static enum sw_status take_result(struct sw_coordinator *coordinator, int rank,
                                  const struct sw_message *message, const struct sw_times *times) {
    struct sw_seat *seat = &coordinator->seats[rank];
    bool news;
    /* A worker that was thought lost answers for its first round and never took the second. */
    if (seat->row != message->row) SW_TRY(take_away(coordinator, rank));
    seat->row = -1;
    if (message->status != SW_OK) {
        SW_TRY(sw_ledger_give_back(&coordinator->ledger, message->row));
        if (message->status == SW_STOPPED) return SW_OK; /* as we asked */
        sw_coordinator_stop(coordinator, (enum sw_status) message->status, message->text, 0, times);
        return SW_OK;
    }
    seat->last = message->row;
    sw_meter_waited(coordinator->site->options->figures, message->waited);
    SW_TRY(sw_ledger_finish(&coordinator->ledger, message->row, message->flag != 0, &news));
    if (!news) return SW_OK;
    if (message->flag == 0) {
        coordinator->measured_seconds += message->seconds;
        coordinator->measured_flops += coordinator->site->sweep->rounds[message->row].flops;
    }
    if (coordinator->n_news == coordinator->news_capacity) {
        int64_t capacity = coordinator->news_capacity + 64;
        SW_TRY(SW_GROW(&coordinator->news, (size_t) coordinator->news_capacity, (size_t) capacity,
                       "news"));
        coordinator->news_capacity = capacity;
    }
    coordinator->news[coordinator->n_news++] = message->row;
    return SW_OK;
}

static enum sw_status take_leave(struct sw_coordinator *coordinator, int rank,
                                 const struct sw_message *message) {
    sw_report_notice(coordinator, "rank %d cannot train any more: %s", rank, message->text);
    coordinator->seats[rank].left = true;
    coordinator->left_for = (enum sw_status) message->status;
    SW_TEXT_COPY(coordinator->left_text, message->text);
    return take_away(coordinator, rank);
}

/* A worker that was only slow is one again; its round may have gone to another meanwhile. */
static enum sw_status welcome_back(struct sw_coordinator *coordinator, int rank) {
    coordinator->seats[rank].lost = false;
    sw_report_notice(coordinator, "rank %d is back", rank);
    return coordinator->state == SW_COORDINATOR_RELEASING
               ? say(coordinator, rank, SW_MESSAGE_RELEASE)
               : SW_OK;
}

enum sw_status sw_coordinator_take(struct sw_coordinator *coordinator, int rank,
                                   const struct sw_message *message, const struct sw_times *times) {
    if (rank < coordinator->first || rank >= coordinator->n_ranks) return SW_OK;
    struct sw_seat *seat = &coordinator->seats[rank];
    char name[96];
    seat->heard_at = times->patient;
    seat->heard = true;
    if (seat->lost) SW_TRY(welcome_back(coordinator, rank));
    switch (message->kind) {
    case SW_MESSAGE_BEAT:
        seat->activity = message->activity;
        seat->step = message->step;
        seat->steps = message->steps;
        return message->row >= 0 ? hold(coordinator, rank, message->row) : SW_OK;
    case SW_MESSAGE_NOTICE:
        sw_report_notice(coordinator, "%s on rank %d: %s",
                         sw_report_name(coordinator, message->row, name, sizeof name), rank,
                         message->text);
        return hold(coordinator, rank, message->row);
    case SW_MESSAGE_RESULT:
        return take_result(coordinator, rank, message, times);
    case SW_MESSAGE_LEAVE:
        return take_leave(coordinator, rank, message);
    case SW_MESSAGE_BYE:
        seat->gone = true;
        return SW_OK;
    default:
        return SW_OK;
    }
}

/* ---- work ------------------------------------------------------------------------------------ */

static enum sw_status assign(struct sw_coordinator *coordinator, int rank, int64_t row) {
    struct sw_message message = sw_message_make(SW_MESSAGE_ASSIGN, coordinator->site->run);
    struct sw_seat *seat = &coordinator->seats[rank];
    message.row = row;
    message.attempt = coordinator->ledger.attempts[row];
    seat->row = row;
    seat->activity = SW_ACTIVITY_TRAINING;
    seat->step = seat->steps = 0;
    return sw_comm_send(rank, &message);
}

static bool can_train(const struct sw_seat *seat) {
    return seat->heard && !seat->lost && !seat->left;
}

static int count_workers(const struct sw_coordinator *coordinator) {
    int n = 0;
    for (int rank = coordinator->first; rank < coordinator->n_ranks; rank++)
        n += can_train(&coordinator->seats[rank]);
    return n;
}

static enum sw_status hand_out(struct sw_coordinator *coordinator, bool *busy) {
    if (coordinator->ledger.n_phase[SW_PHASE_READY] == 0) return SW_OK;
    int workers = count_workers(coordinator);
    for (int rank = coordinator->first; rank < coordinator->n_ranks; rank++) {
        const struct sw_seat *seat = &coordinator->seats[rank];
        int64_t row;
        if (!can_train(seat) || seat->row >= 0) continue;
        if (!sw_ledger_next_near(&coordinator->ledger, seat->last, workers, &row)) return SW_OK;
        SW_TRY(assign(coordinator, rank, row));
        *busy = true;
    }
    return SW_OK;
}

static double count_bytes(const struct sw_sweep *sweep, int64_t row) {
    struct sw_payload_layout layout;
    if (row < 0) return 0;
    sw_payload_lay_out(&sweep->rounds[row], &layout);
    return (double) layout.total;
}

/* The longest time for which a worker may be silent. */
static double find_patience(const struct sw_coordinator *coordinator, const struct sw_seat *seat) {
    const struct sw_sweep *sweep = coordinator->site->sweep;
    double bytes = 0;
    if (seat->activity == SW_ACTIVITY_STORE && seat->row >= 0)
        bytes = count_bytes(sweep, seat->row) + count_bytes(sweep, sweep->rounds[seat->row].parent);
    return coordinator->site->lost_seconds + bytes / SW_STORE_BYTES_PER_SECOND;
}

static enum sw_status look_for_lost(struct sw_coordinator *coordinator,
                                    const struct sw_times *times) {
    for (int rank = coordinator->first; rank < coordinator->n_ranks; rank++) {
        struct sw_seat *seat = &coordinator->seats[rank];
        double silence = times->patient - seat->heard_at;
        if (seat->lost || seat->gone || silence <= coordinator->site->lost_seconds ||
            silence <= find_patience(coordinator, seat))
            continue;
        seat->lost = true;
        sw_report_notice(coordinator, "rank %d was not heard for %.3g s%s", rank, silence,
                         seat->row >= 0 ? ": its round goes to another" : "");
        SW_TRY(take_away(coordinator, rank));
    }
    return SW_OK;
}

/* True when no worker is left, and none that was lost may be expected back: a file system that stands
 * still for a while makes all of them look dead. */
static bool is_deserted(const struct sw_coordinator *coordinator, const struct sw_times *times) {
    double patience = coordinator->site->lost_seconds + coordinator->site->silent_seconds;
    for (int rank = coordinator->first; rank < coordinator->n_ranks; rank++) {
        const struct sw_seat *seat = &coordinator->seats[rank];
        if (!seat->left && (!seat->lost || times->patient - seat->heard_at < patience))
            return false;
    }
    return true;
}

/* True when nothing more will come, or when it must not be waited for. */
static bool is_over(struct sw_coordinator *coordinator, const struct sw_times *times) {
    if (sw_ledger_is_complete(&coordinator->ledger)) return true;
    if (coordinator->state == SW_COORDINATOR_STOPPING)
        return coordinator->ledger.n_phase[SW_PHASE_RUNNING] == 0 ||
               times->now >= coordinator->deadline;
    if (!is_deserted(coordinator, times)) return false;
    if (coordinator->left_for != SW_OK)
        sw_coordinator_stop(coordinator, coordinator->left_for, coordinator->left_text, 0, times);
    else
        sw_coordinator_stop(coordinator, SW_INTERNAL,
                            "all workers are lost; run again with --resume", 0, times);
    return true;
}

static enum sw_status release(struct sw_coordinator *coordinator) {
    coordinator->state = SW_COORDINATOR_RELEASING;
    for (int rank = coordinator->first; rank < coordinator->n_ranks; rank++)
        if (!coordinator->seats[rank].lost) SW_TRY(say(coordinator, rank, SW_MESSAGE_RELEASE));
    return SW_OK;
}

/* ---- end ------------------------------------------------------------------------------------- */

/* When all workers have said BYE (or are lost), tell them the outcome. */
static enum sw_status finish(struct sw_coordinator *coordinator, bool *busy) {
    bool all_here = true;
    for (int rank = coordinator->first; rank < coordinator->n_ranks; rank++) {
        if (!coordinator->seats[rank].gone && !coordinator->seats[rank].lost) return SW_OK;
        all_here &= coordinator->seats[rank].gone;
    }
    struct sw_message message = sw_message_make(SW_MESSAGE_END, coordinator->site->run);
    sw_report_judge(coordinator, &message);
    message.flag = all_here ? 1 : 0;
    coordinator->state = SW_COORDINATOR_ENDED;
    coordinator->end = message;
    *busy = true;
    /* Lost ones, too: one that was only slow need not wait for the silence. */
    for (int rank = coordinator->first; rank < coordinator->n_ranks; rank++)
        SW_TRY(sw_comm_send(rank, &message));
    return SW_OK;
}

/* Running rounds are ended at their next step and give back what they have saved; without
 * checkpoints they may finish within the time that they have. */
static enum sw_status look_for_signals(struct sw_coordinator *coordinator,
                                       const struct sw_times *times) {
    const struct sw_sched_options *options = coordinator->site->options;
    bool at_once, saves = options->checkpoint_seconds > 0;
    const char *name = sw_signals_seen(&at_once);
    if (name == NULL) return SW_OK;
    double grace = at_once ? 0 : options->grace_seconds;
    sw_coordinator_stop(coordinator, SW_STOPPED, name, saves ? fmax(grace, SW_SAVE_SECONDS) : grace,
                        times);
    if (!saves || coordinator->asked_to_save) return SW_OK;
    coordinator->asked_to_save = true;
    for (int rank = coordinator->first; rank < coordinator->n_ranks; rank++)
        if (!coordinator->seats[rank].lost) SW_TRY(say(coordinator, rank, SW_MESSAGE_SAVE));
    return SW_OK;
}

enum sw_status sw_coordinator_step(struct sw_coordinator *coordinator, const struct sw_times *times,
                                   bool *busy) {
    if (coordinator->state == SW_COORDINATOR_ENDED) return SW_OK;
    SW_TRY(look_for_signals(coordinator, times));
    if (coordinator->state == SW_COORDINATOR_WORKING) SW_TRY(hand_out(coordinator, busy));
    if (coordinator->n_news > 0) { /* after handing out, so that no worker waits for the observer */
        sw_report_news(coordinator, times);
        *busy = true;
    }
    SW_TRY(look_for_lost(coordinator, times));
    SW_TRY(pulse(coordinator, times));
    if (coordinator->state < SW_COORDINATOR_RELEASING && is_over(coordinator, times))
        SW_TRY(release(coordinator));
    if (coordinator->state == SW_COORDINATOR_RELEASING && coordinator->n_news == 0)
        SW_TRY(finish(coordinator, busy));
    if (times->now - coordinator->ticked_at < TICK_SECONDS) return SW_OK;
    coordinator->ticked_at = times->now;
    if (coordinator->observer != NULL && coordinator->observer->tick != NULL) {
        struct sw_sched_view view = sw_report_view(coordinator, times);
        coordinator->observer->tick(coordinator->observer->context, &view);
    }
    return SW_OK;
}
