/* One rank that supervises a trainer. */
#pragma once

#include "runner.h"
#include "site.h"

enum sw_worker_state {
    SW_WORKER_IDLE,
    SW_WORKER_LOADING, /* the parent's sections, or waiting to look again */
    SW_WORKER_TRAINING,
    SW_WORKER_LEAVING,  /* cannot go on; waits to be released */
    SW_WORKER_RELEASED, /* waits for the outcome */
    SW_WORKER_ENDED
};

struct sw_worker {
    const struct sw_site *site;
    enum sw_worker_state state;
    int coordinator; /* rank */
    struct sw_runner runner;
    struct sw_parcel parcel;    /* of the round that is training */
    struct sw_round_task *task; /* owned */
    int64_t row;
    int64_t handed;  /* times that the round was handed out; above 1: it may be finished already */
    int64_t attempt; /* of this worker, from 1 */
    double assigned_wall, assigned_at, load_until, load_again;
    double answered_at; /* when the last result was sent; 0: never */
    double waited;      /* from then to the assignment of this round; 0: unknown */
    int64_t ticks;      /* of the trainer, at the last look */
    double ticked_at;   /* patient time when they last grew */
    bool hung;          /* killed for that */
    bool warned;        /* by a signal after which one is killed */
    bool saving;        /* asked to give back its round, and to begin none */
    int64_t notes;      /* of the trainer, told so far */
    double heard_at;    /* patient time of the last message from rank 0 */
    double beat_at;
    enum sw_status outcome; /* when ENDED; the text is the status text */
    bool clean;
};

/* Errors: SW_NOMEM. */
enum sw_status sw_worker_open(const struct sw_site *site, int coordinator,
                              const struct sw_times *times, struct sw_worker *out) SW_NODISCARD;
void sw_worker_close(struct sw_worker *worker);

/* A message from the coordinator. Errors: SW_INTERNAL (cannot send). */
enum sw_status sw_worker_take(struct sw_worker *worker, const struct sw_message *message,
                              const struct sw_times *times) SW_NODISCARD;
/* Go on as far as possible without waiting; *busy when there was something to do. Errors:
 * SW_INTERNAL. */
enum sw_status sw_worker_step(struct sw_worker *worker, const struct sw_times *times,
                              bool *busy) SW_NODISCARD;

/* ---- worker.c for worker_round.c: what a worker says ----------------------------------------- */

struct sw_message sw_worker_message(const struct sw_worker *worker, enum sw_message_kind kind);
enum sw_status sw_worker_say(const struct sw_worker *worker,
                             const struct sw_message *message) SW_NODISCARD;
enum sw_status sw_worker_beat(struct sw_worker *worker, enum sw_activity activity,
                              double now) SW_NODISCARD;
/* The round is over for this worker: committed, or the sweep has to stop for `status`. */
enum sw_status sw_worker_result(struct sw_worker *worker, enum sw_status status, bool failed,
                                double now) SW_NODISCARD;
/* This rank cannot train any more (its server is gone); the others can. */
enum sw_status sw_worker_leave(struct sw_worker *worker, enum sw_status status) SW_NODISCARD;

/* ---- worker_round.c for worker.c: its round, from state to state ----------------------------- */

/* IDLE to LOADING, or back to IDLE when the round is finished already. */
enum sw_status sw_worker_begin(struct sw_worker *worker, const struct sw_message *message,
                               const struct sw_times *times) SW_NODISCARD;
/* LOADING to TRAINING. */
enum sw_status sw_worker_load(struct sw_worker *worker, const struct sw_times *times,
                              bool *busy) SW_NODISCARD;
/* TRAINING to IDLE, or to LOADING for another attempt. */
enum sw_status sw_worker_watch(struct sw_worker *worker, const struct sw_times *times,
                               bool *busy) SW_NODISCARD;
