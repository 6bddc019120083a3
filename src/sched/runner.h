/* One trainer process, seen from the worker that supervises it; and what the two say to each
 * other. */
#pragma once

#include <sched.h>

#include "parcel.h"
#include "sweepstake/proc.h"

/* Worker to trainer: train the round in the parcel. Carries the parcel and the memory of the
 * data set. */
struct sw_runner_order {
    uint64_t magic;
    int64_t data; /* number of the data set, for the trainer to keep it mapped */
    int64_t data_bytes;
    int32_t threads;
    int32_t isa;    /* enum sw_isa */
    cpu_set_t cpus; /* where it runs; none: where it may */
};

/* Trainer to worker: the round is in the parcel, or it could not be run. */
struct sw_runner_answer {
    uint64_t magic;
    int64_t status; /* enum sw_status */
    char text[240]; /* why not */
};

#define SW_RUNNER_MAGIC 0x31524e5552575353u /* "SSWRUNR1" */

struct sw_runner {
    struct sw_server *server; /* borrowed */
    int socket;               /* -1: no trainer */
    pid_t pid;
    bool killed;            /* by us; its end is awaited */
    enum sw_status failure; /* why it last FAILED */
};

enum sw_runner_news {
    SW_RUNNER_BUSY,
    SW_RUNNER_DONE,   /* the round is in the parcel */
    SW_RUNNER_FAILED, /* the trainer could not run it; text says why */
    SW_RUNNER_DIED    /* the trainer is gone; text says how */
};

void sw_runner_init(struct sw_server *server, struct sw_runner *out);

/* Hand over a round, starting a trainer when there is none. Errors: SW_INTERNAL. */
enum sw_status sw_runner_begin(struct sw_runner *runner, const struct sw_parcel *parcel,
                               int data_fd, const struct sw_runner_order *order) SW_NODISCARD;
/* What became of it; never waits. After DIED there is no trainer. Errors: SW_INTERNAL (the
 * server is gone). */
enum sw_status sw_runner_poll(struct sw_runner *runner, enum sw_runner_news *news, char *text,
                              size_t size) SW_NODISCARD;
/* Kill a training; poll tells when it has DIED. */
enum sw_status sw_runner_kill(struct sw_runner *runner) SW_NODISCARD;
/* Let go of the trainer, killing it when `busy`. */
void sw_runner_dismiss(struct sw_runner *runner, bool busy);
