/* cifar-10 and cifar-100: binary files as their authors publish them, unpacked in data.dir. */
#include <inttypes.h>
#include <stdio.h>

#include "cifar_file.h"
#include "datasets.h"

#define MAX_FILES 5

struct cifar {
    const char *name;
    struct sw_cifar_labels labels;
    int n_train;
    const char *train[MAX_FILES];
    const char *test;
};

static const struct cifar ten = {.name = "cifar-10",
                                 .labels = {.n = 1, .limits = {10, 0}},
                                 .n_train = 5,
                                 .train = {"data_batch_1.bin", "data_batch_2.bin",
                                           "data_batch_3.bin", "data_batch_4.bin",
                                           "data_batch_5.bin"},
                                 .test = "test_batch.bin"};
/* Coarse label first, then the fine one. */
static const struct cifar hundred = {.name = "cifar-100",
                                     .labels = {.n = 2, .limits = {20, 100}},
                                     .n_train = 1,
                                     .train = {"train.bin"},
                                     .test = "test.bin"};

static enum sw_status open_file(const struct sw_trial_spec *spec, const struct cifar *set,
                                const char *name, struct sw_cifar_file *out) {
    char path[sizeof out->path];
    if (spec->data_dir[0] == '\0')
        return SW_FAIL(SW_CONFIG,
                       "%s: data.dir is empty; it has to be the folder with %s and the others",
                       set->name, name);
    snprintf(path, sizeof path, "%s/%s", spec->data_dir, name);
    return sw_cifar_open(path, &set->labels, out);
}

static enum sw_status count_records(const struct sw_trial_spec *spec, const struct cifar *set,
                                    const char *name, int64_t *sum) {
    struct sw_cifar_file file = {0};
    SW_TRY(open_file(spec, set, name, &file));
    *sum += file.count;
    sw_cifar_close(&file);
    return SW_OK;
}

static enum sw_status probe(const struct sw_trial_spec *spec, const struct cifar *set,
                            struct sw_data_info *info) {
    int64_t train = 0, test = 0;
    for (int i = 0; i < set->n_train; i++)
        SW_TRY(count_records(spec, set, set->train[i], &train));
    SW_TRY(count_records(spec, set, set->test, &test));
    info->shape[0] = 3;
    info->shape[1] = info->shape[2] = 32;
    info->classes = set->labels.limits[set->labels.n - 1];
    info->train = train;
    info->test = test;
    return SW_OK;
}

/* Up to n records; *n falls by what the file gave. */
static enum sw_status read_file(const struct sw_trial_spec *spec, const struct cifar *set,
                                const char *name, int64_t *n, uint8_t *images, uint8_t *labels) {
    struct sw_cifar_file file = {0};
    SW_TRY(open_file(spec, set, name, &file));
    int64_t count = file.count < *n ? file.count : *n;
    enum sw_status status = sw_cifar_read(&file, count, images, labels);
    sw_cifar_close(&file);
    *n -= count;
    return status;
}

/* The files are opened a second time here: they may have changed. */
static enum sw_status check_all_read(const struct cifar *set, const char *what, int64_t left) {
    if (left == 0) return SW_OK;
    return SW_FAIL(SW_CONFIG, "%s: %" PRId64 " %s images fewer than before: the files changed",
                   set->name, left, what);
}

static enum sw_status decode(const struct sw_trial_spec *spec, const struct cifar *set,
                             const struct sw_data_info *info, uint8_t *train_images,
                             uint8_t *train_labels, uint8_t *test_images, uint8_t *test_labels) {
    int64_t train = info->train + info->validation, left = train, test = info->test;
    for (int i = 0; i < set->n_train && left > 0; i++) {
        int64_t done = train - left;
        SW_TRY(read_file(spec, set, set->train[i], &left, train_images + done * SW_CIFAR_PIXELS,
                         train_labels + done));
    }
    SW_TRY(check_all_read(set, "training", left));
    SW_TRY(read_file(spec, set, set->test, &test, test_images, test_labels));
    return check_all_read(set, "test", test);
}

/* ---- the two -------------------------------------------------------------------------------- */

static const char *const options[] = {"data.dir", NULL};

static enum sw_status probe_10(const struct sw_trial_spec *spec, struct sw_data_info *info) {
    return probe(spec, &ten, info);
}
static enum sw_status decode_10(const struct sw_trial_spec *spec, const struct sw_data_info *info,
                                uint8_t *train_images, uint8_t *train_labels, uint8_t *test_images,
                                uint8_t *test_labels) {
    return decode(spec, &ten, info, train_images, train_labels, test_images, test_labels);
}
static enum sw_status probe_100(const struct sw_trial_spec *spec, struct sw_data_info *info) {
    return probe(spec, &hundred, info);
}
static enum sw_status decode_100(const struct sw_trial_spec *spec, const struct sw_data_info *info,
                                 uint8_t *train_images, uint8_t *train_labels, uint8_t *test_images,
                                 uint8_t *test_labels) {
    return decode(spec, &hundred, info, train_images, train_labels, test_images, test_labels);
}

const struct sw_dataset sw_dataset_cifar_10 = {
    .name = "cifar-10",
    .summary = "colour images of 10 classes, 32 x 32: data_batch_1.bin to _5.bin and "
               "test_batch.bin in data.dir",
    .options = options,
    .probe = probe_10,
    .decode = decode_10,
};
const struct sw_dataset sw_dataset_cifar_100 = {
    .name = "cifar-100",
    .summary =
        "colour images of 100 classes (the fine ones), 32 x 32: train.bin and test.bin in data.dir",
    .options = options,
    .probe = probe_100,
    .decode = decode_100,
};
