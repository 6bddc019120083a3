#include "share.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sweepstake/comm.h"
#include "sweepstake/memory.h"

/* Where another process finds the memory of a data set, and how it knows that it found the right
 * one. */
struct offer {
    int64_t pid;
    int64_t fd; /* -1: not decoded */
    int64_t bytes;
    uint64_t device, inode;
};

/* ---- the first rank of a node decodes -------------------------------------------------------- */

/* The settings of the first trial that uses a data set; trials that share it have the same. */
static const struct sw_trial_spec *find_spec(const struct sw_sweep *sweep, int64_t data) {
    for (int64_t row = 0; row < sweep->n_rounds; row++)
        if (sweep->rounds[row].data == data) return &sweep->trials[sweep->rounds[row].trial];
    return NULL;
}

/* What was decoded on the way to the plan is taken; the rest is decoded here. */
static enum sw_status fill_block(const struct sw_sweep *sweep, int64_t data,
                                 struct sw_data_blocks *held, int *fd) {
    const struct sw_trial_spec *spec = find_spec(sweep, data);
    if (spec == NULL) return SW_OK; /* nobody trains on it */
    if (held == NULL || data >= held->n || held->fds[data] < 0)
        return sw_data_decode_shared(spec, &sweep->datas[data], fd);
    *fd = held->fds[data];
    held->fds[data] = -1;
    return SW_OK;
}

static enum sw_status offer_block(const struct sw_data_info *info, int fd, struct offer *offer) {
    struct stat status_of;
    if (fd < 0) return SW_OK;
    if (fstat(fd, &status_of) != 0)
        return SW_FAIL(SW_INTERNAL, "cannot look at the shared memory of the data set %s: %s",
                       info->name, strerror(errno));
    *offer = (struct offer){.pid = getpid(),
                            .fd = fd,
                            .bytes = info->block_bytes,
                            .device = (uint64_t) status_of.st_dev,
                            .inode = (uint64_t) status_of.st_ino};
    return SW_OK;
}

struct decoding {
    const struct sw_sweep *sweep;
    struct sw_data_blocks *held, *share;
    struct offer *offers;
};

static enum sw_status decode_all(void *context) {
    const struct decoding *decoding = context;
    for (int64_t i = 0; i < decoding->share->n; i++) {
        SW_TRY(fill_block(decoding->sweep, i, decoding->held, &decoding->share->fds[i]));
        SW_TRY(
            offer_block(&decoding->sweep->datas[i], decoding->share->fds[i], &decoding->offers[i]));
    }
    return SW_OK;
}

/* ---- the others find it ---------------------------------------------------------------------- */

static enum sw_status accept_offer(const struct sw_data_info *info, const struct offer *offer,
                                   int *fd) {
    if (offer->fd < 0) return SW_OK;
    struct stat status_of;
    int reader = sw_data_reopen_shared(offer->pid, offer->fd);
    bool same = reader >= 0 && fstat(reader, &status_of) == 0 &&
                (uint64_t) status_of.st_dev == offer->device &&
                (uint64_t) status_of.st_ino == offer->inode && status_of.st_size == offer->bytes;
    if (!same) {
        if (reader >= 0) (void) close(reader);
        return SW_FAIL(SW_INTERNAL,
                       "cannot open the data set %s in the memory of process %" PRId64
                       ": ranks of one node have to see each other's processes",
                       info->name, offer->pid);
    }
    *fd = reader;
    return SW_OK;
}

static enum sw_status accept_all(const struct sw_sweep *sweep, struct sw_data_blocks *share,
                                 const struct offer *offers) {
    for (int64_t i = 0; i < share->n; i++)
        SW_TRY(accept_offer(&sweep->datas[i], &offers[i], &share->fds[i]));
    return SW_OK;
}

/* Every step is agreed on, so that no rank waits for one that has given up. */
static enum sw_status share_data(const struct sw_sweep *sweep, struct sw_data_blocks *held,
                                 struct sw_data_blocks *share, struct offer *offers) {
    int node_rank, node_size;
    sw_comm_node(&node_rank, &node_size);
    /* Beside others, rank 0 does not train; alone on its node it needs no data. */
    bool idle = sw_comm_rank() == 0 && sw_comm_size() > 1;
    int workers = node_size - (idle ? 1 : 0);
    struct decoding decoding = {.sweep = sweep, .held = held, .share = share, .offers = offers};
    enum sw_status status = SW_OK;
    if (node_rank == 0 && workers > 0) status = sw_comm_work(decode_all, &decoding);
    SW_TRY(sw_comm_agree(status));
    SW_TRY(sw_comm_node_broadcast(offers, share->n * (int64_t) sizeof *offers));
    if (node_rank != 0) status = accept_all(sweep, share, offers);
    return sw_comm_agree(status);
}

static enum sw_status make_tables(struct sw_data_blocks *share, struct offer **offers) {
    SW_TRY(SW_ALLOC(&share->fds, (size_t) share->n, "shared data sets"));
    for (int64_t i = 0; i < share->n; i++)
        share->fds[i] = -1;
    SW_TRY(SW_ALLOC(offers, (size_t) share->n, "shared data sets"));
    for (int64_t i = 0; i < share->n; i++)
        (*offers)[i].fd = -1;
    return SW_OK;
}

enum sw_status sw_share_open(const struct sw_sweep *sweep, struct sw_data_blocks *held,
                             struct sw_data_blocks *out) {
    struct sw_data_blocks share = {.n = sweep->n_datas};
    struct offer *offers = NULL;
    enum sw_status mine = make_tables(&share, &offers);
    enum sw_status status = sw_comm_agree(mine);
    if (status == SW_OK && mine == SW_OK) status = share_data(sweep, held, &share, offers);
    if (held != NULL) sw_data_blocks_close(held); /* those that nobody here needs */
    if (status == SW_OK)
        *out = share;
    else
        sw_data_blocks_close(&share);
    SW_FREE(&offers);
    return status;
}
