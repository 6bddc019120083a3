/* The data sets of a sweep, decoded once per node into memory that its ranks and their trainers map
 * read-only. */
#pragma once

#include "sweepstake/data.h"

/* Decode and share: a descriptor for every data set, -1 where this rank needs none. `held` (may be
 * NULL) are those that this rank has decoded already; they are taken or closed. Collective over all
 * ranks; the outcome is the same everywhere. Errors: those of sw_data_decode_shared; SW_NOMEM;
 * SW_INTERNAL. */
enum sw_status sw_share_open(const struct sw_sweep *sweep, struct sw_data_blocks *held,
                             struct sw_data_blocks *out) SW_NODISCARD;
