/* Module: comm
 * Purpose: ranks and messages. Start-up is collective; afterwards only point-to-point messages that
 * are tested for, never waited for: a blocking MPI_Recv burns a core, a dead peer would hang it.
 * Only comm, sched and store see MPI. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sweepstake/status.h"

/* Environment that has to be set before MPI_Init and before the libraries are loaded: data sieving
 * off, hwloc without OpenCL and CUDA, OpenBLAS with one thread. Returns true when something had to
 * be changed (the program then runs itself again). */
bool sw_comm_prepare_environment(void);

/* MPI_Init. Collective, and waits for ever for a rank that died before it came here: the caller sets
 * an alarm. Errors: SW_INTERNAL, SW_NOMEM. */
enum sw_status sw_comm_init(void) SW_NODISCARD;
/* MPI_Finalize under an alarm: a lost rank must not hang the others. Without `clean` (a rank was
 * lost) the process leaves at once with `exit_code`. Collective when clean. */
void sw_comm_fini(bool clean, int exit_code);

int sw_comm_rank(void);
int sw_comm_size(void);
/* Rank among those of this node, and how many they are. */
void sw_comm_node(int *node_rank, int *node_size);

/* Collective, at start-up only. A rank that has died before its part is noticed by its silence: the
 * call fails everywhere with SW_INTERNAL, and so does every later one. */
enum sw_status sw_comm_broadcast(void *bytes, int64_t length) SW_NODISCARD; /* from rank 0 to all */
enum sw_status sw_comm_broadcast_from(int rank, void *bytes, int64_t length) SW_NODISCARD;
enum sw_status
sw_comm_node_broadcast(void *bytes, int64_t length) SW_NODISCARD; /* from node rank 0 to its node */
/* `length` bytes of every rank of the node to all of them: all[node_size][length], by node rank. */
enum sw_status sw_comm_node_gather(const void *mine, int64_t length, void *all) SW_NODISCARD;
enum sw_status sw_comm_node_barrier(void) SW_NODISCARD;
/* The smallest value over all ranks. Collective. */
enum sw_status sw_comm_minimum(int64_t value, int64_t *out) SW_NODISCARD;
/* Agree on a status: SW_OK when all ranks pass SW_OK, else the worst rank's code and text
 * everywhere. Collective. */
enum sw_status sw_comm_agree(enum sw_status mine) SW_NODISCARD;

/* ---- signs of life at start-up ---------------------------------------------------------------- */

/* Do something that may take minutes while the others wait: in a thread of its own, so that this rank
 * goes on telling them that it lives. `run` must not call comm. Errors: those of `run`, also when
 * another rank has died meanwhile. */
enum sw_status sw_comm_work(enum sw_status (*run)(void *context), void *context) SW_NODISCARD;

/* For how many seconds a rank may be silent before it is taken for dead; 60. */
void sw_comm_set_patience(double seconds);
/* Have rank 0 call this about once a second while it waits or works; NULL: nothing. When it fails,
 * the start fails everywhere. */
void sw_comm_set_meanwhile(enum sw_status (*meanwhile)(void *context), void *context);
/* The rank that speaks for all: 0, or 1 when this rank knows rank 0 to be dead. */
int sw_comm_speaker(void);

/* ---- messages ------------------------------------------------------------------------------- */

#define SW_MESSAGE_BYTES 512 /* every message has this size */

struct sw_inbox; /* one posted receive; opaque */
/* Post a receive from `source` (-1: any). At most one message at a time; poll re-posts by itself.
 */
enum sw_status sw_inbox_open(int source, struct sw_inbox **out) SW_NODISCARD;
/* True and the message when one came; never waits. */
enum sw_status sw_inbox_poll(struct sw_inbox *inbox, bool *got, int *source,
                             void *message) SW_NODISCARD;
void sw_inbox_close(struct sw_inbox **inbox);

/* Send and forget: the message is copied; completed sends are collected by later calls. Messages to
 * a dead rank are never completed and never waited for. */
enum sw_status sw_comm_send(int rank, const void *message) SW_NODISCARD;
/* Try for at most `seconds` to complete pending sends; true when none is left. */
bool sw_comm_flush(double seconds);
