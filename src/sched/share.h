/* The data sets of a sweep, decoded once per node into memory that its ranks and their trainers map
 * read-only. The memory has no name: it is gone when its last user is, however that one ends. */
#pragma once

#include "sweepstake/sweep.h"

struct sw_share {
    int64_t n;
    int *fds; /* [n] read-only file descriptors; -1 where this rank needs none */
};

/* Decode, share and map. Collective over all ranks; the outcome is the same everywhere. Errors:
 * those of sw_data_decode; SW_NOMEM; SW_INTERNAL. */
enum sw_status sw_share_open(const struct sw_sweep *sweep, struct sw_share *out) SW_NODISCARD;
void sw_share_close(struct sw_share *share);
