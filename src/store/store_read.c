/* Reading rounds: plain I/O at the places that HDF5 named when the store was opened. */
#include <inttypes.h>
#include <string.h>

#include "store_internal.h"
#include "sweepstake/memory.h"

#define PIECE_BYTES ((size_t) 1 << 20)

enum sw_status sw_store_need_row(const struct sw_store *store, int64_t row) {
    if (row >= 0 && row < store->sizes.rounds) return SW_OK;
    return SW_FAIL(SW_INTERNAL, "%s: row %" PRId64 " of %" PRId64 " rounds", store->path, row,
                   store->sizes.rounds);
}

/* First byte of a section's slab in the file. */
static off_t slab_offset(const struct sw_store *store, int64_t row, enum sw_section section) {
    const struct sw_place *place = &store->place[sw_store_slab_set((int) section)];
    return place->offset + (off_t) ((size_t) store->rounds[row].offset[section] *
                                    sw_section_element_bytes(section));
}

/* ---- commit records ------------------------------------------------------------------------- */

/* What is wrong with a record that is not all zero; NULL when it is valid. */
static const char *commit_fault(const struct sw_round_plan *round, const struct sw_commit *commit) {
    struct sw_digest sum = sw_digest_of(commit, offsetof(struct sw_commit, checksum));
    if (commit->magic != SW_COMMIT_MAGIC || !sw_digest_equal(sum, commit->checksum))
        return "the commit record does not match its checksum";
    if (commit->row != round->row) return "the commit record belongs to another row";
    if (commit->status != SW_COMMIT_OK && commit->status != SW_COMMIT_FAILED)
        return "the commit record has an unknown status";
    for (int s = 0; s < SW_SECTION_COUNT; s++)
        if (commit->length[s] < 0 || commit->length[s] > round->length[s])
            return "the commit record claims more than the slab holds";
    return NULL;
}

enum sw_status sw_store_read_commit(struct sw_store *store, int64_t row, struct sw_commit *out,
                                    enum sw_commit_state *state, const char **why) {
    static const struct sw_commit nothing;
    SW_TRY(sw_store_need_row(store, row));
    off_t offset = store->place[SW_SET_COMMITS].offset + (off_t) (row * (int64_t) sizeof *out);
    SW_TRY(sw_file_pread(store->fd, out, sizeof *out, offset, store->path));
    *why = "";
    *state = SW_COMMIT_NONE;
    if (memcmp(out, &nothing, sizeof nothing) == 0) return SW_OK;
    const char *fault = commit_fault(&store->rounds[row], out);
    *state = fault == NULL ? SW_COMMIT_VALID : SW_COMMIT_TORN;
    if (fault != NULL) *why = fault;
    return SW_OK;
}

/* ---- sections ------------------------------------------------------------------------------- */

enum sw_status sw_store_read_raw(struct sw_store *store, int64_t row, enum sw_section section,
                                 void *out, size_t bytes) {
    if (bytes == 0) return SW_OK;
    return sw_file_pread(store->fd, out, bytes, slab_offset(store, row, section), store->path);
}

enum sw_status sw_store_sum_section(struct sw_store *store, int64_t row, enum sw_section section,
                                    int64_t elements, struct sw_digest *out) {
    size_t left = (size_t) elements * sw_section_element_bytes(section);
    off_t offset = left > 0 ? slab_offset(store, row, section) : 0;
    size_t capacity = left < PIECE_BYTES ? left : PIECE_BYTES;
    struct sw_digest_stream *stream = NULL;
    char *piece = NULL;
    enum sw_status status;
    SW_TRY_TO(SW_ALLOC(&piece, capacity, "a piece of a section"), status, cleanup);
    SW_TRY_TO(sw_digest_begin(&stream), status, cleanup);
    while (left > 0) {
        size_t bytes = left < capacity ? left : capacity;
        SW_TRY_TO(sw_file_pread(store->fd, piece, bytes, offset, store->path), status, cleanup);
        sw_digest_update(stream, piece, bytes);
        offset += (off_t) bytes;
        left -= bytes;
    }
cleanup:
    if (stream != NULL) {
        struct sw_digest digest = sw_digest_end(&stream);
        if (status == SW_OK) *out = digest;
    }
    SW_FREE(&piece);
    return status;
}

enum sw_status sw_store_read(struct sw_store *store, int64_t row, enum sw_section section,
                             void *out, size_t capacity, size_t *length) {
    struct sw_commit commit;
    enum sw_commit_state state;
    const char *why;
    SW_TRY(sw_store_read_commit(store, row, &commit, &state, &why));
    if (state != SW_COMMIT_VALID)
        return SW_FAIL(SW_NOT_FOUND, "%s: row %" PRId64 " is not committed%s%s", store->path, row,
                       why[0] != '\0' ? ": " : "", why);
    size_t bytes = (size_t) commit.length[section] * sw_section_element_bytes(section);
    if (bytes > capacity)
        return SW_FAIL(SW_INTERNAL, "%s: row %" PRId64 ": %zu bytes of %s do not fit into %zu",
                       store->path, row, bytes, sw_section_name(section), capacity);
    SW_TRY(sw_store_read_raw(store, row, section, out, bytes));
    if (!sw_digest_equal(sw_digest_of(out, bytes), commit.section[section]))
        return SW_FAIL(SW_DAMAGED, "%s: row %" PRId64 ": %s does not match its checksum",
                       store->path, row, sw_section_name(section));
    *length = bytes;
    return SW_OK;
}

enum sw_status sw_store_read_record(struct sw_store *store, int64_t row,
                                    struct sw_round_record *out) {
    struct sw_round_record record;
    size_t length = 0;
    SW_TRY(sw_store_read(store, row, SW_SECTION_RECORD, &record, sizeof record, &length));
    if (length != sizeof record)
        return SW_FAIL(SW_DAMAGED, "%s: row %" PRId64 " has no record", store->path, row);
    *out = record;
    return SW_OK;
}
