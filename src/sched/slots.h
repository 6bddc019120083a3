/* Checkpoints of rounds that are training, as files beside the store: STORE.checkpoints/ROW.0 and
 * ROW.1, written in turn, so that a kill while one is written leaves the other.
 *
 *     header | payload | XXH3-128 of all before it
 *
 * A slot that is torn, damaged, or of something else is told and ignored. Two writers of one row may
 * meet (a worker that was thought lost): whatever checks is a true state of the round, because a round
 * has one course only. */
#pragma once

#include "sweepstake/digest.h"
#include "sweepstake/store.h"

#define SW_SLOTS_PATH 512

struct sw_slots {
    char folder[SW_SLOTS_PATH];
    int64_t row;
    bool durable; /* sync what is written */
    int next;     /* which one is written next */
    int64_t serial;
    void (*tell)(void *context, const char *text); /* what is ignored, and why; may be NULL */
    void *context;
};

/* Bytes of a slot beside its payload. */
int64_t sw_slots_overhead(void);

/* The folder of a store's slots. Errors: SW_IO (the path is too long). */
enum sw_status sw_slots_folder(const char *store_path, char out[SW_SLOTS_PATH]) SW_NODISCARD;

/* What makes a checkpoint usable: the round, and everything that its bits depend on beside it. */
struct sw_digest sw_slots_identify(const struct sw_round_plan *plan,
                                   const struct sw_store_identity *identity, const char *backend);
/* The same with what the trial adds to it. */
struct sw_digest sw_slots_join(struct sw_digest identity, struct sw_digest key);

/* Write one, in place of the older of the two. Makes the folder. Errors: SW_IO, SW_NOMEM. */
enum sw_status sw_slots_save(struct sw_slots *slots, struct sw_digest id, int64_t step,
                             const void *from, size_t bytes) SW_NODISCARD;
/* The one with the most steps that checks, of at most `capacity` bytes of payload; the caller frees
 * it. Errors: SW_NOT_FOUND, SW_NOMEM. */
enum sw_status sw_slots_load(struct sw_slots *slots, struct sw_digest id, size_t capacity,
                             char **out, size_t *bytes) SW_NODISCARD;

/* Remove a round's slots, if there are any. */
void sw_slots_remove(const char *folder, int64_t row);
/* Remove the slots of rounds that need none any more, and the folder when it is empty. Other files
 * are left alone. */
void sw_slots_tidy(const char *folder, bool (*is_over)(void *context, int64_t row), void *context);
