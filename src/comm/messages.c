/* Messages between ranks. Nothing here waits for another rank: a receive stands posted and is
 * tested, a send keeps its own copy and is collected when it happens to be done. Open MPI never
 * tells that a peer has died, so a request to or from a dead rank stays incomplete for ever and
 * is simply left alone. */
#include "sweepstake/comm.h"

#include <mpi.h>
#include <string.h>

#include "comm_impl.h"
#include "sweepstake/memory.h"
#include "sweepstake/system.h"

#define MESSAGE_TAG 1

/* ---- receiving ------------------------------------------------------------------------------- */

struct sw_inbox {
    MPI_Request request; /* the posted receive; MPI_REQUEST_NULL when posting failed */
    int source, tag;     /* as MPI wants them */
    unsigned char bytes[SW_MESSAGE_BYTES];
};

static enum sw_status post_receive(struct sw_inbox *inbox) {
    return sw_comm_check(MPI_Irecv(inbox->bytes, SW_MESSAGE_BYTES, MPI_BYTE, inbox->source,
                                   inbox->tag, MPI_COMM_WORLD, &inbox->request),
                         "MPI_Irecv");
}

enum sw_status sw_comm_open_tagged(int source, int tag, struct sw_inbox **out) {
    if (source < -1 || source >= sw_comm_size())
        return SW_FAIL(SW_INTERNAL, "no rank %d among %d", source, sw_comm_size());
    struct sw_inbox *inbox;
    SW_TRY(SW_ALLOC(&inbox, 1, "an inbox"));
    inbox->source = source < 0 ? MPI_ANY_SOURCE : source;
    inbox->tag = tag;
    enum sw_status status = post_receive(inbox);
    if (status != SW_OK) {
        SW_FREE(&inbox);
        return status;
    }
    *out = inbox;
    return SW_OK;
}

enum sw_status sw_inbox_open(int source, struct sw_inbox **out) {
    return sw_comm_open_tagged(source, MESSAGE_TAG, out);
}

enum sw_status sw_inbox_poll(struct sw_inbox *inbox, bool *got, int *source, void *message) {
    MPI_Status info;
    int done = 0, bytes = 0;
    SW_TRY(sw_comm_check(MPI_Test(&inbox->request, &done, &info), "MPI_Test"));
    if (done) {
        SW_TRY(sw_comm_check(MPI_Get_count(&info, MPI_BYTE, &bytes), "MPI_Get_count"));
        /* What a shorter message leaves of the one before it must not be taken for its content. */
        if (bytes < SW_MESSAGE_BYTES)
            memset(inbox->bytes + bytes, 0, (size_t) (SW_MESSAGE_BYTES - bytes));
        memcpy(message, inbox->bytes, SW_MESSAGE_BYTES);
        *source = info.MPI_SOURCE;
        SW_TRY(post_receive(inbox));
    }
    *got = done != 0;
    return SW_OK;
}

void sw_inbox_close(struct sw_inbox **inbox) {
    if (*inbox == NULL) return;
    int done = 1;
    if ((*inbox)->request != MPI_REQUEST_NULL) {
        (void) MPI_Cancel(&(*inbox)->request);
        if (MPI_Test(&(*inbox)->request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS) done = 0;
    }
    /* A receive whose sender died halfway cannot be cancelled; MPI still owns its buffer. */
    if (done) SW_FREE(inbox);
    *inbox = NULL;
}

/* ---- sending --------------------------------------------------------------------------------- */

struct outgoing {
    struct outgoing *next;
    MPI_Request request;
    unsigned char bytes[SW_MESSAGE_BYTES];
};
static struct outgoing *pending; /* sends that MPI may still read */

/* Free every send that is done; true when none is left. */
static bool collect_sends(void) {
    struct outgoing **link = &pending;
    while (*link != NULL) {
        struct outgoing *send = *link;
        int done = 0;
        if (MPI_Test(&send->request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && done) {
            *link = send->next;
            SW_FREE(&send);
        } else {
            link = &send->next;
        }
    }
    return pending == NULL;
}

enum sw_status sw_comm_send_tagged(int rank, int tag, const void *message) {
    (void) collect_sends();
    struct outgoing *send;
    SW_TRY(SW_ALLOC(&send, 1, "a message"));
    memcpy(send->bytes, message, SW_MESSAGE_BYTES);
    enum sw_status status = sw_comm_check(MPI_Isend(send->bytes, SW_MESSAGE_BYTES, MPI_BYTE, rank,
                                                    tag, MPI_COMM_WORLD, &send->request),
                                          "MPI_Isend");
    if (status != SW_OK) {
        SW_FREE(&send);
        return status;
    }
    send->next = pending;
    pending = send;
    return SW_OK;
}

enum sw_status sw_comm_send(int rank, const void *message) {
    return sw_comm_send_tagged(rank, MESSAGE_TAG, message);
}

bool sw_comm_flush(double seconds) {
    double end = sw_clock_monotonic() + seconds;
    while (!collect_sends()) {
        if (sw_clock_monotonic() >= end) return false;
        sw_clock_sleep(0.0005);
    }
    return true;
}
