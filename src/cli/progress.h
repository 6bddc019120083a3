/* What `run` tells while it works. Private to this folder. */
#pragma once

#include "sweepstake/sched.h"
#include "sweepstake/store.h"
#include "sweepstake/sweep.h"

struct sw_cli_progress; /* opaque */

/* Get ready to watch a sweep whose store exists; what it already holds counts for the best ticket.
 * The sweep is borrowed. On a terminal: a bar, redrawn in place; otherwise a line per finished round. */
enum sw_status sw_cli_progress_create(const struct sw_sweep *sweep,
                                      struct sw_cli_progress **out) SW_NODISCARD;
void sw_cli_progress_destroy(struct sw_cli_progress **progress);

/* The observer for sw_sched_run; borrows `progress`. */
struct sw_sched_observer sw_cli_progress_observer(struct sw_cli_progress *progress);

/* The closing lines. */
void sw_cli_progress_finish(struct sw_cli_progress *progress, enum sw_status outcome);
