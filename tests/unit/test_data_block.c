/* The decoded block, the view over it, normalisation, split and order. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/idx_files.h"
#include "../support/test_main.h"
#include "sweepstake/data.h"
#include "sweepstake/memory.h"

static struct sw_trial_spec small_spec(void) {
    struct sw_trial_spec spec;
    struct sw_test_file files[SW_TEST_FILES];
    const char *folder = sw_test_folder();
    sw_test_make_files(files);
    sw_test_write_files(folder, files, 0);
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.data_name, "mnist");
    SW_TEXT_COPY(spec.data_dir, folder);
    spec.data_validation = 3;
    return spec;
}

static struct sw_trial_spec colour_spec(void) {
    struct sw_trial_spec spec;
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.data_name, "synthetic");
    SW_TEXT_COPY(spec.data_shape, "3x5x7");
    spec.data_train = 50;
    spec.data_test = 9;
    spec.data_validation = 11;
    return spec;
}

/* Decode into a new block, to be freed with SW_FREE. */
static void *decode_new(const struct sw_trial_spec *spec, struct sw_data_info *info) {
    uint8_t *block = NULL;
    SW_TEST_OK(sw_data_probe(spec, info));
    SW_TEST_OK(SW_ALLOC(&block, (size_t) info->block_bytes, "block"));
    memset(block, 0xa5, (size_t) info->block_bytes);
    SW_TEST_OK(sw_data_decode(spec, info, block));
    return block;
}

/* ---- words ---------------------------------------------------------------------------------- */

static void registries_list_and_find(void) {
    size_t n = 0;
    for (const struct sw_dataset *set; (set = sw_dataset_at(n)) != NULL; n++) {
        CU_ASSERT_PTR_EQUAL(sw_dataset_find(set->name), set);
        CU_ASSERT_TRUE(strlen(set->name) < 32 && strlen(set->summary) > 10);
        for (size_t i = 0; set->options[i] != NULL; i++)
            CU_ASSERT_PTR_NOT_NULL(sw_spec_find_field(set->options[i]));
    }
    CU_ASSERT_EQUAL(n, 5);
    CU_ASSERT_PTR_NULL(sw_dataset_at(1000));
    CU_ASSERT_PTR_NULL(sw_dataset_find("cifar"));
    const char *summary = NULL;
    CU_ASSERT_STRING_EQUAL(sw_normalize_at(0, &summary), "unit");
    CU_ASSERT_TRUE(strlen(summary) > 10);
    CU_ASSERT_STRING_EQUAL(sw_normalize_at(1, &summary), "standard");
    CU_ASSERT_STRING_EQUAL(sw_normalize_at(2, NULL), "none");
    CU_ASSERT_PTR_NULL(sw_normalize_at(3, &summary));
}

static void unknown_name_gets_the_nearest(void) {
    struct sw_trial_spec spec = small_spec();
    struct sw_data_info info;
    SW_TEXT_COPY(spec.data_name, "fashion-mnits");
    SW_TEST_FAILS(sw_data_probe(&spec, &info), SW_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "did you mean fashion-mnist?"));
}

/* ---- block ---------------------------------------------------------------------------------- */

static void view_points_at_the_samples_of_the_files(void) {
    struct sw_trial_spec spec = small_spec();
    struct sw_data_info info;
    struct sw_data data;
    void *block = decode_new(&spec, &info);
    SW_TEST_OK(sw_data_open(&spec, &info, block, &data));
    CU_ASSERT_EQUAL(data.features, SW_TEST_FEATURES);
    CU_ASSERT_EQUAL(data.plane, SW_TEST_FEATURES);
    CU_ASSERT_EQUAL(data.count[SW_SPLIT_TRAIN], SW_TEST_TRAIN - 3);
    CU_ASSERT_EQUAL(data.count[SW_SPLIT_VALIDATION], 3);
    CU_ASSERT_EQUAL(data.count[SW_SPLIT_TEST], SW_TEST_TEST);
    int wrong = 0;
    for (int split = 0; split < SW_SPLIT_COUNT; split++) {
        int first = split == SW_SPLIT_VALIDATION ? SW_TEST_TRAIN - 3 : 0,
            test = split == SW_SPLIT_TEST;
        for (int i = 0; i < data.count[split]; i++) {
            wrong += data.labels[split][i] != sw_test_label(test, first + i);
            for (int j = 0; j < SW_TEST_FEATURES; j++)
                wrong += data.images[split][i * SW_TEST_FEATURES + j] !=
                         sw_test_pixel(test, first + i, j);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL((uintptr_t) data.images[SW_SPLIT_TRAIN] % 64, 0);
    CU_ASSERT_EQUAL((uintptr_t) data.images[SW_SPLIT_TEST] % 64, 0);
    sw_data_close(&data);
    CU_ASSERT_PTR_NULL(data.table);
    SW_FREE(&block);
}

static void another_process_decodes_the_same_bytes(void) {
    struct sw_trial_spec spec = colour_spec();
    struct sw_data_info info;
    struct sw_data data;
    void *block = decode_new(&spec, &info);
    void *shared = mmap(NULL, (size_t) info.block_bytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CU_ASSERT_TRUE_FATAL(shared != MAP_FAILED);
    pid_t child = fork();
    CU_ASSERT_TRUE_FATAL(child >= 0);
    if (child == 0) _exit(sw_data_decode(&spec, &info, shared) == SW_OK ? 0 : 1);
    int code = -1;
    CU_ASSERT_EQUAL(waitpid(child, &code, 0), child);
    CU_ASSERT_EQUAL(code, 0);
    CU_ASSERT_EQUAL(memcmp(block, shared, (size_t) info.block_bytes), 0);
    CU_ASSERT_EQUAL_FATAL(mprotect(shared, (size_t) info.block_bytes, PROT_READ), 0);
    SW_TEST_OK(sw_data_open(&spec, &info, shared, &data));
    sw_data_close(&data);
    (void) munmap(shared, (size_t) info.block_bytes);
    SW_FREE(&block);
}

static void block_of_another_set_is_refused(void) {
    struct sw_trial_spec spec = small_spec();
    struct sw_data_info info, other;
    struct sw_data data = {0};
    uint8_t *block = decode_new(&spec, &info);
    other = info;
    other.checksum.bytes[3] ^= 1;
    SW_TEST_FAILS(sw_data_open(&spec, &other, block, &data), SW_DAMAGED);
    other = info;
    other.train += 1;
    other.validation -= 1;
    SW_TEST_FAILS(sw_data_open(&spec, &other, block, &data), SW_DAMAGED);
    block[0] ^= 1;
    SW_TEST_FAILS(sw_data_open(&spec, &info, block, &data), SW_DAMAGED);
    CU_ASSERT_PTR_NULL(data.table);
    SW_FREE(&block);
}

static void changed_files_are_noticed(void) {
    struct sw_trial_spec spec = small_spec();
    struct sw_test_file files[SW_TEST_FILES];
    struct sw_data_info info;
    struct sw_data data;
    void *block = decode_new(&spec, &info);
    sw_test_make_files(files);
    files[SW_TEST_TEST_LABELS].bytes[9] = 9; /* was 4 */
    sw_test_write_files(spec.data_dir, files, 0);
    SW_TEST_FAILS(sw_data_decode(&spec, &info, block), SW_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "mnist has changed: checksum"));
    /* Nobody can take the half-made block for a whole one. */
    SW_TEST_FAILS(sw_data_open(&spec, &info, block, &data), SW_DAMAGED);
    sw_test_put_size(&files[SW_TEST_TEST_LABELS], 4, 4);
    sw_test_put_size(&files[SW_TEST_TEST_IMAGES], 4, 4);
    files[SW_TEST_TEST_LABELS].length -= 1;
    files[SW_TEST_TEST_IMAGES].length -= SW_TEST_FEATURES;
    sw_test_write_files(spec.data_dir, files, 0);
    SW_TEST_FAILS(sw_data_decode(&spec, &info, block), SW_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(sw_status_text(), "has changed: 9 training, 3 validation and 4 test"));
    SW_FREE(&block);
}

static void unaligned_block_is_refused(void) {
    struct sw_trial_spec spec = small_spec();
    struct sw_data_info info;
    uint8_t *block = decode_new(&spec, &info);
    SW_TEST_FAILS(sw_data_decode(&spec, &info, block + 8), SW_INTERNAL);
    SW_FREE(&block);
}

/* ---- blocks that processes share ------------------------------------------------------------- */

static const uint8_t *map_block(int fd, const struct sw_data_info *info) {
    const void *map = mmap(NULL, (size_t) info->block_bytes, PROT_READ, MAP_SHARED, fd, 0);
    CU_ASSERT_TRUE_FATAL(map != MAP_FAILED);
    return map;
}

static void the_block_of_a_probe_is_that_of_a_decode(void) {
    struct sw_trial_spec spec = small_spec();
    struct sw_data_info info, probed;
    int fds[2] = {-1, -1};
    void *block = decode_new(&spec, &info);
    SW_TEST_OK(sw_data_probe_shared(&spec, &probed, &fds[0]));
    CU_ASSERT_EQUAL(memcmp(&probed, &info, sizeof info), 0);
    SW_TEST_OK(sw_data_decode_shared(&spec, &info, &fds[1]));
    for (int i = 0; i < 2; i++) {
        const uint8_t *shared = map_block(fds[i], &info);
        CU_ASSERT_EQUAL(memcmp(shared, block, (size_t) info.block_bytes), 0);
        (void) munmap((void *) shared, (size_t) info.block_bytes);
        (void) close(fds[i]);
    }
    SW_FREE(&block);
}

static void a_shared_block_cannot_be_changed(void) {
    struct sw_trial_spec spec = small_spec();
    struct sw_data_info info;
    char path[64];
    int fd = -1;
    SW_TEST_OK(sw_data_probe_shared(&spec, &info, &fd));
    CU_ASSERT_EQUAL(write(fd, "x", 1), -1);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int writer = open(path, O_RDWR | O_CLOEXEC); /* the seal holds against whoever opens it anew */
    CU_ASSERT_EQUAL(pwrite(writer, "x", 1, 0), -1);
    CU_ASSERT_EQUAL(ftruncate(writer, 0), -1);
    CU_ASSERT_PTR_EQUAL(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, writer, 0),
                        MAP_FAILED);
    (void) close(writer);
    int again = sw_data_reopen_shared(getpid(), fd);
    CU_ASSERT_TRUE(again >= 0);
    (void) close(again);
    CU_ASSERT_EQUAL(sw_data_reopen_shared(getpid(), 100000), -1);
    (void) close(fd);
}

static void a_failed_probe_leaves_no_block(void) {
    struct sw_trial_spec spec = small_spec();
    struct sw_data_info info = {.train = -7};
    int fd = -7;
    spec.data_validation = SW_TEST_TRAIN;
    SW_TEST_FAILS(sw_data_probe_shared(&spec, &info, &fd), SW_CONFIG);
    CU_ASSERT_EQUAL(fd, -7);
    CU_ASSERT_EQUAL(info.train, -7);
    spec.data_validation = 3;
    SW_TEST_OK(sw_data_probe(&spec, &info));
    info.checksum.bytes[0] ^= 1; /* the files have changed since */
    SW_TEST_FAILS(sw_data_decode_shared(&spec, &info, &fd), SW_CONFIG);
    CU_ASSERT_EQUAL(fd, -7);
}

/* ---- split ---------------------------------------------------------------------------------- */

static void split_leaves_something_to_train_on(void) {
    struct sw_trial_spec spec = small_spec();
    struct sw_data_info info = {.train = -7};
    spec.data_validation = SW_TEST_TRAIN;
    SW_TEST_FAILS(sw_data_probe(&spec, &info), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(sw_status_text(),
                           "data.validation: 12 images cannot be held out of 12 training images; "
                           "0 to 11 expected");
    CU_ASSERT_EQUAL(info.train, -7); /* untouched */
    spec.data_validation = 9;
    spec.data_limit = 9;
    SW_TEST_FAILS(sw_data_probe(&spec, &info), SW_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(sw_status_text(), "9 images cannot be held out of 9 training images"));
    spec.data_validation = 8;
    SW_TEST_OK(sw_data_probe(&spec, &info));
    CU_ASSERT_EQUAL(info.train, 1);
    CU_ASSERT_EQUAL(info.validation, 8);
    spec.data_validation = 0;
    SW_TEST_OK(sw_data_probe(&spec, &info));
    CU_ASSERT_EQUAL(info.train, 9);
    CU_ASSERT_EQUAL(info.validation, 0);
}

static void split_does_not_change_the_checksum(void) {
    struct sw_trial_spec spec = small_spec();
    struct sw_data_info a, b;
    SW_TEST_OK(sw_data_probe(&spec, &a));
    spec.data_validation = 0;
    SW_TEST_OK(sw_data_probe(&spec, &b));
    CU_ASSERT_TRUE(sw_digest_equal(a.checksum, b.checksum));
    CU_ASSERT_EQUAL(a.block_bytes, b.block_bytes);
    CU_ASSERT_NOT_EQUAL(a.mean[0], b.mean[0]); /* measured on the training images alone */
}

/* ---- normalisation -------------------------------------------------------------------------- */

/* Two passes in double over the training images of one channel, to compare the histograms with. */
static void measure(const struct sw_data *data, int64_t channel, double *mean, double *deviation) {
    int64_t n = data->count[SW_SPLIT_TRAIN] * data->plane;
    double sum = 0, squares = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < n; i++) {
            int64_t sample = i / data->plane, pixel = i % data->plane;
            double value = data->images[SW_SPLIT_TRAIN]
                                       [sample * data->features + channel * data->plane + pixel] /
                           255.0;
            if (pass == 0)
                sum += value;
            else
                squares += (value - sum / (double) n) * (value - sum / (double) n);
        }
    *mean = sum / (double) n;
    *deviation = sqrt(squares / (double) n);
}

static void statistics_are_per_channel(void) {
    struct sw_trial_spec spec = colour_spec();
    struct sw_data_info info;
    struct sw_data data;
    void *block = decode_new(&spec, &info);
    SW_TEST_OK(sw_data_open(&spec, &info, block, &data));
    CU_ASSERT_EQUAL(data.plane, 35);
    CU_ASSERT_EQUAL(data.features, 105);
    for (int channel = 0; channel < 3; channel++) {
        double mean = 0, deviation = 0;
        measure(&data, channel, &mean, &deviation);
        CU_ASSERT_DOUBLE_EQUAL(info.mean[channel], mean, 1e-7);
        CU_ASSERT_DOUBLE_EQUAL(info.deviation[channel], deviation, 1e-7);
    }
    CU_ASSERT_TRUE(info.mean[0] != info.mean[1] && info.mean[1] != info.mean[2]);
    CU_ASSERT_EQUAL(info.mean[3], 0);
    sw_data_close(&data);
    SW_FREE(&block);
}

static void tables_follow_their_formulas(void) {
    static const char *const words[] = {"unit", "standard", "none"};
    struct sw_trial_spec spec = colour_spec();
    struct sw_data_info info;
    void *block = decode_new(&spec, &info);
    for (int word = 0; word < 3; word++) {
        struct sw_data data;
        int wrong = 0;
        SW_TEXT_COPY(spec.data_normalize, words[word]);
        SW_TEST_OK(sw_data_open(&spec, &info, block, &data));
        for (int channel = 0; channel < 3; channel++)
            for (int p = 0; p < 256; p++) {
                float unit = (float) p / 255.0f;
                float expected[] = {unit, (unit - info.mean[channel]) / info.deviation[channel],
                                    (float) p};
                wrong += data.table[256 * channel + p] != expected[word];
            }
        CU_ASSERT_EQUAL(wrong, 0);
        sw_data_close(&data);
    }
    SW_FREE(&block);
}

static void standard_inputs_have_mean_0_and_deviation_1(void) {
    struct sw_trial_spec spec = colour_spec();
    struct sw_data_info info;
    struct sw_data data;
    void *block = decode_new(&spec, &info);
    SW_TEXT_COPY(spec.data_normalize, "standard");
    SW_TEST_OK(sw_data_open(&spec, &info, block, &data));
    for (int64_t channel = 0; channel < 3; channel++) {
        double sum = 0, squares = 0;
        int64_t n = info.train * data.plane;
        for (int64_t i = 0; i < n; i++) {
            int64_t at = i / data.plane * data.features + channel * data.plane + i % data.plane;
            double input = data.table[256 * channel + data.images[SW_SPLIT_TRAIN][at]];
            sum += input;
            squares += input * input;
        }
        CU_ASSERT_DOUBLE_EQUAL(sum / (double) n, 0, 1e-6);
        CU_ASSERT_DOUBLE_EQUAL(squares / (double) n, 1, 1e-5);
    }
    sw_data_close(&data);
    SW_FREE(&block);
}

static void constant_images_do_not_divide_by_zero(void) {
    struct sw_trial_spec spec = small_spec();
    struct sw_test_file files[SW_TEST_FILES];
    struct sw_data_info info;
    struct sw_data data;
    sw_test_make_files(files);
    memset(files[SW_TEST_TRAIN_IMAGES].bytes + 16, 51, SW_TEST_TRAIN * SW_TEST_FEATURES);
    sw_test_write_files(spec.data_dir, files, 0);
    void *block = decode_new(&spec, &info);
    CU_ASSERT_EQUAL(info.mean[0], 0.2f);
    CU_ASSERT_EQUAL(info.deviation[0], 0.0f);
    SW_TEXT_COPY(spec.data_normalize, "standard");
    SW_TEST_OK(sw_data_open(&spec, &info, block, &data));
    CU_ASSERT_DOUBLE_EQUAL(data.table[51], 0, 1e-7);
    CU_ASSERT_DOUBLE_EQUAL(data.table[255], 0.8, 1e-6);
    sw_data_close(&data);
    SW_TEXT_COPY(spec.data_normalize, "whiten");
    SW_TEST_FAILS(sw_data_open(&spec, &info, block, &data), SW_CONFIG);
    SW_FREE(&block);
}

/* ---- order ---------------------------------------------------------------------------------- */

static void order_is_a_permutation(void) {
    static const int64_t sizes[] = {0, 1, 2, 1000};
    for (int k = 0; k < 4; k++) {
        int32_t order[1000];
        char seen[1000] = {0};
        int64_t n = sizes[k], distinct = 0;
        sw_data_order(5, 3, n, order);
        for (int64_t i = 0; i < n; i++)
            if (order[i] >= 0 && order[i] < n) seen[order[i]] = 1;
        for (int64_t i = 0; i < n; i++)
            distinct += seen[i];
        CU_ASSERT_EQUAL(distinct, n);
    }
}

static void order_depends_on_seed_and_epoch_alone(void) {
    int32_t a[500], b[500];
    sw_data_order(1, 0, 500, a);
    sw_data_order(1, 1, 500, b);
    CU_ASSERT_NOT_EQUAL(memcmp(a, b, sizeof a), 0);
    sw_data_order(2, 0, 500, b);
    CU_ASSERT_NOT_EQUAL(memcmp(a, b, sizeof a), 0);
    sw_data_order(1, 0, 500, b);
    CU_ASSERT_EQUAL(memcmp(a, b, sizeof a), 0);
    int fixed = 0; /* about one element of a random permutation stays where it was */
    for (int i = 0; i < 500; i++)
        fixed += a[i] == i;
    CU_ASSERT_TRUE(fixed < 10);
}

static CU_TestInfo word_tests[] = {
    {"registries list and find", registries_list_and_find},
    {"an unknown name gets the nearest", unknown_name_gets_the_nearest},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo block_tests[] = {
    {"a view points at the samples of the files", view_points_at_the_samples_of_the_files},
    {"another process decodes the same bytes", another_process_decodes_the_same_bytes},
    {"the block of another set is refused", block_of_another_set_is_refused},
    {"changed files are noticed", changed_files_are_noticed},
    {"an unaligned block is refused", unaligned_block_is_refused},
    {"the block of a probe is that of a decode", the_block_of_a_probe_is_that_of_a_decode},
    {"a shared block cannot be changed", a_shared_block_cannot_be_changed},
    {"a failed probe leaves no block", a_failed_probe_leaves_no_block},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo split_tests[] = {
    {"a split leaves something to train on", split_leaves_something_to_train_on},
    {"a split does not change the checksum", split_does_not_change_the_checksum},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo normalize_tests[] = {
    {"statistics are per channel", statistics_are_per_channel},
    {"tables follow their formulas", tables_follow_their_formulas},
    {"standard inputs have mean 0 and deviation 1", standard_inputs_have_mean_0_and_deviation_1},
    {"constant images do not divide by zero", constant_images_do_not_divide_by_zero},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo order_tests[] = {
    {"an order is a permutation", order_is_a_permutation},
    {"an order depends on seed and epoch alone", order_depends_on_seed_and_epoch_alone},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"words", NULL, NULL, NULL, NULL, word_tests},
    {"block", NULL, NULL, NULL, NULL, block_tests},
    {"split", NULL, NULL, NULL, NULL, split_tests},
    {"normalisation", NULL, NULL, NULL, NULL, normalize_tests},
    {"order", NULL, NULL, NULL, NULL, order_tests},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_data_block", suites);
}
