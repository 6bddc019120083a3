/* A round becomes real with its commit record, written last. Every write is one contiguous block
 * through MPI-IO: nothing is buffered in the process, so a kill after a write loses nothing of it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "store_internal.h"
#include "sweepstake/text.h"

#define WRITES 8 /* of the records of a round, when two writers meet again and again */

/* ---- the commit record ---------------------------------------------------------------------- */

static enum sw_status misfit(const struct sw_store *store, int64_t row, enum sw_section section,
                             const char *what) {
    return SW_FAIL(SW_INTERNAL, "%s: row %" PRId64 ": %s %s", store->path, row,
                   sw_section_name(section), what);
}

static enum sw_status sum_payload(const struct sw_store *store, int64_t row,
                                  const struct sw_payload *payload, struct sw_commit *commit) {
    for (int s = 0; s < SW_SECTION_COUNT; s++) {
        enum sw_section section = (enum sw_section) s;
        size_t element = sw_section_element_bytes(section), bytes = payload->length[s];
        if (bytes > 0 && payload->bytes[s] == NULL)
            return misfit(store, row, section, "has a length and no bytes");
        if (bytes % element != 0)
            return misfit(store, row, section, "does not end with a whole element");
        if (bytes / element > (size_t) store->rounds[row].length[s])
            return misfit(store, row, section, "is larger than its slab");
        commit->length[s] = (int64_t) (bytes / element);
        commit->section[s] = sw_digest_of(payload->bytes[s], bytes);
    }
    return SW_OK;
}

static enum sw_status take_record(const struct sw_store *store, int64_t row,
                                  const struct sw_payload *payload, struct sw_commit *commit) {
    struct sw_round_record record;
    if (payload->length[SW_SECTION_RECORD] != sizeof record)
        return misfit(store, row, SW_SECTION_RECORD, "needs exactly one record");
    memcpy(&record, payload->bytes[SW_SECTION_RECORD], sizeof record);
    if (record.result.row != row)
        return misfit(store, row, SW_SECTION_RECORD, "holds the record of another row");
    if (strncmp(record.result.status, "ok", sizeof record.result.status) == 0)
        commit->status = SW_COMMIT_OK;
    else if (strncmp(record.result.status, "failed", sizeof record.result.status) == 0)
        commit->status = SW_COMMIT_FAILED;
    else
        return misfit(store, row, SW_SECTION_RECORD, "has a status other than ok and failed");
    commit->attempt = record.measured.attempt;
    commit->result = sw_digest_of(&record.result, sizeof record.result);
    return SW_OK;
}

static enum sw_status make_commit(const struct sw_store *store, int64_t row,
                                  const struct sw_payload *payload, struct sw_commit *out) {
    *out = (struct sw_commit){.magic = SW_COMMIT_MAGIC, .row = row};
    SW_TRY(sum_payload(store, row, payload, out));
    SW_TRY(take_record(store, row, payload, out));
    out->checksum = sw_digest_of(out, offsetof(struct sw_commit, checksum));
    return SW_OK;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* MPI-IO does not say why: the room that is left on the file system mostly does. */
static enum sw_status fail_write(const struct sw_store *store, int slab, int64_t row) {
    char text[24] = "unknown room";
    double room = sw_store_room(store->fd);
    if (!isnan(room)) (void) sw_text_bytes(text, sizeof text, room);
    return SW_H5_FAIL(SW_IO,
                      "%s: row %" PRId64 " is not committed: cannot write %s (%s free on its file "
                      "system; make room, then run again with --resume)",
                      store->path, row, sw_store_set(sw_store_slab_set(slab))->path, text);
}

static enum sw_status write_slab(struct sw_store *store, int64_t row, int slab, int64_t first,
                                 int64_t count, const void *bytes) {
    hsize_t start = (hsize_t) first, n = (hsize_t) count;
    hid_t memory = H5Screate_simple(1, &n, NULL);
    hid_t file = H5Dget_space(store->set[slab]);
    herr_t written = -1;
    if (file >= 0 && H5Sselect_hyperslab(file, H5S_SELECT_SET, &start, NULL, &n, NULL) >= 0)
        written = H5Dwrite(store->set[slab], store->type[slab], memory, file, H5P_DEFAULT, bytes);
    enum sw_status status = SW_OK;
    if (written < 0) status = fail_write(store, slab, row);
    if (file >= 0) (void) H5Sclose(file);
    if (memory >= 0) (void) H5Sclose(memory);
    return status;
}

/* fsync of any descriptor writes back the whole file. */
static enum sw_status sync_store(const struct sw_store *store) {
    if (fsync(store->fd) == 0) return SW_OK;
    return SW_FAIL(SW_IO, "%s: cannot sync: %s", store->path, strerror(errno));
}

/* ---- writing once --------------------------------------------------------------------------- */

static bool is_same_result(const struct sw_commit *a, const struct sw_commit *b) {
    bool same = a->status == b->status && sw_digest_equal(a->result, b->result);
    for (int s = 0; s < SW_SECTION_COUNT; s++)
        same = same && a->length[s] == b->length[s] &&
               (s == SW_SECTION_RECORD || sw_digest_equal(a->section[s], b->section[s]));
    return same;
}

/* True when the same result is committed already and intact: a late writer then has nothing to do,
 * and the times of the first one stay. A damaged round is written again. */
static enum sw_status is_committed(struct sw_store *store, int64_t row,
                                   const struct sw_commit *commit, bool *out) {
    struct sw_commit old;
    enum sw_commit_state state;
    const char *why;
    bool same = true;
    SW_TRY(sw_store_read_commit(store, row, &old, &state, &why));
    same = state == SW_COMMIT_VALID && is_same_result(&old, commit);
    for (int s = 0; same && s < SW_SECTION_COUNT; s++) {
        struct sw_digest sum;
        SW_TRY(sw_store_sum_section(store, row, (enum sw_section) s, old.length[s], &sum));
        same = sw_digest_equal(sum, old.section[s]);
    }
    *out = same;
    return SW_OK;
}

static enum sw_status write_section(struct sw_store *store, int64_t row, int section,
                                    const struct sw_payload *payload,
                                    const struct sw_commit *commit) {
    if (commit->length[section] == 0) return SW_OK;
    return write_slab(store, row, section, store->rounds[row].offset[section],
                      commit->length[section], payload->bytes[section]);
}

/* Do the record and the commit record that are there belong together? */
static enum sw_status is_matched(struct sw_store *store, int64_t row, bool *out) {
    struct sw_commit commit;
    enum sw_commit_state state;
    struct sw_digest sum;
    const char *why;
    *out = false;
    SW_TRY(sw_store_read_commit(store, row, &commit, &state, &why));
    if (state != SW_COMMIT_VALID) return SW_OK;
    SW_TRY(sw_store_sum_section(store, row, SW_SECTION_RECORD, commit.length[SW_SECTION_RECORD],
                                &sum));
    *out = sw_digest_equal(sum, commit.section[SW_SECTION_RECORD]);
    return SW_OK;
}

/* Two writers of a round differ in its record and its commit record, by their times. Each looks whether the
 * other was faster before it writes the two, and afterwards whether one of the other's came in between: the
 * last one to look puts it right. */
static enum sw_status write_records(struct sw_store *store, int64_t row,
                                    const struct sw_payload *payload,
                                    const struct sw_commit *commit, bool durable) {
    bool done = false;
    SW_TRY(is_committed(store, row, commit, &done));
    for (int i = 0; i < WRITES && !done; i++) {
        SW_TRY(write_section(store, row, SW_SECTION_RECORD, payload, commit));
        if (durable) SW_TRY(sync_store(store));
        SW_TRY(write_slab(store, row, SW_SLAB_COMMIT, row, 1, commit));
        if (durable) SW_TRY(sync_store(store));
        SW_TRY(is_matched(store, row, &done));
    }
    return SW_OK;
}

enum sw_status sw_store_commit(struct sw_store *store, int64_t row,
                               const struct sw_payload *payload, bool durable) {
    struct sw_commit commit;
    bool done = false;
    if (store->mode != SW_STORE_WRITE)
        return SW_FAIL(SW_INTERNAL, "%s: opened for reading only", store->path);
    SW_TRY(sw_store_need_row(store, row));
    SW_TRY(make_commit(store, row, payload, &commit));
    SW_TRY(is_committed(store, row, &commit, &done));
    if (done) return SW_OK;
    for (int s = 0; s < SW_SECTION_COUNT; s++)
        if (s != SW_SECTION_RECORD) SW_TRY(write_section(store, row, s, payload, &commit));
    return write_records(store, row, payload, &commit, durable);
}

/* ---- taking back ---------------------------------------------------------------------------- */

/* Plain I/O at the place that HDF5 named: needs no MPI, and the structure stays as it is. */
enum sw_status sw_store_withdraw(struct sw_store *store, const int64_t *rows, int64_t n) {
    static const struct sw_commit nothing;
    const struct sw_place *place = &store->place[SW_SET_COMMITS];
    enum sw_status status = SW_OK;
    for (int64_t i = 0; i < n; i++)
        SW_TRY(sw_store_need_row(store, rows[i]));
    int fd = open(store->path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return SW_FAIL(SW_IO, "%s: cannot open for writing: %s", store->path, strerror(errno));
    for (int64_t i = 0; i < n && status == SW_OK; i++)
        status = sw_file_pwrite(fd, &nothing, sizeof nothing,
                                place->offset + (off_t) (rows[i] * (int64_t) sizeof nothing),
                                store->path);
    if (status == SW_OK && fsync(fd) != 0)
        status = SW_FAIL(SW_IO, "%s: cannot sync: %s", store->path, strerror(errno));
    if (close(fd) != 0 && status == SW_OK)
        status = SW_FAIL(SW_IO, "%s: cannot close: %s", store->path, strerror(errno));
    return status;
}
