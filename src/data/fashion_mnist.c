/* fashion-mnist: four IDX files. */
#include "datasets.h"
#include "idx_set.h"

#define FOLDER "/usr/share/datasets/fashion-mnist" /* for an empty data.dir */

static const char *const options[] = {"data.dir", NULL};

static enum sw_status probe(const struct sw_trial_spec *spec, struct sw_data_info *info) {
    return sw_idx_set_probe(spec, FOLDER, info);
}

static enum sw_status decode(const struct sw_trial_spec *spec, const struct sw_data_info *info,
                             uint8_t *train_images, uint8_t *train_labels, uint8_t *test_images,
                             uint8_t *test_labels) {
    return sw_idx_set_decode(spec, FOLDER, info, train_images, train_labels, test_images,
                             test_labels);
}

const struct sw_dataset sw_dataset_fashion_mnist = {
    .name = "fashion-mnist",
    .summary =
        "grey images of clothes in 10 classes: IDX files, plain or .gz, in data.dir (empty: " FOLDER
        ", Debian package dataset-fashion-mnist)",
    .options = options,
    .probe = probe,
    .decode = decode,
};
