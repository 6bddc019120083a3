/* sweepstake status: how far a sweep is. Takes no lock and disturbs nobody. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "sweepstake/memory.h"
#include "sweepstake/text.h"

enum { TICKETS = 5 };

static const char doc[] =
    "Tell how far a sweep is: running, stopped (can be resumed), finished, or dead (its job "
    "has ended without a word). Works from another shell while the sweep runs.";

/* ---- counting ------------------------------------------------------------------------------------------- */

/* What became of a round. */
enum fate { FATE_OPEN, FATE_DONE, FATE_FAILED, FATE_BLOCKED };

struct summary {
    const char *state;
    int64_t rounds_done, rounds_total, rounds_failed, rounds_blocked, trials, trials_failed;
    double eta; /* NaN when unknown */
    bool locked, alive;
    struct sw_store_lock_info lock;
    struct sw_cli_ticket best[TICKETS];
    int64_t n_best;
    /* For the estimate: work of the rounds that are open, and of those done since the job began. */
    double open_flops, recent_flops, last_end;
};

/* A round whose parent failed never runs: the sweep can finish without it. */
static enum fate fate_of(const struct sw_round_plan *round, const struct sw_round_check *check,
                         const uint8_t *fates) {
    if (check->state == SW_ROUND_COMMITTED) return check->failed ? FATE_FAILED : FATE_DONE;
    if (round->parent < 0) return FATE_OPEN;
    uint8_t parent = fates[round->parent];
    return parent == FATE_FAILED || parent == FATE_BLOCKED ? FATE_BLOCKED : FATE_OPEN;
}

static enum sw_status add_recent(struct sw_store *store, const struct sw_round_plan *round,
                                 struct summary *summary) {
    struct sw_round_record record;
    enum sw_status status = sw_store_read_record(store, round->row, &record);
    if (status == SW_DAMAGED) return SW_OK;
    SW_TRY(status);
    double end = record.measured.started + record.measured.total_seconds;
    if (!(record.measured.started >= summary->lock.started)) return SW_OK;
    summary->recent_flops += round->flops;
    if (end > summary->last_end) summary->last_end = end;
    return SW_OK;
}

static enum sw_status count_rounds(struct sw_store *store, uint8_t *fates,
                                   struct summary *summary) {
    for (int64_t row = 0; row < summary->rounds_total; row++) {
        const struct sw_round_plan *round = sw_store_round(store, row);
        struct sw_round_check check;
        SW_TRY(sw_store_check_round(store, row, false, &check));
        fates[row] = (uint8_t) fate_of(round, &check, fates);
        switch (fates[row]) {
        case FATE_FAILED:
            summary->rounds_failed++;
            summary->rounds_done++;
            break;
        case FATE_DONE:
            summary->rounds_done++;
            break;
        case FATE_BLOCKED:
            summary->rounds_blocked++;
            break;
        default:
            summary->open_flops += round->flops;
            break;
        }
        if (summary->alive && fates[row] == FATE_DONE) SW_TRY(add_recent(store, round, summary));
    }
    return SW_OK;
}

static bool has_failed(const struct sw_store *store, int64_t trial, int64_t wide,
                       const uint8_t *fates) {
    for (int64_t round = 0; round < wide; round++) {
        for (int control = 0; control < SW_CONTROL_COUNT; control++) {
            int64_t row = sw_store_row(store, trial, round, (enum sw_control) control);
            if (row >= 0 && fates[row] == FATE_FAILED) return true;
        }
    }
    return false;
}

static void count_trials(const struct sw_store *store, const uint8_t *fates,
                         struct summary *summary) {
    int64_t wide = 0;
    for (int64_t row = 0; row < summary->rounds_total; row++)
        if (sw_store_round(store, row)->round >= wide) wide = sw_store_round(store, row)->round + 1;
    summary->trials = sw_store_n_trials(store);
    for (int64_t trial = 0; trial < summary->trials; trial++)
        if (has_failed(store, trial, wide, fates)) summary->trials_failed++;
}

/* The rate of this job so far, over the work that is left. */
static double estimate(const struct summary *summary) {
    double elapsed = summary->last_end - summary->lock.started;
    if (summary->open_flops <= 0) return 0;
    if (!summary->alive || summary->recent_flops <= 0 || elapsed <= 0) return NAN;
    double left = summary->open_flops / summary->recent_flops * elapsed;
    double since = sw_clock_wall() - summary->last_end;
    return left > since ? left - since : 0;
}

static enum sw_status summarise(struct sw_store *store, const char *path, struct summary *out) {
    uint8_t *fates = NULL;
    struct sw_cli_scores scores = {0};
    enum sw_status status = sw_store_lock_peek(path, &out->lock, &out->alive);
    if (status != SW_OK && status != SW_NOT_FOUND) return status;
    out->locked = status == SW_OK;
    if (!out->locked) out->alive = false;
    out->rounds_total = sw_store_n_rounds(store);
    SW_TRY_TO(SW_ALLOC(&fates, (size_t) out->rounds_total, "rounds"), status, cleanup);
    SW_TRY_TO(count_rounds(store, fates, out), status, cleanup);
    count_trials(store, fates, out);
    SW_TRY_TO(sw_cli_scores_from_store(store, &scores), status, cleanup);
    out->n_best = sw_cli_scores_best(&scores, TICKETS, out->best);
    bool complete = out->rounds_done + out->rounds_blocked == out->rounds_total;
    out->state = out->alive ? "running" : complete ? "finished" : out->locked ? "dead" : "stopped";
    out->eta = estimate(out);
cleanup:
    sw_cli_scores_fini(&scores);
    SW_FREE(&fates);
    return status;
}

/* ---- output ------------------------------------------------------------------------------------------------ */

static json_t *best_json(const struct summary *summary) {
    json_t *list = json_array();
    for (int64_t i = 0; i < summary->n_best; i++) {
        const struct sw_cli_ticket *ticket = &summary->best[i];
        json_t *one = json_object();
        json_object_set_new(one, "trial", json_integer(ticket->trial));
        json_object_set_new(one, "round", json_integer(ticket->round));
        json_object_set_new(one, "row", json_integer(ticket->row));
        json_object_set_new(one, "sparsity", sw_cli_json_real(ticket->sparsity));
        json_object_set_new(one, "accuracy", sw_cli_json_real(ticket->accuracy));
        json_object_set_new(one, "dense_accuracy", sw_cli_json_real(ticket->dense_accuracy));
        json_array_append_new(list, one);
    }
    return list;
}

static void print_json(const struct summary *summary) {
    json_t *json = json_object();
    json_object_set_new(json, "state", json_string(summary->state));
    json_object_set_new(json, "rounds_done", json_integer(summary->rounds_done));
    json_object_set_new(json, "rounds_total", json_integer(summary->rounds_total));
    json_object_set_new(json, "rounds_failed", json_integer(summary->rounds_failed));
    json_object_set_new(json, "rounds_blocked", json_integer(summary->rounds_blocked));
    json_object_set_new(json, "trials", json_integer(summary->trials));
    json_object_set_new(json, "trials_failed", json_integer(summary->trials_failed));
    json_object_set_new(json, "eta_s", sw_cli_json_real(summary->eta));
    if (summary->locked) {
        json_t *owner = json_object();
        json_object_set_new(owner, "host", sw_cli_json_text(summary->lock.host));
        json_object_set_new(owner, "pid", json_integer(summary->lock.pid));
        json_object_set_new(owner, "job", sw_cli_json_text(summary->lock.job));
        json_object_set_new(owner, "workers", json_integer(summary->lock.workers));
        json_object_set_new(owner, "heartbeat", sw_cli_json_real(summary->lock.heartbeat));
        json_object_set_new(json, "owner", owner);
    }
    json_object_set_new(json, "best", best_json(summary));
    sw_cli_print_json(json, 2);
}

static void print_best(const struct summary *summary) {
    if (summary->n_best == 0) {
        printf("tickets  none yet that is as accurate as its dense network\n");
        return;
    }
    printf("tickets  the sparsest of each trial that are as accurate as its dense network\n");
    for (int64_t i = 0; i < summary->n_best; i++) {
        const struct sw_cli_ticket *ticket = &summary->best[i];
        char left[16];
        printf("         trial %lld round %lld: %s %% of the weights, test accuracy %.4f "
               "(dense %.4f)\n",
               (long long) ticket->trial, (long long) ticket->round,
               sw_cli_percent(left, sizeof left, 1 - ticket->sparsity), ticket->accuracy,
               ticket->dense_accuracy);
    }
}

static void print_text(const char *path, const struct summary *summary) {
    const struct sw_store_lock_info *lock = &summary->lock;
    char time[32];
    printf("store    %s\nstate    %s", path, summary->state);
    if (summary->locked)
        printf(": %s%s%s, process %lld, %lld worker%s, last sign of life %s ago", lock->host,
               lock->job[0] != '\0' ? ", job " : "", lock->job, (long long) lock->pid,
               (long long) lock->workers, lock->workers == 1 ? "" : "s",
               sw_text_seconds(time, sizeof time, fmax(0, sw_clock_wall() - lock->heartbeat)));
    printf("\nrounds   %lld of %lld done", (long long) summary->rounds_done,
           (long long) summary->rounds_total);
    if (summary->rounds_failed > 0)
        printf(", of which %lld failed", (long long) summary->rounds_failed);
    if (summary->rounds_blocked > 0)
        printf("; %lld cannot run: the round before them failed",
               (long long) summary->rounds_blocked);
    printf("\ntrials   %lld, %lld with failures\n", (long long) summary->trials,
           (long long) summary->trials_failed);
    if (isfinite(summary->eta) && summary->eta > 0)
        printf("left     about %s\n", sw_text_seconds(time, sizeof time, summary->eta));
    print_best(summary);
}

int sw_cli_status(int argc, char **argv) {
    struct sw_cli_store_arguments arguments = {0};
    sw_cli_parse_store(doc, argc, argv, &arguments);
    struct sw_store *store = NULL;
    struct summary summary = {0};
    enum sw_status status = sw_store_open(arguments.path, SW_STORE_READ, &store);
    if (status == SW_OK) status = summarise(store, arguments.path, &summary);
    if (status == SW_OK && arguments.json) print_json(&summary);
    if (status == SW_OK && !arguments.json) print_text(arguments.path, &summary);
    sw_store_close(&store);
    return status == SW_OK ? 0 : sw_cli_fail(status);
}
