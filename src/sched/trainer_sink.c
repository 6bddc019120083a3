#include "trainer_sink.h"

#include <string.h>

#include "sweepstake/sched.h"
#include "sweepstake/system.h"
#include "sweepstake/text.h"

/* ---- sections -------------------------------------------------------------------------------- */

static enum sw_status load_input(void *context, int64_t row, enum sw_section section, size_t from,
                                 void *out, size_t bytes) {
    const struct sw_trainer_sink *to = context;
    const struct sw_parcel *parcel = to->parcel;
    for (int64_t i = 0; i < parcel->header->n_inputs; i++) {
        const struct sw_parcel_input *input = &parcel->header->input[i];
        if (input->row != row || input->section != (int64_t) section ||
            (size_t) input->from != from)
            continue;
        if ((size_t) input->bytes != bytes)
            return SW_FAIL(SW_DAMAGED, "row %lld has %lld bytes of %s, not %zu", (long long) row,
                           (long long) input->bytes, sw_section_name(section), bytes);
        memcpy(out, sw_parcel_input_bytes(parcel, i), bytes);
        return SW_OK;
    }
    return SW_FAIL(SW_NOT_FOUND, "%s of row %lld was not provided", sw_section_name(section),
                   (long long) row);
}

static enum sw_status save_section(void *context, enum sw_section section, const void *from,
                                   size_t bytes) {
    const struct sw_trainer_sink *to = context;
    const struct sw_parcel *parcel = to->parcel;
    if (bytes > parcel->layout.bytes[section])
        return SW_FAIL(SW_INTERNAL, "%zu bytes of %s, but only %zu were planned", bytes,
                       sw_section_name(section), parcel->layout.bytes[section]);
    if (bytes > 0) memcpy(sw_parcel_section(parcel, section), from, bytes);
    parcel->header->length[section] = (int64_t) bytes;
    return SW_OK;
}

static void tell_progress(void *context, const struct sw_progress *progress) {
    const struct sw_trainer_sink *to = context;
    const struct sw_parcel *parcel = to->parcel;
    atomic_store_explicit(&parcel->header->step, progress->step, memory_order_relaxed);
    atomic_store_explicit(&parcel->header->steps, progress->steps, memory_order_relaxed);
    (void) atomic_fetch_add_explicit(&parcel->header->ticks, 1, memory_order_relaxed);
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

static enum sw_checkpoint_need need_checkpoint(void *context) {
    const struct sw_trainer_sink *to = context;
    const struct sw_parcel_header *header = to->parcel->header;
    if (atomic_load_explicit(&header->stop, memory_order_relaxed) != 0) return SW_CHECKPOINT_END;
    bool due = sw_clock_monotonic() - to->saved_at >= header->checkpoint_seconds;
    return due ? SW_CHECKPOINT_SAVE : SW_CHECKPOINT_NONE;
}

static enum sw_status save_checkpoint(void *context, struct sw_digest key, int64_t step,
                                      const void *from, size_t bytes) {
    struct sw_trainer_sink *to = context;
    struct sw_digest id = sw_slots_join(to->parcel->header->identity, key);
    enum sw_status status = sw_slots_save(&to->slots, id, step, from, bytes);
    to->saved_at = sw_clock_monotonic(); /* from the end: a slow disk must not eat the training */
    return status;
}

static enum sw_status load_checkpoint(void *context, struct sw_digest key, size_t capacity,
                                      char **out, size_t *bytes) {
    struct sw_trainer_sink *to = context;
    struct sw_digest id = sw_slots_join(to->parcel->header->identity, key);
    return sw_slots_load(&to->slots, id, capacity, out, bytes);
}

static void take_notice(void *context, const char *text) {
    const struct sw_trainer_sink *to = context;
    sw_parcel_add_note(to->parcel, text);
}

/* ---- both ------------------------------------------------------------------------------------ */

void sw_trainer_sink_open(struct sw_parcel *parcel, struct sw_trainer_sink *out) {
    const struct sw_parcel_header *header = parcel->header;
    memset(out, 0, sizeof *out);
    out->parcel = parcel;
    out->saved_at = sw_clock_monotonic();
    out->sink = (struct sw_sink){.context = out,
                                 .load = load_input,
                                 .save = save_section,
                                 .progress = tell_progress,
                                 .notice = take_notice};
    if (!(header->checkpoint_seconds > 0)) return;
    SW_TEXT_COPY(out->slots.folder, header->slots);
    out->slots.row = header->task.plan.row;
    out->slots.durable = header->durable != 0;
    out->slots.tell = take_notice;
    out->slots.context = out;
    out->sink.need_checkpoint = need_checkpoint;
    out->sink.save_checkpoint = save_checkpoint;
    out->sink.load_checkpoint = load_checkpoint;
}

int64_t sw_sched_checkpoint_bytes(const struct sw_sweep *sweep, int64_t row) {
    const struct sw_round_plan *plan = &sweep->rounds[row];
    return sw_slots_overhead() + sw_trial_checkpoint_bytes(&sweep->trials[plan->trial], plan,
                                                           sweep->archs[plan->arch].n_layers);
}
