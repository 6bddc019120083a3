/* The digest of a store: results only, in plan order. */
#include "store_internal.h"

#define ABSENT ((int64_t) -1)

static void add_round(struct sw_digest_stream *stream, const struct sw_commit *commit) {
    sw_digest_update(stream, &commit->status, sizeof commit->status);
    for (int s = 0; s < SW_SECTION_COUNT; s++)
        /* The record holds times and places too; without prunes a store has the digest that it had
         * before there were any. */
        if (s != SW_SECTION_RECORD && (s != SW_SECTION_PRUNES || commit->length[s] > 0))
            sw_digest_update(stream, &commit->section[s], sizeof commit->section[s]);
    sw_digest_update(stream, &commit->result, sizeof commit->result);
}

enum sw_status sw_store_digest(struct sw_store *store, struct sw_digest *out) {
    const int64_t absent = ABSENT;
    struct sw_digest_stream *stream;
    enum sw_status status = SW_OK;
    SW_TRY(sw_digest_begin(&stream));
    for (int64_t row = 0; row < store->sizes.rounds && status == SW_OK; row++) {
        struct sw_commit commit;
        enum sw_commit_state state;
        const char *why;
        status = sw_store_read_commit(store, row, &commit, &state, &why);
        if (status != SW_OK) break;
        if (state == SW_COMMIT_VALID)
            add_round(stream, &commit);
        else
            sw_digest_update(stream, &absent, sizeof absent);
    }
    struct sw_digest digest = sw_digest_end(&stream);
    if (status == SW_OK) *out = digest;
    return status;
}
