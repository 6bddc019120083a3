/* Four IDX files in a folder: finding them, and checking them against each other. */
#include "idx_set.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "idx.h"

/* Images and labels of the training or the test half; zeroed when closed. */
struct part {
    struct sw_idx images, labels;
};

static void close_part(struct part *part) {
    sw_idx_close(&part->images);
    sw_idx_close(&part->labels);
}

static enum sw_status fail_missing(const char *folder, const char *stem, enum sw_idx_kind kind) {
    if (access(folder, F_OK) != 0)
        return SW_FAIL(SW_IO,
                       "%s: there is no such folder; data.dir should be where the IDX files are",
                       folder);
    return SW_FAIL(SW_IO,
                   "%s/%s-idx%d-ubyte: there is no such file, nor one that ends in .gz, nor "
                   "%s.idx%d-ubyte; data.dir should be where the IDX files are",
                   folder, stem, kind, stem, kind);
}

/* Open the first spelling that exists: "STEM-idx3-ubyte", the same with ".gz", "STEM.idx3-ubyte", ... */
static enum sw_status open_spelling(const char *folder, const char *stem, enum sw_idx_kind kind,
                                    struct sw_idx *out) {
    static const char *const separators[] = {"-", "."};
    static const char *const suffixes[] = {"", ".gz"};
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            char path[sizeof out->path];
            snprintf(path, sizeof path, "%s/%s%sidx%d-ubyte%s", folder, stem, separators[i], kind,
                     suffixes[j]);
            if (access(path, F_OK) == 0 || errno != ENOENT) return sw_idx_open(path, kind, out);
        }
    }
    return fail_missing(folder, stem, kind);
}

/* On failure everything is closed. `name` is "train" or "t10k". */
static enum sw_status open_part(const char *folder, const char *name, struct part *out) {
    char stem[32];
    struct part part = {0};
    enum sw_status status = SW_OK;
    snprintf(stem, sizeof stem, "%s-images", name);
    SW_TRY_TO(open_spelling(folder, stem, SW_IDX_IMAGES, &part.images), status, cleanup);
    snprintf(stem, sizeof stem, "%s-labels", name);
    SW_TRY_TO(open_spelling(folder, stem, SW_IDX_LABELS, &part.labels), status, cleanup);
    if (part.images.count != part.labels.count)
        SW_TRY_TO(SW_FAIL(SW_CONFIG,
                          "%s: byte 4: %" PRId64 " labels, but %s holds %" PRId64 " images",
                          part.labels.path, part.labels.count, part.images.path, part.images.count),
                  status, cleanup);
    *out = part;
    return SW_OK;
cleanup:
    close_part(&part);
    return status;
}

static const char *folder_of(const struct sw_trial_spec *spec, const char *folder) {
    return spec->data_dir[0] != '\0' ? spec->data_dir : folder;
}

enum sw_status sw_idx_set_probe(const struct sw_trial_spec *spec, const char *folder,
                                struct sw_data_info *info) {
    struct part train = {0}, test = {0};
    enum sw_status status = SW_OK;
    SW_TRY_TO(open_part(folder_of(spec, folder), "train", &train), status, cleanup);
    SW_TRY_TO(open_part(folder_of(spec, folder), "t10k", &test), status, cleanup);
    if (train.images.height != test.images.height || train.images.width != test.images.width)
        SW_TRY_TO(SW_FAIL(SW_CONFIG,
                          "%s: byte 8: test images of %" PRId64 " x %" PRId64
                          " pixels, but the training images have %" PRId64 " x %" PRId64,
                          test.images.path, test.images.height, test.images.width,
                          train.images.height, train.images.width),
                  status, cleanup);
    info->shape[0] = 1;
    info->shape[1] = train.images.height;
    info->shape[2] = train.images.width;
    info->classes = SW_IDX_SET_CLASSES;
    info->train = train.images.count;
    info->test = test.images.count;
cleanup:
    close_part(&train);
    close_part(&test);
    return status;
}

/* Read the first n samples of a half into arrays that were sized from `info`. The files are opened a
 * second time here, so they are held against it again. */
static enum sw_status read_part(const char *folder, const char *name,
                                const struct sw_data_info *info, int64_t n, uint8_t *images,
                                uint8_t *labels) {
    struct part part = {0};
    enum sw_status status = SW_OK;
    SW_TRY(open_part(folder, name, &part));
    if (part.images.count < n || part.images.height != info->shape[1] ||
        part.images.width != info->shape[2])
        SW_TRY_TO(SW_FAIL(SW_CONFIG, "%s: byte 4: the file changed while it was being read",
                          part.images.path),
                  status, cleanup);
    SW_TRY_TO(sw_idx_read(&part.images, n, images), status, cleanup);
    SW_TRY_TO(sw_idx_read_labels(&part.labels, n, info->classes, labels), status, cleanup);
cleanup:
    close_part(&part);
    return status;
}

enum sw_status sw_idx_set_decode(const struct sw_trial_spec *spec, const char *folder,
                                 const struct sw_data_info *info, uint8_t *train_images,
                                 uint8_t *train_labels, uint8_t *test_images,
                                 uint8_t *test_labels) {
    const char *used = folder_of(spec, folder);
    SW_TRY(
        read_part(used, "train", info, info->train + info->validation, train_images, train_labels));
    return read_part(used, "t10k", info, info->test, test_images, test_labels);
}
