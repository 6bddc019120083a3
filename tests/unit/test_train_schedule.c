/* Learning rates of every schedule at exact steps, and settings that do not fit together. */
#include <math.h>
#include <string.h>

#include "../support/test_main.h"
#include "sweepstake/train.h"

/* A rate of 1, so that rates are factors. */
static struct sw_trial_spec make(const char *schedule) {
    struct sw_trial_spec spec;
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.train_schedule_name, schedule);
    spec.train_optimizer_lr = 1;
    return spec;
}

static struct sw_trial_spec make_step(const char *milestones, double gamma) {
    struct sw_trial_spec spec = make("step");
    SW_TEXT_COPY(spec.train_schedule_milestones, milestones);
    spec.train_schedule_gamma = gamma;
    return spec;
}

static void set_warmup(struct sw_trial_spec *spec, double fraction, double start) {
    spec->train_schedule_warmup_fraction = fraction;
    spec->train_schedule_warmup_start = start;
}

static void expect(const struct sw_trial_spec *spec, const double *rates, int64_t steps) {
    for (int64_t step = 0; step < steps; step++)
        CU_ASSERT_DOUBLE_EQUAL(sw_lr_at(spec, step, steps, 3), rates[step], 1e-15);
}

/* ---- step ----------------------------------------------------------------------------------- */

/* ResNet-20 on CIFAR-10: 160 epochs of 391 steps, a tenth at epochs 80 and 120. */
static void the_rate_falls_at_milestones(void) {
    static const struct {
        int64_t step;
        double rate;
    } points[] = {{0, 0.1},      {80 * 391 - 1, 0.1}, {80 * 391, 0.01},      {100 * 391, 0.01},
                  {46919, 0.01}, {120 * 391, 0.001},  {160 * 391 - 1, 0.001}};
    struct sw_trial_spec spec = make_step("80,120", 0.1);
    spec.train_optimizer_lr = 0.1;
    for (size_t i = 0; i < sizeof points / sizeof *points; i++)
        CU_ASSERT_DOUBLE_EQUAL(sw_lr_at(&spec, points[i].step, 160 * 391, 391), points[i].rate,
                               1e-16);
}

static int64_t first_fall(const char *milestone, int64_t epoch_steps) {
    struct sw_trial_spec spec = make_step(milestone, 0.5);
    int64_t step = 0;
    while (step < 1000 && sw_lr_at(&spec, step, 1000, epoch_steps) == 1)
        step++;
    return step;
}

static void milestones_may_be_parts_of_epochs(void) {
    CU_ASSERT_EQUAL(first_fall("0.5", 10), 5);
    CU_ASSERT_EQUAL(first_fall("0.07", 100), 7); /* 0.07 * 100 > 7 in binary */
    CU_ASSERT_EQUAL(first_fall("0.071", 100), 8);
    CU_ASSERT_EQUAL(first_fall("3", 7), 21);
    CU_ASSERT_EQUAL(first_fall("1000", 1), 1000); /* never within the training */
}

static void the_warmup_multiplies_the_steps(void) {
    struct sw_trial_spec spec = make_step("1,2", 0.5); /* steps 3 and 6 */
    set_warmup(&spec, 0.5, 0.2);
    expect(&spec, (const double[8]){0.2, 0.4, 0.6, 0.4, 0.5, 0.5, 0.25, 0.25}, 8);
}

/* ---- cosine --------------------------------------------------------------------------------- */

static const double eighths[8] = {
    1,   0.96193976625564338, 0.85355339059327376, 0.69134171618254492,
    0.5, 0.30865828381745508, 0.14644660940672624, 0.03806023374435663};

static void the_cosine_goes_from_one_towards_zero(void) {
    struct sw_trial_spec spec = make("cosine");
    expect(&spec, eighths, 8);
}

static void the_cosine_is_exact_at_every_step(void) {
    struct sw_trial_spec spec = make("cosine");
    const int64_t steps = 9170;
    const long double pi = 3.14159265358979323846L;
    for (int64_t step = 0; step < steps; step++) {
        long double exact = (1 + cosl(pi * (long double) step / (long double) steps)) / 2;
        CU_ASSERT_DOUBLE_EQUAL(sw_lr_at(&spec, step, steps, 917), (double) exact, 3e-16);
    }
}

static void the_cosine_ends_at_the_floor(void) {
    struct sw_trial_spec spec = make("cosine");
    spec.train_optimizer_lr = 0.1;
    spec.train_schedule_floor = 0.25;
    CU_ASSERT_DOUBLE_EQUAL(sw_lr_at(&spec, 0, 100, 10), 0.1, 1e-16);
    CU_ASSERT_DOUBLE_EQUAL(sw_lr_at(&spec, 50, 100, 10), 0.0625, 1e-16);
    CU_ASSERT_DOUBLE_EQUAL(sw_lr_at(&spec, 100, 100, 10), 0.025, 1e-16);
    spec.train_schedule_floor = 1;
    CU_ASSERT_DOUBLE_EQUAL(sw_lr_at(&spec, 77, 100, 10), 0.1, 1e-16);
}

static void the_cosine_begins_after_the_warmup(void) {
    struct sw_trial_spec spec = make("cosine");
    set_warmup(&spec, 0.2, 0.5);
    CU_ASSERT_EQUAL(sw_lr_at(&spec, 0, 10, 3), 0.5);
    CU_ASSERT_EQUAL(sw_lr_at(&spec, 1, 10, 3), 0.75);
    for (int64_t step = 2; step < 10; step++)
        CU_ASSERT_DOUBLE_EQUAL(sw_lr_at(&spec, step, 10, 3), eighths[step - 2], 1e-15);
}

/* ---- linear --------------------------------------------------------------------------------- */

static void the_line_goes_down_to_the_floor(void) {
    struct sw_trial_spec spec = make("linear");
    expect(&spec, (const double[4]){1, 0.75, 0.5, 0.25}, 4);
    spec.train_schedule_floor = 0.2;
    expect(&spec, (const double[4]){1, 0.8, 0.6, 0.4}, 4);
    CU_ASSERT_DOUBLE_EQUAL(sw_lr_at(&spec, 4, 4, 3), 0.2, 1e-16);
}

static void the_line_begins_after_the_warmup(void) {
    struct sw_trial_spec spec = make("linear");
    set_warmup(&spec, 0.5, 0);
    expect(&spec, (const double[8]){0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25}, 8);
}

static void a_warmup_of_the_whole_training_is_only_a_ramp(void) {
    static const char *const names[] = {"constant", "cosine", "linear"};
    for (size_t i = 0; i < 3; i++) {
        struct sw_trial_spec spec = make(names[i]);
        set_warmup(&spec, 1, 0);
        expect(&spec, (const double[4]){0, 0.25, 0.5, 0.75}, 4);
        CU_ASSERT_EQUAL(sw_lr_at(&spec, 0, 0, 3), 1); /* a training without steps */
    }
}

/* ---- settings against each other ------------------------------------------------------------ */

static void expect_refused(const struct sw_trial_spec *spec, const char *key, const char *phrase) {
    const char *found = "";
    SW_TEST_FAILS(sw_train_check(spec, &found), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(found, key);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), phrase));
}

static void the_step_schedule_needs_rising_milestones(void) {
    const char *key = NULL;
    struct sw_trial_spec spec = make_step("", 0.1);
    expect_refused(&spec, "train.schedule.name", "train.schedule.milestones: ");
    spec = make_step("2,1", 0.1);
    expect_refused(&spec, "train.schedule.milestones", "1 comes after 2");
    spec = make_step("1,2,2", 0.1);
    expect_refused(&spec, "train.schedule.milestones", "2 comes after 2");
    spec = make_step("1,2,2.5", 0.1);
    SW_TEST_OK(sw_train_check(&spec, &key));
}

static void nesterov_needs_momentum(void) {
    const char *key = NULL;
    struct sw_trial_spec spec = make("constant");
    SW_TEXT_COPY(spec.train_optimizer_name, "sgd");
    SW_TEST_OK(sw_train_check(&spec, &key));
    spec.train_optimizer_nesterov = 1;
    expect_refused(&spec, "train.optimizer.nesterov", "momentum above 0");
    spec.train_optimizer_momentum = 0.9;
    SW_TEST_OK(sw_train_check(&spec, &key));
}

static void unknown_names_are_refused(void) {
    struct sw_trial_spec spec = make("moon");
    expect_refused(&spec, "train.schedule.name", "'moon' is not known");
    CU_ASSERT_TRUE(isnan(sw_lr_at(&spec, 0, 10, 5)));
    SW_TEXT_COPY(spec.train_optimizer_name, "newton");
    expect_refused(&spec, "train.optimizer.name", "'newton' is not known");
}

static CU_TestInfo step[] = {
    {"the_rate_falls_at_milestones", the_rate_falls_at_milestones},
    {"milestones_may_be_parts_of_epochs", milestones_may_be_parts_of_epochs},
    {"the_warmup_multiplies_the_steps", the_warmup_multiplies_the_steps},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo curves[] = {
    {"the_cosine_goes_from_one_towards_zero", the_cosine_goes_from_one_towards_zero},
    {"the_cosine_is_exact_at_every_step", the_cosine_is_exact_at_every_step},
    {"the_cosine_ends_at_the_floor", the_cosine_ends_at_the_floor},
    {"the_cosine_begins_after_the_warmup", the_cosine_begins_after_the_warmup},
    {"the_line_goes_down_to_the_floor", the_line_goes_down_to_the_floor},
    {"the_line_begins_after_the_warmup", the_line_begins_after_the_warmup},
    {"a_warmup_of_the_whole_training_is_only_a_ramp",
     a_warmup_of_the_whole_training_is_only_a_ramp},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo settings[] = {
    {"the_step_schedule_needs_rising_milestones", the_step_schedule_needs_rising_milestones},
    {"nesterov_needs_momentum", nesterov_needs_momentum},
    {"unknown_names_are_refused", unknown_names_are_refused},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"step", NULL, NULL, NULL, NULL, step},
    {"curves", NULL, NULL, NULL, NULL, curves},
    {"settings", NULL, NULL, NULL, NULL, settings},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_train_schedule", suites);
}
