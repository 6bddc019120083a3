#include "store_image.h"

#include <mpi.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/small_sweep.h"
#include "support.h"
#include "sweepstake/memory.h"

#define IMAGE_LIMIT ((size_t) 1 << 24)

/* ---- making --------------------------------------------------------------------------------- */

static void commit_rounds(const char *path, const struct sw_sweep *sweep) {
    struct sw_store *store = NULL;
    FUZZ_PROMISE(sw_store_open(path, SW_STORE_WRITE, &store) == SW_OK);
    for (int64_t row = 0; row < sweep->n_rounds; row++) {
        struct sw_small_round round;
        if (row == IMAGE_MISSING_ROW) continue;
        sw_small_round_make(sweep, row, row == IMAGE_FAILED_ROW ? SW_SMALL_FAILED : SW_SMALL_OK, 0,
                            &round);
        FUZZ_PROMISE(sw_store_commit(store, row, &round.payload, false) == SW_OK);
        sw_small_round_fini(&round);
    }
    sw_store_close(&store);
}

static void make_file(const char *path) {
    struct sw_sweep sweep;
    struct sw_store_identity identity = sw_small_identity();
    FUZZ_PROMISE(MPI_Init(NULL, NULL) == MPI_SUCCESS);
    sw_small_sweep(&sweep, 1, 0.8);
    FUZZ_PROMISE(sw_store_create(path, &sweep, &identity) == SW_OK);
    commit_rounds(path, &sweep);
    sw_sweep_fini(&sweep);
    (void) MPI_Finalize();
}

static void copy_plan(const struct sw_store *store, struct image *out) {
    memcpy(out->place, store->place, sizeof out->place);
    out->n_rounds = store->sizes.rounds;
    FUZZ_PROMISE(SW_ALLOC(&out->rounds, (size_t) out->n_rounds, "rounds") == SW_OK);
    memcpy(out->rounds, store->rounds, (size_t) out->n_rounds * sizeof *out->rounds);
}

/* The dataset that begins first at or after `from`; SW_SET_COUNT when there is none. */
static int next_set(const struct image *image, size_t from) {
    int first = SW_SET_COUNT;
    for (int id = 0; id < SW_SET_COUNT; id++) {
        size_t offset = (size_t) image->place[id].offset;
        if (image->place[id].bytes == 0 || offset < from) continue;
        if (first == SW_SET_COUNT || offset < (size_t) image->place[first].offset) first = id;
    }
    return first;
}

static void add_run(struct image *image, enum image_part part, size_t from, size_t to) {
    if (to > from) image->run[image->n_runs++] = (struct image_run){part, from, to - from};
}

static void find_runs(struct image *image) {
    size_t from = SW_BLOCK_BYTES;
    add_run(image, IMAGE_BLOCK, 0, from);
    for (int id = next_set(image, from); id < SW_SET_COUNT; id = next_set(image, from)) {
        size_t offset = (size_t) image->place[id].offset, end = offset + image->place[id].bytes;
        bool fixed = sw_store_set((enum sw_set) id)->slab == SW_SLAB_NONE;
        add_run(image, IMAGE_STRUCTURE, from, offset);
        add_run(image, fixed ? IMAGE_FIXED : IMAGE_SLAB, offset, end);
        from = end;
    }
    add_run(image, IMAGE_STRUCTURE, from, image->length);
}

void image_make(const char *path, struct image *out) {
    struct sw_store *store = NULL;
    char *bytes;
    int ended = 0;
    pid_t child = fork();
    FUZZ_PROMISE(child >= 0);
    if (child == 0) {
        make_file(path);
        _exit(0);
    }
    FUZZ_PROMISE(waitpid(child, &ended, 0) == child && ended == 0);
    FUZZ_PROMISE(sw_file_read(path, IMAGE_LIMIT, &bytes, &out->length) == SW_OK);
    out->bytes = (uint8_t *) bytes;
    FUZZ_PROMISE(sw_store_open(path, SW_STORE_READ, &store) == SW_OK);
    copy_plan(store, out);
    sw_store_close(&store);
    find_runs(out);
}

/* ---- places --------------------------------------------------------------------------------- */

bool image_section(const struct image *image, int64_t row, enum sw_section section,
                   int64_t elements, size_t *offset, size_t *bytes) {
    const struct sw_round_plan *round = &image->rounds[row];
    if (elements <= 0 || elements > round->length[section]) return false;
    size_t element = sw_section_element_bytes(section);
    *offset = (size_t) image->place[sw_store_slab_set((int) section)].offset +
              (size_t) round->offset[section] * element;
    *bytes = (size_t) elements * element;
    return true;
}

size_t image_commit(const struct image *image, int64_t row) {
    return (size_t) image->place[SW_SET_COMMITS].offset + (size_t) row * sizeof(struct sw_commit);
}

/* ---- sealing -------------------------------------------------------------------------------- */

static void seal_sections_of(const struct image *image, uint8_t *bytes, int64_t row,
                             struct sw_commit *commit) {
    size_t offset, length;
    for (int s = 0; s < SW_SECTION_COUNT; s++)
        if (image_section(image, row, (enum sw_section) s, commit->length[s], &offset, &length))
            commit->section[s] = sw_digest_of(bytes + offset, length);
    if (image_section(image, row, SW_SECTION_RECORD, 1, &offset, &length))
        commit->result = sw_digest_of(bytes + offset, sizeof(struct sw_round_results));
}

void image_seal_rounds(const struct image *image, uint8_t *bytes, bool sections, bool commits) {
    for (int64_t row = 0; row < image->n_rounds; row++) {
        struct sw_commit commit;
        uint8_t *at = bytes + image_commit(image, row);
        memcpy(&commit, at, sizeof commit);
        if (sections) seal_sections_of(image, bytes, row, &commit);
        if (commits) commit.checksum = sw_digest_of(&commit, offsetof(struct sw_commit, checksum));
        memcpy(at, &commit, sizeof commit);
    }
}

/* Follows the extents that the block lists, as far as they make sense. */
void image_seal_block(uint8_t *bytes, size_t length) {
    struct sw_block *block = (struct sw_block *) bytes;
    struct sw_digest_stream *stream = NULL;
    uint64_t from = SW_BLOCK_BYTES;
    if (length < SW_BLOCK_BYTES) return;
    FUZZ_PROMISE(sw_digest_begin(&stream) == SW_OK);
    for (uint64_t i = 0; i < block->n_extents && i < SW_BLOCK_MAX_EXTENTS; i++) {
        const struct sw_extent *extent = &block->extent[i];
        if (extent->offset < from || extent->offset > length) break;
        sw_digest_update(stream, bytes + from, extent->offset - from);
        from = extent->offset + extent->length;
    }
    if (from < length) sw_digest_update(stream, bytes + from, length - from);
    block->outside = sw_digest_end(&stream);
    block->own = sw_digest_of(block, offsetof(struct sw_block, own));
}
