/* Workers and the messages between them and a coordinator, without MPI and without training: what
 * src/sched/worker.c says, and when, reduced to its states. Stands in for src/comm. */
#pragma once

#include "../../src/sched/protocol.h"

#define SIM_RANKS 8
#define SIM_QUEUE 64

struct sim_queue {
    struct sw_message message[SIM_QUEUE];
    int first, count;
};
enum sim_state { SIM_IDLE, SIM_BUSY, SIM_LEAVING, SIM_RELEASED, SIM_ENDED };
struct sim_rank {
    enum sim_state state;
    bool dead;   /* killed: hears and says nothing more; what it had sent may still come */
    int64_t row; /* -1: none */
    int64_t run;
    struct sim_queue heard, sent; /* on their way to it, and from it */
};
extern struct sim_rank sim_ranks[SIM_RANKS];
extern int sim_size; /* ranks, the coordinator included */
extern void (*sim_on_assign)(
    int64_t row); /* looks at an assignment while it is made; may be NULL */

void sim_reset(int size);
void sim_say(int rank, struct sw_message message);
/* The oldest message on its way from a rank; false when there is none. */
bool sim_take_sent(int rank, struct sw_message *out);

/* What a worker does; a dead one does nothing, one without a round does not finish it. */
void sim_hear(int rank);
void sim_finish(int rank, enum sw_status status, bool failed);
void sim_beat(int rank);
void sim_notice(int rank);
void sim_leave(int rank);
