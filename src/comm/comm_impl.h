/* What the files of comm share. */
#pragma once

#include "sweepstake/comm.h"

/* SW_OK for MPI_SUCCESS, else SW_INTERNAL with `what`, the rank and MPI's text. */
enum sw_status sw_comm_check(int code, const char *what) SW_NODISCARD;
/* A rank is missing, as the status text says: nothing collective any more, and no MPI_Finalize. */
void sw_comm_break(enum sw_status status);
/* What sw_comm_break was told. */
enum sw_status sw_comm_check_whole(void) SW_NODISCARD;

/* messages.c: as sw_inbox_open and sw_comm_send, for messages of another kind. */
enum sw_status sw_comm_open_tagged(int source, int tag, struct sw_inbox **out) SW_NODISCARD;
enum sw_status sw_comm_send_tagged(int rank, int tag, const void *message) SW_NODISCARD;

/* beat.c: between MPI_Init and MPI_Finalize. Errors: SW_NOMEM, SW_INTERNAL. */
enum sw_status sw_comm_beats_open(void) SW_NODISCARD;
void sw_comm_beats_close(void);
/* Once more around a loop that waits for the others. Errors: the start has failed, as all are told. */
enum sw_status sw_comm_pulse(void) SW_NODISCARD;

/* segments.c: remove shared memory that dead jobs of this user have left on this host. */
void sw_comm_tidy_segments(void);
