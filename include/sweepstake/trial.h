/* Module: trial
 * Purpose: one round of one lottery: prune the parent, rewind, train, judge, hand over.
 * Takes: a task, a device, a data set, a sink. Gives: every section of the round through the sink.
 * Knows no MPI, no HDF5, no processes: it runs the same in a unit test. */
#pragma once

#include "sweepstake/data.h"
#include "sweepstake/hal.h"
#include "sweepstake/sweep.h"

struct sw_trial_place {
    const char *backend; /* "cpu" */
    int64_t rank, threads, attempt;
    double assigned; /* sw_clock_wall when the round was handed out */
};

/* Run one round, from its checkpoint when the sink has one. A diverged training is a result: the
 * record says failed with the reason, its weights are saved as they are, and SW_OK is returned.
 * Errors: what the sink returns; SW_STOPPED when it was asked to end; SW_NOMEM; SW_INTERNAL. */
enum sw_status sw_trial_run_round(const struct sw_round_task *task, struct sw_hal *hal,
                                  const struct sw_data *data, const struct sw_trial_place *place,
                                  const struct sw_sink *sink) SW_NODISCARD;

/* The record of a round that could not be run at all (the trainer crashed `attempt` times, or its
 * parent failed): status failed, the reason, planned counts, no figures (NaN; -1 for
 * test_correct and early_stop_step). Attempt 0 says that it was never tried: no host either. */
void sw_trial_failed_record(const struct sw_round_task *task, const struct sw_trial_place *place,
                            const char *reason, struct sw_round_record *out);

/* The weights at initialisation, out[arch->parameters], from the task alone; a reinit control has its
 * own. A round that failed stores them, too, when it owns them: others begin with them. Errors:
 * SW_CONFIG (distribution). */
enum sw_status sw_trial_draw_theta0(const struct sw_round_task *task, const struct sw_arch *arch,
                                    float *out) SW_NODISCARD;

/* Does the round look at the trained weights of round 0 (task->dense_row)? */
bool sw_trial_needs_dense(const struct sw_round_task *task);

/* The most bytes that a checkpoint of a round can have; n_layers of its network. */
int64_t sw_trial_checkpoint_bytes(const struct sw_trial_spec *spec,
                                  const struct sw_round_plan *plan, int64_t n_layers);
