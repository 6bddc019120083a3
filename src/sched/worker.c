#include "worker.h"

#include <math.h>
#include <string.h>

#include "signals.h"
#include "sweepstake/memory.h"
#include "sweepstake/system.h"
#include "sweepstake/text.h"

/* ---- messages to the coordinator ------------------------------------------------------------- */

struct sw_message sw_worker_message(const struct sw_worker *worker, enum sw_message_kind kind) {
    struct sw_message message = sw_message_make(kind, worker->site->run);
    message.row = worker->row;
    return message;
}

enum sw_status sw_worker_say(const struct sw_worker *worker, const struct sw_message *message) {
    return sw_comm_send(worker->coordinator, message);
}

enum sw_status sw_worker_beat(struct sw_worker *worker, enum sw_activity activity, double now) {
    struct sw_message message = sw_worker_message(worker, SW_MESSAGE_BEAT);
    message.activity = activity;
    if (activity == SW_ACTIVITY_IDLE) message.row = -1;
    if (activity == SW_ACTIVITY_TRAINING) {
        const struct sw_parcel_header *header = worker->parcel.header;
        int64_t steps = atomic_load_explicit(&header->steps, memory_order_relaxed);
        int64_t step = atomic_load_explicit(&header->step, memory_order_relaxed);
        if (step >= 0 && step <= steps) {
            message.step = step;
            message.steps = steps;
        }
    }
    worker->beat_at = now;
    return sw_worker_say(worker, &message);
}

/* The round is over for this worker: committed, or the sweep has to stop for `status`. */
enum sw_status sw_worker_result(struct sw_worker *worker, enum sw_status status, bool failed,
                                double now) {
    struct sw_message message = sw_worker_message(worker, SW_MESSAGE_RESULT);
    message.status = status;
    message.flag = failed ? 1 : 0;
    message.seconds = fmax(now - worker->assigned_at, 0);
    message.waited = worker->waited;
    if (status != SW_OK) SW_TEXT_COPY(message.text, sw_status_text());
    sw_parcel_close(&worker->parcel);
    worker->state = SW_WORKER_IDLE;
    worker->row = -1;
    worker->answered_at = sw_clock_monotonic();
    return sw_worker_say(worker, &message);
}

/* This rank cannot train any more (its server is gone); the others can. */
enum sw_status sw_worker_leave(struct sw_worker *worker, enum sw_status status) {
    struct sw_message message = sw_worker_message(worker, SW_MESSAGE_LEAVE);
    message.status = status;
    SW_TEXT_COPY(message.text, sw_status_text());
    sw_runner_dismiss(&worker->runner, true);
    sw_parcel_close(&worker->parcel);
    worker->state = SW_WORKER_LEAVING;
    worker->row = -1;
    return sw_worker_say(worker, &message);
}

/* ---- life ------------------------------------------------------------------------------------ */

enum sw_status sw_worker_open(const struct sw_site *site, int coordinator,
                              const struct sw_times *times, struct sw_worker *out) {
    struct sw_worker worker = {.site = site,
                               .coordinator = coordinator,
                               .parcel = {.fd = -1},
                               .row = -1,
                               .heard_at = times->patient,
                               .outcome = SW_INTERNAL};
    SW_TRY(SW_ALLOC(&worker.task, 1, "a round's task"));
    sw_runner_init(site->server, &worker.runner);
    struct sw_message ready = sw_message_make(SW_MESSAGE_READY, site->run);
    enum sw_status status = sw_comm_send(coordinator, &ready);
    if (status != SW_OK) {
        SW_FREE(&worker.task);
        return status;
    }
    *out = worker;
    return SW_OK;
}

/* Let go of the training, if there is one. */
static void drop_round(struct sw_worker *worker) {
    sw_runner_dismiss(&worker->runner, worker->state == SW_WORKER_TRAINING);
    sw_parcel_close(&worker->parcel);
    worker->row = -1;
}

void sw_worker_close(struct sw_worker *worker) {
    if (worker->task == NULL) return;
    drop_round(worker);
    SW_FREE(&worker->task);
}

static enum sw_status end(struct sw_worker *worker, enum sw_status outcome, bool clean) {
    worker->outcome = outcome;
    worker->clean = clean;
    worker->state = SW_WORKER_ENDED;
    return SW_OK;
}

enum sw_status sw_worker_take(struct sw_worker *worker, const struct sw_message *message,
                              const struct sw_times *times) {
    worker->heard_at = times->patient;
    switch (message->kind) {
    case SW_MESSAGE_ASSIGN:
        /* Rank 0 may have taken this worker for lost and given it a second round: it keeps the
         * first. */
        return worker->state == SW_WORKER_IDLE ? sw_worker_begin(worker, message, times) : SW_OK;
    case SW_MESSAGE_SAVE:
        worker->saving = true;
        if (worker->state == SW_WORKER_TRAINING)
            atomic_store_explicit(&worker->parcel.header->stop, 1, memory_order_relaxed);
        return SW_OK;
    case SW_MESSAGE_RELEASE: {
        struct sw_message bye = sw_message_make(SW_MESSAGE_BYE, worker->site->run);
        drop_round(worker);
        worker->state = SW_WORKER_RELEASED;
        return sw_worker_say(worker, &bye);
    }
    case SW_MESSAGE_END:
        drop_round(worker);
        if (message->status == SW_OK) return end(worker, SW_OK, message->flag != 0);
        return end(worker, SW_FAIL((enum sw_status) message->status, "%s", message->text),
                   message->flag != 0);
    default:
        return SW_OK;
    }
}

static enum sw_activity activity_of(const struct sw_worker *worker) {
    if (worker->state == SW_WORKER_TRAINING) return SW_ACTIVITY_TRAINING;
    return worker->state == SW_WORKER_LOADING ? SW_ACTIVITY_STORE : SW_ACTIVITY_IDLE;
}

/* Whoever sends SIGTERM kills a little later, and rank 0, which decides, may be gone: a checkpoint is taken at
 * once. The training goes on meanwhile. */
static void look_for_signals(struct sw_worker *worker) {
    bool at_once;
    if (worker->warned || sw_signals_seen(&at_once) == NULL || !at_once) return;
    worker->warned = true;
    atomic_store_explicit(&worker->parcel.header->save, 1, memory_order_relaxed);
}

enum sw_status sw_worker_step(struct sw_worker *worker, const struct sw_times *times, bool *busy) {
    double silence = worker->site->silent_seconds;
    if (worker->state == SW_WORKER_ENDED) return SW_OK;
    if (times->patient - worker->heard_at > silence) {
        drop_round(worker);
        return end(worker, SW_FAIL(SW_INTERNAL, "rank 0 has been silent for %g s", silence), false);
    }
    if (worker->state == SW_WORKER_LOADING) SW_TRY(sw_worker_load(worker, times, busy));
    if (worker->state == SW_WORKER_TRAINING) look_for_signals(worker);
    if (worker->state == SW_WORKER_TRAINING) SW_TRY(sw_worker_watch(worker, times, busy));
    if (times->now - worker->beat_at < fmin(SW_BEAT_SECONDS, worker->site->lost_seconds / 4))
        return SW_OK;
    return sw_worker_beat(worker, activity_of(worker), times->now);
}
