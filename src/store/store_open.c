/* Open and close, and what is known without reading a round. */
#include <errno.h>
#include <fcntl.h>
#include <mpi.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store_internal.h"
#include "sweepstake/memory.h"

/* ---- open ----------------------------------------------------------------------------------- */

static enum sw_status open_plain(struct sw_store *store) {
    /* O_NONBLOCK: a named pipe must not hang us before it is refused. */
    store->fd = open(store->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (store->fd >= 0) return SW_OK;
    if (errno == ENOENT) return SW_FAIL(SW_NOT_FOUND, "%s: no such store", store->path);
    return SW_FAIL(SW_IO, "%s: %s", store->path, strerror(errno));
}

static bool is_full(const char *folder) {
    struct statvfs room;
    return statvfs(folder, &room) == 0 && room.f_blocks > 0 && room.f_bavail == 0;
}

/* MPI-IO writes straight through: no sieve buffer, no cached metadata, nothing to lose. One
 * communicator per rank, so that no call waits for another rank. */
static enum sw_status open_mpi_file(struct sw_store *store) {
    int initialized = 0;
    (void) MPI_Initialized(&initialized);
    if (!initialized)
        return SW_FAIL(SW_INTERNAL, "%s: a store is opened for writing after MPI_Init",
                       store->path);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access >= 0 && H5Pset_fapl_mpio(access, MPI_COMM_SELF, MPI_INFO_NULL) >= 0 &&
        H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18) >= 0)
        store->file = H5Fopen(store->path, H5F_ACC_RDWR, access);
    if (access >= 0) (void) H5Pclose(access);
    if (store->file < 0)
        return SW_H5_FAIL(SW_IO, "%s: cannot open for writing%s", store->path,
                          is_full("/dev/shm") ? " (Open MPI needs room in /dev/shm, which is full)"
                                              : "");
    return SW_OK;
}

/* Empty datasets stay closed: HDF5 may try to allocate them again. */
static enum sw_status open_slabs(struct sw_store *store) {
    for (int slab = 0; slab < SW_SLAB_COUNT; slab++) {
        enum sw_set id = sw_store_slab_set(slab);
        if (store->place[id].bytes == 0) continue;
        SW_TRY(sw_store_h5_type(id, &store->sizes, &store->type[slab]));
        store->set[slab] = H5Dopen2(store->file, sw_store_set(id)->path, H5P_DEFAULT);
        if (store->set[slab] < 0)
            return SW_H5_FAIL(SW_IO, "%s: cannot open %s for writing", store->path,
                              sw_store_set(id)->path);
    }
    return SW_OK;
}

static enum sw_status fill_store(struct sw_store *store, const char *path) {
    SW_TRY(sw_store_join(path, "", &store->path));
    SW_TRY(open_plain(store));
    SW_TRY(sw_store_block_check(store->fd, store->path, &store->block));
    SW_TRY(sw_store_find_places(store));
    SW_TRY(sw_store_load_static(store));
    if (store->mode == SW_STORE_READ) return SW_OK;
    SW_TRY(open_mpi_file(store));
    return open_slabs(store);
}

enum sw_status sw_store_open(const char *path, enum sw_store_mode mode, struct sw_store **out) {
    struct sw_store *store;
    SW_TRY(SW_ALLOC(&store, 1, "an open store"));
    store->fd = -1;
    store->mode = mode;
    store->file = H5I_INVALID_HID;
    for (int slab = 0; slab < SW_SLAB_COUNT; slab++)
        store->set[slab] = store->type[slab] = H5I_INVALID_HID;
    enum sw_status status = fill_store(store, path);
    if (status == SW_OK)
        *out = store;
    else
        sw_store_close(&store);
    return status;
}

void sw_store_close(struct sw_store **store_at) {
    struct sw_store *store = *store_at;
    if (store == NULL) return;
    for (int slab = 0; slab < SW_SLAB_COUNT; slab++) {
        if (store->set[slab] >= 0) (void) H5Dclose(store->set[slab]);
        if (store->type[slab] >= 0) (void) H5Tclose(store->type[slab]);
    }
    if (store->file >= 0) (void) H5Fclose(store->file);
    if (store->fd >= 0) (void) close(store->fd);
    SW_FREE(&store->path);
    SW_FREE(&store->text);
    SW_FREE(&store->canonical);
    SW_FREE(&store->trials);
    SW_FREE(&store->archs);
    SW_FREE(&store->params);
    SW_FREE(&store->rounds);
    SW_FREE(&store->rows);
    SW_FREE(&store->datas);
    SW_FREE(store_at);
}

/* ---- the fixed part ------------------------------------------------------------------------- */

const struct sw_store_identity *sw_store_identity(const struct sw_store *store) {
    return &store->identity;
}

const char *sw_store_canonical(const struct sw_store *store) {
    return store->canonical;
}

const char *sw_store_text(const struct sw_store *store) {
    return store->text;
}

int64_t sw_store_n_trials(const struct sw_store *store) {
    return store->sizes.trials;
}

int64_t sw_store_n_rounds(const struct sw_store *store) {
    return store->sizes.rounds;
}

const struct sw_round_plan *sw_store_round(const struct sw_store *store, int64_t row) {
    return row >= 0 && row < store->sizes.rounds ? &store->rounds[row] : NULL;
}

const struct sw_arch *sw_store_arch(const struct sw_store *store, int64_t index) {
    return index >= 0 && index < store->sizes.models ? &store->archs[index] : NULL;
}

const struct sw_data_info *sw_store_data(const struct sw_store *store, int64_t index) {
    return index >= 0 && index < store->sizes.datas ? &store->datas[index] : NULL;
}

int64_t sw_store_row(const struct sw_store *store, int64_t trial, int64_t round,
                     enum sw_control control) {
    if (trial < 0 || trial >= store->sizes.trials || round < 0 || round >= store->sizes.wide ||
        (unsigned) control >= SW_CONTROL_COUNT)
        return -1;
    return store->rows[(trial * store->sizes.wide + round) * SW_CONTROL_COUNT + (int64_t) control];
}
