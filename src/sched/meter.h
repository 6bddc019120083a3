/* What the loop of a rank costs. Without figures to fill in it measures nothing: not even the clock
 * is asked. */
#pragma once

#include <stdbool.h>

#include "sweepstake/sched.h"

struct sw_meter {
    struct sw_sched_figures *figures; /* borrowed; NULL: off */
    double started, started_cpu;      /* of the loop */
    double turn_cpu;                  /* of this thread, when the turn of the loop began */
    bool idle;
    double idle_since, idle_since_cpu;
};

/* The loop begins; earlier figures are forgotten. */
void sw_meter_start(struct sw_meter *meter, struct sw_sched_figures *figures);
/* A turn of the loop begins. */
void sw_meter_turn(struct sw_meter *meter);
/* Messages were taken and rounds handed out since then; `busy` when there were any. */
void sw_meter_coordinated(struct sw_meter *meter, bool busy);
/* The turn ends: does this rank's worker have nothing to do? */
void sw_meter_idle(struct sw_meter *meter, bool idle);
/* The loop has ended. */
void sw_meter_stop(struct sw_meter *meter);

/* A worker waited that long for its round; what does not fit is dropped. */
void sw_meter_waited(struct sw_sched_figures *figures, double seconds);
