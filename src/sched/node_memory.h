/* Is there enough memory on every node? Asked before a store is made or anything trains. */
#pragma once

#include "sweepstake/sweep.h"

/* What new memory of this process may grow to. */
struct sw_node_memory {
    int64_t bytes;   /* available; INT64_MAX when nothing is known */
    int64_t limited; /* 1: by a memory limit of its control group, 0: by the machine */
    int64_t address; /* RLIMIT_AS, INT64_MAX when there is none */
};

/* Read it from the files under `root` ("" for the system's own, a folder in tests). */
void sw_node_memory_read(const char *root, struct sw_node_memory *out);

/* Do the data sets and `workers` trainings fit? `host` is for the message. Errors: SW_UNSUPPORTED with the
 * figures. */
enum sw_status sw_node_memory_check(const struct sw_sweep *sweep, int workers,
                                    const struct sw_node_memory *memory,
                                    const char *host) SW_NODISCARD;
