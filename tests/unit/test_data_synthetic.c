/* The synthetic data set: repeatable, balanced, learnable. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/test_main.h"
#include "sweepstake/data.h"
#include "sweepstake/memory.h"

/* A decoded set and the block behind it. */
struct sample {
    struct sw_trial_spec spec;
    struct sw_data_info info;
    struct sw_data data;
    uint8_t *block;
};

static struct sw_trial_spec make_spec(const char *shape, int64_t classes, int64_t seed) {
    struct sw_trial_spec spec;
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.data_name, "synthetic");
    SW_TEXT_COPY(spec.data_shape, shape);
    spec.data_classes = classes;
    spec.data_seed = seed;
    spec.data_validation = 200;
    return spec;
}

static struct sample make_sample(struct sw_trial_spec spec) {
    struct sample sample = {.spec = spec};
    SW_TEST_OK(sw_data_probe(&spec, &sample.info));
    SW_TEST_OK(SW_ALLOC(&sample.block, (size_t) sample.info.block_bytes, "block"));
    SW_TEST_OK(sw_data_decode(&spec, &sample.info, sample.block));
    SW_TEST_OK(sw_data_open(&spec, &sample.info, sample.block, &sample.data));
    return sample;
}

static void free_sample(struct sample *sample) {
    sw_data_close(&sample->data);
    SW_FREE(&sample->block);
}

/* ---- what it makes -------------------------------------------------------------------------- */

static void defaults_have_the_stated_sizes(void) {
    struct sample sample = make_sample(make_spec("1x8x8", 10, 0));
    CU_ASSERT_EQUAL(sample.info.shape[0], 1);
    CU_ASSERT_EQUAL(sample.info.shape[1], 8);
    CU_ASSERT_EQUAL(sample.info.shape[2], 8);
    CU_ASSERT_EQUAL(sample.info.classes, 10);
    CU_ASSERT_EQUAL(sample.info.train, 1000);
    CU_ASSERT_EQUAL(sample.info.validation, 200);
    CU_ASSERT_EQUAL(sample.info.test, 400);
    CU_ASSERT_DOUBLE_EQUAL(sample.info.mean[0], 0.5, 0.08);
    CU_ASSERT_DOUBLE_EQUAL(sample.info.deviation[0], 0.24, 0.08);
    free_sample(&sample);
}

/* The bytes are part of every result that was computed on them. */
static void bytes_are_pinned(void) {
    char text[SW_DIGEST_TEXT];
    struct sample gray = make_sample(make_spec("1x8x8", 10, 0)),
                  colour = make_sample(make_spec("3x6x5", 4, 77));
    CU_ASSERT_STRING_EQUAL(sw_digest_text(gray.info.checksum, text),
                           "7630d455e587b0d07a17edf133144d7d");
    CU_ASSERT_STRING_EQUAL(sw_digest_text(colour.info.checksum, text),
                           "09eaf34d2d97188c18fa3171163e866a");
    free_sample(&gray);
    free_sample(&colour);
}

static void every_setting_changes_the_data(void) {
    struct sw_trial_spec specs[] = {make_spec("1x8x8", 10, 0), make_spec("1x8x8", 10, 1),
                                    make_spec("1x8x8", 9, 0),  make_spec("1x4x16", 10, 0),
                                    make_spec("1x8x8", 10, 0), make_spec("1x8x8", 10, 0)};
    struct sw_data_info infos[6];
    specs[4].data_train++;
    specs[5].data_test++;
    for (int i = 0; i < 6; i++) {
        SW_TEST_OK(sw_data_probe(&specs[i], &infos[i]));
        for (int j = 0; j < i; j++)
            CU_ASSERT_FALSE(sw_digest_equal(infos[i].checksum, infos[j].checksum));
    }
}

static void more_samples_do_not_change_earlier_ones(void) {
    struct sw_trial_spec more = make_spec("1x7x5", 10, 3), limited = more, fewer = more;
    more.data_train = 900;
    fewer.data_train = limited.data_limit = 300;
    fewer.data_validation = limited.data_validation = more.data_validation = 0;
    struct sample a = make_sample(more), b = make_sample(fewer), c = make_sample(limited);
    CU_ASSERT_EQUAL(c.info.train, 300);
    CU_ASSERT_EQUAL(memcmp(a.data.images[0], b.data.images[0], 300 * 35), 0);
    CU_ASSERT_EQUAL(memcmp(a.data.labels[0], b.data.labels[0], 300), 0);
    CU_ASSERT_TRUE(sw_digest_equal(b.info.checksum, c.info.checksum));
    CU_ASSERT_NOT_EQUAL(
        memcmp(a.data.images[SW_SPLIT_TRAIN], a.data.images[SW_SPLIT_TEST], 300 * 35), 0);
    free_sample(&a);
    free_sample(&b);
    free_sample(&c);
}

static void classes_are_roughly_balanced(void) {
    static const int64_t classes[] = {2, 4, 10};
    for (int k = 0; k < 3; k++) {
        for (int64_t seed = 0; seed < 4; seed++) {
            struct sample sample = make_sample(make_spec("1x8x8", classes[k], seed));
            int64_t share[16] = {0};
            for (int64_t i = 0; i < sample.info.train; i++)
                share[sample.data.labels[SW_SPLIT_TRAIN][i]]++;
            for (int64_t class = 0; class < classes[k]; class ++) {
                double times_fair = (double) (share[class] * classes[k]) /
                                    (double) sample.info.train;
                CU_ASSERT_TRUE(times_fair > 0.3 && times_fair < 2.2);
            }
            free_sample(&sample);
        }
    }
}

/* ---- learning it ---------------------------------------------------------------------------- */

/* Softmax regression on one sample: weights[class][features + 1], `rate` 0 to look only. Returns whether
 * the class was guessed. */
static int learn(const struct sw_data *data, enum sw_split split, int64_t i, float *weights,
                 float rate) {
    float score[16], sum = 0;
    int64_t best = 0, width = data->features + 1, classes = data->info.classes;
    const uint8_t *image = data->images[split] + i * data->features;
    for (int64_t c = 0; c < classes; c++) {
        score[c] = weights[c * width + data->features];
        for (int64_t j = 0; j < data->features; j++)
            score[c] += weights[c * width + j] * (data->table[image[j]] - 0.5f);
        if (score[c] > score[best]) best = c;
    }
    for (int64_t c = 0; c < classes; c++)
        sum += expf(score[c]);
    for (int64_t c = 0; rate > 0 && c < classes; c++) {
        float slope = expf(score[c]) / sum - (c == data->labels[split][i] ? 1.0f : 0.0f);
        weights[c * width + data->features] -= rate * slope;
        for (int64_t j = 0; j < data->features; j++)
            weights[c * width + j] -= rate * slope * (data->table[image[j]] - 0.5f);
    }
    return best == data->labels[split][i];
}

/* Share of the test images that softmax regression gets right after `epochs`. */
static double accuracy_after(const struct sample *sample, int epochs) {
    float *weights = NULL;
    int64_t right = 0, n = sample->info.train;
    int32_t order[1200];
    SW_TEST_OK(SW_ALLOC(&weights, (size_t) (sample->info.classes * (sample->data.features + 1)),
                        "weights"));
    for (int epoch = 0; epoch < epochs; epoch++) {
        sw_data_order(0, epoch, n, order);
        for (int64_t i = 0; i < n; i++)
            (void) learn(&sample->data, SW_SPLIT_TRAIN, order[i], weights, 0.05f);
    }
    for (int64_t i = 0; i < sample->info.test; i++)
        right += learn(&sample->data, SW_SPLIT_TEST, i, weights, 0);
    SW_FREE(&weights);
    return (double) right / (double) sample->info.test;
}

/* Even a student without a hidden layer is far above chance: 0.1, 0.25 and 0.5. */
static void labels_can_be_learned(void) {
    static const struct {
        const char *shape;
        int64_t classes;
        double accuracy;
    } cases[] = {{"1x8x8", 10, 0.45}, {"3x8x8", 4, 0.6}, {"1x12x12", 2, 0.75}};
    for (int k = 0; k < 3; k++) {
        for (int64_t seed = 0; seed < 3; seed++) {
            struct sample sample = make_sample(make_spec(cases[k].shape, cases[k].classes, seed));
            double accuracy = accuracy_after(&sample, 8);
            if (accuracy < cases[k].accuracy)
                fprintf(stderr, "  %s, %d classes, seed %d: %.3f\n", cases[k].shape,
                        (int) cases[k].classes, (int) seed, accuracy);
            CU_ASSERT_TRUE(accuracy >= cases[k].accuracy);
            free_sample(&sample);
        }
    }
}

/* ---- settings that make no sense ------------------------------------------------------------ */

static void expect_refusal(struct sw_trial_spec spec, enum sw_status code, const char *phrase) {
    struct sw_data_info info;
    SW_TEST_FAILS(sw_data_probe(&spec, &info), code);
    if (strstr(sw_status_text(), phrase) == NULL) fprintf(stderr, "  \"%s\"\n", sw_status_text());
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), phrase));
}

static void impossible_settings_are_refused(void) {
    struct sw_trial_spec huge = make_spec("1x4096x4096", 10, 0);
    huge.data_train = 100000000;
    expect_refusal(make_spec("64", 10, 0), SW_CONFIG,
                   "data.shape: 64 found; CHANNELSxHEIGHTxWIDTH expected");
    expect_refusal(make_spec("5x8x8", 10, 0), SW_UNSUPPORTED, "5 channels; 1 to 4 are supported");
    expect_refusal(make_spec("1x8x5000", 10, 0), SW_CONFIG,
                   "8 x 5000 pixels; a side has 1 to 4096");
    expect_refusal(make_spec("1x8x8", 257, 0), SW_CONFIG, "257 classes; 2 to 256 are supported");
    expect_refusal(huge, SW_CONFIG, "more than 16 GiB");
}

static void smallest_and_widest_shapes_work(void) {
    static const char *const shapes[] = {"1x1x1", "4x1x1", "1x1x300", "2x300x1"};
    for (int k = 0; k < 4; k++) {
        struct sw_trial_spec spec = make_spec(shapes[k], 256, 9);
        spec.data_train = 2;
        spec.data_test = 1;
        spec.data_validation = 1;
        struct sample sample = make_sample(spec);
        CU_ASSERT_EQUAL(sample.info.train, 1);
        free_sample(&sample);
    }
}

static CU_TestInfo content_tests[] = {
    {"the defaults have the stated sizes", defaults_have_the_stated_sizes},
    {"the bytes are pinned", bytes_are_pinned},
    {"every setting changes the data", every_setting_changes_the_data},
    {"more samples do not change earlier ones", more_samples_do_not_change_earlier_ones},
    {"classes are roughly balanced", classes_are_roughly_balanced},
    {"labels can be learned", labels_can_be_learned},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo setting_tests[] = {
    {"impossible settings are refused", impossible_settings_are_refused},
    {"the smallest and widest shapes work", smallest_and_widest_shapes_work},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"content", NULL, NULL, NULL, NULL, content_tests},
    {"settings", NULL, NULL, NULL, NULL, setting_tests},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_data_synthetic", suites);
}
