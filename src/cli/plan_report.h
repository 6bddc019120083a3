/* What `plan` prints. Private to this folder. */
#pragma once

#include "sweepstake/plan.h"

struct sw_cli_plan_report {
    const char *path;
    const struct sw_sweep *sweep; /* borrowed */
    struct sw_plan_cost cost;
    int64_t store_bytes;
    int64_t checkpoint_bytes, checkpoint_bytes_least; /* of the largest round and of the sparsest */
    int64_t workers;
    double seconds; /* predicted on that many workers; NaN when it was not measured */
};

void sw_cli_plan_print_json(const struct sw_cli_plan_report *report);
enum sw_status sw_cli_plan_print_text(const struct sw_cli_plan_report *report) SW_NODISCARD;

/* Time of a sweep on `workers` workers of one thread: steps of its networks are timed here at three
 * sparsities; NaN when it has too many different networks. */
enum sw_status sw_cli_predict(const struct sw_sweep *sweep, enum sw_isa isa, int64_t workers,
                              double *seconds) SW_NODISCARD;
