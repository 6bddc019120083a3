/* What the files of comm share. */
#pragma once

#include "sweepstake/status.h"

/* SW_OK for MPI_SUCCESS, else SW_INTERNAL with `what`, the rank and MPI's text. */
enum sw_status sw_comm_check(int code, const char *what) SW_NODISCARD;
