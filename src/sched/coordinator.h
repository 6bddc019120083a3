/* Rank 0: who does which round, who is still there, when it is over. */
#pragma once

#include "ledger.h"
#include "site.h"

/* A worker as seen from here. */
struct sw_seat {
    bool heard;       /* has said something in this run */
    bool lost;        /* silent for too long; may come back */
    bool left;        /* cannot train */
    bool gone;        /* said BYE */
    int64_t row;      /* -1: none */
    int64_t last;     /* row that it committed last, -1: none */
    int64_t activity; /* enum sw_activity */
    int64_t step, steps;
    double heard_at; /* patient time */
};

enum sw_coordinator_state {
    SW_COORDINATOR_WORKING,
    SW_COORDINATOR_STOPPING,  /* no new rounds; running ones may finish until the deadline */
    SW_COORDINATOR_RELEASING, /* waits for the workers' BYE */
    SW_COORDINATOR_ENDED
};

struct sw_coordinator {
    const struct sw_site *site;
    const struct sw_sched_observer *observer; /* may be NULL */
    struct sw_store_lock *lock;               /* may be NULL */
    enum sw_coordinator_state state;
    struct sw_ledger ledger;
    struct sw_seat *seats; /* [n_ranks] of which first .. n_ranks are workers; owned */
    int first, n_ranks;
    int64_t *news; /* rows committed, not yet told to the observer; owned */
    int64_t n_news, news_capacity;
    double started, deadline, pulsed_at, ticked_at;
    double measured_seconds, measured_flops; /* of the rounds of this run */
    bool asked_to_save;                      /* the workers, because of a signal */
    enum sw_status left_for;                 /* why the last worker that left did so */
    char left_text[256];
    enum sw_status stop; /* SW_OK, SW_STOPPED, or what went wrong */
    char stop_text[256];
    struct sw_message end; /* when ENDED: the outcome, as it was sent */
};

/* Errors: SW_NOMEM. */
enum sw_status sw_coordinator_open(const struct sw_site *site,
                                   const struct sw_sched_observer *observer,
                                   struct sw_store_lock *lock, const struct sw_times *times,
                                   struct sw_coordinator *out) SW_NODISCARD;
void sw_coordinator_close(struct sw_coordinator *coordinator);

/* Learn from the store which rounds are done, telling workers meanwhile that rank 0 lives.
 * Errors: SW_IO, SW_NOMEM, SW_INTERNAL. */
enum sw_status sw_coordinator_scan(struct sw_coordinator *coordinator,
                                   struct sw_times *times) SW_NODISCARD;

/* Remove the checkpoints of rounds that are committed. */
void sw_coordinator_tidy(struct sw_coordinator *coordinator);

/* A message from a worker. Errors: SW_NOMEM, SW_INTERNAL. */
enum sw_status sw_coordinator_take(struct sw_coordinator *coordinator, int rank,
                                   const struct sw_message *message,
                                   const struct sw_times *times) SW_NODISCARD;
/* Hand out rounds, look for lost workers, tell the observer, stop. Errors: SW_NOMEM,
 * SW_INTERNAL. */
enum sw_status sw_coordinator_step(struct sw_coordinator *coordinator, const struct sw_times *times,
                                   bool *busy) SW_NODISCARD;
/* Stop: no new rounds, running ones may finish within `grace` seconds. The first reason counts. */
void sw_coordinator_stop(struct sw_coordinator *coordinator, enum sw_status why, const char *text,
                         double grace, const struct sw_times *times);
