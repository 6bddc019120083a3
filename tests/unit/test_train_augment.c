/* How training images are shown: by (seed, epoch, sample) alone, and evenly. */
#include <string.h>

#include "../../src/train/augment.h"
#include "../support/test_main.h"

#define SAMPLES 20000

static struct sw_trial_spec make_spec(int64_t flip, int64_t shift) {
    struct sw_trial_spec spec;
    sw_spec_set_defaults(&spec);
    spec.seed = 7;
    spec.train_augment_flip = flip;
    spec.train_augment_shift = shift;
    return spec;
}

static void draw_all(const struct sw_trial_spec *spec, int64_t epoch, struct sw_augment *out) {
    static int32_t index[SAMPLES];
    for (int32_t i = 0; i < SAMPLES; i++)
        index[i] = i;
    sw_augment_draw(spec, epoch, index, SAMPLES, out);
}

static void test_is_asked_by_either_setting(void) {
    struct sw_trial_spec none = make_spec(0, 0), flip = make_spec(1, 0), shift = make_spec(0, 4);
    CU_ASSERT_FALSE(sw_augment_is_asked(&none));
    CU_ASSERT_TRUE(sw_augment_is_asked(&flip));
    CU_ASSERT_TRUE(sw_augment_is_asked(&shift));
}

/* Nine shifts each way: 20000 / 9 = 2222 of each, deviation 44; five deviations. */
static void test_shifts_and_mirrors_are_even(void) {
    static struct sw_augment drawn[SAMPLES];
    struct sw_trial_spec spec = make_spec(1, 4);
    int64_t down[9] = {0}, right[9] = {0}, mirrored = 0, together = 0;
    draw_all(&spec, 3, drawn);
    for (int i = 0; i < SAMPLES; i++) {
        CU_ASSERT_FATAL(drawn[i].down >= -4 && drawn[i].down <= 4);
        CU_ASSERT_FATAL(drawn[i].right >= -4 && drawn[i].right <= 4);
        down[drawn[i].down + 4]++;
        right[drawn[i].right + 4]++;
        mirrored += drawn[i].mirror;
        together += drawn[i].down == drawn[i].right;
    }
    for (int i = 0; i < 9; i++) {
        CU_ASSERT_TRUE(down[i] > 2000 && down[i] < 2444);
        CU_ASSERT_TRUE(right[i] > 2000 && right[i] < 2444);
    }
    CU_ASSERT_TRUE(together > 2000 && together < 2444);
    CU_ASSERT_TRUE(mirrored > 9646 && mirrored < 10354);
}

static void test_settings_bound_what_is_drawn(void) {
    static struct sw_augment drawn[SAMPLES];
    struct sw_trial_spec flip = make_spec(1, 0), shift = make_spec(0, 2);
    int moved = 0, mirrored = 0;
    draw_all(&flip, 0, drawn);
    for (int i = 0; i < SAMPLES; i++)
        moved += drawn[i].down != 0 || drawn[i].right != 0;
    CU_ASSERT_EQUAL(moved, 0);
    draw_all(&shift, 0, drawn);
    for (int i = 0; i < SAMPLES; i++)
        mirrored += drawn[i].mirror;
    CU_ASSERT_EQUAL(mirrored, 0);
}

/* A sample is shown alike wherever in a batch it stands, and otherwise in another epoch. */
static void test_depends_on_seed_epoch_and_sample_alone(void) {
    static struct sw_augment first[SAMPLES], second[SAMPLES];
    struct sw_trial_spec spec = make_spec(1, 4);
    const int32_t some[3] = {901, 5, 17};
    struct sw_augment shown[3];
    draw_all(&spec, 2, first);
    sw_augment_draw(&spec, 2, some, 3, shown);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(memcmp(&shown[i], &first[some[i]], sizeof *shown), 0);
    draw_all(&spec, 4, second);
    CU_ASSERT_NOT_EQUAL(memcmp(first, second, sizeof first), 0);
    spec.seed = 8;
    draw_all(&spec, 2, second);
    CU_ASSERT_NOT_EQUAL(memcmp(first, second, sizeof first), 0);
}

int main(void) {
    static CU_TestInfo tests[] = {
        {"either setting asks for it", test_is_asked_by_either_setting},
        {"shifts and mirrors are even and independent", test_shifts_and_mirrors_are_even},
        {"settings bound what is drawn", test_settings_bound_what_is_drawn},
        {"seed, epoch and sample decide alone", test_depends_on_seed_epoch_and_sample_alone},
        CU_TEST_INFO_NULL,
    };
    static CU_SuiteInfo suites[] = {
        {"augmentation", NULL, NULL, NULL, NULL, tests},
        CU_SUITE_INFO_NULL,
    };
    return sw_test_main("test_train_augment", suites);
}
