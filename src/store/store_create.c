/* A store is made whole in memory by one process (its slabs are holes that take none), sealed with its
 * user block, copied under a temporary name, and only then given its name: afterwards nothing outside the
 * slabs changes. HDF5 does not write to the disk itself: when a write fails as it closes a file (a full
 * disk), HDF5 1.10 crashes at the end of the program. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_internal.h"
#include "sweepstake/memory.h"
#include "sweepstake/text.h"

#define STRUCTURE_BYTES (1 << 20) /* more than HDF5's own bytes and the gaps before datasets */
#define PIECE_BYTES ((size_t) 1 << 20)

struct build {
    const char *path;    /* for messages */
    const char *scratch; /* the file in memory, by its name under /proc */
    const struct sw_sweep *sweep;
    struct sw_store_sizes sizes;
    const void *content[SW_SET_COUNT]; /* what is written at creation */
    struct sw_model_row *models;
    struct sw_param_row *params;
    struct sw_trial_row *trials;
    int64_t *trial_rounds;
    hid_t file;
};

/* ---- content -------------------------------------------------------------------------------- */

static void measure_sweep(struct build *build) {
    const struct sw_sweep *sweep = build->sweep;
    struct sw_store_sizes *sizes = &build->sizes;
    const size_t texts[3] = {sweep->text_bytes, strlen(sweep->overrides), strlen(sweep->canonical)};
    for (int i = 0; i < 3; i++)
        sizes->text_bytes[i] = texts[i] > 0 ? (int64_t) texts[i] : 1;
    sizes->models = sweep->n_archs;
    for (int64_t i = 0; i < sweep->n_archs; i++)
        sizes->params += sweep->archs[i].n_params;
    sizes->datas = sweep->n_datas;
    sizes->rounds = sweep->n_rounds;
    sizes->layers = sweep->max_layers;
    sizes->trials = sweep->n_trials;
    sizes->wide = sweep->rounds_wide;
    memcpy(sizes->extent, sweep->extent, sizeof sizes->extent);
}

static void fill_model_rows(struct build *build) {
    int64_t next = 0;
    for (int64_t i = 0; i < build->sweep->n_archs; i++) {
        const struct sw_arch *arch = &build->sweep->archs[i];
        struct sw_model_row *row = &build->models[i];
        memcpy(row->model, arch->model, sizeof row->model);
        memcpy(row->input_shape, arch->input_shape, sizeof row->input_shape);
        row->classes = arch->classes;
        row->n_params = arch->n_params;
        row->n_layers = arch->n_layers;
        row->parameters = arch->parameters;
        row->trained = arch->trained;
        row->prunable = arch->prunable;
        row->mask_bytes = arch->mask_bytes;
        row->first_param = next;
        for (int64_t p = 0; p < arch->n_params; p++)
            build->params[next++] = (struct sw_param_row){i, arch->params[p]};
    }
}

static void fill_trial_rows(struct build *build) {
    const struct sw_sweep *sweep = build->sweep;
    for (int64_t i = 0; i < sweep->n_trials; i++) {
        build->trials[i].trial = i;
        build->trials[i].spec = sweep->trials[i];
    }
    for (int64_t i = 0; i < sweep->n_trials * sweep->rounds_wide; i++)
        build->trial_rounds[i] = sweep->trial_rounds[i * SW_CONTROL_COUNT + SW_CONTROL_TICKET];
}

static enum sw_status gather_content(struct build *build) {
    const struct sw_sweep *sweep = build->sweep;
    measure_sweep(build);
    SW_TRY(SW_ALLOC(&build->models, (size_t) build->sizes.models, "rows of /plan/models"));
    SW_TRY(SW_ALLOC(&build->params, (size_t) build->sizes.params, "rows of /plan/params"));
    SW_TRY(SW_ALLOC(&build->trials, (size_t) build->sizes.trials, "rows of /trials"));
    SW_TRY(SW_ALLOC(&build->trial_rounds, (size_t) (build->sizes.trials * build->sizes.wide),
                    "/trial_rounds"));
    fill_model_rows(build);
    fill_trial_rows(build);
    build->content[SW_SET_TEXT] = sweep->text_bytes > 0 ? sweep->text : "";
    build->content[SW_SET_OVERRIDES] = sweep->overrides;
    build->content[SW_SET_CANONICAL] = sweep->canonical;
    build->content[SW_SET_MODELS] = build->models;
    build->content[SW_SET_PARAMS] = build->params;
    build->content[SW_SET_DATA] = sweep->datas;
    build->content[SW_SET_PLAN] = sweep->rounds;
    build->content[SW_SET_KEPT] = sweep->kept;
    build->content[SW_SET_TRIALS] = build->trials;
    build->content[SW_SET_TRIAL_ROUNDS] = build->trial_rounds;
    build->content[SW_SET_TRIAL_CONTROLS] = sweep->trial_rounds;
    return SW_OK;
}

static void drop_content(struct build *build) {
    SW_FREE(&build->models);
    SW_FREE(&build->params);
    SW_FREE(&build->trials);
    SW_FREE(&build->trial_rounds);
}

/* ---- objects -------------------------------------------------------------------------------- */

/* Contiguous, allocated at once, never filled: a slab that was never written is a hole of zeros. No
 * times in the headers, so that equal sweeps give equal bytes. */
static hid_t set_properties(void) {
    hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
    if (properties >= 0 && H5Pset_layout(properties, H5D_CONTIGUOUS) >= 0 &&
        H5Pset_alloc_time(properties, H5D_ALLOC_TIME_EARLY) >= 0 &&
        H5Pset_fill_time(properties, H5D_FILL_TIME_NEVER) >= 0 &&
        H5Pset_obj_track_times(properties, false) >= 0)
        return properties;
    if (properties >= 0) (void) H5Pclose(properties);
    return H5I_INVALID_HID;
}

static enum sw_status describe_columns(const struct build *build, enum sw_set id, hid_t dataset) {
    struct sw_store_columns columns;
    char name[96];
    sw_store_columns(id, &columns);
    for (size_t i = 0; i < columns.n_columns; i++) {
        const struct sw_store_column *column = &columns.column[i];
        snprintf(name, sizeof name, "%s.unit", column->name);
        SW_TRY(sw_store_h5_text_attribute(dataset, name, column->unit, build->path));
        snprintf(name, sizeof name, "%s.description", column->name);
        SW_TRY(sw_store_h5_text_attribute(dataset, name, column->description, build->path));
    }
    return SW_OK;
}

static enum sw_status fill_set(const struct build *build, enum sw_set id, hid_t dataset,
                               hid_t type) {
    const struct sw_store_set *set = sw_store_set(id);
    SW_TRY(sw_store_h5_text_attribute(dataset, "unit", set->unit, build->path));
    SW_TRY(sw_store_h5_text_attribute(dataset, "description", set->description, build->path));
    SW_TRY(describe_columns(build, id, dataset));
    if (build->content[id] != NULL &&
        H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, build->content[id]) < 0)
        return SW_H5_FAIL(SW_IO, "%s: cannot write %s", build->path, set->path);
    return SW_OK;
}

static enum sw_status create_set(const struct build *build, enum sw_set id) {
    const char *name = sw_store_set(id)->path;
    hid_t type = H5I_INVALID_HID, space = H5I_INVALID_HID, properties = H5I_INVALID_HID,
          dataset = H5I_INVALID_HID;
    hsize_t dims[3];
    int rank = sw_store_shape(id, &build->sizes, dims);
    enum sw_status status;
    SW_TRY_TO(sw_store_h5_type(id, &build->sizes, &type), status, cleanup);
    space = rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(rank, dims, NULL);
    properties = set_properties();
    dataset = H5Dcreate2(build->file, name, type, space, H5P_DEFAULT, properties, H5P_DEFAULT);
    if (dataset < 0) {
        status = SW_H5_FAIL(SW_IO, "%s: cannot create %s", build->path, name);
        goto cleanup;
    }
    SW_TRY_TO(fill_set(build, id, dataset, type), status, cleanup);
cleanup:
    if (dataset >= 0 && H5Dclose(dataset) < 0 && status == SW_OK)
        status = SW_H5_FAIL(SW_IO, "%s: cannot finish %s", build->path, name);
    if (properties >= 0) (void) H5Pclose(properties);
    if (space >= 0) (void) H5Sclose(space);
    if (type >= 0) (void) H5Tclose(type);
    return status;
}

static enum sw_status create_root(const struct build *build,
                                  const struct sw_store_identity *identity) {
    const int64_t schema = SW_STORE_SCHEMA;
    char digest[SW_DIGEST_TEXT];
    const struct {
        const char *name, *text;
    } texts[] = {{"program", identity->program},
                 {"isa", identity->isa},
                 {"openblas", identity->openblas},
                 {"kernel_table", identity->kernel_table},
                 {"sweep", build->sweep->name},
                 {"plan_digest", sw_digest_text(build->sweep->digest, digest)}};
    SW_TRY(
        sw_store_h5_attribute(build->file, "schema_version", H5T_STD_I64LE, &schema, build->path));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        SW_TRY(sw_store_h5_text_attribute(build->file, texts[i].name, texts[i].text, build->path));
    hid_t group = sw_store_h5_group(build->file, "/plan");
    if (group < 0 || H5Gclose(group) < 0)
        return SW_H5_FAIL(SW_IO, "%s: cannot create /plan", build->path);
    return SW_OK;
}

/* An empty file with a user block; slabs start on pages so that none shares one with metadata. */
static enum sw_status create_file(const struct build *build, hid_t *out) {
    hid_t creation = H5Pcreate(H5P_FILE_CREATE), access = H5Pcreate(H5P_FILE_ACCESS);
    hid_t file = H5I_INVALID_HID;
    /* The default driver wants the real path of a file behind a link, and memory has none. */
    if (H5Pset_fapl_stdio(access) >= 0 && H5Pset_userblock(creation, SW_BLOCK_BYTES) >= 0 &&
        H5Pset_obj_track_times(creation, false) >= 0 &&
        H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18) >= 0 &&
        H5Pset_alignment(access, SW_BLOCK_BYTES, SW_BLOCK_BYTES) >= 0)
        file = H5Fcreate(build->scratch, H5F_ACC_TRUNC, creation, access);
    enum sw_status status = SW_OK;
    if (file < 0)
        status = SW_H5_FAIL(SW_IO, "%s: cannot create", build->path);
    else
        *out = file;
    if (creation >= 0) (void) H5Pclose(creation);
    if (access >= 0) (void) H5Pclose(access);
    return status;
}

static enum sw_status create_objects(struct build *build,
                                     const struct sw_store_identity *identity) {
    enum sw_status status;
    SW_TRY(create_file(build, &build->file));
    SW_TRY_TO(create_root(build, identity), status, cleanup);
    for (int id = 0; id < SW_SET_COUNT; id++)
        SW_TRY_TO(create_set(build, (enum sw_set) id), status, cleanup);
cleanup:
    if (H5Fclose(build->file) < 0 && status == SW_OK)
        status = SW_H5_FAIL(SW_IO, "%s: cannot finish", build->path);
    return status;
}

/* ---- seal ----------------------------------------------------------------------------------- */

static int by_offset(const void *a, const void *b) {
    uint64_t x = ((const struct sw_extent *) a)->offset, y = ((const struct sw_extent *) b)->offset;
    return (x > y) - (x < y);
}

/* Where HDF5 put the slabs; empty ones have no place. */
static enum sw_status find_extents(const char *path, hid_t file, struct sw_block *block) {
    for (int slab = 0; slab < SW_SLAB_COUNT; slab++) {
        const char *name = sw_store_set(sw_store_slab_set(slab))->path;
        hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
        if (dataset < 0) return SW_H5_FAIL(SW_IO, "%s: cannot open %s", path, name);
        struct sw_extent *extent = &block->extent[block->n_extents];
        extent->length = H5Dget_storage_size(dataset);
        haddr_t offset = extent->length > 0 ? H5Dget_offset(dataset) : 0;
        (void) H5Dclose(dataset);
        if (offset == HADDR_UNDEF) return SW_H5_FAIL(SW_IO, "%s: %s was not allocated", path, name);
        extent->offset = offset;
        if (extent->length > 0) block->n_extents++;
    }
    qsort(block->extent, block->n_extents, sizeof *block->extent, by_offset);
    return SW_OK;
}

static enum sw_status seal_file(const struct build *build, int memory) {
    struct sw_block block = {.n_extents = 0};
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    hid_t file = H5I_INVALID_HID;
    if (H5Pset_fapl_stdio(access) >= 0) file = H5Fopen(build->scratch, H5F_ACC_RDONLY, access);
    if (access >= 0) (void) H5Pclose(access);
    if (file < 0) return SW_H5_FAIL(SW_IO, "%s: cannot open again", build->path);
    enum sw_status status = find_extents(build->path, file, &block);
    if (H5Fclose(file) < 0 && status == SW_OK)
        status = SW_H5_FAIL(SW_IO, "%s: cannot close", build->path);
    return status == SW_OK ? sw_store_block_write(memory, build->path, &block) : status;
}

/* ---- from memory to the disk ---------------------------------------------------------------- */

/* Beyond a limit on file sizes HDF5 would fail in the middle. */
static enum sw_status check_limit(const struct build *build) {
    struct rlimit limit;
    double bytes = 0;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return SW_OK;
    for (int id = 0; id < SW_SET_COUNT; id++) {
        hsize_t dims[3];
        int rank = sw_store_shape((enum sw_set) id, &build->sizes, dims);
        double set = (double) sw_store_element_bytes((enum sw_set) id, &build->sizes);
        for (int i = 0; i < rank; i++)
            set *= (double) dims[i];
        bytes += set;
    }
    if (bytes + STRUCTURE_BYTES <= (double) limit.rlim_cur) return SW_OK;
    char need[24], allowed[24];
    return SW_FAIL(SW_IO, "%s: would have about %s, but files may have %s (ulimit -f)", build->path,
                   sw_text_bytes(need, sizeof need, bytes),
                   sw_text_bytes(allowed, sizeof allowed, (double) limit.rlim_cur));
}

/* The whole store in memory: its descriptor, which the caller closes. */
static enum sw_status build_memory(struct build *build, const struct sw_store_identity *identity,
                                   int *out) {
    char scratch[64];
    int memory = memfd_create("sweepstake-store", MFD_CLOEXEC);
    if (memory < 0)
        return SW_FAIL(SW_INTERNAL, "%s: cannot make it in memory: %s", build->path,
                       strerror(errno));
    snprintf(scratch, sizeof scratch, "/proc/self/fd/%d", memory);
    build->scratch = scratch;
    sw_store_h5_quiet();
    enum sw_status status = gather_content(build);
    if (status == SW_OK) status = check_limit(build);
    if (status == SW_OK) status = create_objects(build, identity);
    if (status == SW_OK) status = seal_file(build, memory);
    build->scratch = NULL;
    drop_content(build);
    if (status == SW_OK)
        *out = memory;
    else
        (void) close(memory);
    return status;
}

/* Copy what was written; the holes stay holes. */
static enum sw_status copy_ranges(int memory, int disk, const char *path) {
    char *piece;
    enum sw_status status = SW_ALLOC(&piece, PIECE_BYTES, "a piece of the store");
    off_t at = 0;
    while (status == SW_OK && (at = lseek(memory, at, SEEK_DATA)) >= 0) {
        off_t end = lseek(memory, at, SEEK_HOLE);
        while (status == SW_OK && at < end) {
            size_t bytes = end - at < (off_t) PIECE_BYTES ? (size_t) (end - at) : PIECE_BYTES;
            status = sw_file_pread(memory, piece, bytes, at, path);
            if (status == SW_OK) status = sw_file_pwrite(disk, piece, bytes, at, path);
            at += (off_t) bytes;
        }
    }
    SW_FREE(&piece);
    return status;
}

/* What is written at first is plan and tables; the slabs take room as they are filled. */
static enum sw_status check_room(const struct stat *info, int disk, const char *path) {
    char need[24], left[24];
    double bytes = (double) info->st_blocks * 512, room = sw_store_room(disk);
    if (!(room < bytes)) return SW_OK;
    return SW_FAIL(
        SW_IO, "%s: cannot be created: No space left on device: it takes %s at first, %s are free",
        path, sw_text_bytes(need, sizeof need, bytes), sw_text_bytes(left, sizeof left, room));
}

static enum sw_status fill_file(int memory, int disk, const char *path) {
    struct stat info;
    if (fstat(memory, &info) != 0 || ftruncate(disk, info.st_size) != 0)
        return SW_FAIL(SW_IO, "%s: cannot make a file of this size: %s", path, strerror(errno));
    SW_TRY(check_room(&info, disk, path));
    SW_TRY(copy_ranges(memory, disk, path));
    if (fsync(disk) != 0) return SW_FAIL(SW_IO, "%s: cannot sync: %s", path, strerror(errno));
    return SW_OK;
}

/* Under a temporary name; removed again when anything fails. */
static enum sw_status write_file(int memory, const char *temporary, const char *path) {
    /* A file of this name was left by a dead process that had our pid. */
    (void) unlink(temporary);
    int disk = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (disk < 0) return SW_FAIL(SW_IO, "%s: cannot be created: %s", path, strerror(errno));
    enum sw_status status = fill_file(memory, disk, path);
    if (close(disk) != 0 && status == SW_OK)
        status = SW_FAIL(SW_IO, "%s: cannot close: %s", path, strerror(errno));
    if (status != SW_OK) (void) unlink(temporary);
    return status;
}

enum sw_status sw_store_create(const char *path, const struct sw_sweep *sweep,
                               const struct sw_store_identity *identity) {
    struct build build = {.path = path, .sweep = sweep, .file = H5I_INVALID_HID};
    char *temporary;
    int memory;
    if (sw_file_exists(path)) return SW_FAIL(SW_IO, "%s exists already", path);
    SW_TRY(sw_store_temporary(path, &temporary));
    enum sw_status status = build_memory(&build, identity, &memory);
    if (status == SW_OK) {
        status = write_file(memory, temporary, path);
        (void) close(memory);
    }
    if (status == SW_OK) {
        status = sw_store_publish(temporary, path);
        if (status != SW_OK) (void) unlink(temporary);
    }
    SW_FREE(&temporary);
    return status;
}

enum sw_status sw_store_measure(const struct sw_sweep *sweep,
                                const struct sw_store_identity *identity, int64_t *bytes) {
    struct build build = {.path = sweep->store, .sweep = sweep, .file = H5I_INVALID_HID};
    struct stat info;
    int memory;
    SW_TRY(build_memory(&build, identity, &memory));
    enum sw_status status = SW_OK;
    if (fstat(memory, &info) == 0)
        *bytes = info.st_size;
    else
        status = SW_FAIL(SW_IO, "%s: %s", build.path, strerror(errno));
    (void) close(memory);
    return status;
}
