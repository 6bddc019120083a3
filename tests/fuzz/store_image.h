/* A small finished store as bytes in memory, to be damaged and, on demand, sealed again so that the damage
 * gets past the checksums. */
#pragma once

#include "../../src/store/store_internal.h"

/* Rounds of the image by what became of them; the others are finished. */
#define IMAGE_FAILED_ROW 3
#define IMAGE_MISSING_ROW 4

/* What a run of bytes of the file is. */
enum image_part { IMAGE_STRUCTURE, IMAGE_BLOCK, IMAGE_FIXED, IMAGE_SLAB };
struct image_run {
    enum image_part part;
    size_t offset, bytes;
};
#define IMAGE_MAX_RUNS (2 * SW_SET_COUNT + 2)

struct image {
    uint8_t *bytes; /* the undamaged file */
    size_t length;
    struct sw_place place[SW_SET_COUNT]; /* of every dataset */
    int n_runs;
    struct image_run run[IMAGE_MAX_RUNS]; /* all of the file, in order */
    int64_t n_rounds;
    struct sw_round_plan *rounds;
};

/* Make the store in a process of its own (writing needs MPI, which must not stay here) and load it. */
void image_make(const char *path, struct image *out);

/* Where the first `elements` elements of a round's section stand; false when it has none. */
bool image_section(const struct image *image, int64_t row, enum sw_section section,
                   int64_t elements, size_t *offset, size_t *bytes);
/* Where the commit record of a row stands; it need not be aligned. */
size_t image_commit(const struct image *image, int64_t row);

/* Checksums that fit the bytes again: those of sections within the commit records, and those of the
 * records themselves. `bytes` are at least as many as those of the image. */
void image_seal_rounds(const struct image *image, uint8_t *bytes, bool sections, bool commits);
/* The same for the user block and what is outside the extents, of a file of any length. */
void image_seal_block(uint8_t *bytes, size_t length);
