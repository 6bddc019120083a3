/* IDX files, good ones and broken ones, as sw_data_probe meets them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../support/idx_files.h"
#include "../support/test_main.h"
#include "sweepstake/data.h"
#include "sweepstake/random.h"

/* A folder with the good files, to be broken by a test. */
struct scene {
    const char *folder;
    struct sw_test_file files[SW_TEST_FILES];
    struct sw_trial_spec spec;
};

static struct scene make_scene(int gzip) {
    struct scene scene = {.folder = sw_test_folder()};
    sw_test_make_files(scene.files);
    sw_test_write_files(scene.folder, scene.files, gzip);
    sw_spec_set_defaults(&scene.spec);
    SW_TEXT_COPY(scene.spec.data_name, "mnist");
    SW_TEXT_COPY(scene.spec.data_dir, scene.folder);
    scene.spec.data_validation = 2;
    return scene;
}

/* Read a file of the scene, as it lies on disk. */
static size_t slurp(const struct scene *scene, const char *name, uint8_t *bytes, size_t size) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", scene->folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) abort();
    size_t length = fread(bytes, 1, size, file);
    (void) fclose(file);
    return length;
}

static void drop(const struct scene *scene, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", scene->folder, name);
    if (unlink(path) != 0) abort();
}

/* The probe fails with `code` and a text that holds the file, then the phrase. */
static void expect_refusal(const struct scene *scene, enum sw_status code, const char *name,
                           const char *phrase) {
    struct sw_data_info info;
    enum sw_status status = sw_data_probe(&scene->spec, &info);
    const char *text = sw_status_text();
    int good = status == code && strstr(text, name) != NULL && strstr(text, phrase) != NULL;
    if (!good)
        fprintf(stderr, "  status %d, \"%s\"; %d with \"%s\" and \"%s\" expected\n", status, text,
                code, name, phrase);
    CU_ASSERT_TRUE(good);
}

/* Write one file of the scene after it was changed. */
static void rewrite(const struct scene *scene, enum sw_test_file_of which, const char *name,
                    int gzip) {
    sw_test_write(scene->folder, name, scene->files[which].bytes, scene->files[which].length, gzip);
}

/* ---- good files ----------------------------------------------------------------------------- */

static void expect_small_set(const struct sw_trial_spec *spec, struct sw_data_info *info) {
    SW_TEST_OK(sw_data_probe(spec, info));
    CU_ASSERT_EQUAL(info->shape[0], 1);
    CU_ASSERT_EQUAL(info->shape[1], SW_TEST_HEIGHT);
    CU_ASSERT_EQUAL(info->shape[2], SW_TEST_WIDTH);
    CU_ASSERT_EQUAL(info->classes, 10);
    CU_ASSERT_EQUAL(info->train, SW_TEST_TRAIN - 2);
    CU_ASSERT_EQUAL(info->validation, 2);
    CU_ASSERT_EQUAL(info->test, SW_TEST_TEST);
    CU_ASSERT_STRING_EQUAL(info->name, spec->data_name);
}

static void plain_and_gzip_hold_the_same(void) {
    struct scene plain = make_scene(0), packed = make_scene(1);
    struct sw_data_info a, b;
    expect_small_set(&plain.spec, &a);
    expect_small_set(&packed.spec, &b);
    CU_ASSERT_EQUAL(memcmp(&a, &b, sizeof a), 0);
}

static void other_spelling_is_found(void) {
    struct scene scene = make_scene(0);
    struct sw_data_info info;
    drop(&scene, "train-images-idx3-ubyte");
    drop(&scene, "t10k-labels-idx1-ubyte");
    rewrite(&scene, SW_TEST_TRAIN_IMAGES, "train-images.idx3-ubyte", 0);
    rewrite(&scene, SW_TEST_TEST_LABELS, "t10k-labels.idx1-ubyte.gz", 1);
    expect_small_set(&scene.spec, &info);
}

static void checksum_covers_the_four_arrays_in_order(void) {
    struct scene scene = make_scene(0);
    struct sw_data_info info;
    uint8_t bytes[2048];
    size_t length = 0;
    for (int i = 0; i < SW_TEST_FILES; i++) {
        size_t header = i % 2 == 0 ? 16 : 8;
        memcpy(bytes + length, scene.files[i].bytes + header, scene.files[i].length - header);
        length += scene.files[i].length - header;
    }
    expect_small_set(&scene.spec, &info);
    CU_ASSERT_TRUE(sw_digest_equal(info.checksum, sw_digest_of(bytes, length)));
}

static void limit_reads_the_first_images_alone(void) {
    struct scene scene = make_scene(1);
    struct sw_data_info all, some;
    SW_TEST_OK(sw_data_probe(&scene.spec, &all));
    scene.files[SW_TEST_TRAIN_LABELS].bytes[8 + 7] = 77; /* label 7, beyond the limit */
    rewrite(&scene, SW_TEST_TRAIN_LABELS, "train-labels-idx1-ubyte.gz", 1);
    scene.spec.data_limit = 7;
    SW_TEST_OK(sw_data_probe(&scene.spec, &some));
    CU_ASSERT_EQUAL(some.train, 5);
    CU_ASSERT_EQUAL(some.validation, 2);
    CU_ASSERT_EQUAL(some.test, SW_TEST_TEST);
    CU_ASSERT_FALSE(sw_digest_equal(all.checksum, some.checksum));
    scene.spec.data_limit = 8;
    expect_refusal(&scene, SW_CONFIG, "train-labels-idx1-ubyte.gz",
                   "byte 15: label 77 found, 0 to 9 expected");
}

static void limit_above_the_count_uses_all(void) {
    struct scene scene = make_scene(0);
    struct sw_data_info info;
    scene.spec.data_limit = 1000;
    expect_small_set(&scene.spec, &info);
}

static void installed_fashion_mnist_is_what_it_should_be(void) {
    struct sw_trial_spec spec;
    struct sw_data_info info;
    sw_spec_set_defaults(&spec); /* fashion-mnist with an empty data.dir */
    SW_TEST_OK(sw_data_probe(&spec, &info));
    CU_ASSERT_STRING_EQUAL(info.name, "fashion-mnist");
    CU_ASSERT_EQUAL(info.shape[0], 1);
    CU_ASSERT_EQUAL(info.shape[1], 28);
    CU_ASSERT_EQUAL(info.shape[2], 28);
    CU_ASSERT_EQUAL(info.classes, 10);
    CU_ASSERT_EQUAL(info.train, 55000);
    CU_ASSERT_EQUAL(info.validation, 5000);
    CU_ASSERT_EQUAL(info.test, 10000);
    /* Published for all 60,000 images: mean 0.2860, deviation 0.3530. */
    CU_ASSERT_DOUBLE_EQUAL(info.mean[0], 0.2860, 0.002);
    CU_ASSERT_DOUBLE_EQUAL(info.deviation[0], 0.3530, 0.002);
}

/* ---- files that are missing or no files ----------------------------------------------------- */

static void missing_file_is_named(void) {
    struct scene scene = make_scene(0);
    drop(&scene, "t10k-images-idx3-ubyte");
    expect_refusal(&scene, SW_IO, "/t10k-images-idx3-ubyte",
                   "no such file, nor one that ends in .gz");
    SW_TEXT_COPY(scene.spec.data_dir, "/nowhere/at/all");
    expect_refusal(&scene, SW_IO, "/nowhere/at/all", "no such folder");
}

static void folder_pipe_and_empty_file_are_refused(void) {
    struct scene scene = make_scene(0);
    char path[256];
    snprintf(path, sizeof path, "%s/train-labels-idx1-ubyte", scene.folder);
    drop(&scene, "train-labels-idx1-ubyte");
    CU_ASSERT_EQUAL_FATAL(mkdir(path, 0700), 0);
    expect_refusal(&scene, SW_IO, "train-labels-idx1-ubyte", "not a regular file");
    CU_ASSERT_EQUAL_FATAL(rmdir(path), 0);
    CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
    expect_refusal(&scene, SW_IO, "train-labels-idx1-ubyte", "not a regular file");
    drop(&scene, "train-labels-idx1-ubyte");
    sw_test_write(scene.folder, "train-labels-idx1-ubyte", "", 0, 0);
    expect_refusal(&scene, SW_IO, "train-labels-idx1-ubyte",
                   "byte 0: truncated: the data ends here, 8 bytes");
}

static void circular_link_is_refused(void) {
    struct scene scene = make_scene(0);
    char path[256];
    snprintf(path, sizeof path, "%s/train-labels-idx1-ubyte", scene.folder);
    drop(&scene, "train-labels-idx1-ubyte");
    CU_ASSERT_EQUAL_FATAL(symlink(path, path), 0);
    expect_refusal(&scene, SW_IO, "train-labels-idx1-ubyte", strerror(ELOOP));
}

/* ---- headers and sizes ---------------------------------------------------------------------- */

static const struct broken {
    enum sw_test_file_of which;
    const char *name;
    size_t offset;
    uint32_t value; /* written there, big-endian */
    enum sw_status code;
    const char *phrase;
} broken[] = {
    {SW_TEST_TRAIN_IMAGES, "train-images-idx3-ubyte", 0, 0x801, SW_CONFIG,
     "byte 0: magic 0x00000801 found, so this file holds labels; images (0x00000803) expected"},
    {SW_TEST_TEST_LABELS, "t10k-labels-idx1-ubyte", 0, 0x803, SW_CONFIG,
     "byte 0: magic 0x00000803 found, so this file holds images; labels (0x00000801) expected"},
    {SW_TEST_TEST_IMAGES, "t10k-images-idx3-ubyte", 0, 0xd03, SW_CONFIG,
     "byte 0: magic 0x00000d03 found, 0x00000803 (IDX images) expected"},
    {SW_TEST_TRAIN_IMAGES, "train-images-idx3-ubyte", 4, 0, SW_CONFIG,
     "byte 4: the number of samples is 0"},
    {SW_TEST_TRAIN_IMAGES, "train-images-idx3-ubyte", 4, 0x80000000u, SW_CONFIG,
     "byte 4: the number of samples is 2147483648, 1 to 2147483647 expected"},
    {SW_TEST_TRAIN_IMAGES, "train-images-idx3-ubyte", 4, 0x7fffffff, SW_CONFIG,
     "more than the 16 GiB"},
    {SW_TEST_TRAIN_IMAGES, "train-images-idx3-ubyte", 4, 13, SW_IO,
     "byte 256: truncated: the data ends here, 276 bytes expected"},
    {SW_TEST_TRAIN_IMAGES, "train-images-idx3-ubyte", 4, 11, SW_CONFIG,
     "byte 236: 20 bytes follow the last of the 11 images"},
    {SW_TEST_TRAIN_IMAGES, "train-images-idx3-ubyte", 8, 0, SW_CONFIG,
     "byte 8: the image height is 0"},
    {SW_TEST_TRAIN_IMAGES, "train-images-idx3-ubyte", 8, 4097, SW_CONFIG,
     "byte 8: the image height is 4097, 1 to 4096 expected"},
    {SW_TEST_TRAIN_IMAGES, "train-images-idx3-ubyte", 12, 0xffffffffu, SW_CONFIG,
     "byte 12: the image width is 4294967295"},
    {SW_TEST_TRAIN_LABELS, "train-labels-idx1-ubyte", 4, 0x7fffffff, SW_IO,
     "byte 20: truncated: the data ends here, 2147483655 bytes expected"},
    {SW_TEST_TRAIN_LABELS, "train-labels-idx1-ubyte", 8, 0x00010a00, SW_CONFIG,
     "byte 10: label 10 found, 0 to 9 expected"},
    {SW_TEST_TEST_LABELS, "t10k-labels-idx1-ubyte", 9, 0x000000ff, SW_CONFIG,
     "byte 12: label 255 found, 0 to 9 expected"},
};

static void broken_headers_are_refused(void) {
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct scene scene = make_scene(0);
        sw_test_put_size(&scene.files[broken[i].which], broken[i].offset, broken[i].value);
        rewrite(&scene, broken[i].which, broken[i].name, 0);
        expect_refusal(&scene, broken[i].code, broken[i].name, broken[i].phrase);
    }
}

static void counts_must_agree(void) {
    struct scene scene = make_scene(0);
    sw_test_put_size(&scene.files[SW_TEST_TRAIN_LABELS], 4, 11);
    scene.files[SW_TEST_TRAIN_LABELS].length--;
    rewrite(&scene, SW_TEST_TRAIN_LABELS, "train-labels-idx1-ubyte", 0);
    expect_refusal(&scene, SW_CONFIG, "train-labels-idx1-ubyte: byte 4: 11 labels, but",
                   "train-images-idx3-ubyte holds 12 images");
}

static void shapes_must_agree(void) {
    struct scene scene = make_scene(0);
    sw_test_put_size(&scene.files[SW_TEST_TEST_IMAGES], 8, 5);
    sw_test_put_size(&scene.files[SW_TEST_TEST_IMAGES], 12, 4);
    rewrite(&scene, SW_TEST_TEST_IMAGES, "t10k-images-idx3-ubyte", 0);
    expect_refusal(&scene, SW_CONFIG, "t10k-images-idx3-ubyte",
                   "byte 8: test images of 5 x 4 pixels, but the training images have 4 x 5");
}

static void every_truncation_is_refused(void) {
    struct scene scene = make_scene(0);
    size_t full = scene.files[SW_TEST_TEST_IMAGES].length;
    for (size_t length = 0; length < full; length++) {
        char phrase[64];
        snprintf(phrase, sizeof phrase, ": byte %zu: truncated", length);
        scene.files[SW_TEST_TEST_IMAGES].length = length;
        rewrite(&scene, SW_TEST_TEST_IMAGES, "t10k-images-idx3-ubyte", 0);
        expect_refusal(&scene, SW_IO, "t10k-images-idx3-ubyte", phrase);
    }
}

/* ---- gzip ----------------------------------------------------------------------------------- */

static void truncated_gzip_is_refused(void) {
    struct scene scene = make_scene(1);
    uint8_t bytes[1024];
    size_t length = slurp(&scene, "train-images-idx3-ubyte.gz", bytes, sizeof bytes);
    CU_ASSERT_TRUE_FATAL(length > 60 && length < sizeof bytes);
    for (size_t cut = 0; cut < length; cut++) {
        sw_test_write(scene.folder, "train-images-idx3-ubyte.gz", bytes, cut, 0);
        /* One byte is too short to be taken for gzip; it is read as it is. */
        expect_refusal(&scene, SW_IO, "train-images-idx3-ubyte.gz", "truncated");
    }
    sw_test_write(scene.folder, "train-images-idx3-ubyte.gz", bytes, length - 1, 0);
    expect_refusal(&scene, SW_IO, "train-images-idx3-ubyte.gz",
                   "byte 256: truncated: the gzip data ends before its checksum");
}

static void gzip_checksum_is_compared(void) {
    struct scene scene = make_scene(1);
    uint8_t bytes[1024];
    size_t length = slurp(&scene, "train-images-idx3-ubyte.gz", bytes, sizeof bytes);
    bytes[length - 8] ^= 1; /* the CRC is in the last eight bytes, before the length */
    sw_test_write(scene.folder, "train-images-idx3-ubyte.gz", bytes, length, 0);
    expect_refusal(&scene, SW_IO, "train-images-idx3-ubyte.gz",
                   "corrupt gzip data: incorrect data check");
    bytes[length - 8] ^= 1;
    bytes[length - 4] ^= 1;
    sw_test_write(scene.folder, "train-images-idx3-ubyte.gz", bytes, length, 0);
    expect_refusal(&scene, SW_IO, "train-images-idx3-ubyte.gz",
                   "corrupt gzip data: incorrect length check");
}

static void trailing_bytes_in_gzip_are_refused(void) {
    struct scene scene = make_scene(1);
    scene.files[SW_TEST_TEST_LABELS].length++;
    rewrite(&scene, SW_TEST_TEST_LABELS, "t10k-labels-idx1-ubyte.gz", 1);
    expect_refusal(&scene, SW_CONFIG, "t10k-labels-idx1-ubyte.gz",
                   "byte 13: bytes follow the last of the 5 labels");
}

static void gzip_header_cannot_make_us_allocate(void) {
    struct scene scene = make_scene(1);
    sw_test_put_size(&scene.files[SW_TEST_TRAIN_IMAGES], 4, 800000000);
    sw_test_put_size(&scene.files[SW_TEST_TRAIN_LABELS], 4, 800000000);
    rewrite(&scene, SW_TEST_TRAIN_IMAGES, "train-images-idx3-ubyte.gz", 1);
    rewrite(&scene, SW_TEST_TRAIN_LABELS, "train-labels-idx1-ubyte.gz", 1);
    expect_refusal(&scene, SW_IO, "train-images-idx3-ubyte.gz",
                   "byte 4: truncated: the header promises 16000000016 bytes");
}

/* ---- mutations ------------------------------------------------------------------------------ */

static uint32_t draw(uint64_t i) {
    return (uint32_t) sw_random_u64(20240, SW_RANDOM_BENCH, 0, i);
}

/* Change 1 to 3 bytes, or the length. */
static size_t mutate(uint64_t round, const uint8_t *good, size_t length, uint8_t *bad,
                     size_t size) {
    memset(bad, 0, size);
    memcpy(bad, good, length);
    uint32_t way = draw(8 * round) % 8;
    if (way == 0) return draw(8 * round + 1) % length;
    if (way == 1) return length + 1 + draw(8 * round + 1) % (size - length);
    for (uint32_t i = 0; i <= way % 3; i++) {
        uint32_t word = draw(8 * round + 2 + i);
        size_t range = way < 5 && length > 20 ? 20 : length; /* headers more often than pixels */
        bad[word % range] ^= (uint8_t) (1 + (word >> 16) % 255);
    }
    return length;
}

static void mutations_never_crash(void) {
    static const char *const names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                        "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
    int seen[3] = {0};
    for (int gzip = 0; gzip < 2; gzip++) {
        struct scene scene = make_scene(gzip);
        for (uint64_t round = 0; round < 1000; round++) {
            char name[64];
            uint8_t good[512], bad[600];
            struct sw_data_info info;
            snprintf(name, sizeof name, "%s%s", names[round % 4], gzip ? ".gz" : "");
            size_t length = slurp(&scene, name, good, sizeof good);
            size_t mutated = mutate(2 * round + (uint64_t) gzip, good, length, bad, sizeof bad);
            sw_test_write(scene.folder, name, bad, mutated, 0);
            enum sw_status status = sw_data_probe(&scene.spec, &info);
            CU_ASSERT_TRUE(status == SW_OK || status == SW_IO || status == SW_CONFIG);
            CU_ASSERT_TRUE(status == SW_OK || strstr(sw_status_text(), scene.folder) != NULL);
            seen[status == SW_OK ? 0 : status == SW_IO ? 1 : 2]++;
            sw_test_write(scene.folder, name, good, length, 0);
        }
    }
    CU_ASSERT_TRUE(seen[0] > 20 && seen[1] > 200 &&
                   seen[2] > 200); /* the loop does reach all of them */
}

static void no_file_stays_open(void) {
    struct scene scene = make_scene(0);
    struct sw_data_info info;
    int before = open("/dev/null", O_RDONLY);
    (void) close(before);
    SW_TEST_OK(sw_data_probe(&scene.spec, &info));
    scene.files[SW_TEST_TEST_LABELS].bytes[8] = 10;
    rewrite(&scene, SW_TEST_TEST_LABELS, "t10k-labels-idx1-ubyte", 0);
    SW_TEST_FAILS(sw_data_probe(&scene.spec, &info), SW_CONFIG);
    int after = open("/dev/null", O_RDONLY);
    (void) close(after);
    CU_ASSERT_EQUAL(before, after);
}

static CU_TestInfo good_tests[] = {
    {"plain and gzip hold the same", plain_and_gzip_hold_the_same},
    {"the other spelling is found", other_spelling_is_found},
    {"the checksum covers the four arrays in order", checksum_covers_the_four_arrays_in_order},
    {"a limit reads the first images alone", limit_reads_the_first_images_alone},
    {"a limit above the count uses all", limit_above_the_count_uses_all},
    {"the installed fashion-mnist is what it should be",
     installed_fashion_mnist_is_what_it_should_be},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo broken_tests[] = {
    {"a missing file is named", missing_file_is_named},
    {"folder, pipe and empty file are refused", folder_pipe_and_empty_file_are_refused},
    {"a circular link is refused", circular_link_is_refused},
    {"broken headers are refused", broken_headers_are_refused},
    {"counts must agree", counts_must_agree},
    {"shapes must agree", shapes_must_agree},
    {"every truncation is refused", every_truncation_is_refused},
    {"truncated gzip is refused", truncated_gzip_is_refused},
    {"gzip's checksum is compared", gzip_checksum_is_compared},
    {"trailing bytes in gzip are refused", trailing_bytes_in_gzip_are_refused},
    {"a gzip header cannot make us allocate", gzip_header_cannot_make_us_allocate},
    {"mutations never crash", mutations_never_crash},
    {"no file stays open", no_file_stays_open},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"good files", NULL, NULL, NULL, NULL, good_tests},
    {"broken files", NULL, NULL, NULL, NULL, broken_tests},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_data_idx", suites);
}
