/* Which processors the trainer of each worker of a node runs on: disjoint ones within what the launcher
 * gave each rank, so that trainings do not push each other around. Ranks themselves are never bound.
 * Results do not depend on it. */
#pragma once

#include <hwloc.h>
#include <sched.h>
#include <stdbool.h>

#include "sweepstake/status.h"

/* One rank of a node: what it may use, and whether it trains. */
struct sw_placement_rank {
    int32_t rank; /* in the world, for people */
    int32_t works;
    cpu_set_t allowed;
};

/* Give every worker `threads` processors into out[n]: whole cores before their second hyper-threads, of one
 * NUMA node where it has enough, spread over the nodes. Empty sets for everybody when somebody would get
 * too few. `note` says what a person should know about it, "" when nothing. */
void sw_placement_assign(hwloc_topology_t topology, const struct sw_placement_rank *ranks, int n,
                         int threads, cpu_set_t *out, char *note, size_t size);

/* What a person should know about a process that trains alone, "" when nothing. */
void sw_placement_note_alone(int threads, char *note, size_t size);

/* The processors of this rank's trainer; an empty set leaves it unbound. `note` is the same on all ranks: of
 * the first node that has one. Collective. Errors: SW_NOMEM, SW_INTERNAL (MPI). */
enum sw_status sw_placement_agree(bool works, int threads, cpu_set_t *out, char *note,
                                  size_t size) SW_NODISCARD;
