/* The decoded data set as one block of memory that several processes may map:
 *
 *     struct sw_block_header, then at multiples of 64 bytes
 *     train images  u8[train + validation][channels, height, width]   (the last ones are for validation)
 *     train labels  u8[train + validation]
 *     test images   u8[test][channels, height, width]
 *     test labels   u8[test]
 *
 * Gaps are zero, so equal data sets are equal blocks. The header is written last: a block that is not
 * complete has no magic. Private to data. */
#pragma once

#include "sweepstake/data.h"

enum sw_block_array {
    SW_BLOCK_TRAIN_IMAGES,
    SW_BLOCK_TRAIN_LABELS,
    SW_BLOCK_TEST_IMAGES,
    SW_BLOCK_TEST_LABELS,
    SW_BLOCK_COUNT
};

struct sw_block_layout {
    size_t offset[SW_BLOCK_COUNT]; /* from the start of the block */
    size_t bytes[SW_BLOCK_COUNT];
    size_t total;
};

/* From shape, train, validation and test. */
void sw_block_lay_out(const struct sw_data_info *info, struct sw_block_layout *out);

/* XXH3-128 over the four arrays in order. Errors: SW_NOMEM. */
enum sw_status sw_block_checksum(const struct sw_data_info *info, const uint8_t *block,
                                 struct sw_digest *out) SW_NODISCARD;

/* Mean and deviation per channel of the training images (validation excluded) in 0..1: exact sums over
 * a histogram of the 256 values, then rounded once. Fills info->mean and info->deviation. */
void sw_block_measure(const uint8_t *block, struct sw_data_info *info);

/* Make the block valid: write its header. */
void sw_block_seal(const struct sw_data_info *info, uint8_t *block);

/* Errors: SW_DAMAGED when the header is not the one that sw_block_seal would write. */
enum sw_status sw_block_check(const struct sw_data_info *info, const uint8_t *block) SW_NODISCARD;

/* ---- data.c for shared.c ----------------------------------------------------------------------- */

/* A data set, and the shape of the images in its files. */
struct sw_data_source {
    const struct sw_dataset *dataset;
    int64_t stored[3];
};
/* Everything but pixel statistics and checksum. Errors: those of sw_data_probe. */
enum sw_status sw_data_describe(const struct sw_trial_spec *spec, struct sw_data_source *source,
                                struct sw_data_info *info) SW_NODISCARD;
/* Decode into the arrays of `block`, whose header comes later, and add the rest to a description. */
enum sw_status sw_data_learn(const struct sw_trial_spec *spec, const struct sw_data_source *source,
                             uint8_t *block, struct sw_data_info *info) SW_NODISCARD;
