/* CIFAR files, good ones and broken ones; images of another size or number of channels. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../support/idx_files.h"
#include "../support/test_main.h"
#include "sweepstake/data.h"
#include "sweepstake/memory.h"

#define PIXELS 3072

/* A folder with `records` records per file, one label byte (10) or two (100). */
struct scene {
    const char *folder;
    struct sw_trial_spec spec;
    size_t labels;
    int64_t records;
};

static uint8_t pixel_of(int64_t file, int64_t record, int64_t i) {
    return (uint8_t) (17 * file + 5 * record + i % 251);
}

static void write_records(const struct scene *scene, int64_t file, const char *name) {
    size_t bytes = scene->labels + PIXELS;
    uint8_t *content = calloc((size_t) scene->records, bytes);
    if (content == NULL) abort();
    for (int64_t r = 0; r < scene->records; r++) {
        uint8_t *record = content + (size_t) r * bytes;
        record[0] = (uint8_t) (r % (scene->labels == 1 ? 10 : 20));
        if (scene->labels == 2) record[1] = (uint8_t) ((r * 37) % 100);
        for (int64_t i = 0; i < PIXELS; i++)
            record[(int64_t) scene->labels + i] = pixel_of(file, r, i);
    }
    sw_test_write(scene->folder, name, content, (size_t) scene->records * bytes, 0);
    free(content);
}

static struct scene make_scene(const char *set, int64_t records) {
    struct scene scene = {.folder = sw_test_folder(),
                          .labels = strcmp(set, "cifar-10") == 0 ? 1 : 2,
                          .records = records};
    char name[32];
    sw_spec_set_defaults(&scene.spec);
    SW_TEXT_COPY(scene.spec.data_name, set);
    SW_TEXT_COPY(scene.spec.data_dir, scene.folder);
    scene.spec.data_validation = 1;
    for (int64_t file = 1; scene.labels == 1 && file <= 5; file++) {
        snprintf(name, sizeof name, "data_batch_%d.bin", (int) file);
        write_records(&scene, file, name);
    }
    if (scene.labels == 2) write_records(&scene, 1, "train.bin");
    write_records(&scene, 9, scene.labels == 1 ? "test_batch.bin" : "test.bin");
    return scene;
}

static void decode(const struct scene *scene, struct sw_data_info *info, uint8_t **block,
                   struct sw_data *data) {
    SW_TEST_OK(sw_data_probe(&scene->spec, info));
    SW_TEST_OK(SW_ALLOC(block, (size_t) info->block_bytes, "block"));
    SW_TEST_OK(sw_data_decode(&scene->spec, info, *block));
    SW_TEST_OK(sw_data_open(&scene->spec, info, *block, data));
}

/* ---- good files ----------------------------------------------------------------------------- */

static void test_ten_classes_in_file_order(void) {
    struct scene scene = make_scene("cifar-10", 3);
    struct sw_data_info info;
    struct sw_data data;
    uint8_t *block = NULL;
    decode(&scene, &info, &block, &data);
    CU_ASSERT_EQUAL(info.shape[0], 3);
    CU_ASSERT_EQUAL(info.shape[1], 32);
    CU_ASSERT_EQUAL(info.classes, 10);
    CU_ASSERT_EQUAL(info.train, 14);
    CU_ASSERT_EQUAL(info.test, 3);
    int wrong = 0;
    for (int64_t n = 0; n < 14; n++) {
        wrong += data.labels[SW_SPLIT_TRAIN][n] != n % 3;
        for (int64_t i = 0; i < PIXELS; i++)
            wrong += data.images[SW_SPLIT_TRAIN][n * PIXELS + i] != pixel_of(1 + n / 3, n % 3, i);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(data.images[SW_SPLIT_TEST][PIXELS + 7], pixel_of(9, 1, 7));
    sw_data_close(&data);
    SW_FREE(&block);
}

static void test_hundred_classes_are_the_fine_ones(void) {
    struct scene scene = make_scene("cifar-100", 5);
    struct sw_data_info info;
    struct sw_data data;
    uint8_t *block = NULL;
    decode(&scene, &info, &block, &data);
    CU_ASSERT_EQUAL(info.classes, 100);
    CU_ASSERT_EQUAL(data.labels[SW_SPLIT_TRAIN][2], 74);
    CU_ASSERT_EQUAL(data.images[SW_SPLIT_TRAIN][2 * PIXELS + 100], pixel_of(1, 2, 100));
    sw_data_close(&data);
    SW_FREE(&block);
}

static void test_a_limit_spans_files(void) {
    struct scene scene = make_scene("cifar-10", 3);
    struct sw_data_info info;
    struct sw_data data;
    uint8_t *block = NULL;
    scene.spec.data_limit = 5;
    decode(&scene, &info, &block, &data);
    CU_ASSERT_EQUAL(info.train, 4);
    CU_ASSERT_EQUAL(data.images[SW_SPLIT_VALIDATION][0], pixel_of(2, 1, 0));
    sw_data_close(&data);
    SW_FREE(&block);
}

/* ---- broken files --------------------------------------------------------------------------- */

static void expect_refusal(const struct scene *scene, enum sw_status code, const char *phrase) {
    struct sw_data_info info;
    enum sw_status status = sw_data_probe(&scene->spec, &info);
    int good = status == code && strstr(sw_status_text(), phrase) != NULL;
    if (!good)
        fprintf(stderr, "  status %d, \"%s\"; \"%s\" expected\n", status, sw_status_text(), phrase);
    CU_ASSERT_TRUE(good);
}

static void test_broken_files_are_named(void) {
    struct scene scene = make_scene("cifar-10", 2);
    uint8_t record[2 * (PIXELS + 1)] = {0};
    sw_test_write(scene.folder, "data_batch_3.bin", record, 0, 0);
    expect_refusal(&scene, SW_CONFIG, "data_batch_3.bin: byte 0: the file is empty");
    sw_test_write(scene.folder, "data_batch_3.bin", record, PIXELS + 3, 0);
    expect_refusal(&scene, SW_CONFIG, "data_batch_3.bin: byte 3073: 2 bytes follow");
    record[PIXELS + 1] = 10;
    sw_test_write(scene.folder, "data_batch_3.bin", record, sizeof record, 0);
    expect_refusal(&scene, SW_CONFIG, "data_batch_3.bin: byte 3073: label 10 found, 0 to 9");
    char path[300];
    snprintf(path, sizeof path, "%s/data_batch_3.bin", scene.folder);
    CU_ASSERT_EQUAL(unlink(path), 0);
    expect_refusal(&scene, SW_IO, "data_batch_3.bin: cannot be opened");
    scene.spec.data_dir[0] = '\0';
    expect_refusal(&scene, SW_CONFIG, "data.dir is empty");
}

static void test_a_coarse_label_is_checked_too(void) {
    struct scene scene = make_scene("cifar-100", 1);
    uint8_t record[PIXELS + 2] = {20, 5};
    sw_test_write(scene.folder, "train.bin", record, sizeof record, 0);
    scene.spec.data_validation = 0;
    expect_refusal(&scene, SW_CONFIG, "train.bin: byte 0: label 20 found, 0 to 19 expected");
}

/* ---- another shape -------------------------------------------------------------------------- */

static struct scene make_grey(int64_t resize, int64_t channels) {
    struct scene scene = {.folder = sw_test_folder()};
    struct sw_test_file files[SW_TEST_FILES];
    sw_test_make_files(files);
    sw_test_write_files(scene.folder, files, 0);
    sw_spec_set_defaults(&scene.spec);
    SW_TEXT_COPY(scene.spec.data_name, "mnist");
    SW_TEXT_COPY(scene.spec.data_dir, scene.folder);
    scene.spec.data_validation = 2;
    scene.spec.data_resize = resize;
    scene.spec.data_channels = channels;
    return scene;
}

/* Straight from the formula, for one pixel. */
static double interpolate(const uint8_t *image, int64_t height, int64_t width, int64_t side,
                          int64_t y, int64_t x) {
    double at[2] = {((double) y + 0.5) * (double) height / (double) side - 0.5,
                    ((double) x + 0.5) * (double) width / (double) side - 0.5};
    int64_t size[2] = {height, width}, low[2], high[2];
    for (int d = 0; d < 2; d++) {
        if (at[d] < 0) at[d] = 0;
        low[d] = (int64_t) at[d] < size[d] - 1 ? (int64_t) at[d] : size[d] - 1;
        high[d] = low[d] + 1 < size[d] ? low[d] + 1 : low[d];
        at[d] -= (double) low[d];
    }
    double upper = image[low[0] * width + low[1]] * (1 - at[1]) +
                   image[low[0] * width + high[1]] * at[1];
    double lower = image[high[0] * width + low[1]] * (1 - at[1]) +
                   image[high[0] * width + high[1]] * at[1];
    return upper * (1 - at[0]) + lower * at[0];
}

static void check_resize(int64_t side) {
    struct scene plain = make_grey(0, 0), scaled = make_grey(side, 3);
    struct sw_data_info small, large;
    struct sw_data from, to;
    uint8_t *a = NULL, *b = NULL;
    decode(&plain, &small, &a, &from);
    decode(&scaled, &large, &b, &to);
    CU_ASSERT_EQUAL(large.shape[0], 3);
    CU_ASSERT_EQUAL(large.shape[1], side);
    CU_ASSERT_EQUAL(large.shape[2], side);
    int wrong = 0;
    for (int64_t n = 0; n < large.train; n++) {
        wrong += to.labels[SW_SPLIT_TRAIN][n] != from.labels[SW_SPLIT_TRAIN][n];
        for (int64_t i = 0; i < 3 * side * side; i++) {
            double wanted = interpolate(from.images[SW_SPLIT_TRAIN] + n * from.features,
                                        small.shape[1], small.shape[2], side,
                                        i % (side * side) / side, i % side);
            double got = to.images[SW_SPLIT_TRAIN][n * to.features + i];
            wrong += got < wanted - 0.500001 || got > wanted + 0.500001;
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    sw_data_close(&from);
    sw_data_close(&to);
    SW_FREE(&a);
    SW_FREE(&b);
}

static void test_resize_is_bilinear(void) {
    check_resize(11);
    check_resize(2);
    check_resize(1);
}

static void test_colours_are_not_repeated(void) {
    struct scene scene = make_scene("cifar-10", 1);
    scene.spec.data_channels = 1;
    expect_refusal(&scene, SW_CONFIG, "data.channels: got 1; cifar-10 has images of 3 channels");
}

int main(void) {
    static CU_TestInfo good[] = {
        {"ten classes come in the order of the files", test_ten_classes_in_file_order},
        {"a hundred classes are the fine ones", test_hundred_classes_are_the_fine_ones},
        {"a limit spans files", test_a_limit_spans_files},
        CU_TEST_INFO_NULL,
    };
    static CU_TestInfo broken[] = {
        {"broken files are named, with the byte", test_broken_files_are_named},
        {"a coarse label is checked too", test_a_coarse_label_is_checked_too},
        CU_TEST_INFO_NULL,
    };
    static CU_TestInfo shapes[] = {
        {"resize is bilinear between pixel centres", test_resize_is_bilinear},
        {"colours are not repeated", test_colours_are_not_repeated},
        CU_TEST_INFO_NULL,
    };
    static CU_SuiteInfo suites[] = {
        {"files", NULL, NULL, NULL, NULL, good},
        {"broken files", NULL, NULL, NULL, NULL, broken},
        {"shapes", NULL, NULL, NULL, NULL, shapes},
        CU_SUITE_INFO_NULL,
    };
    return sw_test_main("test_data_cifar", suites);
}
