#include "sweepstake/comm.h"

#include <limits.h>
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "comm_impl.h"
#include "sweepstake/system.h"
#include "sweepstake/text.h"

#define FINALIZE_SECONDS 10 /* longest wait for the other ranks at the end */
#define AGREED_TEXT 480     /* bytes of a status text that travel */

static struct {
    int rank, size;
    MPI_Comm node; /* ranks of this node */
    int node_rank, node_size;
    /* Why nothing is collective any more; MPI may still write into buffers that are gone. */
    enum sw_status broken;
    char why[AGREED_TEXT];
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
    SW_TRY(sw_comm_check(MPI_Init(NULL, NULL), "MPI_Init"));
    SW_TRY(sw_comm_check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN),
                         "MPI_Comm_set_errhandler"));
    SW_TRY(sw_comm_check(MPI_Comm_rank(MPI_COMM_WORLD, &comm.rank), "MPI_Comm_rank"));
    SW_TRY(sw_comm_check(MPI_Comm_size(MPI_COMM_WORLD, &comm.size), "MPI_Comm_size"));
    SW_TRY(sw_comm_check(
        MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &comm.node),
        "MPI_Comm_split_type"));
    SW_TRY(sw_comm_check(MPI_Comm_rank(comm.node, &comm.node_rank), "MPI_Comm_rank"));
    SW_TRY(sw_comm_check(MPI_Comm_size(comm.node, &comm.node_size), "MPI_Comm_size"));
    if (comm.node_rank == 0) sw_comm_tidy_segments();
    return sw_comm_beats_open();
}

enum sw_status sw_comm_check_whole(void) {
    return comm.broken == SW_OK ? SW_OK : SW_FAIL(comm.broken, "%s", comm.why);
}

void sw_comm_break(enum sw_status status) {
    comm.broken = status;
    SW_TEXT_COPY(comm.why, sw_status_text());
}

static volatile sig_atomic_t late_exit_code;

static void leave_late(int number) {
    (void) number;
    _exit(late_exit_code);
}

void sw_comm_fini(bool clean, int exit_code) {
    (void) fflush(NULL); /* _exit would lose what is still buffered */
    if (!clean || comm.broken != SW_OK) _exit(exit_code);
    struct sigaction action = {.sa_handler = leave_late};
    late_exit_code = exit_code;
    (void) sigaction(SIGALRM, &action, NULL);
    (void) alarm(FINALIZE_SECONDS);
    sw_comm_beats_close();
    (void) MPI_Finalize();
    (void) alarm(0);
}

int sw_comm_rank(void) {
    return comm.rank;
}
int sw_comm_size(void) {
    return comm.size;
}

void sw_comm_node(int *node_rank, int *node_size) {
    *node_rank = comm.node_rank;
    *node_size = comm.node_size;
}

/* ---- collectives ----------------------------------------------------------------------------- */

/* Wait for a collective call without burning a core, and not for a rank that is dead. */
static enum sw_status await(MPI_Request *request, const char *what) {
    double pause = 20e-6;
    for (;;) {
        int done = 0;
        SW_TRY(sw_comm_check(MPI_Test(request, &done, MPI_STATUS_IGNORE), what));
        if (done) return SW_OK;
        SW_TRY(sw_comm_pulse());
        sw_clock_sleep(pause);
        pause = pause < 0.0005 ? 2 * pause : 0.001;
    }
}

static enum sw_status broadcast(void *bytes, int64_t length, int from, MPI_Comm among) {
    MPI_Request request;
    SW_TRY(sw_comm_check_whole());
    SW_TRY(check_length(length));
    SW_TRY(sw_comm_check(MPI_Ibcast(bytes, (int) length, MPI_BYTE, from, among, &request),
                         "MPI_Ibcast"));
    return await(&request, "MPI_Ibcast");
}

enum sw_status sw_comm_broadcast(void *bytes, int64_t length) {
    return broadcast(bytes, length, 0, MPI_COMM_WORLD);
}

enum sw_status sw_comm_broadcast_from(int rank, void *bytes, int64_t length) {
    return broadcast(bytes, length, rank, MPI_COMM_WORLD);
}

enum sw_status sw_comm_node_broadcast(void *bytes, int64_t length) {
    return broadcast(bytes, length, 0, comm.node);
}

enum sw_status sw_comm_node_gather(const void *mine, int64_t length, void *all) {
    MPI_Request request;
    SW_TRY(sw_comm_check_whole());
    SW_TRY(check_length(length));
    SW_TRY(sw_comm_check(MPI_Iallgather(mine, (int) length, MPI_BYTE, all, (int) length, MPI_BYTE,
                                        comm.node, &request),
                         "MPI_Iallgather"));
    return await(&request, "MPI_Iallgather");
}

enum sw_status sw_comm_node_barrier(void) {
    MPI_Request request;
    SW_TRY(sw_comm_check_whole());
    SW_TRY(sw_comm_check(MPI_Ibarrier(comm.node, &request), "MPI_Ibarrier"));
    return await(&request, "MPI_Ibarrier");
}

enum sw_status sw_comm_minimum(int64_t value, int64_t *out) {
    int64_t least;
    MPI_Request request;
    SW_TRY(sw_comm_check_whole());
    SW_TRY(sw_comm_check(
        MPI_Iallreduce(&value, &least, 1, MPI_INT64_T, MPI_MIN, MPI_COMM_WORLD, &request),
        "MPI_Iallreduce"));
    SW_TRY(await(&request, "MPI_Iallreduce"));
    *out = least;
    return SW_OK;
}

/* The highest code of all ranks, and the lowest rank that has it. */
struct verdict {
    int code, rank;
};

static enum sw_status find_worst(enum sw_status mine, struct verdict *worst) {
    struct verdict own = {(int) mine, comm.rank};
    MPI_Request request;
    SW_TRY(sw_comm_check_whole());
    SW_TRY(sw_comm_check(
        MPI_Iallreduce(&own, worst, 1, MPI_2INT, MPI_MAXLOC, MPI_COMM_WORLD, &request),
        "MPI_Iallreduce"));
    return await(&request, "MPI_Iallreduce");
}

enum sw_status sw_comm_agree(enum sw_status mine) {
    char text[AGREED_TEXT] = "";
    struct verdict worst;
    (void) snprintf(text, sizeof text, "%s", sw_status_text());
    SW_TRY(find_worst(mine, &worst));
    if (worst.code == SW_OK) return SW_OK;
    SW_TRY(broadcast(text, sizeof text, worst.rank, MPI_COMM_WORLD));
    if (worst.rank == 0) return SW_FAIL((enum sw_status) worst.code, "%s", text);
    return SW_FAIL((enum sw_status) worst.code, "rank %d: %s", worst.rank, text);
}
