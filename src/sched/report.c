#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sweepstake/text.h"

static double share_done(const struct sw_seat *seat) {
    return seat->steps > 0 ? (double) seat->step / (double) seat->steps : 0;
}

/* Work left over the workers, but never less than the longest chain that has to be run one by
 * one. */
static double estimate_rest(const struct sw_coordinator *coordinator, int64_t workers) {
    const struct sw_ledger *ledger = &coordinator->ledger;
    if (sw_ledger_is_complete(ledger)) return 0;
    if (!(coordinator->measured_flops > 0) || workers == 0) return NAN;
    double left = ledger->flops_left,
           longest = ledger->n_heap > 0 ? ledger->chain[ledger->heap[0]] : 0;
    for (int rank = coordinator->first; rank < coordinator->n_ranks; rank++) {
        const struct sw_seat *seat = &coordinator->seats[rank];
        if (seat->row < 0 || seat->lost) continue;
        double done = share_done(seat) * coordinator->site->sweep->rounds[seat->row].flops;
        left -= done;
        longest = fmax(longest, ledger->chain[seat->row] - done);
    }
    double per_flop = coordinator->measured_seconds / coordinator->measured_flops;
    return fmax(fmax(left, 0) / (double) workers, longest) * per_flop;
}

struct sw_sched_view sw_report_view(const struct sw_coordinator *coordinator,
                                    const struct sw_times *times) {
    const struct sw_ledger *ledger = &coordinator->ledger;
    struct sw_sched_view view = {.done = sw_ledger_committed(ledger),
                                 .total = ledger->sweep->n_rounds,
                                 .failed = ledger->failed_trials,
                                 .running = ledger->n_phase[SW_PHASE_RUNNING],
                                 .elapsed = times->now - coordinator->started};
    for (int rank = coordinator->first; rank < coordinator->n_ranks; rank++) {
        const struct sw_seat *seat = &coordinator->seats[rank];
        view.workers += seat->heard && !seat->lost && !seat->left;
    }
    view.eta = estimate_rest(coordinator, view.workers);
    return view;
}

void sw_report_notice(const struct sw_coordinator *coordinator, const char *format, ...) {
    if (coordinator->observer == NULL || coordinator->observer->notice == NULL) return;
    char text[640];
    va_list arguments;
    va_start(arguments, format);
    (void) vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    coordinator->observer->notice(coordinator->observer->context, text);
}

const char *sw_report_name(const struct sw_coordinator *coordinator, int64_t row, char *out,
                           size_t size) {
    const struct sw_round_plan *plan = &coordinator->site->sweep->rounds[row];
    bool ticket = plan->control == SW_CONTROL_TICKET;
    (void) snprintf(out, size, "trial %" PRId64 ", round %" PRId64 "%s%s", plan->trial, plan->round,
                    ticket ? "" : ", ",
                    ticket ? "" : sw_control_name((enum sw_control) plan->control));
    return out;
}

void sw_report_news(struct sw_coordinator *coordinator, const struct sw_times *times) {
    const struct sw_sched_observer *observer = coordinator->observer;
    struct sw_round_record record;
    int64_t row = coordinator->news[0];
    coordinator->n_news--;
    memmove(coordinator->news, coordinator->news + 1,
            (size_t) coordinator->n_news * sizeof *coordinator->news);
    if (observer == NULL || observer->round_done == NULL) return;
    if (sw_store_read_record(*coordinator->site->store, row, &record) != SW_OK) {
        char name[96];
        sw_report_notice(coordinator, "%s was committed, but cannot be read yet: %s",
                         sw_report_name(coordinator, row, name, sizeof name), sw_status_text());
        return;
    }
    struct sw_sched_view view = sw_report_view(coordinator, times);
    /* Rounds that came with this one have not been told yet. */
    view.done -= coordinator->n_news;
    observer->round_done(observer->context, &view, &record);
}

void sw_report_judge(const struct sw_coordinator *coordinator, struct sw_message *message) {
    const struct sw_ledger *ledger = &coordinator->ledger;
    int64_t total = ledger->sweep->n_rounds, trials = ledger->sweep->n_trials;
    bool complete = sw_ledger_is_complete(ledger);
    if (coordinator->stop == SW_OK || (coordinator->stop == SW_STOPPED && complete)) {
        message->status = ledger->failed_trials > 0 ? SW_PARTIAL : SW_OK;
        if (ledger->failed_trials > 0)
            (void) snprintf(message->text, sizeof message->text,
                            "%" PRId64 " of %" PRId64 " trials failed", ledger->failed_trials,
                            trials);
        return;
    }
    message->status = coordinator->stop;
    if (coordinator->stop == SW_STOPPED)
        (void) snprintf(message->text, sizeof message->text,
                        "stopped by %s after %" PRId64 " of %" PRId64
                        " rounds; run again with --resume",
                        coordinator->stop_text, sw_ledger_committed(ledger), total);
    else
        SW_TEXT_COPY(message->text, coordinator->stop_text);
}
