#include "fake_sink.h"

#include <stdlib.h>
#include <string.h>

#include "sweepstake/memory.h"

static void drop_row(struct sw_fake_sink *fake, int64_t row) {
    for (int s = 0; s < SW_SECTION_COUNT; s++)
        free(fake->sections[row][s].bytes);
    memset(fake->sections[row], 0, sizeof fake->sections[row]);
}

void sw_fake_sink_init(struct sw_fake_sink *fake) {
    memset(fake, 0, sizeof *fake);
    fake->refused = -1;
}

void sw_fake_sink_fini(struct sw_fake_sink *fake) {
    for (int64_t row = 0; row < SW_FAKE_ROWS; row++)
        drop_row(fake, row);
    SW_FREE(&fake->checkpoint);
    sw_text_fini(&fake->notices);
}

static enum sw_status load(void *context, int64_t row, enum sw_section section, size_t from,
                           void *out, size_t bytes) {
    struct sw_fake_sink *fake = context;
    size_t length = 0;
    if (row < 0 || row >= SW_FAKE_ROWS)
        return SW_FAIL(SW_NOT_FOUND, "no row %lld", (long long) row);
    const char *saved = sw_fake_sink_get(fake, row, section, &length);
    if (saved == NULL)
        return SW_FAIL(SW_NOT_FOUND, "row %lld has no %s", (long long) row,
                       sw_section_name(section));
    if (section == SW_SECTION_THETA_K ? length < from + bytes : from != 0 || length != bytes)
        return SW_FAIL(SW_DAMAGED, "row %lld has %zu bytes of %s, not %zu", (long long) row, length,
                       sw_section_name(section), from + bytes);
    memcpy(out, saved + from, bytes);
    return SW_OK;
}

static enum sw_status save(void *context, enum sw_section section, const void *from, size_t bytes) {
    struct sw_fake_sink *fake = context;
    struct sw_fake_section *to = &fake->sections[fake->row][section];
    if ((int64_t) section == fake->refused) return SW_FAIL(SW_IO, "refused on purpose");
    if ((int64_t) section < fake->next)
        return SW_FAIL(SW_INTERNAL, "%s comes twice or too late", sw_section_name(section));
    fake->next = (int64_t) section + 1;
    to->bytes = malloc(bytes + 1);
    if (to->bytes == NULL) return SW_FAIL(SW_NOMEM, "no memory for %s", sw_section_name(section));
    memcpy(to->bytes, from, bytes);
    to->length = bytes;
    return SW_OK;
}

static void count_progress(void *context, const struct sw_progress *progress) {
    struct sw_fake_sink *fake = context;
    fake->progress_calls++;
    fake->progress = *progress;
}

struct sw_sink sw_fake_sink_open(struct sw_fake_sink *fake, int64_t row) {
    drop_row(fake, row);
    fake->row = row;
    fake->next = 0;
    fake->progress_calls = 0;
    return (struct sw_sink){
        .context = fake, .load = load, .save = save, .progress = count_progress};
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

static enum sw_checkpoint_need need_checkpoint(void *context) {
    struct sw_fake_sink *fake = context;
    fake->asked++;
    if (fake->asked == fake->end_after) return SW_CHECKPOINT_END;
    bool due = fake->save_every > 0 && fake->asked % fake->save_every == 0;
    return due ? SW_CHECKPOINT_SAVE : SW_CHECKPOINT_NONE;
}

static enum sw_status save_checkpoint(void *context, struct sw_digest key, int64_t step,
                                      const void *from, size_t bytes) {
    struct sw_fake_sink *fake = context;
    if (fake->refuses_checkpoints) return SW_FAIL(SW_IO, "the disk is full");
    SW_FREE(&fake->checkpoint);
    SW_TRY(SW_ALLOC(&fake->checkpoint, bytes, "a checkpoint"));
    memcpy(fake->checkpoint, from, bytes);
    fake->checkpoint_bytes = bytes;
    fake->key = key;
    fake->step = step;
    fake->n_saved++;
    return SW_OK;
}

static enum sw_status load_checkpoint(void *context, struct sw_digest key, size_t capacity,
                                      char **out, size_t *bytes) {
    const struct sw_fake_sink *fake = context;
    char *copy = NULL;
    if (fake->checkpoint == NULL || !sw_digest_equal(key, fake->key))
        return SW_FAIL(SW_NOT_FOUND, "no checkpoint");
    if (fake->checkpoint_bytes > capacity) return SW_FAIL(SW_DAMAGED, "it is too large");
    SW_TRY(SW_ALLOC(&copy, fake->checkpoint_bytes, "a checkpoint"));
    memcpy(copy, fake->checkpoint, fake->checkpoint_bytes);
    *out = copy;
    *bytes = fake->checkpoint_bytes;
    return SW_OK;
}

static void take_notice(void *context, const char *text) {
    struct sw_fake_sink *fake = context;
    if (sw_text_add(&fake->notices, "%s\n", text) != SW_OK) abort();
}

void sw_fake_sink_take_checkpoints(struct sw_fake_sink *fake, struct sw_sink *sink) {
    fake->asked = fake->n_saved = 0;
    sw_text_fini(&fake->notices);
    sink->need_checkpoint = need_checkpoint;
    sink->save_checkpoint = save_checkpoint;
    sink->load_checkpoint = load_checkpoint;
    sink->notice = take_notice;
}

const void *sw_fake_sink_get(const struct sw_fake_sink *fake, int64_t row, enum sw_section section,
                             size_t *length) {
    const struct sw_fake_section *found = &fake->sections[row][section];
    if (length != NULL) *length = found->length;
    return found->bytes;
}
