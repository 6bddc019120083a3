/* What it costs to hand out a round: a sweep of tiny ones that do not wait for each other, then one
 * long one, during which rank 0 and the other workers have nothing to do. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "sweepstake/comm.h"
#include "sweepstake/memory.h"

/* ---- figures -------------------------------------------------------------------------------------- */

void sw_bench_sum_up_dispatch(const struct sw_sched_figures *tiny,
                              const struct sw_sched_figures *longer, int64_t rounds,
                              int64_t workers, struct sw_bench_dispatch *out) {
    int64_t n = tiny->n_waits;
    *out = (struct sw_bench_dispatch){
        .rounds = rounds,
        .workers = workers,
        .seconds = tiny->loop_seconds,
        .rounds_per_second = (double) rounds / tiny->loop_seconds,
        .coordinator_ms = 1e3 * tiny->coordinator_cpu / (double) rounds,
        .rank0_ms = 1e3 * tiny->loop_cpu / (double) rounds,
        .dispatches = n,
        .dispatch_ms = n > 0 ? 1e3 * sw_bench_quantile(tiny->waits, n, 0.5) : NAN,
        .dispatch_p99_ms = n > 0 ? 1e3 * sw_bench_quantile(tiny->waits, n, 0.99) : NAN,
        .worst_ms = n > 0 ? 1e3 * sw_bench_quantile(tiny->waits, n, 1) : NAN,
        .idle_seconds = longer->loop_seconds,
        .rank0_share = longer->loop_cpu / longer->loop_seconds,
        .idle_share = NAN,
    };
}

double sw_bench_idle_share(const struct sw_sched_figures *figures) {
    bool idle = figures->idle_seconds > 0.5 * figures->loop_seconds;
    return idle ? figures->idle_cpu / figures->idle_seconds : 0;
}

/* ---- sweeps --------------------------------------------------------------------------------------- */

/* One sweep that all ranks run. */
struct drill {
    const struct sw_bench_dispatch_options *options;
    struct sw_server *server;
    char folder[SW_BENCH_PATH];
    char store[SW_BENCH_PATH + 32];
    struct sw_sweep sweep;
    struct sw_sched_figures figures;
    int64_t failed;    /* trials, as rank 0 was told last */
    double stop_after; /* seconds; NaN: never */
    bool stopped;
};

static enum sw_status plan(struct drill *drill, int64_t seeds, int64_t steps) {
    struct sw_text yaml = {0};
    enum sw_status status = sw_text_add(
        &yaml,
        "sweep: bench\n"
        "data: {name: synthetic, shape: [1, 4, 4], classes: 4, train: 48, test: 16, validation: "
        "16}\n"
        "model: {name: mlp-8}\n"
        "train: {steps: %lld, batch: 16, evaluate: {every: %lld}}\n"
        "prune: {rounds: 0}\n"
        "store: bench.h5\n",
        (long long) steps, (long long) steps);
    if (status == SW_OK) status = sw_bench_add_seeds(&yaml, seeds);
    if (status == SW_OK) status = sw_bench_plan(&yaml, drill->options->isa, &drill->sweep);
    sw_text_fini(&yaml);
    return status;
}

static void see(void *context, const struct sw_sched_view *view) {
    struct drill *drill = context;
    drill->failed = view->failed;
    /* The scheduler's own way to end early: it has caught this signal. */
    if (drill->stopped || view->running == 0 || !(view->elapsed > drill->stop_after)) return;
    drill->stopped = true;
    (void) raise(SIGUSR1);
}

/* A record is read back for every round, as it is when people watch. */
static void see_round(void *context, const struct sw_sched_view *view,
                      const struct sw_round_record *record) {
    (void) record;
    see(context, view);
}

/* The same plan on every rank and an empty store. Collective. */
static enum sw_status set_up(struct drill *drill, const char *name, int64_t seeds, int64_t steps) {
    snprintf(drill->store, sizeof drill->store, "%s/%s", drill->folder, name);
    enum sw_status status = plan(drill, seeds, steps);
    if (status == SW_OK && sw_comm_rank() == 0)
        status = sw_store_create(drill->store, &drill->sweep, &drill->options->identity);
    return sw_comm_agree(status);
}

/* Run it. A sweep that is to be stopped has to say so. Collective. */
static enum sw_status run(struct drill *drill) {
    bool clean, stops = !isnan(drill->stop_after);
    struct sw_sched_observer observer = {.context = drill, .round_done = see_round, .tick = see};
    struct sw_sched_options options = {.threads = 1,
                                       .attempts = 1,
                                       .hang_seconds = 600,
                                       .backend = "cpu",
                                       .figures = &drill->figures};
    enum sw_status status = sw_sched_run(&drill->sweep, drill->store, NULL, drill->server,
                                         drill->options->isa, &options, &observer, &clean);
    if (!clean && status == SW_OK) status = SW_FAIL(SW_INTERNAL, "a rank was lost");
    if (status == SW_PARTIAL || (status == SW_OK && drill->failed > 0))
        return SW_FAIL(SW_INTERNAL, "a round of the benchmark failed");
    return stops && status == SW_STOPPED ? SW_OK : status;
}

static enum sw_status run_drill(struct drill *drill, const char *name, int64_t seeds,
                                int64_t steps) {
    enum sw_status status = set_up(drill, name, seeds, steps);
    if (status == SW_OK) status = run(drill);
    sw_sweep_fini(&drill->sweep);
    return status;
}

/* ---- the benchmark -------------------------------------------------------------------------------- */

/* The folder that rank 0 made, on every rank. Collective. */
static enum sw_status share_folder(const char *parent, char folder[SW_BENCH_PATH]) {
    enum sw_status status = sw_comm_rank() == 0 ? sw_bench_make_folder(parent, folder) : SW_OK;
    SW_TRY(sw_comm_agree(status));
    return sw_comm_broadcast(folder, SW_BENCH_PATH);
}

/* The highest share of all idle workers; NaN when there is none. Collective. */
static enum sw_status find_busiest(const struct sw_sched_figures *figures, double *share) {
    int64_t least;
    bool is_worker = sw_comm_rank() > 0;
    double mine = is_worker ? sw_bench_idle_share(figures) : 0;
    SW_TRY(sw_comm_minimum((int64_t) (-1e9 * mine), &least));
    *share = least < 0 ? -1e-9 * (double) least : NAN;
    return SW_OK;
}

static enum sw_status measure(struct drill *drill, struct sw_bench_dispatch *out) {
    const int64_t rounds = drill->options->rounds;
    int64_t workers = sw_comm_size() > 1 ? sw_comm_size() - 1 : 1;
    SW_TRY(sw_comm_agree(SW_ALLOC(&drill->figures.waits, (size_t) rounds, "waiting times")));
    drill->figures.capacity = rounds;
    drill->stop_after = NAN;
    SW_TRY(run_drill(drill, "tiny.h5", rounds, 3));
    struct sw_sched_figures tiny = drill->figures;
    drill->figures = (struct sw_sched_figures){.waits = NULL};
    drill->stop_after = drill->options->idle_seconds;
    double share = NAN;
    enum sw_status status = run_drill(drill, "long.h5", 1, 1000000000);
    if (status == SW_OK) status = find_busiest(&drill->figures, &share);
    if (status == SW_OK) {
        sw_bench_sum_up_dispatch(&tiny, &drill->figures, rounds, workers, out);
        out->idle_share = share;
    }
    drill->figures.waits = tiny.waits;
    return status;
}

enum sw_status sw_bench_time_dispatch(const struct sw_bench_dispatch_options *options,
                                      struct sw_server *server, struct sw_bench_dispatch *out) {
    struct drill drill = {.options = options, .server = server};
    SW_TRY(share_folder(options->folder, drill.folder));
    enum sw_status status = measure(&drill, out);
    if (sw_comm_rank() == 0) sw_bench_remove_folder(drill.folder);
    SW_FREE(&drill.figures.waits);
    return status;
}
