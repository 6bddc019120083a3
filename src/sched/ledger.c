#include "ledger.h"

#include <string.h>

#include "sweepstake/memory.h"

#define NEAR_CHILDREN 64

/* ---- who needs whom -------------------------------------------------------------------------- */

/* Turn counts in start[1 ..] into first positions. */
static void sum_up(int64_t *start, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        start[i + 1] += start[i];
}

/* After start[r] was used as a running position: shift the positions back to the beginnings. */
static void rewind_starts(int64_t *start, int64_t n) {
    memmove(start + 1, start, (size_t) n * sizeof *start);
    start[0] = 0;
}

static enum sw_status link_children(struct sw_ledger *ledger) {
    const struct sw_sweep *sweep = ledger->sweep;
    int64_t n = sweep->n_rounds;
    SW_TRY(SW_ALLOC(&ledger->child_start, (size_t) n + 1, "links between rounds"));
    for (int64_t row = 0; row < n; row++)
        if (sweep->rounds[row].parent >= 0) ledger->child_start[sweep->rounds[row].parent + 1]++;
    sum_up(ledger->child_start, n);
    SW_TRY(SW_ALLOC(&ledger->child, (size_t) ledger->child_start[n], "links between rounds"));
    for (int64_t row = 0; row < n; row++) {
        int64_t parent = sweep->rounds[row].parent;
        if (parent >= 0) ledger->child[ledger->child_start[parent]++] = row;
    }
    rewind_starts(ledger->child_start, n);
    return SW_OK;
}

static enum sw_status link_users(struct sw_ledger *ledger) {
    const struct sw_sweep *sweep = ledger->sweep;
    int64_t n = sweep->n_rounds, wide = sweep->rounds_wide * SW_CONTROL_COUNT;
    SW_TRY(SW_ALLOC(&ledger->user_start, (size_t) n + 1, "links between trials"));
    for (int64_t i = 0; i < sweep->n_trials * wide; i++)
        if (sweep->trial_rounds[i] >= 0) ledger->user_start[sweep->trial_rounds[i] + 1]++;
    sum_up(ledger->user_start, n);
    SW_TRY(SW_ALLOC(&ledger->user, (size_t) ledger->user_start[n], "links between trials"));
    for (int64_t i = 0; i < sweep->n_trials * wide; i++) {
        int64_t row = sweep->trial_rounds[i];
        if (row >= 0) ledger->user[ledger->user_start[row]++] = i / wide;
    }
    rewind_starts(ledger->user_start, n);
    return SW_OK;
}

/* Parents come before their children, so one pass from the end sees every chain whole. */
static void measure_chains(struct sw_ledger *ledger) {
    const struct sw_sweep *sweep = ledger->sweep;
    for (int64_t row = sweep->n_rounds - 1; row >= 0; row--) {
        const struct sw_round_plan *round = &sweep->rounds[row];
        ledger->chain[row] += round->flops;
        ledger->flops_left += round->flops;
        ledger->flops_open += round->flops;
        if (round->parent >= 0 && round->control == SW_CONTROL_TICKET &&
            ledger->chain[round->parent] < ledger->chain[row])
            ledger->chain[round->parent] = ledger->chain[row];
    }
}

enum sw_status sw_ledger_init(const struct sw_sweep *sweep, struct sw_ledger *out) {
    struct sw_ledger ledger = {.sweep = sweep};
    size_t n = (size_t) sweep->n_rounds;
    enum sw_status status;
    SW_TRY_TO(SW_ALLOC(&ledger.phase, n, "states of the rounds"), status, cleanup);
    SW_TRY_TO(SW_ALLOC(&ledger.attempts, n, "states of the rounds"), status, cleanup);
    SW_TRY_TO(SW_ALLOC(&ledger.chain, n, "states of the rounds"), status, cleanup);
    SW_TRY_TO(SW_ALLOC(&ledger.trial_failed, (size_t) sweep->n_trials, "states of the trials"),
              status, cleanup);
    SW_TRY_TO(link_children(&ledger), status, cleanup);
    SW_TRY_TO(link_users(&ledger), status, cleanup);
    measure_chains(&ledger);
    ledger.n_phase[SW_PHASE_WAITING] = sweep->n_rounds;
    *out = ledger;
    return SW_OK;

cleanup:
    sw_ledger_fini(&ledger);
    return status;
}

void sw_ledger_fini(struct sw_ledger *ledger) {
    SW_FREE(&ledger->phase);
    SW_FREE(&ledger->attempts);
    SW_FREE(&ledger->chain);
    SW_FREE(&ledger->child_start);
    SW_FREE(&ledger->child);
    SW_FREE(&ledger->user_start);
    SW_FREE(&ledger->user);
    SW_FREE(&ledger->trial_failed);
    SW_FREE(&ledger->heap);
    memset(ledger, 0, sizeof *ledger);
}

/* ---- queue of ready rounds ------------------------------------------------------------------- */

/* Tickets before controls (others wait for them), then the longest chain, then the order of the
 * plan. */
static bool is_before(const struct sw_ledger *ledger, int64_t a, int64_t b) {
    bool a_ticket = ledger->sweep->rounds[a].control == SW_CONTROL_TICKET;
    bool b_ticket = ledger->sweep->rounds[b].control == SW_CONTROL_TICKET;
    if (a_ticket != b_ticket) return a_ticket;
    if (ledger->chain[a] != ledger->chain[b]) return ledger->chain[a] > ledger->chain[b];
    return a < b;
}

static enum sw_status push(struct sw_ledger *ledger, int64_t row) {
    if (ledger->n_heap == ledger->heap_capacity) {
        int64_t capacity = ledger->heap_capacity > 0 ? 2 * ledger->heap_capacity : 64;
        SW_TRY(SW_GROW(&ledger->heap, (size_t) ledger->heap_capacity, (size_t) capacity,
                       "queue of rounds"));
        ledger->heap_capacity = capacity;
    }
    int64_t hole = ledger->n_heap++;
    while (hole > 0 && is_before(ledger, row, ledger->heap[(hole - 1) / 2])) {
        ledger->heap[hole] = ledger->heap[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    ledger->heap[hole] = row;
    return SW_OK;
}

static int64_t pop(struct sw_ledger *ledger) {
    int64_t *heap = ledger->heap, top = heap[0], last = heap[--ledger->n_heap], hole = 0;
    for (int64_t next = 1; next < ledger->n_heap; next = 2 * hole + 1) {
        if (next + 1 < ledger->n_heap && is_before(ledger, heap[next + 1], heap[next])) next++;
        if (!is_before(ledger, heap[next], last)) break;
        heap[hole] = heap[next];
        hole = next;
    }
    heap[hole] = last;
    return top;
}

/* ---- changes --------------------------------------------------------------------------------- */

static bool is_over(uint8_t phase) {
    return phase == SW_PHASE_DONE || phase == SW_PHASE_FAILED || phase == SW_PHASE_BLOCKED;
}

static bool is_open(uint8_t phase) {
    return phase == SW_PHASE_WAITING || phase == SW_PHASE_READY;
}

static void move(struct sw_ledger *ledger, int64_t row, enum sw_phase phase) {
    double flops = ledger->sweep->rounds[row].flops;
    if (is_over((uint8_t) phase)) ledger->flops_left -= flops;
    ledger->flops_open += flops * (is_open((uint8_t) phase) - is_open(ledger->phase[row]));
    ledger->n_phase[ledger->phase[row]]--;
    ledger->n_phase[phase]++;
    ledger->phase[row] = (uint8_t) phase;
}

static void fail_trials(struct sw_ledger *ledger, int64_t row) {
    for (int64_t i = ledger->user_start[row]; i < ledger->user_start[row + 1]; i++) {
        uint8_t *failed = &ledger->trial_failed[ledger->user[i]];
        ledger->failed_trials += *failed == 0;
        *failed = 1;
    }
}

/* Every descendant that has not run will not. The depth is that of a trial, at most 1001 rounds. */
static void block_children(struct sw_ledger *ledger, int64_t row) {
    for (int64_t i = ledger->child_start[row]; i < ledger->child_start[row + 1]; i++) {
        int64_t child = ledger->child[i];
        if (is_over(ledger->phase[child])) continue;
        move(ledger, child, SW_PHASE_BLOCKED);
        block_children(ledger, child);
    }
}

void sw_ledger_found(struct sw_ledger *ledger, int64_t row, bool failed) {
    move(ledger, row, failed ? SW_PHASE_FAILED : SW_PHASE_DONE);
    if (failed) fail_trials(ledger, row);
}

enum sw_status sw_ledger_start(struct sw_ledger *ledger) {
    for (int64_t row = 0; row < ledger->sweep->n_rounds; row++) {
        if (ledger->phase[row] == SW_PHASE_FAILED) block_children(ledger, row);
        if (ledger->phase[row] != SW_PHASE_WAITING) continue;
        int64_t parent = ledger->sweep->rounds[row].parent;
        if (parent >= 0 && ledger->phase[parent] != SW_PHASE_DONE) continue;
        SW_TRY(push(ledger, row));
        move(ledger, row, SW_PHASE_READY);
    }
    return SW_OK;
}

/* Pass over rounds that are not ready any more: a round that was given back may have been finished by
 * the worker that was thought lost, and a round may have been taken from the middle of the queue. */
static bool find_best(struct sw_ledger *ledger, int64_t *row) {
    while (ledger->n_heap > 0 && ledger->phase[ledger->heap[0]] != SW_PHASE_READY)
        (void) pop(ledger);
    if (ledger->n_heap == 0) return false;
    *row = ledger->heap[0];
    return true;
}

/* Its place in the queue is passed over. */
static void take(struct sw_ledger *ledger, int64_t row) {
    move(ledger, row, SW_PHASE_RUNNING);
    ledger->attempts[row]++;
}

bool sw_ledger_next(struct sw_ledger *ledger, int64_t *row) {
    if (!find_best(ledger, row)) return false;
    take(ledger, *row);
    return true;
}

/* The best ready child of a row, -1 when there is none. The dense round of a large sweep has thousands;
 * the first of them will do. */
static int64_t find_child(const struct sw_ledger *ledger, int64_t parent) {
    int64_t best = -1, end = ledger->child_start[parent + 1];
    if (end - ledger->child_start[parent] > NEAR_CHILDREN)
        end = ledger->child_start[parent] + NEAR_CHILDREN;
    for (int64_t i = ledger->child_start[parent]; i < end; i++) {
        int64_t child = ledger->child[i];
        if (ledger->phase[child] != SW_PHASE_READY) continue;
        if (best < 0 || is_before(ledger, child, best)) best = child;
    }
    return best;
}

/* May `near` go before `best`, the head of the queue? Tickets never wait for controls. Otherwise the
 * longest chain may wait for one round as long as it does not become what all wait for at the end: it
 * has to fit into an equal share of the work that nobody has begun. */
static bool may_go_first(const struct sw_ledger *ledger, int64_t near, int64_t best, int workers) {
    const struct sw_round_plan *rounds = ledger->sweep->rounds;
    if ((rounds[near].control == SW_CONTROL_TICKET) != (rounds[best].control == SW_CONTROL_TICKET))
        return false;
    if (ledger->chain[near] >= ledger->chain[best]) return true;
    return ledger->chain[best] + rounds[near].flops <= ledger->flops_open / workers;
}

bool sw_ledger_next_near(struct sw_ledger *ledger, int64_t last, int workers, int64_t *row) {
    int64_t best;
    if (!find_best(ledger, &best)) return false;
    int64_t near = last >= 0 ? find_child(ledger, last) : -1;
    *row = near >= 0 && may_go_first(ledger, near, best, workers) ? near : best;
    take(ledger, *row);
    return true;
}

enum sw_status sw_ledger_give_back(struct sw_ledger *ledger, int64_t row) {
    if (ledger->phase[row] != SW_PHASE_RUNNING) return SW_OK;
    SW_TRY(push(ledger, row));
    move(ledger, row, SW_PHASE_READY);
    return SW_OK;
}

void sw_ledger_resume(struct sw_ledger *ledger, int64_t row) {
    /* Its place in the queue is passed over. */
    if (ledger->phase[row] == SW_PHASE_READY) move(ledger, row, SW_PHASE_RUNNING);
}

enum sw_status sw_ledger_finish(struct sw_ledger *ledger, int64_t row, bool failed, bool *news) {
    *news = !is_over(ledger->phase[row]);
    if (!*news) return SW_OK;
    sw_ledger_found(ledger, row, failed);
    if (failed) {
        block_children(ledger, row);
        return SW_OK;
    }
    for (int64_t i = ledger->child_start[row]; i < ledger->child_start[row + 1]; i++) {
        int64_t child = ledger->child[i];
        if (ledger->phase[child] != SW_PHASE_WAITING) continue;
        SW_TRY(push(ledger, child));
        move(ledger, child, SW_PHASE_READY);
    }
    return SW_OK;
}

int64_t sw_ledger_committed(const struct sw_ledger *ledger) {
    return ledger->n_phase[SW_PHASE_DONE] + ledger->n_phase[SW_PHASE_FAILED];
}

bool sw_ledger_is_complete(const struct sw_ledger *ledger) {
    return ledger->n_phase[SW_PHASE_WAITING] + ledger->n_phase[SW_PHASE_READY] +
               ledger->n_phase[SW_PHASE_RUNNING] ==
           0;
}
