/* What the tests of operations on images share: images as plain arrays [lane, channel, y, x], and their way
 * to a device and back. */
#pragma once

#include "devices.h"
#include "sweepstake/backend_planes.h"

static inline int64_t image_floats(const struct sw_planes *planes, int64_t ld) {
    return ld * planes->channels * planes->height * planes->width;
}

/* Place of a pixel in a plain array. */
static inline int64_t pixel_at(const struct sw_planes *planes, int64_t lane, int64_t channel,
                               int64_t y, int64_t x) {
    return ((lane * planes->channels + channel) * planes->height + y) * planes->width + x;
}

/* Place of a pixel in a buffer of planes, from the words of planes.h. */
static inline int64_t stored_at(const struct sw_planes *planes, int64_t lane, int64_t channel,
                                int64_t y, int64_t x) {
    int64_t plane = lane / SW_HAL_LANES * planes->channels + channel;
    int64_t row = plane * (planes->height + 2 * planes->border) + planes->border + y;
    int64_t pixel = row * (planes->width + 2 * planes->border) + planes->border + x;
    return pixel * SW_HAL_LANES + lane % SW_HAL_LANES;
}

/* for_pixels(planes, ld) { ... }: every lane, channel, y and x. */
#define for_pixels(planes, ld)                                                                     \
    for (int64_t lane = 0; lane < (ld); lane++)                                                    \
        for (int64_t channel = 0; channel < (planes)->channels; channel++)                         \
            for (int64_t y = 0; y < (planes)->height; y++)                                         \
                for (int64_t x = 0; x < (planes)->width; x++)

/* Random images; lanes from `batch` on hold `padding` everywhere. */
static inline float *random_images(const struct sw_planes *planes, int64_t batch, float padding,
                                   uint64_t stream) {
    int64_t ld = sw_hal_lanes(batch);
    float *images = random_floats(image_floats(planes, ld), stream);
    for (int64_t i = image_floats(planes, batch); i < image_floats(planes, ld); i++)
        images[i] = padding;
    return images;
}

/* On a device, with zeros around; NULL: NaN inside. */
static inline struct sw_buffer *upload_images(struct sw_hal *hal, const struct sw_planes *planes,
                                              int64_t ld, const float *images) {
    int64_t n = sw_planes_floats(planes, ld);
    float *stored = NULL;
    SW_TEST_OK(SW_ALLOC(&stored, (size_t) n, "test"));
    for_pixels(planes, ld) stored[stored_at(planes, lane, channel, y, x)] =
        images != NULL ? images[pixel_at(planes, lane, channel, y, x)] : NAN;
    struct sw_buffer *buffer = floats(hal, stored, n);
    SW_FREE(&stored);
    return buffer;
}

/* Back from a device. The border has to be zero. */
static inline float *fetch_images(const struct sw_buffer *buffer, const struct sw_planes *planes,
                                  int64_t ld) {
    int64_t n = sw_planes_floats(planes, ld), zeros = 0;
    float *stored = fetch(buffer, n), *images = NULL;
    SW_TEST_OK(SW_ALLOC(&images, (size_t) image_floats(planes, ld), "test"));
    for_pixels(planes, ld) {
        float *from = &stored[stored_at(planes, lane, channel, y, x)];
        images[pixel_at(planes, lane, channel, y, x)] = *from;
        *from = 0.0f;
    }
    for (int64_t i = 0; i < n; i++)
        zeros += stored[i] == 0.0f;
    CU_ASSERT_EQUAL(zeros, n);
    SW_FREE(&stored);
    return images;
}

/* One number as it should be, and the sum of absolute terms, which bounds rounding errors. */
struct exact {
    double value, scale;
};

static inline void add_term(struct exact *sum, double a, double b) {
    sum->value += a * b;
    sum->scale += fabs(a * b);
}

static inline struct exact *exact_array(int64_t n) {
    struct exact *array = NULL;
    SW_TEST_OK(SW_ALLOC(&array, (size_t) n, "test"));
    return array;
}

/* |result - value| <= tolerance scale for the first n numbers. */
static inline void compare_with(const char *name, const float *result, const struct exact *exact,
                                int64_t n, double tolerance) {
    int64_t bad = 0;
    for (int64_t i = 0; i < n; i++) {
        double error = fabs((double) result[i] - exact[i].value);
        if (!(error <= tolerance * exact[i].scale) && bad++ == 0)
            fprintf(stderr, "  %s: number %lld is %.9g, not %.9g\n", name, (long long) i,
                    (double) result[i], exact[i].value);
    }
    CU_ASSERT_EQUAL(bad, 0);
}

/* Lanes from `batch` on are zero, as in every gradient. */
static inline void padding_is_zero(const struct sw_planes *planes, int64_t batch,
                                   const float *images) {
    int64_t bad = 0;
    for (int64_t i = image_floats(planes, batch); i < image_floats(planes, sw_hal_lanes(batch));
         i++)
        bad += images[i] != 0.0f;
    CU_ASSERT_EQUAL(bad, 0);
}
