/* Module: data
 * Purpose: a named data set -> one block of memory with images and labels -> batches.
 * Takes: the data.* fields of a trial spec. Gives: struct sw_data_info before anything is decoded
 * into place, then a view over a block that several processes may map read-only. Pixels stay bytes;
 * normalisation is a table of 256 floats per channel that the gather applies. Data files are
 * hostile input: every error names file and offset. */
#pragma once

#include "sweepstake/sweep.h"

/* One data set: one line in src/data/datasets.def. */
struct sw_dataset {
    const char *name;
    const char *summary;
    const char *const *options; /* keys of the data.* fields it uses besides name, limit,
                                   validation, normalize; NULL-terminated */
    /* Shapes and counts without decoding all pixels; fills shape, classes, train (before data.limit,
     * validation still included) and test. Errors: SW_CONFIG, SW_IO. */
    enum sw_status (*probe)(const struct sw_trial_spec *spec, struct sw_data_info *info);
    /* Fill images u8[n, features] and labels u8[n] of both parts: the first n = info->train +
     * info->validation training samples, and all info->test test samples. */
    enum sw_status (*decode)(const struct sw_trial_spec *spec, const struct sw_data_info *info,
                             uint8_t *train_images, uint8_t *train_labels, uint8_t *test_images,
                             uint8_t *test_labels);
};
const struct sw_dataset *sw_dataset_at(size_t index);
const struct sw_dataset *sw_dataset_find(const char *name);
/* Words of data.normalize; NULL past the end. */
const char *sw_normalize_at(size_t index, const char **summary);

/* Decode once to learn everything about a data set, checksum and pixel statistics included; the
 * memory is freed again. Errors: SW_CONFIG (wrong magic, size, label out of range, validation not
 * smaller than the training set), SW_IO (missing, unreadable, truncated, corrupt), SW_UNSUPPORTED
 * (more than four channels), SW_NOMEM; texts name file and offset. With data.limit N only the first
 * N training images are read, and only their labels checked. */
enum sw_status sw_data_probe(const struct sw_trial_spec *spec,
                             struct sw_data_info *info) SW_NODISCARD;

/* Decode into `block` (info->block_bytes bytes, 64-byte aligned, the caller's; layout in
 * src/data/block.h) and check that it is the data set that `info` describes. A block counts only
 * once this has succeeded: its magic is written last. Errors: as above; SW_CONFIG when the checksum differs. */
enum sw_status sw_data_decode(const struct sw_trial_spec *spec, const struct sw_data_info *info,
                              void *block) SW_NODISCARD;

/* ---- blocks that processes share --------------------------------------------------------------- */

/* Decoded data sets in memory that has no name: it is gone when its last user is, however that one
 * ends. It is sealed: nobody can change it, not even a process that has gone wild. */
struct sw_data_blocks {
    int64_t n;
    int *fds; /* [n] file descriptors for reading, to be mapped; -1 where there is none; owned */
};
void sw_data_blocks_close(struct sw_data_blocks *blocks);

/* As sw_data_probe and sw_data_decode, and *fd (the caller's) is such memory with the block. Errors:
 * as above; SW_INTERNAL (no memfd, no /proc). */
enum sw_status sw_data_probe_shared(const struct sw_trial_spec *spec, struct sw_data_info *info,
                                    int *fd) SW_NODISCARD;
enum sw_status sw_data_decode_shared(const struct sw_trial_spec *spec,
                                     const struct sw_data_info *info, int *fd) SW_NODISCARD;
/* Open a block of this or another process once more, for reading only; -1 with errno when that is
 * not possible. */
int sw_data_reopen_shared(int64_t pid, int64_t fd);

/* ---- views ------------------------------------------------------------------------------------- */

enum sw_split { SW_SPLIT_TRAIN, SW_SPLIT_VALIDATION, SW_SPLIT_TEST, SW_SPLIT_COUNT };

/* A view over a decoded block; borrowed. */
struct sw_data {
    struct sw_data_info info;
    int64_t features; /* product of the shape */
    int64_t plane;    /* height * width: features of one channel */
    int64_t count[SW_SPLIT_COUNT];
    const uint8_t *images[SW_SPLIT_COUNT]; /* u8[count, features] */
    const uint8_t *labels[SW_SPLIT_COUNT]; /* u8[count] */
    float *table;                          /* [channels, 256]: pixel -> input; owned */
};
/* `block` was filled by sw_data_decode (perhaps in another process) and outlives the view; only its
 * header is looked at. Errors: SW_DAMAGED when the block does not fit `info`, SW_CONFIG for an
 * unknown word in data.normalize, SW_NOMEM. */
enum sw_status sw_data_open(const struct sw_trial_spec *spec, const struct sw_data_info *info,
                            const void *block, struct sw_data *out) SW_NODISCARD;
void sw_data_close(struct sw_data *data);

/* Order of the n training samples in an epoch: a permutation keyed by (seed, epoch), never by
 * round. */
void sw_data_order(uint64_t seed, int64_t epoch, int64_t n, int32_t *order);
