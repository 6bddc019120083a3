/* Where every round of the sweep stands: what may run, in which order, and what it is waiting for.
 * Knows no messages and no store. */
#pragma once

#include "sweepstake/sweep.h"

enum sw_phase {
    SW_PHASE_WAITING, /* for its parent */
    SW_PHASE_READY,
    SW_PHASE_RUNNING,
    SW_PHASE_DONE,
    SW_PHASE_FAILED, /* committed as failed */
    SW_PHASE_BLOCKED /* never runs: a round that it needs failed */
};

struct sw_ledger {
    const struct sw_sweep *sweep;
    uint8_t *phase;       /* [n_rounds] enum sw_phase */
    int64_t *attempts;    /* [n_rounds] times it was handed out */
    double *chain;        /* [n_rounds] FLOPs of the longest chain of tickets that begins here */
    int64_t *child_start; /* [n_rounds + 1] first of its children in `child`, for each row */
    int64_t *child;
    int64_t *user_start; /* [n_rounds + 1] first of its trials in `user` */
    int64_t *user;
    uint8_t *trial_failed; /* [n_trials] */
    int64_t *heap;         /* rows that were ready when they were put in, best first */
    int64_t n_heap, heap_capacity;
    int64_t n_phase[SW_PHASE_BLOCKED + 1]; /* rounds in each phase */
    int64_t failed_trials;
    double flops_left; /* of rounds that are waiting, ready or running */
    double flops_open; /* of those that are waiting or ready */
};

/* All rounds waiting. Free with sw_ledger_fini. Errors: SW_NOMEM. */
enum sw_status sw_ledger_init(const struct sw_sweep *sweep, struct sw_ledger *out) SW_NODISCARD;
void sw_ledger_fini(struct sw_ledger *ledger);

/* At start, in row order: a round that was found in the store. */
void sw_ledger_found(struct sw_ledger *ledger, int64_t row, bool failed);
/* Once, after that: make the rounds ready whose parents are done. Errors: SW_NOMEM. */
enum sw_status sw_ledger_start(struct sw_ledger *ledger) SW_NODISCARD;

/* Take the best ready round; false when none is ready. */
bool sw_ledger_next(struct sw_ledger *ledger, int64_t *row);
/* The same for one of `workers`, which ran row `last` before (-1: none). It goes on with a child of that
 * row, whose bytes are warm where they were written, unless that would delay the end: see ledger.c. */
bool sw_ledger_next_near(struct sw_ledger *ledger, int64_t last, int workers, int64_t *row);
/* A running round was lost: it is ready again. Errors: SW_NOMEM. */
enum sw_status sw_ledger_give_back(struct sw_ledger *ledger, int64_t row) SW_NODISCARD;
/* A worker that was thought lost is still running a round that was given back. */
void sw_ledger_resume(struct sw_ledger *ledger, int64_t row);
/* A round was committed; *news is false when that was known. Errors: SW_NOMEM. */
enum sw_status sw_ledger_finish(struct sw_ledger *ledger, int64_t row, bool failed,
                                bool *news) SW_NODISCARD;

/* Rounds that were committed, failed ones included. */
int64_t sw_ledger_committed(const struct sw_ledger *ledger);
/* True when nothing is left to run. */
bool sw_ledger_is_complete(const struct sw_ledger *ledger);
