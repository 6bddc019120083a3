/* How a run begins: the same plan on every rank, and a store to fill. Private to this folder. */
#pragma once

#include "cli.h"
#include "sweepstake/store.h"
#include "sweepstake/sweep.h"

/* Build the plan on every rank from what rank 0 reads; rank 0 prints what is wrong with it, and keeps the
 * data sets that it has decoded in `blocks`. Collective. `reported` is true when a failure has been
 * printed already; out->store then tells what rank 0 knows of the store's path. */
enum sw_status sw_cli_share_sweep(const char *path, const struct sw_cli_sets *sets, enum sw_isa isa,
                                  struct sw_data_blocks *blocks, struct sw_sweep *out,
                                  bool *reported) SW_NODISCARD;

/* Rank 0: apply the rules of --resume, take the lock, create the store when there is none (*created).
 * Errors: SW_USAGE (the store exists), SW_CONFIG (another plan), SW_UNSUPPORTED (another instruction
 * set, OpenBLAS or kernel table), SW_IO (locked, cannot be written), SW_DAMAGED. */
enum sw_status sw_cli_prepare_store(const struct sw_sweep *sweep, bool resume, enum sw_isa isa,
                                    struct sw_store_lock **lock, bool *created) SW_NODISCARD;

/* Rank 0, after a failure: remove the store that this run has created and not committed anything to; a
 * next try may have another plan. */
void sw_cli_discard_store(const char *path, const struct sw_store_lock *lock);
