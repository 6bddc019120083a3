/* One rank of a sweep: set-up together with the others, then a loop that never waits for one of
 * them. */
#include "sweepstake/sched.h"

#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "coordinator.h"
#include "meter.h"
#include "report.h"
#include "signals.h"
#include "sweepstake/comm.h"
#include "sweepstake/system.h"
#include "worker.h"

/* Between two looks when nothing happened: what is said is often answered at once, so the first are
 * short, and every one is twice as long as the one before. */
#define PAUSE_FIRST 0.00005
#define PAUSE_SECONDS 0.001
#define WATCH_SECONDS 0.005 /* the same while a trainer works: its socket ends the pause */
#define MESSAGES_AT_ONCE 64 /* then the rest of the loop has its turn */
#define FLUSH_SECONDS 1.0
#define LOST_SECONDS 30.0   /* default of sw_sched_options.lost_seconds */
#define SILENT_SECONDS 60.0 /* default of sw_sched_options.silent_seconds */

struct rank {
    struct sw_site site;
    struct sw_store *store;
    char slots[SW_SLOTS_PATH];
    struct sw_data_blocks share;
    struct sw_times times;
    struct sw_inbox *inbox;
    bool coordinates, works;
    double pause;   /* the next one */
    char note[400]; /* about the placement, for rank 0 to tell */
    struct sw_coordinator coordinator;
    struct sw_worker worker;
};

/* ---- set-up ---------------------------------------------------------------------------------- */

static enum sw_status check_options(const struct sw_sweep *sweep,
                                    const struct sw_sched_options *options) {
    if (options->threads < 1)
        return SW_FAIL(SW_USAGE, "a trainer needs at least 1 thread, not %d", options->threads);
    if (options->attempts < 1)
        return SW_FAIL(SW_USAGE, "a round needs at least 1 attempt, not %" PRId64,
                       options->attempts);
    if (!(options->checkpoint_seconds >= 0))
        return SW_FAIL(SW_USAGE, "checkpoints every %g s are not possible",
                       options->checkpoint_seconds);
    if (sw_backend_find(options->backend) == NULL)
        return SW_FAIL(SW_UNSUPPORTED, "this build has no backend '%s'", options->backend);
    for (int64_t i = 0; i < sweep->n_archs; i++)
        if (sweep->archs[i].n_layers > SW_MAX_LAYERS)
            return SW_FAIL(SW_UNSUPPORTED,
                           "%s has %" PRId64 " prunable layers, at most %d are supported",
                           sweep->archs[i].model, sweep->archs[i].n_layers, SW_MAX_LAYERS);
    return SW_OK;
}

/* OpenBLAS chooses its kernels when it is loaded: the server has to start again with the name in
 * place. */
static enum sw_status set_core(struct sw_server *server, enum sw_isa isa) {
    const char *name = "OPENBLAS_CORETYPE", *core = sw_isa_openblas_core(isa), *old = getenv(name);
    if (old != NULL && strcmp(old, core) == 0) return SW_OK;
    return sw_proc_set_environment(server, name, core);
}

/* What this rank needs by itself. */
static enum sw_status set_up_alone(struct rank *rank) {
    SW_TRY(check_options(rank->site.sweep, rank->site.options));
    SW_TRY(sw_slots_folder(rank->site.store_path, rank->slots));
    if (rank->works) SW_TRY(set_core(rank->site.server, rank->site.isa));
    return sw_store_open(rank->site.store_path, SW_STORE_WRITE, &rank->store);
}

static enum sw_status set_up_roles(struct rank *rank, const struct sw_sched_observer *observer,
                                   struct sw_store_lock *lock) {
    sw_times_advance(&rank->times);
    SW_TRY(sw_inbox_open(-1, &rank->inbox));
    if (rank->coordinates)
        SW_TRY(sw_coordinator_open(&rank->site, observer, lock, &rank->times, &rank->coordinator));
    return rank->works ? sw_worker_open(&rank->site, 0, &rank->times, &rank->worker) : SW_OK;
}

/* A process that is alone has nobody to keep away from, and does not know of others like it. */
static enum sw_status place(struct rank *rank) {
    if (!rank->site.options->bind || sw_comm_size() == 1) return SW_OK;
    return sw_placement_agree(rank->works, rank->site.options->threads, &rank->site.cpus,
                              rank->note, sizeof rank->note);
}

/* Decoding the data takes minutes, here or on another node. */
static enum sw_status beat_lock(void *lock) {
    return sw_store_lock_beat(lock, 0, 0);
}

/* Every step ends in agreement, so that no rank goes on while another has given up. */
static enum sw_status set_up_together(struct rank *rank, const struct sw_sched_observer *observer,
                                      struct sw_store_lock *lock) {
    int64_t isa = 0;
    SW_TRY(sw_comm_minimum((int64_t) rank->site.isa, &isa));
    rank->site.isa = (enum sw_isa) isa;
    SW_TRY(sw_comm_agree(set_up_alone(rank)));
    SW_TRY(sw_share_open(rank->site.sweep, rank->site.options->blocks, &rank->share));
    SW_TRY(place(rank));
    return sw_comm_agree(set_up_roles(rank, observer, lock));
}

static enum sw_status set_up(struct rank *rank, const struct sw_sched_observer *observer,
                             struct sw_store_lock *lock) {
    if (lock != NULL) sw_comm_set_meanwhile(beat_lock, lock);
    enum sw_status status = set_up_together(rank, observer, lock);
    sw_comm_set_meanwhile(NULL, NULL);
    if (status != SW_OK || !rank->coordinates) return status;
    if (rank->note[0] != '\0') sw_report_notice(&rank->coordinator, "%s", rank->note);
    SW_TRY(sw_coordinator_scan(&rank->coordinator, &rank->times));
    sw_coordinator_tidy(&rank->coordinator);
    return SW_OK;
}

static void tear_down(struct rank *rank) {
    if (rank->works) sw_worker_close(&rank->worker);
    if (rank->coordinates) sw_coordinator_close(&rank->coordinator);
    sw_inbox_close(&rank->inbox);
    sw_data_blocks_close(&rank->share);
    sw_store_close(&rank->store);
}

/* ---- loop ------------------------------------------------------------------------------------ */

/* Give what has come to the role that it is for; a rank that is alone writes to itself. */
static enum sw_status take_messages(struct rank *rank, bool *busy) {
    bool got = true;
    for (int i = 0; i < MESSAGES_AT_ONCE && got; i++) {
        struct sw_message message;
        int source = -1;
        SW_TRY(sw_inbox_poll(rank->inbox, &got, &source, &message));
        if (!got || !sw_message_check(&message, rank->site.run, rank->site.sweep->n_rounds))
            continue;
        bool upward = sw_message_is_for_coordinator(&message);
        if (upward && rank->coordinates)
            SW_TRY(sw_coordinator_take(&rank->coordinator, source, &message, &rank->times));
        if (!upward && rank->works && source == 0)
            SW_TRY(sw_worker_take(&rank->worker, &message, &rank->times));
        *busy = true;
    }
    return SW_OK;
}

static bool is_ended(const struct rank *rank) {
    return (!rank->coordinates || rank->coordinator.state == SW_COORDINATOR_ENDED) &&
           (!rank->works || rank->worker.state == SW_WORKER_ENDED);
}

/* Nothing to do: sleep, or until the trainer answers. */
static void pause_loop(struct rank *rank) {
    if (!rank->works || rank->worker.state != SW_WORKER_TRAINING) {
        sw_clock_sleep(rank->pause);
        rank->pause = fmin(2 * rank->pause, PAUSE_SECONDS);
        return;
    }
    struct pollfd fd = {.fd = rank->worker.runner.socket, .events = POLLIN};
    struct timespec wait = {.tv_nsec = (long) (WATCH_SECONDS * 1e9)};
    int ready = ppoll(&fd, 1, &wait, NULL);
    /* A trainer that has died keeps its socket readable until the server has told how it ended. */
    if (ready > 0 && (fd.revents & POLLHUP) != 0) sw_clock_sleep(PAUSE_SECONDS);
}

static enum sw_status run_loop(struct rank *rank) {
    struct sw_meter meter;
    sw_meter_start(&meter, rank->site.options->figures);
    while (!is_ended(rank)) {
        bool busy = false;
        sw_times_advance(&rank->times);
        sw_meter_turn(&meter);
        SW_TRY(take_messages(rank, &busy));
        if (rank->coordinates) SW_TRY(sw_coordinator_step(&rank->coordinator, &rank->times, &busy));
        sw_meter_coordinated(&meter, rank->coordinates && busy);
        if (rank->works) SW_TRY(sw_worker_step(&rank->worker, &rank->times, &busy));
        sw_meter_idle(&meter, rank->works && rank->worker.state == SW_WORKER_IDLE);
        if (busy)
            rank->pause = PAUSE_FIRST;
        else
            pause_loop(rank);
    }
    sw_meter_stop(&meter);
    return SW_OK;
}

/* The outcome that all ranks share, once the loop has ended well. */
static enum sw_status conclude(const struct rank *rank, bool *clean) {
    if (rank->works) {
        *clean = rank->worker.clean;
        return rank->worker.outcome;
    }
    const struct sw_message *end = &rank->coordinator.end;
    *clean = end->flag != 0;
    return end->status == SW_OK ? SW_OK : SW_FAIL((enum sw_status) end->status, "%s", end->text);
}

enum sw_status sw_sched_run(const struct sw_sweep *sweep, const char *store_path,
                            struct sw_store_lock *lock, struct sw_server *server, enum sw_isa isa,
                            const struct sw_sched_options *options,
                            const struct sw_sched_observer *observer, bool *clean) {
    static int64_t runs; /* the same on all ranks, since all call this together */
    struct sw_signals signals;
    struct rank rank = {.site = {.sweep = sweep,
                                 .store_path = store_path,
                                 .options = options,
                                 .server = server,
                                 .isa = isa,
                                 .run = ++runs},
                        .coordinates = sw_comm_rank() == 0,
                        .works = sw_comm_rank() != 0 || sw_comm_size() == 1,
                        .pause = PAUSE_FIRST,
                        .times = {.now = sw_clock_monotonic()}};
    rank.site.lost_seconds = options->lost_seconds > 0 ? options->lost_seconds : LOST_SECONDS;
    rank.site.silent_seconds = options->silent_seconds > 0 ? options->silent_seconds
                                                           : SILENT_SECONDS;
    rank.site.store = &rank.store;
    rank.site.slots = rank.slots;
    rank.site.share = &rank.share;
    sw_signals_catch(&signals);
    bool whole = true;
    enum sw_status status = set_up(&rank, observer, lock);
    if (status == SW_OK) {
        whole = false; /* whoever leaves the loop early leaves the others behind */
        status = run_loop(&rank);
        if (status == SW_OK) status = conclude(&rank, &whole);
        if (rank.coordinates) sw_coordinator_tidy(&rank.coordinator);
        (void) sw_comm_flush(FLUSH_SECONDS);
    }
    tear_down(&rank);
    sw_signals_release(&signals);
    *clean = whole;
    return status;
}
