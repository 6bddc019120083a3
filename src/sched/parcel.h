/* The memory that a worker shares with its trainer for one round: what to do, the sections of the
 * parent that it needs, room for the sections of the result, and how far it has come.
 *
 *     struct sw_parcel_header | result sections, as sw_payload_lay_out says | inputs
 *
 * The worker believes nothing that a trainer wrote without checking it: it may have gone wild. */
#pragma once

#include <stdatomic.h>

#include "slots.h"
#include "sweepstake/sweep.h"
#include "sweepstake/trial.h"

#define SW_PARCEL_INPUTS 7
#define SW_PARCEL_NOTES 8 /* more are dropped */

struct sw_parcel_input {
    int64_t row;     /* a round that this one starts from */
    int64_t section; /* enum sw_section */
    int64_t from;    /* first byte of the section that is here */
    int64_t offset;  /* in the parcel */
    int64_t bytes;
};

struct sw_parcel_header {
    uint64_t magic;
    int64_t total; /* bytes of the parcel */
    struct sw_round_task task;
    int64_t rank, threads, attempt;
    double assigned;
    char backend[32];
    double checkpoint_seconds; /* between two checkpoints; 0: none */
    int64_t durable;
    char slots[SW_SLOTS_PATH];
    struct sw_digest identity; /* of what a checkpoint depends on */
    int64_t n_inputs;
    struct sw_parcel_input input[SW_PARCEL_INPUTS];
    /* Written by the worker meanwhile: 1 asks to take a checkpoint and end; or to take one and go on, which
     * the trainer sets to 0 again. */
    _Atomic int64_t stop, save;
    /* Written by the trainer. */
    _Atomic int64_t ticks; /* grows with every sign of life */
    _Atomic int64_t step, steps;
    int64_t length[SW_SECTION_COUNT]; /* bytes handed over */
    _Atomic int64_t n_notes;
    char note[SW_PARCEL_NOTES][320]; /* for people */
};

struct sw_parcel {
    int fd; /* of the memory; -1 when closed */
    size_t total;
    struct sw_parcel_header *header;
    struct sw_payload_layout layout; /* offsets from the beginning of the parcel */
};

/* What a parcel has to hold; the plans of the rounds stand in `task` and `inputs` of the header. */
struct sw_parcel_need {
    const struct sw_round_task *task;
    int64_t n_inputs;
    struct sw_parcel_input input[SW_PARCEL_INPUTS]; /* offsets are filled in */
};

/* In the worker: make a parcel with room for everything. Close with sw_parcel_close.
 * Errors: SW_INTERNAL, SW_NOMEM. */
enum sw_status sw_parcel_create(const struct sw_parcel_need *need,
                                struct sw_parcel *out) SW_NODISCARD;
/* In the trainer: map a parcel that came as a file descriptor, which is taken. Errors:
 * SW_INTERNAL. */
enum sw_status sw_parcel_map(int fd, struct sw_parcel *out) SW_NODISCARD;
void sw_parcel_close(struct sw_parcel *parcel);

/* In the trainer: leave a note. In the worker: copy note `index` out; false when there is none. */
void sw_parcel_add_note(struct sw_parcel *parcel, const char *text);
bool sw_parcel_note(const struct sw_parcel *parcel, int64_t index, char *out, size_t size);

void *sw_parcel_input_bytes(const struct sw_parcel *parcel, int64_t index);
void *sw_parcel_section(const struct sw_parcel *parcel, enum sw_section section);

/* In the worker: the result as the trainer left it. Errors: SW_INTERNAL when it cannot be one. */
enum sw_status sw_parcel_result(const struct sw_parcel *parcel, int64_t row,
                                const void *bytes[SW_SECTION_COUNT],
                                size_t length[SW_SECTION_COUNT]) SW_NODISCARD;
