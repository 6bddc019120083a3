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

/* Bytes of a section that are wanted while it is read through. */
struct part {
    size_t from, bytes;
    char *out;
};

/* Copy what a piece, which begins at byte `at` of the section, has of a part. */
static void copy_part(const struct part *part, const char *piece, size_t at, size_t bytes) {
    size_t from = part->from > at ? part->from : at, end = at + bytes;
    if (end > part->from + part->bytes) end = part->from + part->bytes;
    if (from < end) memcpy(part->out + (from - part->from), piece + (from - at), end - from);
}

static enum sw_status read_through(struct sw_store *store, int64_t row, enum sw_section section,
                                   size_t total, const struct part *part, struct sw_digest *out) {
    off_t offset = total > 0 ? slab_offset(store, row, section) : 0;
    size_t capacity = total < PIECE_BYTES ? total : PIECE_BYTES;
    struct sw_digest_stream *stream = NULL;
    char *piece = NULL;
    enum sw_status status;
    SW_TRY_TO(SW_ALLOC(&piece, capacity, "a piece of a section"), status, cleanup);
    SW_TRY_TO(sw_digest_begin(&stream), status, cleanup);
    for (size_t at = 0; at < total;) {
        size_t bytes = total - at < capacity ? total - at : capacity;
        SW_TRY_TO(sw_file_pread(store->fd, piece, bytes, offset + (off_t) at, store->path), status,
                  cleanup);
        sw_digest_update(stream, piece, bytes);
        copy_part(part, piece, at, bytes);
        at += bytes;
    }
cleanup:
    if (stream != NULL) {
        struct sw_digest digest = sw_digest_end(&stream);
        if (status == SW_OK) *out = digest;
    }
    SW_FREE(&piece);
    return status;
}

enum sw_status sw_store_sum_section(struct sw_store *store, int64_t row, enum sw_section section,
                                    int64_t elements, struct sw_digest *out) {
    const struct part nothing = {0};
    return read_through(store, row, section, (size_t) elements * sw_section_element_bytes(section),
                        &nothing, out);
}

/* A committed round's record, and the bytes of one of its sections. */
static enum sw_status need_section(struct sw_store *store, int64_t row, enum sw_section section,
                                   struct sw_commit *commit, size_t *bytes) {
    enum sw_commit_state state;
    const char *why;
    SW_TRY(sw_store_read_commit(store, row, commit, &state, &why));
    if (state != SW_COMMIT_VALID)
        return SW_FAIL(SW_NOT_FOUND, "%s: row %" PRId64 " is not committed%s%s", store->path, row,
                       why[0] != '\0' ? ": " : "", why);
    *bytes = (size_t) commit->length[section] * sw_section_element_bytes(section);
    return SW_OK;
}

static enum sw_status compare_sums(const struct sw_store *store, const struct sw_commit *commit,
                                   enum sw_section section, struct sw_digest sum) {
    if (sw_digest_equal(sum, commit->section[section])) return SW_OK;
    return SW_FAIL(SW_DAMAGED, "%s: row %" PRId64 ": %s does not match its checksum", store->path,
                   commit->row, sw_section_name(section));
}

enum sw_status sw_store_read(struct sw_store *store, int64_t row, enum sw_section section,
                             void *out, size_t capacity, size_t *length) {
    struct sw_commit commit;
    size_t bytes = 0;
    SW_TRY(need_section(store, row, section, &commit, &bytes));
    if (bytes > capacity)
        return SW_FAIL(SW_INTERNAL, "%s: row %" PRId64 ": %zu bytes of %s do not fit into %zu",
                       store->path, row, bytes, sw_section_name(section), capacity);
    SW_TRY(sw_store_read_raw(store, row, section, out, bytes));
    SW_TRY(compare_sums(store, &commit, section, sw_digest_of(out, bytes)));
    *length = bytes;
    return SW_OK;
}

enum sw_status sw_store_read_part(struct sw_store *store, int64_t row, enum sw_section section,
                                  size_t from, void *out, size_t bytes) {
    const struct part part = {.from = from, .bytes = bytes, .out = out};
    struct sw_commit commit;
    struct sw_digest sum;
    size_t total = 0;
    SW_TRY(need_section(store, row, section, &commit, &total));
    if (from > total || bytes > total - from)
        return SW_FAIL(SW_DAMAGED, "%s: row %" PRId64 ": %s ends at byte %zu, not at %zu or later",
                       store->path, row, sw_section_name(section), total, from + bytes);
    SW_TRY(read_through(store, row, section, total, &part, &sum));
    return compare_sums(store, &commit, section, sum);
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
