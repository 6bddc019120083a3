#include "share.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sweepstake/comm.h"
#include "sweepstake/data.h"
#include "sweepstake/memory.h"
#include "sweepstake/text.h"

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

/* Open the memory behind a file descriptor once more, for reading only. */
static int reopen_readonly(int64_t pid, int64_t fd) {
    char path[64];
    (void) snprintf(path, sizeof path, "/proc/%" PRId64 "/fd/%" PRId64, pid, fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static enum sw_status decode(const struct sw_trial_spec *spec, const struct sw_data_info *info,
                             int memory) {
    size_t bytes = (size_t) info->block_bytes;
    char size[24];
    /* Taken now, so that too little is an error here and no signal in the middle of decoding. */
    int failure = posix_fallocate(memory, 0, (off_t) bytes);
    if (failure != 0)
        return SW_FAIL(SW_NOMEM, "cannot have %s of shared memory for the data set %s: %s",
                       sw_text_bytes(size, sizeof size, (double) bytes), info->name,
                       strerror(failure));
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (map == MAP_FAILED)
        return SW_FAIL(SW_NOMEM, "cannot map %zu bytes for the data set %s: %s", bytes, info->name,
                       strerror(errno));
    enum sw_status status = sw_data_decode(spec, info, map);
    (void) munmap(map, bytes);
    if (status != SW_OK) return status;
    /* From here on nobody can change it, not even a trainer that has gone wild. */
    if (fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return SW_FAIL(SW_INTERNAL, "cannot seal the data set %s: %s", info->name, strerror(errno));
    return SW_OK;
}

static enum sw_status decode_data(const struct sw_sweep *sweep, int64_t data, int *fd,
                                  struct offer *offer) {
    const struct sw_data_info *info = &sweep->datas[data];
    const struct sw_trial_spec *spec = find_spec(sweep, data);
    if (spec == NULL) return SW_OK; /* nobody trains on it */
    int memory = memfd_create("sweepstake-data", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (memory < 0) return SW_FAIL(SW_INTERNAL, "cannot make shared memory: %s", strerror(errno));
    struct stat status_of;
    int reader = -1;
    enum sw_status status = decode(spec, info, memory);
    if (status == SW_OK) {
        reader = reopen_readonly(getpid(), memory);
        if (reader < 0 || fstat(reader, &status_of) != 0)
            status = SW_FAIL(SW_INTERNAL, "cannot open shared memory through /proc: %s",
                             strerror(errno));
    }
    (void) close(memory);
    if (status != SW_OK) {
        if (reader >= 0) (void) close(reader);
        return status;
    }
    *fd = reader;
    *offer = (struct offer){.pid = getpid(),
                            .fd = reader,
                            .bytes = info->block_bytes,
                            .device = (uint64_t) status_of.st_dev,
                            .inode = (uint64_t) status_of.st_ino};
    return SW_OK;
}

struct decoding {
    const struct sw_sweep *sweep;
    struct sw_share *share;
    struct offer *offers;
};

static enum sw_status decode_all(void *context) {
    const struct decoding *decoding = context;
    for (int64_t i = 0; i < decoding->share->n; i++)
        SW_TRY(decode_data(decoding->sweep, i, &decoding->share->fds[i], &decoding->offers[i]));
    return SW_OK;
}

/* ---- the others find it ---------------------------------------------------------------------- */

static enum sw_status accept_offer(const struct sw_data_info *info, const struct offer *offer,
                                   int *fd) {
    if (offer->fd < 0) return SW_OK;
    struct stat status_of;
    int reader = reopen_readonly(offer->pid, offer->fd);
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

static enum sw_status accept_all(const struct sw_sweep *sweep, struct sw_share *share,
                                 const struct offer *offers) {
    for (int64_t i = 0; i < share->n; i++)
        SW_TRY(accept_offer(&sweep->datas[i], &offers[i], &share->fds[i]));
    return SW_OK;
}

/* Every step is agreed on, so that no rank waits for one that has given up. */
static enum sw_status share_data(const struct sw_sweep *sweep, struct sw_share *share,
                                 struct offer *offers) {
    int node_rank, node_size;
    sw_comm_node(&node_rank, &node_size);
    /* Beside others, rank 0 does not train; alone on its node it needs no data. */
    bool idle = sw_comm_rank() == 0 && sw_comm_size() > 1;
    int workers = node_size - (idle ? 1 : 0);
    struct decoding decoding = {.sweep = sweep, .share = share, .offers = offers};
    enum sw_status status = SW_OK;
    if (node_rank == 0 && workers > 0) status = sw_comm_work(decode_all, &decoding);
    SW_TRY(sw_comm_agree(status));
    SW_TRY(sw_comm_node_broadcast(offers, share->n * (int64_t) sizeof *offers));
    if (node_rank != 0) status = accept_all(sweep, share, offers);
    return sw_comm_agree(status);
}

static enum sw_status make_tables(struct sw_share *share, struct offer **offers) {
    SW_TRY(SW_ALLOC(&share->fds, (size_t) share->n, "shared data sets"));
    for (int64_t i = 0; i < share->n; i++)
        share->fds[i] = -1;
    SW_TRY(SW_ALLOC(offers, (size_t) share->n, "shared data sets"));
    for (int64_t i = 0; i < share->n; i++)
        (*offers)[i].fd = -1;
    return SW_OK;
}

enum sw_status sw_share_open(const struct sw_sweep *sweep, struct sw_share *out) {
    struct sw_share share = {.n = sweep->n_datas};
    struct offer *offers = NULL;
    enum sw_status mine = make_tables(&share, &offers);
    enum sw_status status = sw_comm_agree(mine);
    if (status == SW_OK && mine == SW_OK) status = share_data(sweep, &share, offers);
    if (status == SW_OK)
        *out = share;
    else
        sw_share_close(&share);
    SW_FREE(&offers);
    return status;
}

void sw_share_close(struct sw_share *share) {
    for (int64_t i = 0; share->fds != NULL && i < share->n; i++)
        if (share->fds[i] >= 0) (void) close(share->fds[i]);
    SW_FREE(&share->fds);
    share->n = 0;
}
