#include <math.h>
#include <string.h>

#include "../support/test_main.h"
#include "sweepstake/train.h"

static struct sw_trial_spec make(int64_t epochs, int64_t steps, int64_t batch, int64_t every) {
    struct sw_trial_spec spec;
    sw_spec_set_defaults(&spec);
    spec.train_epochs = epochs;
    spec.train_steps = steps;
    spec.train_batch = batch;
    spec.train_evaluate_every = every;
    return spec;
}

/* ---- length --------------------------------------------------------------------------------- */

static void epochs_count_the_partial_batch(void) {
    struct sw_trial_spec spec = make(8, SW_INT_NULL, 60, 100);
    CU_ASSERT_EQUAL(sw_train_epoch_steps(&spec, 55000), 917);
    CU_ASSERT_EQUAL(sw_train_steps(&spec, 55000), 8 * 917);
    CU_ASSERT_EQUAL(sw_train_epoch_steps(&spec, 60), 1);
    CU_ASSERT_EQUAL(sw_train_epoch_steps(&spec, 61), 2);
    CU_ASSERT_EQUAL(sw_train_epoch_steps(&spec, 0), 0);
    spec = make(1000000, SW_INT_NULL, 1, 1);
    CU_ASSERT_EQUAL(sw_train_steps(&spec, 100000000), 100000000000000);
}

static void steps_are_taken_as_given(void) {
    struct sw_trial_spec spec = make(SW_INT_NULL, 50000, 60, 100);
    CU_ASSERT_EQUAL(sw_train_steps(&spec, 55000), 50000);
    CU_ASSERT_EQUAL(sw_train_steps(&spec, 7), 50000);
}

static void the_last_evaluation_is_not_made_twice(void) {
    struct sw_trial_spec spec = make(SW_INT_NULL, 1, 60, 100);
    CU_ASSERT_EQUAL(sw_train_curve_points(&spec, 0), 1);
    CU_ASSERT_EQUAL(sw_train_curve_points(&spec, 1), 2);
    CU_ASSERT_EQUAL(sw_train_curve_points(&spec, 99), 2);
    CU_ASSERT_EQUAL(sw_train_curve_points(&spec, 100), 2);
    CU_ASSERT_EQUAL(sw_train_curve_points(&spec, 101), 3);
    CU_ASSERT_EQUAL(sw_train_curve_points(&spec, 250), 4);
    /* Before step k, then at 100, 200 and 250 as far as they are still to come. */
    CU_ASSERT_EQUAL(sw_train_curve_points_from(&spec, 0, 250), 4);
    CU_ASSERT_EQUAL(sw_train_curve_points_from(&spec, 99, 250), 4);
    CU_ASSERT_EQUAL(sw_train_curve_points_from(&spec, 100, 250), 3);
    CU_ASSERT_EQUAL(sw_train_curve_points_from(&spec, 101, 250), 3);
    CU_ASSERT_EQUAL(sw_train_curve_points_from(&spec, 200, 250), 2);
    CU_ASSERT_EQUAL(sw_train_curve_points_from(&spec, 249, 250), 2);
    CU_ASSERT_EQUAL(sw_train_curve_points_from(&spec, 199, 200), 2);
}

/* ---- operations and bytes ------------------------------------------------------------------- */

static void operations_count_samples_and_evaluations(void) {
    struct sw_arch arch;
    struct sw_data_info data = {.train = 130, .validation = 20, .test = 30};
    const int64_t kept[2] = {10, 4};
    struct sw_trial_spec spec = make(SW_INT_NULL, 7, 60, 3); /* 2 epochs of 3 steps, and 1 step */
    SW_TEST_OK(sw_arch_create("mlp-5", (int64_t[3]){1, 1, 4}, 3, &arch));
    double forward = 2 * 14 + 8, step = 2 * forward + 2 * 4;
    CU_ASSERT_EQUAL(sw_train_flops(&spec, &arch, &data, kept),
                    (2 * 130 + 60) * step + 4 * 50 * forward);
    data.train = 0;
    CU_ASSERT_EQUAL(sw_train_flops(&spec, &arch, &data, kept), 4 * 50 * forward);
    sw_arch_fini(&arch);
}

static int64_t state_bytes(const struct sw_trial_spec *spec, int64_t survivors, int64_t factored) {
    const struct sw_train_extent extent = {.survivors = survivors, .factored = factored};
    return sw_train_state_bytes(spec, &extent);
}

/* Two factors beside the value, and the states of both. */
static void factored_weights_have_twice_the_state(void) {
    struct sw_trial_spec spec = make(1, SW_INT_NULL, 60, 100);
    CU_ASSERT_EQUAL(state_bytes(&spec, 1000, 900), 4 * (2 * 100 + 900 * (2 + 4)));
    SW_TEXT_COPY(spec.train_optimizer_name, "sgd");
    CU_ASSERT_EQUAL(state_bytes(&spec, 1000, 900), 4 * 900 * 2);
    spec.train_optimizer_momentum = 0.9;
    CU_ASSERT_EQUAL(state_bytes(&spec, 1000, 900), 4 * (100 + 900 * 4));
    spec.signin_enabled = 1;
    CU_ASSERT_EQUAL(sw_train_extent_of(&spec, 1, 1000, 900, 3).factored, 900);
    CU_ASSERT_EQUAL(sw_train_extent_of(&spec, 0, 1000, 900, 3).factored, 0);
    SW_TEXT_COPY(spec.signin_rounds, "all");
    CU_ASSERT_EQUAL(sw_train_extent_of(&spec, 0, 1000, 900, 3).factored, 900);
    spec.signin_enabled = 0;
    CU_ASSERT_EQUAL(sw_train_extent_of(&spec, 1, 1000, 900, 3).factored, 0);
}

static void state_is_kept_for_survivors_only(void) {
    struct sw_trial_spec spec = make(1, SW_INT_NULL, 60, 100);
    CU_ASSERT_EQUAL(state_bytes(&spec, 1000, 0), 8000);
    SW_TEXT_COPY(spec.train_optimizer_name, "sgd");
    CU_ASSERT_EQUAL(state_bytes(&spec, 1000, 0), 0);
    spec.train_optimizer_momentum = 0.9;
    CU_ASSERT_EQUAL(state_bytes(&spec, 1000, 0), 4000);
    spec.train_optimizer_nesterov = 1;
    CU_ASSERT_EQUAL(state_bytes(&spec, 1000, 0), 4000);
    SW_TEXT_COPY(spec.train_optimizer_name, "adamw");
    CU_ASSERT_EQUAL(state_bytes(&spec, 1000, 0), 8000);
}

/* ---- learning rate -------------------------------------------------------------------------- */

static void a_constant_rate_without_warmup_is_the_base_rate(void) {
    struct sw_trial_spec spec = make(1, SW_INT_NULL, 60, 100);
    spec.train_optimizer_lr = 0.125;
    for (int64_t step = 0; step < 10; step++)
        CU_ASSERT_EQUAL(sw_lr_at(&spec, step, 10, 5), 0.125);
}

static void the_warmup_rises_in_a_line_to_the_base_rate(void) {
    struct sw_trial_spec spec = make(1, SW_INT_NULL, 60, 100);
    spec.train_optimizer_lr = 2;
    spec.train_schedule_warmup_fraction = 0.5;
    spec.train_schedule_warmup_start = 0.2;
    const double expected[10] = {0.4, 0.72, 1.04, 1.36, 1.68, 2, 2, 2, 2, 2};
    for (int64_t step = 0; step < 10; step++)
        CU_ASSERT_DOUBLE_EQUAL(sw_lr_at(&spec, step, 10, 5), expected[step], 1e-12);
}

/* Steps below the base rate are the warmup's length. */
static int64_t warmup_length(double fraction, int64_t steps) {
    struct sw_trial_spec spec = make(1, SW_INT_NULL, 60, 100);
    int64_t length = 0;
    spec.train_schedule_warmup_fraction = fraction;
    while (length < steps && sw_lr_at(&spec, length, steps, steps) < spec.train_optimizer_lr)
        length++;
    return length;
}

static void the_warmup_is_rounded_up_to_whole_steps(void) {
    CU_ASSERT_EQUAL(warmup_length(0, 100), 0);
    CU_ASSERT_EQUAL(warmup_length(1e-6, 100), 1);
    CU_ASSERT_EQUAL(warmup_length(0.07, 100), 7); /* 0.07 * 100 > 7 in binary */
    CU_ASSERT_EQUAL(warmup_length(0.071, 100), 8);
    CU_ASSERT_EQUAL(warmup_length(0.3, 10), 3);
    CU_ASSERT_EQUAL(warmup_length(1, 17), 17);
}

/* ---- registries ----------------------------------------------------------------------------- */

static void options_are_keys_of_the_spec(void) {
    size_t n = 0;
    for (; sw_optimizer_at(n) != NULL; n++) {
        const struct sw_optimizer *optimizer = sw_optimizer_at(n);
        CU_ASSERT_PTR_EQUAL(sw_optimizer_find(optimizer->name), optimizer);
        for (const char *const *key = optimizer->options; *key != NULL; key++) {
            CU_ASSERT_EQUAL(strncmp(*key, "train.optimizer.", 16), 0);
            CU_ASSERT_PTR_NOT_NULL(sw_spec_find_field(*key));
        }
    }
    CU_ASSERT_EQUAL(n, 3);
    CU_ASSERT_PTR_NULL(sw_optimizer_find("Adam"));
}

static void schedules_are_found_by_name(void) {
    size_t n = 0;
    for (; sw_lr_schedule_at(n) != NULL; n++) {
        const struct sw_lr_schedule *schedule = sw_lr_schedule_at(n);
        CU_ASSERT_PTR_EQUAL(sw_lr_schedule_find(schedule->name), schedule);
        for (const char *const *key = schedule->options; *key != NULL; key++)
            CU_ASSERT_PTR_NOT_NULL(sw_spec_find_field(*key));
    }
    CU_ASSERT_EQUAL(n, 4);
    CU_ASSERT_PTR_NULL(sw_lr_schedule_find(""));
}

static CU_TestInfo length[] = {
    {"epochs_count_the_partial_batch", epochs_count_the_partial_batch},
    {"steps_are_taken_as_given", steps_are_taken_as_given},
    {"the_last_evaluation_is_not_made_twice", the_last_evaluation_is_not_made_twice},
    {"operations_count_samples_and_evaluations", operations_count_samples_and_evaluations},
    {"state_is_kept_for_survivors_only", state_is_kept_for_survivors_only},
    {"factored_weights_have_twice_the_state", factored_weights_have_twice_the_state},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo rate[] = {
    {"a_constant_rate_without_warmup_is_the_base_rate",
     a_constant_rate_without_warmup_is_the_base_rate},
    {"the_warmup_rises_in_a_line_to_the_base_rate", the_warmup_rises_in_a_line_to_the_base_rate},
    {"the_warmup_is_rounded_up_to_whole_steps", the_warmup_is_rounded_up_to_whole_steps},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo registries[] = {
    {"options_are_keys_of_the_spec", options_are_keys_of_the_spec},
    {"schedules_are_found_by_name", schedules_are_found_by_name},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"length", NULL, NULL, NULL, NULL, length},
    {"rate", NULL, NULL, NULL, NULL, rate},
    {"registries", NULL, NULL, NULL, NULL, registries},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_train_length", suites);
}
