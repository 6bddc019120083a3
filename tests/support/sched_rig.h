/* A sweep that runs on all ranks of a test program: small, with made-up data, and with ways to
 * do harm to it while it runs. The program is its own trainer: see sw_rig_main. */
#pragma once

#include <sys/types.h>

#include "sweepstake/sched.h"
#include "test_main.h"

/* 9 rounds in 2 trials: a dense round that both share, then 2 tickets and 2 controls each. */
extern const char *const sw_rig_small;
/* 2 rounds in 1 trial; the first one trains for ever. */
extern const char *const sw_rig_endless;
/* 1 round that trains for a second or so. */
extern const char *const sw_rig_long;

struct sw_rig {
    struct sw_sweep sweep;
    char store[256]; /* path, the same on all ranks */
    struct sw_server *server;
    struct sw_sched_options options; /* of the next run */
    int64_t last_rank_pid;           /* of the process with the highest rank */
    /* What rank 0 has seen in this run. */
    int64_t rounds_done, ticks;
    struct sw_sched_view view; /* the last one */
    struct sw_text notices;    /* one per line */
    /* What rank 0 does when it is told; NULL for nothing. */
    void (*on_round)(struct sw_rig *rig);
    void (*on_tick)(struct sw_rig *rig);
    void (*on_notice)(struct sw_rig *rig, const char *text);
    bool clean;    /* of the last run */
    int64_t stage; /* for the hooks; 0 at the start of a run */
    double since;  /* for the hooks */
};
extern struct sw_rig sw_rig;

/* main of a test program: serves as trainer when told to, sets up MPI, runs the suites. */
int sw_rig_main(int argc, char **argv, const char *name, CU_SuiteInfo *suites);

/* A new server for this rank, after the old one was stopped. */
enum sw_status sw_rig_start_server(void) SW_NODISCARD;

/* Build the sweep and an empty store, in place of those before. Collective. */
void sw_rig_open(const char *yaml);
/* One run of it, with a fresh observer. Collective. */
enum sw_status sw_rig_run(void);
/* Forget hooks and options. */
void sw_rig_reset(void);

/* Digest of the store, the same text on all ranks. Collective. */
void sw_rig_digest(char text[SW_DIGEST_TEXT]);
/* Digest of a store whose rounds were run one after the other on rank 0, without processes or
 * messages. Collective. */
void sw_rig_expected_digest(char text[SW_DIGEST_TEXT]);
/* Commit the first n rows on rank 0, in the same way. Collective. */
void sw_rig_commit_first(int64_t n);
/* State of a row of the store; its record when it is committed. Any rank. */
enum sw_round_state sw_rig_state(int64_t row, struct sw_round_record *record);

/* Send a signal to every trainer of every rank; returns how many there are. */
int sw_rig_signal_trainers(int number);
/* The server of this rank, found through one of its trainers; 0 when it has none. */
pid_t sw_rig_find_server(void);
/* A rank that has a trainer; 0 when there is none. */
pid_t sw_rig_find_worker(void);
