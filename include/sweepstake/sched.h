/* Module: sched
 * Purpose: who does which round. Rank 0 coordinates; the other ranks (or rank 0 itself when it is
 * alone) are workers; each worker supervises one trainer process. Takes: a sweep and its store.
 * Gives: every round committed once, or recorded as failed. */
#pragma once

#include "sweepstake/data.h"
#include "sweepstake/proc.h"
#include "sweepstake/store.h"
#include "sweepstake/sweep.h"

/* What one rank measured of itself in one run, for benchmarks. The trainers are other processes: their
 * CPU time is not in it. */
struct sw_sched_figures {
    double loop_seconds, loop_cpu; /* of the loop from the first message to the outcome */
    double
        coordinator_cpu; /* of taking messages and handing out rounds; rank 0. The looks that found
                               nothing are only in loop_cpu */
    double idle_seconds, idle_cpu; /* of the time in which its worker had no round */
    /* From sending a result to getting the next round, on the worker's clock; waiting for rounds that
     * were not ready is in it. Rank 0 has those of all workers; the first `capacity` are kept. */
    double *waits; /* [capacity], the caller's, in seconds; may be NULL when capacity is 0 */
    int64_t capacity, n_waits;
};

struct sw_sched_options {
    int threads;         /* per trainer */
    int64_t attempts;    /* tries of a round whose trainer crashes; at least 1 */
    double hang_seconds; /* a trainer without progress for that long is killed */
    /* Between two checkpoints of a running round, which stand in files beside the store; 0: none.
     * Changes no results. */
    double checkpoint_seconds;
    double
        grace_seconds; /* after SIGUSR1 or SIGUSR2, running rounds may finish within this time; with
                             checkpoints: have it to take one and end, but at least 5 s */
    double lost_seconds; /* a worker not heard for that long is lost; 0: the default, 30 */
    double
        silent_seconds; /* workers end when rank 0 is not heard for that long; 0: the default, 60 */
    bool bind;          /* put trainers on cores of their own */
    bool durable;
    const char *backend;
    struct sw_data_blocks *blocks;    /* data sets that this rank has decoded already, by number;
                                         taken; may be NULL */
    struct sw_sched_figures *figures; /* filled in when not NULL */
};

/* A point in the life of a sweep, told on rank 0 only, from the coordinator's loop. */
struct sw_sched_view {
    int64_t done, total; /* rounds */
    int64_t failed;      /* trials with a failed round */
    int64_t running, workers;
    double elapsed; /* seconds of this run */
    double eta;     /* seconds to the end; NaN while unknown */
};
struct sw_sched_observer {
    void *context;
    /* A round was committed (its record is read back from the store). */
    void (*round_done)(void *context, const struct sw_sched_view *view,
                       const struct sw_round_record *record);
    void (*tick)(void *context, const struct sw_sched_view *view); /* about ten times a second */
    void (*notice)(void *context, const char *text); /* crashes, retries, lost workers, stopping */
};

/* Does every node have the memory that its workers will need? `blocks` (may be NULL) are there
 * already. Collective; the same answer everywhere. Errors: SW_UNSUPPORTED with the figures of a node. */
enum sw_status sw_sched_check_memory(const struct sw_sweep *sweep,
                                     const struct sw_data_blocks *blocks) SW_NODISCARD;

/* Run the sweep on all ranks. Collective at start (environment, data into shared memory, agreement
 * on the instruction set), then point-to-point. The store exists; `lock` is rank 0's, NULL
 * elsewhere. Signals: SIGUSR1 and SIGUSR2 (also SIGTERM and SIGINT, with no grace) stop at the next
 * safe point; with checkpoints that is the next step of every running round. Returns on every rank the outcome: SW_OK all done, SW_PARTIAL some trials failed,
 * SW_STOPPED, SW_IO (a worker could not write), SW_INTERNAL. *clean is false when a rank was lost.
 */
enum sw_status sw_sched_run(const struct sw_sweep *sweep, const char *store_path,
                            struct sw_store_lock *lock, struct sw_server *server, enum sw_isa isa,
                            const struct sw_sched_options *options,
                            const struct sw_sched_observer *observer, bool *clean) SW_NODISCARD;

/* The most bytes of one checkpoint of a round; a running round has two of them. */
int64_t sw_sched_checkpoint_bytes(const struct sw_sweep *sweep, int64_t row);

/* The trainer process's main, for sw_proc_serve. */
int sw_sched_trainer_main(int socket, const int *fds, int n_fds);
