/* What the parts of one rank's scheduler share: all borrowed. */
#pragma once

#include "clock.h"
#include "placement.h"
#include "protocol.h"
#include "share.h"
#include "sweepstake/sched.h"

#define SW_BEAT_SECONDS 1.0 /* between two signs of life, but at least 4 within the limits below */
/* A worker that reads or writes the store is silent meanwhile: it may be as slow as this. */
#define SW_STORE_BYTES_PER_SECOND 10e6
/* With checkpoints, a stop waits that long for them at least: for a step and an evaluation. */
#define SW_SAVE_SECONDS 5.0
#define SW_LOST_LIMIT 3 /* a round that this many workers were lost with has failed */

struct sw_site {
    const struct sw_sweep *sweep;
    const char *store_path;
    struct sw_store **store; /* open for writing */
    const char *slots;       /* folder of the checkpoints */
    const struct sw_sched_options *options;
    const struct sw_data_blocks *share; /* by data set */
    struct sw_server *server;
    enum sw_isa isa;
    cpu_set_t cpus;        /* of this rank's trainer; none: it is not bound */
    int64_t run;           /* which call of sw_sched_run */
    double lost_seconds;   /* a worker not heard for that long is lost */
    double silent_seconds; /* workers end when rank 0 is not heard for that long */
};
