#include "sweepstake/comm.h"

#include <limits.h>
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "comm_impl.h"

#define FINALIZE_SECONDS 10 /* longest wait for the other ranks at the end */
#define AGREED_TEXT 480     /* bytes of a status text that travel */

static struct {
    int rank, size;
    MPI_Comm node; /* ranks of this node; MPI_COMM_NULL until asked for */
    int node_rank, node_size;
} comm = {.size = 1};

enum sw_status sw_comm_check(int code, const char *what) {
    if (code == MPI_SUCCESS) return SW_OK;
    char text[MPI_MAX_ERROR_STRING] = "unknown error";
    int length;
    (void) MPI_Error_string(code, text, &length);
    return SW_FAIL(SW_INTERNAL, "MPI: %s failed on rank %d: %s", what, comm.rank, text);
}

static enum sw_status check_length(int64_t length) {
    if (length >= 0 && length <= INT_MAX) return SW_OK;
    return SW_FAIL(SW_INTERNAL, "cannot broadcast %lld bytes at once", (long long) length);
}

/* ---- start and end --------------------------------------------------------------------------- */

enum sw_status sw_comm_init(void) {
    comm.node = MPI_COMM_NULL;
    SW_TRY(sw_comm_check(MPI_Init(NULL, NULL), "MPI_Init"));
    SW_TRY(sw_comm_check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN),
                         "MPI_Comm_set_errhandler"));
    SW_TRY(sw_comm_check(MPI_Comm_rank(MPI_COMM_WORLD, &comm.rank), "MPI_Comm_rank"));
    return sw_comm_check(MPI_Comm_size(MPI_COMM_WORLD, &comm.size), "MPI_Comm_size");
}

static volatile sig_atomic_t late_exit_code;

static void leave_late(int number) {
    (void) number;
    _exit(late_exit_code);
}

void sw_comm_fini(bool clean, int exit_code) {
    (void) fflush(NULL); /* _exit would lose what is still buffered */
    if (!clean) _exit(exit_code);
    struct sigaction action = {.sa_handler = leave_late};
    late_exit_code = exit_code;
    (void) sigaction(SIGALRM, &action, NULL);
    (void) alarm(FINALIZE_SECONDS);
    (void) MPI_Finalize();
    (void) alarm(0);
}

int sw_comm_rank(void) {
    return comm.rank;
}
int sw_comm_size(void) {
    return comm.size;
}

enum sw_status sw_comm_node(int *node_rank, int *node_size) {
    if (comm.node == MPI_COMM_NULL) {
        MPI_Comm node;
        SW_TRY(sw_comm_check(
            MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node),
            "MPI_Comm_split_type"));
        SW_TRY(sw_comm_check(MPI_Comm_rank(node, &comm.node_rank), "MPI_Comm_rank"));
        SW_TRY(sw_comm_check(MPI_Comm_size(node, &comm.node_size), "MPI_Comm_size"));
        comm.node = node;
    }
    *node_rank = comm.node_rank;
    *node_size = comm.node_size;
    return SW_OK;
}

/* ---- collectives ----------------------------------------------------------------------------- */

enum sw_status sw_comm_broadcast(void *bytes, int64_t length) {
    SW_TRY(check_length(length));
    return sw_comm_check(MPI_Bcast(bytes, (int) length, MPI_BYTE, 0, MPI_COMM_WORLD), "MPI_Bcast");
}

enum sw_status sw_comm_node_broadcast(void *bytes, int64_t length) {
    int node_rank, node_size;
    SW_TRY(check_length(length));
    SW_TRY(sw_comm_node(&node_rank, &node_size));
    return sw_comm_check(MPI_Bcast(bytes, (int) length, MPI_BYTE, 0, comm.node), "MPI_Bcast");
}

enum sw_status sw_comm_node_barrier(void) {
    int node_rank, node_size;
    SW_TRY(sw_comm_node(&node_rank, &node_size));
    return sw_comm_check(MPI_Barrier(comm.node), "MPI_Barrier");
}

enum sw_status sw_comm_minimum(int64_t value, int64_t *out) {
    int64_t least;
    SW_TRY(sw_comm_check(MPI_Allreduce(&value, &least, 1, MPI_INT64_T, MPI_MIN, MPI_COMM_WORLD),
                         "MPI_Allreduce"));
    *out = least;
    return SW_OK;
}

enum sw_status sw_comm_agree(enum sw_status mine) {
    struct {
        int code, rank;
    } own = {(int) mine, comm.rank}, worst;
    SW_TRY(sw_comm_check(MPI_Allreduce(&own, &worst, 1, MPI_2INT, MPI_MAXLOC, MPI_COMM_WORLD),
                         "MPI_Allreduce"));
    if (worst.code == SW_OK) return SW_OK;
    char text[AGREED_TEXT] = "";
    if (comm.rank == worst.rank) (void) snprintf(text, sizeof text, "%s", sw_status_text());
    SW_TRY(sw_comm_check(MPI_Bcast(text, sizeof text, MPI_BYTE, worst.rank, MPI_COMM_WORLD),
                         "MPI_Bcast"));
    if (worst.rank == 0) return SW_FAIL((enum sw_status) worst.code, "%s", text);
    return SW_FAIL((enum sw_status) worst.code, "rank %d: %s", worst.rank, text);
}
