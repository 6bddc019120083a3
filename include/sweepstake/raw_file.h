/* Module: store
 * Purpose: plain MPI-IO without a store, the yardstick for what commits cost.
 * Takes: bytes and places. Gives: one MPI_File_write_at per call, like a store's slabs, and nothing
 * else: no checksums, no HDF5. After sw_comm_init; one process, MPI_COMM_SELF. */
#pragma once

#include <stdint.h>

#include "sweepstake/status.h"

struct sw_raw_file; /* opaque */

/* Create `path`, replacing a file of that name, `bytes` long and all holes. Errors: SW_IO, SW_NOMEM. */
enum sw_status sw_raw_create(const char *path, int64_t bytes,
                             struct sw_raw_file **out) SW_NODISCARD;
/* Write at `offset`. Errors: SW_IO (also for a short write), SW_UNSUPPORTED (2^31 bytes or more). */
enum sw_status sw_raw_write(struct sw_raw_file *raw, int64_t offset, const void *bytes,
                            size_t length) SW_NODISCARD;
/* Have everything on the disk. Errors: SW_IO. */
enum sw_status sw_raw_sync(struct sw_raw_file *raw) SW_NODISCARD;
void sw_raw_close(struct sw_raw_file **raw); /* the file stays; accepts a pointer to NULL */
