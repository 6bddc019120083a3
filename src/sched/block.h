/* The memory that a worker shares with its trainer for one round: what to do, the sections of the parent
 * that it needs, room for the sections of the result, and how far it has come.
 *
 *     struct sw_block_header | result sections, as sw_payload_lay_out says | inputs
 *
 * The worker believes nothing that a trainer wrote without checking it: a trainer may have gone wild. */
#pragma once

#include <stdatomic.h>

#include "sweepstake/sweep.h"
#include "sweepstake/trial.h"

#define SW_BLOCK_INPUTS 3

struct sw_block_input {
    int64_t row;     /* a round that this one starts from */
    int64_t section; /* enum sw_section */
    int64_t offset;  /* in the block */
    int64_t bytes;
};

struct sw_block_header {
    uint64_t magic;
    int64_t total; /* bytes of the block */
    struct sw_round_task task;
    int64_t rank, threads, attempt;
    double assigned;
    char backend[32];
    int64_t n_inputs;
    struct sw_block_input input[SW_BLOCK_INPUTS];
    /* Written by the trainer. */
    _Atomic int64_t ticks; /* grows with every sign of life */
    _Atomic int64_t step, steps;
    int64_t length[SW_SECTION_COUNT]; /* bytes handed over */
};

struct sw_block {
    int fd; /* of the memory; -1 when closed */
    size_t total;
    struct sw_block_header *header;
    struct sw_payload_layout layout; /* offsets from the beginning of the block */
};

/* What a block has to hold; the plans of the rounds stand in `task` and `inputs` of the header. */
struct sw_block_need {
    const struct sw_round_task *task;
    int64_t n_inputs;
    struct sw_block_input input[SW_BLOCK_INPUTS]; /* offsets are filled in */
};

/* In the worker: make a block with room for everything. Close with sw_block_close.
 * Errors: SW_INTERNAL, SW_NOMEM. */
enum sw_status sw_block_create(const struct sw_block_need *need, struct sw_block *out) SW_NODISCARD;
/* In the trainer: map a block that came as a file descriptor, which is taken. Errors: SW_INTERNAL. */
enum sw_status sw_block_map(int fd, struct sw_block *out) SW_NODISCARD;
void sw_block_close(struct sw_block *block);

void *sw_block_input_bytes(const struct sw_block *block, int64_t index);
void *sw_block_section(const struct sw_block *block, enum sw_section section);

/* In the worker: the result as the trainer left it. Errors: SW_INTERNAL when it cannot be one. */
enum sw_status sw_block_result(const struct sw_block *block, int64_t row,
                               const void *bytes[SW_SECTION_COUNT],
                               size_t length[SW_SECTION_COUNT]) SW_NODISCARD;
