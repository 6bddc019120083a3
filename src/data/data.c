/* A data set from its name to a view: probe, decode, open. */
#include "sweepstake/data.h"

#include <inttypes.h>
#include <string.h>

#include "block.h"
#include "limits.h"
#include "normalize.h"
#include "reshape.h"
#include "sweepstake/memory.h"
#include "sweepstake/random.h"
#include "sweepstake/text.h"

/* ---- what a data set is, before it is decoded ------------------------------------------------------ */

static enum sw_status fail_unknown(const char *name) {
    const char *names[16];
    size_t n_names = 0;
    for (const struct sw_dataset *set; n_names < 16 && (set = sw_dataset_at(n_names)) != NULL;)
        names[n_names++] = set->name;
    const char *nearest = sw_text_nearest(name, names, n_names);
    if (nearest != NULL)
        return SW_FAIL(SW_CONFIG, "data.name: %s is unknown; did you mean %s?", name, nearest);
    return SW_FAIL(SW_CONFIG,
                   "data.name: %s is unknown; \"sweepstake show data\" lists what there is", name);
}

/* Bounds that hold for every data set, whoever made it. */
static enum sw_status check_sizes(const struct sw_data_info *info) {
    const int64_t *shape = info->shape;
    int64_t largest = info->train > info->test ? info->train : info->test;
    if (shape[0] < 1 || shape[0] > SW_DATA_MAX_CHANNELS)
        return SW_FAIL(SW_UNSUPPORTED,
                       "data set %s: %" PRId64 " channels; 1 to %" PRId64 " are supported",
                       info->name, shape[0], SW_DATA_MAX_CHANNELS);
    if (shape[1] < 1 || shape[1] > SW_DATA_MAX_SIDE || shape[2] < 1 || shape[2] > SW_DATA_MAX_SIDE)
        return SW_FAIL(SW_CONFIG,
                       "data set %s: %" PRId64 " x %" PRId64 " pixels; a side has 1 to %" PRId64,
                       info->name, shape[1], shape[2], SW_DATA_MAX_SIDE);
    if (info->classes < 2 || info->classes > SW_DATA_MAX_CLASSES)
        return SW_FAIL(SW_CONFIG,
                       "data set %s: %" PRId64 " classes; 2 to %" PRId64 " are supported",
                       info->name, info->classes, SW_DATA_MAX_CLASSES);
    if (info->train < 1 || info->test < 1 || largest > SW_DATA_MAX_SAMPLES)
        return SW_FAIL(SW_CONFIG,
                       "data set %s: %" PRId64 " training and %" PRId64
                       " test samples; 1 to %" PRId64 " expected",
                       info->name, info->train, info->test, SW_DATA_MAX_SAMPLES);
    if (largest > SW_DATA_MAX_BYTES / (shape[0] * shape[1] * shape[2]))
        return SW_FAIL(SW_CONFIG,
                       "data set %s: %" PRId64 " samples of %" PRId64 " x %" PRId64 " x %" PRId64
                       " bytes are more than 16 GiB",
                       info->name, largest, shape[0], shape[1], shape[2]);
    return SW_OK;
}

/* Hold the last data.validation training images back. */
static enum sw_status split_validation(const struct sw_trial_spec *spec,
                                       struct sw_data_info *info) {
    if (spec->data_validation < 0 || spec->data_validation >= info->train)
        return SW_FAIL(SW_CONFIG,
                       "data.validation: %" PRId64 " images cannot be held out of %" PRId64
                       " training images; 0 to %" PRId64 " expected",
                       spec->data_validation, info->train, info->train - 1);
    info->validation = spec->data_validation;
    info->train -= info->validation;
    return SW_OK;
}

enum sw_status sw_data_describe(const struct sw_trial_spec *spec, struct sw_data_source *source,
                                struct sw_data_info *info) {
    struct sw_block_layout layout;
    memset(info, 0, sizeof *info);
    source->dataset = sw_dataset_find(spec->data_name);
    if (source->dataset == NULL) return fail_unknown(spec->data_name);
    SW_TEXT_COPY(info->name, source->dataset->name);
    SW_TRY(source->dataset->probe(spec, info));
    if (spec->data_limit > 0 && info->train > spec->data_limit) info->train = spec->data_limit;
    SW_TRY(check_sizes(info));
    memcpy(source->stored, info->shape, sizeof source->stored);
    SW_TRY(sw_reshape_target(spec, source->stored, info->shape));
    SW_TRY(check_sizes(info));
    SW_TRY(split_validation(spec, info));
    sw_block_lay_out(info, &layout);
    info->block_bytes = (int64_t) layout.total;
    return SW_OK;
}

/* Images and labels of both parts, wherever they are. */
struct arrays {
    uint8_t *train_images, *train_labels, *test_images, *test_labels;
};

static struct arrays arrays_of(const struct sw_data_info *info, uint8_t *block) {
    struct sw_block_layout layout;
    sw_block_lay_out(info, &layout);
    return (struct arrays){
        block + layout.offset[SW_BLOCK_TRAIN_IMAGES], block + layout.offset[SW_BLOCK_TRAIN_LABELS],
        block + layout.offset[SW_BLOCK_TEST_IMAGES], block + layout.offset[SW_BLOCK_TEST_LABELS]};
}

/* By way of a block of images as they are stored. */
static enum sw_status fill_reshaped(const struct sw_trial_spec *spec,
                                    const struct sw_data_source *source,
                                    const struct sw_data_info *info, const struct arrays *out) {
    struct sw_data_info stored = *info;
    struct sw_block_layout layout;
    uint8_t *block = NULL;
    enum sw_status status = SW_OK;
    int64_t train = info->train + info->validation;
    memcpy(stored.shape, source->stored, sizeof stored.shape);
    sw_block_lay_out(&stored, &layout);
    SW_TRY(SW_ALLOC(&block, layout.total, "the data set"));
    struct arrays in = arrays_of(&stored, block);
    SW_TRY_TO(source->dataset->decode(spec, &stored, in.train_images, out->train_labels,
                                      in.test_images, out->test_labels),
              status, cleanup);
    SW_TRY_TO(
        sw_reshape_images(stored.shape, info->shape, train, in.train_images, out->train_images),
        status, cleanup);
    SW_TRY_TO(
        sw_reshape_images(stored.shape, info->shape, info->test, in.test_images, out->test_images),
        status, cleanup);
cleanup:
    SW_FREE(&block);
    return status;
}

/* Fill the four arrays of a block; the header comes later. */
static enum sw_status fill_arrays(const struct sw_trial_spec *spec,
                                  const struct sw_data_source *source,
                                  const struct sw_data_info *info, uint8_t *block) {
    struct arrays out = arrays_of(info, block);
    if (memcmp(source->stored, info->shape, sizeof source->stored) != 0)
        return fill_reshaped(spec, source, info, &out);
    return source->dataset->decode(spec, info, out.train_images, out.train_labels, out.test_images,
                                   out.test_labels);
}

enum sw_status sw_data_learn(const struct sw_trial_spec *spec, const struct sw_data_source *source,
                             uint8_t *block, struct sw_data_info *info) {
    SW_TRY(fill_arrays(spec, source, info, block));
    sw_block_measure(block, info);
    return sw_block_checksum(info, block, &info->checksum);
}

enum sw_status sw_data_probe(const struct sw_trial_spec *spec, struct sw_data_info *info) {
    struct sw_data_source source;
    struct sw_data_info found;
    uint8_t *block = NULL;
    SW_TRY(sw_data_describe(spec, &source, &found));
    SW_TRY(SW_ALLOC(&block, (size_t) found.block_bytes, "the data set"));
    enum sw_status status = sw_data_learn(spec, &source, block, &found);
    if (status == SW_OK) *info = found;
    SW_FREE(&block);
    return status;
}

/* ---- decoding into place --------------------------------------------------------------------------- */

/* The files may have changed since they were probed. */
static enum sw_status check_same(const struct sw_data_info *now, const struct sw_data_info *then) {
    if (strcmp(now->name, then->name) == 0 &&
        memcmp(now->shape, then->shape, sizeof now->shape) == 0 && now->classes == then->classes &&
        now->train == then->train && now->validation == then->validation &&
        now->test == then->test && now->block_bytes == then->block_bytes)
        return SW_OK;
    return SW_FAIL(SW_CONFIG,
                   "data set %s has changed: %" PRId64 " training, %" PRId64
                   " validation and %" PRId64 " test images of %" PRId64 " x %" PRId64 " x %" PRId64
                   " now; %" PRId64 ", %" PRId64 " and %" PRId64 " of %" PRId64 " x %" PRId64
                   " x %" PRId64 " before",
                   then->name, now->train, now->validation, now->test, now->shape[0], now->shape[1],
                   now->shape[2], then->train, then->validation, then->test, then->shape[0],
                   then->shape[1], then->shape[2]);
}

enum sw_status sw_data_decode(const struct sw_trial_spec *spec, const struct sw_data_info *info,
                              void *block) {
    struct sw_data_source source;
    struct sw_data_info now;
    char found[SW_DIGEST_TEXT], expected[SW_DIGEST_TEXT];
    if ((uintptr_t) block % SW_ALIGNMENT != 0)
        return SW_FAIL(SW_INTERNAL, "the block for data set %s is not aligned to %zu bytes",
                       info->name, SW_ALIGNMENT);
    SW_TRY(sw_data_describe(spec, &source, &now));
    SW_TRY(check_same(&now, info));
    memset(block, 0, SW_ALIGNMENT); /* no magic until all is in place */
    SW_TRY(fill_arrays(spec, &source, info, block));
    SW_TRY(sw_block_checksum(info, block, &now.checksum));
    if (!sw_digest_equal(now.checksum, info->checksum))
        return SW_FAIL(SW_CONFIG, "data set %s has changed: checksum %s now, %s before", info->name,
                       sw_digest_text(now.checksum, found),
                       sw_digest_text(info->checksum, expected));
    sw_block_seal(info, block);
    return SW_OK;
}

/* ---- a view ---------------------------------------------------------------------------------------- */

static void point_at_splits(const uint8_t *block, struct sw_data *data) {
    struct sw_block_layout layout;
    sw_block_lay_out(&data->info, &layout);
    data->count[SW_SPLIT_TRAIN] = data->info.train;
    data->count[SW_SPLIT_VALIDATION] = data->info.validation;
    data->count[SW_SPLIT_TEST] = data->info.test;
    data->images[SW_SPLIT_TRAIN] = block + layout.offset[SW_BLOCK_TRAIN_IMAGES];
    data->labels[SW_SPLIT_TRAIN] = block + layout.offset[SW_BLOCK_TRAIN_LABELS];
    data->images[SW_SPLIT_VALIDATION] = data->images[SW_SPLIT_TRAIN] +
                                        data->info.train * data->features;
    data->labels[SW_SPLIT_VALIDATION] = data->labels[SW_SPLIT_TRAIN] + data->info.train;
    data->images[SW_SPLIT_TEST] = block + layout.offset[SW_BLOCK_TEST_IMAGES];
    data->labels[SW_SPLIT_TEST] = block + layout.offset[SW_BLOCK_TEST_LABELS];
}

enum sw_status sw_data_open(const struct sw_trial_spec *spec, const struct sw_data_info *info,
                            const void *block, struct sw_data *out) {
    struct sw_data data = {.info = *info};
    SW_TRY(sw_block_check(info, block));
    data.plane = info->shape[1] * info->shape[2];
    data.features = info->shape[0] * data.plane;
    point_at_splits(block, &data);
    SW_TRY(SW_ALLOC(&data.table, (size_t) info->shape[0] * 256, "the table of inputs"));
    enum sw_status status = sw_normalize_fill(spec->data_normalize, (int) info->shape[0],
                                              info->mean, info->deviation, data.table);
    if (status == SW_OK)
        *out = data;
    else
        SW_FREE(&data.table);
    return status;
}

void sw_data_close(struct sw_data *data) {
    SW_FREE(&data->table);
    memset(data, 0, sizeof *data);
}

void sw_data_order(uint64_t seed, int64_t epoch, int64_t n, int32_t *order) {
    sw_random_permutation(seed, SW_RANDOM_ORDER, (uint64_t) epoch, order, n);
}
