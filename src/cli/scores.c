/* Which tickets are the best so far: the sparsest that are at least as accurate as their dense network. */
#include <math.h>

#include "cli.h"
#include "sweepstake/memory.h"

double sw_cli_accuracy(const struct sw_round_record *record) {
    double stopped = record->result.early_stop_test_accuracy;
    return isnan(stopped) ? record->result.test_accuracy : stopped;
}

static enum sw_status create(int64_t n, struct sw_cli_scores *out) {
    struct sw_cli_scores scores = {.n = n};
    size_t count = (size_t) n;
    enum sw_status status = SW_OK;
    SW_TRY_TO(SW_ALLOC(&scores.trial, count, "scores"), status, cleanup);
    SW_TRY_TO(SW_ALLOC(&scores.round, count, "scores"), status, cleanup);
    SW_TRY_TO(SW_ALLOC(&scores.dense, count, "scores"), status, cleanup);
    SW_TRY_TO(SW_ALLOC(&scores.accuracy, count, "scores"), status, cleanup);
    SW_TRY_TO(SW_ALLOC(&scores.sparsity, count, "scores"), status, cleanup);
    for (int64_t i = 0; i < n; i++)
        scores.accuracy[i] = NAN;
    *out = scores;
    return SW_OK;
cleanup:
    sw_cli_scores_fini(&scores);
    return status;
}

void sw_cli_scores_fini(struct sw_cli_scores *scores) {
    SW_FREE(&scores->trial);
    SW_FREE(&scores->round);
    SW_FREE(&scores->dense);
    SW_FREE(&scores->accuracy);
    SW_FREE(&scores->sparsity);
    scores->n = 0;
}

static void describe(struct sw_cli_scores *scores, int64_t row, const struct sw_round_plan *plan,
                     int64_t dense) {
    scores->trial[row] = plan->trial;
    scores->round[row] = plan->round;
    scores->dense[row] = plan->control == SW_CONTROL_TICKET && plan->round > 0 ? dense : -1;
}

enum sw_status sw_cli_scores_from_sweep(const struct sw_sweep *sweep, struct sw_cli_scores *out) {
    SW_TRY(create(sweep->n_rounds, out));
    for (int64_t row = 0; row < sweep->n_rounds; row++) {
        const struct sw_round_plan *plan = &sweep->rounds[row];
        describe(out, row, plan, sw_sweep_row(sweep, plan->trial, 0, SW_CONTROL_TICKET));
    }
    return SW_OK;
}

enum sw_status sw_cli_scores_from_store(struct sw_store *store, struct sw_cli_scores *out) {
    SW_TRY(create(sw_store_n_rounds(store), out));
    for (int64_t row = 0; row < out->n; row++) {
        const struct sw_round_plan *plan = sw_store_round(store, row);
        describe(out, row, plan, sw_store_row(store, plan->trial, 0, SW_CONTROL_TICKET));
    }
    enum sw_status status = sw_cli_scores_load(out, store);
    if (status != SW_OK) sw_cli_scores_fini(out);
    return status;
}

enum sw_status sw_cli_scores_load(struct sw_cli_scores *scores, struct sw_store *store) {
    for (int64_t row = 0; row < scores->n; row++) {
        struct sw_round_check check;
        SW_TRY(sw_store_check_round(store, row, false, &check));
        if (check.state != SW_ROUND_COMMITTED || check.failed) continue;
        struct sw_round_record record;
        enum sw_status status = sw_store_read_record(store, row, &record);
        if (status == SW_DAMAGED) continue; /* verify names it; resume makes it again */
        SW_TRY(status);
        sw_cli_scores_set(scores, &record);
    }
    return SW_OK;
}

void sw_cli_scores_set(struct sw_cli_scores *scores, const struct sw_round_record *record) {
    int64_t row = record->result.row;
    if (row < 0 || row >= scores->n) return;
    scores->accuracy[row] = sw_cli_accuracy(record);
    scores->sparsity[row] = record->result.sparsity;
}

static bool is_winner(const struct sw_cli_scores *scores, int64_t row) {
    int64_t dense = scores->dense[row];
    return dense >= 0 && scores->accuracy[row] >= scores->accuracy[dense];
}

/* Sparser first, then more accurate, then the earlier row. */
static bool is_better(const struct sw_cli_scores *scores, int64_t row, int64_t than) {
    if (than < 0 || scores->sparsity[row] > scores->sparsity[than]) return true;
    return scores->sparsity[row] == scores->sparsity[than] &&
           scores->accuracy[row] > scores->accuracy[than];
}

static bool has_trial(const struct sw_cli_ticket *tickets, int64_t n, int64_t trial) {
    for (int64_t i = 0; i < n; i++)
        if (tickets[i].trial == trial) return true;
    return false;
}

int64_t sw_cli_scores_best(const struct sw_cli_scores *scores, int64_t capacity,
                           struct sw_cli_ticket *out) {
    int64_t n = 0;
    for (; n < capacity; n++) {
        int64_t best = -1;
        for (int64_t row = 0; row < scores->n; row++)
            if (is_winner(scores, row) && !has_trial(out, n, scores->trial[row]) &&
                is_better(scores, row, best))
                best = row;
        if (best < 0) break;
        out[n] = (struct sw_cli_ticket){.row = best,
                                        .trial = scores->trial[best],
                                        .round = scores->round[best],
                                        .sparsity = scores->sparsity[best],
                                        .accuracy = scores->accuracy[best],
                                        .dense_accuracy = scores->accuracy[scores->dense[best]]};
    }
    return n;
}
