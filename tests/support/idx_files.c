#include "idx_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

uint8_t sw_test_pixel(int test, int i, int j) {
    return (uint8_t) (37 * i + 11 * j + (i * j) % 7 + 100 * test);
}

uint8_t sw_test_label(int test, int i) {
    return (uint8_t) ((3 * i + test) % 10);
}

void sw_test_put_size(struct sw_test_file *file, size_t offset, uint32_t size) {
    for (int i = 0; i < 4; i++)
        file->bytes[offset + (size_t) i] = (uint8_t) (size >> (24 - 8 * i));
}

static void make_half(int test, int n, struct sw_test_file *images, struct sw_test_file *labels) {
    memset(images, 0, sizeof *images);
    memset(labels, 0, sizeof *labels);
    sw_test_put_size(images, 0, 0x803);
    sw_test_put_size(images, 4, (uint32_t) n);
    sw_test_put_size(images, 8, SW_TEST_HEIGHT);
    sw_test_put_size(images, 12, SW_TEST_WIDTH);
    sw_test_put_size(labels, 0, 0x801);
    sw_test_put_size(labels, 4, (uint32_t) n);
    images->length = 16 + (size_t) n * SW_TEST_FEATURES;
    labels->length = 8 + (size_t) n;
    for (int i = 0; i < n; i++) {
        labels->bytes[8 + i] = sw_test_label(test, i);
        for (int j = 0; j < SW_TEST_FEATURES; j++)
            images->bytes[16 + i * SW_TEST_FEATURES + j] = sw_test_pixel(test, i, j);
    }
}

void sw_test_make_files(struct sw_test_file files[SW_TEST_FILES]) {
    make_half(0, SW_TEST_TRAIN, &files[SW_TEST_TRAIN_IMAGES], &files[SW_TEST_TRAIN_LABELS]);
    make_half(1, SW_TEST_TEST, &files[SW_TEST_TEST_IMAGES], &files[SW_TEST_TEST_LABELS]);
}

void sw_test_write(const char *folder, const char *name, const void *bytes, size_t length,
                   int gzip) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    gzFile file = gzopen(path, gzip ? "wb" : "wbT"); /* T: as it is */
    if (file == NULL) abort();
    if (length > 0 && gzwrite(file, bytes, (unsigned) length) != (int) length) abort();
    if (gzclose(file) != Z_OK) abort();
}

void sw_test_write_files(const char *folder, const struct sw_test_file files[SW_TEST_FILES],
                         int gzip) {
    static const char *const names[SW_TEST_FILES] = {
        "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte"};
    for (int i = 0; i < SW_TEST_FILES; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", names[i], gzip ? ".gz" : "");
        sw_test_write(folder, name, files[i].bytes, files[i].length, gzip);
    }
}
