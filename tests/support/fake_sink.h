/* A sink in memory: what sched does with shared memory and the store, for tests of a trial. It holds the
 * sections of several rows, and refuses what a real sink would: a section twice, out of order, or one that
 * was never provided. */
#pragma once

#include <stddef.h>

#include "sweepstake/sweep.h"
#include "sweepstake/text.h"

#define SW_FAKE_ROWS 16

struct sw_fake_section {
    void *bytes; /* NULL until saved */
    size_t length;
};
struct sw_fake_sink {
    struct sw_fake_section sections[SW_FAKE_ROWS][SW_SECTION_COUNT];
    int64_t row;                 /* row that is being saved */
    int64_t next;                /* lowest section that may be saved next */
    int64_t refused;             /* a section whose save fails, -1: none */
    int64_t progress_calls;      /* since sw_fake_sink_open */
    struct sw_progress progress; /* the last one */
    /* Checkpoints, when they are asked for: after every `save_every` steps of this call (0: never),
     * and after `end_after` of them the training has to end (0: never). */
    int64_t save_every, end_after, asked;
    bool refuses_checkpoints;
    struct sw_digest key;
    int64_t step, n_saved;
    char *checkpoint; /* the last one; owned */
    size_t checkpoint_bytes;
    struct sw_text notices; /* one per line */
};

/* Start an empty sink. */
void sw_fake_sink_init(struct sw_fake_sink *fake);
void sw_fake_sink_fini(struct sw_fake_sink *fake);
/* A sink that saves to `row`, whose earlier sections are dropped. Borrows `fake`. */
struct sw_sink sw_fake_sink_open(struct sw_fake_sink *fake, int64_t row);
/* Make such a sink take checkpoints and notices as well. What was kept before stays. */
void sw_fake_sink_take_checkpoints(struct sw_fake_sink *fake, struct sw_sink *sink);
/* A saved section, NULL when there is none; *length in bytes (may be NULL). Borrowed. */
const void *sw_fake_sink_get(const struct sw_fake_sink *fake, int64_t row, enum sw_section section,
                             size_t *length);
