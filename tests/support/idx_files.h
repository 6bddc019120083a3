/* A small data set in four IDX files, to be written as it is or damaged first. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SW_TEST_TRAIN 12 /* images */
#define SW_TEST_TEST 5
#define SW_TEST_HEIGHT 4
#define SW_TEST_WIDTH 5
#define SW_TEST_FEATURES (SW_TEST_HEIGHT * SW_TEST_WIDTH)

enum sw_test_file_of {
    SW_TEST_TRAIN_IMAGES,
    SW_TEST_TRAIN_LABELS,
    SW_TEST_TEST_IMAGES,
    SW_TEST_TEST_LABELS,
    SW_TEST_FILES
};

struct sw_test_file {
    uint8_t bytes[512];
    size_t length;
};

/* Pixel j of image i of a half, and its label, by a fixed rule. */
uint8_t sw_test_pixel(int test, int i, int j);
uint8_t sw_test_label(int test, int i);

/* The four files, all of them right. */
void sw_test_make_files(struct sw_test_file files[SW_TEST_FILES]);

/* A big-endian number into a header. */
void sw_test_put_size(struct sw_test_file *file, size_t offset, uint32_t size);

/* Write bytes to a file, through gzip when asked. Aborts when that fails. */
void sw_test_write(const char *folder, const char *name, const void *bytes, size_t length,
                   int gzip);

/* Write all four under their usual names, ".gz" added when gzip is asked for. */
void sw_test_write_files(const char *folder, const struct sw_test_file files[SW_TEST_FILES],
                         int gzip);
