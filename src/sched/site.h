/* What the parts of one rank's scheduler share: all borrowed. */
#pragma once

#include "clock.h"
#include "protocol.h"
#include "share.h"
#include "sweepstake/sched.h"

#define SW_BEAT_SECONDS 1.0    /* between two signs of life of a worker */
#define SW_PULSE_SECONDS 1.0   /* between two of rank 0, and of its lock */
#define SW_LOST_SECONDS 30.0   /* default of sw_sched_options.lost_seconds */
#define SW_SILENT_SECONDS 60.0 /* default of sw_sched_options.silent_seconds */
/* A worker that reads or writes the store may be silent for this many times lost_seconds. */
#define SW_STORE_PATIENCE 20.0
#define SW_LOST_LIMIT 3 /* a round that this many workers were lost with has failed */

struct sw_site {
    const struct sw_sweep *sweep;
    const char *store_path;
    struct sw_store **store; /* open for writing */
    const struct sw_sched_options *options;
    const struct sw_share *share;
    struct sw_server *server;
    enum sw_isa isa;
    int64_t run; /* which call of sw_sched_run */
};
