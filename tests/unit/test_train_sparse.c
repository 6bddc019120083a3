/* Settings of rounds that are pruned, rules for their learning rates, and what does not fit together. */
#include <math.h>
#include <string.h>

#include "../support/test_main.h"
#include "sweepstake/train.h"

/* 10 epochs of 5 steps; pruned rounds begin with what `words` say. */
#define IMAGES 300
static struct sw_trial_spec make(const char *const *words) {
    struct sw_trial_spec spec;
    sw_spec_set_defaults(&spec);
    spec.train_epochs = 10;
    spec.train_optimizer_lr = 0.5;
    for (; words[0] != NULL; words += 2)
        SW_TEST_OK(sw_spec_set(&spec, sw_spec_find_field(words[0]), words[1]));
    return spec;
}
#define MAKE(...) make((const char *const[]){__VA_ARGS__, NULL})

/* ---- settings of a round ---------------------------------------------------------------------- */

static void the_dense_round_has_the_settings_of_the_trial(void) {
    struct sw_trial_spec spec = MAKE("train.sparse.lr_factor", "0.4", "train.sparse.batch_factor",
                                     "1.25", "train.sparse.decay_factor", "2", "rewind.mode",
                                     "fine-tune", "train.sparse.steps", "7",
                                     "train.sparse.warmup.fraction", "0.2");
    struct sw_trial_spec out;
    sw_train_round_spec(&spec, 0, IMAGES, &out);
    CU_ASSERT_EQUAL(memcmp(&out, &spec, sizeof spec), 0);
}

static void without_settings_pruned_rounds_are_as_the_dense_one(void) {
    struct sw_trial_spec spec = MAKE("train.schedule.name", "cosine");
    struct sw_trial_spec out;
    sw_train_round_spec(&spec, 3, IMAGES, &out);
    CU_ASSERT_EQUAL(memcmp(&out, &spec, sizeof spec), 0);
}

static void factors_act_on_rate_batch_and_decay(void) {
    struct sw_trial_spec out,
        spec = MAKE("train.sparse.lr_factor", "0.4", "train.sparse.decay_factor", "1.25",
                    "train.optimizer.weight_decay", "0.01", "train.sparse.warmup.fraction", "0.2",
                    "train.sparse.warmup.start", "0.25");
    sw_train_round_spec(&spec, 1, IMAGES, &out);
    CU_ASSERT_DOUBLE_EQUAL(out.train_optimizer_lr, 0.2, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(out.train_optimizer_weight_decay, 0.0125, 1e-15);
    CU_ASSERT_EQUAL(out.train_batch, 60);
    /* A line from a quarter of 0.2 to 0.2 over 10 of 50 steps. */
    CU_ASSERT_DOUBLE_EQUAL(sw_lr_at(&out, 0, 50, 5), 0.05, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(sw_lr_at(&out, 5, 50, 5), 0.125, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(sw_lr_at(&out, 10, 50, 5), 0.2, 1e-15);
}

static int64_t batch_of(int64_t batch, double factor) {
    struct sw_trial_spec out, spec = MAKE("seed", "0");
    spec.train_batch = batch;
    spec.train_sparse_batch_factor = factor;
    sw_train_round_spec(&spec, 1, IMAGES, &out);
    return out.train_batch;
}

static void batches_are_rounded_to_whole_samples(void) {
    CU_ASSERT_EQUAL(batch_of(60, 1.25), 75);
    CU_ASSERT_EQUAL(batch_of(50, 1.25), 63); /* 62.5 */
    CU_ASSERT_EQUAL(batch_of(49, 1.25), 61); /* 61.25 */
    CU_ASSERT_EQUAL(batch_of(60, 0.5), 30);
    CU_ASSERT_EQUAL(batch_of(1, 0.001), 1);
}

/* A larger batch makes fewer steps of an epoch, and so of a training of as many epochs. */
static void a_larger_batch_has_fewer_steps(void) {
    struct sw_trial_spec out, spec = MAKE("train.sparse.batch_factor", "1.25");
    sw_train_round_spec(&spec, 2, IMAGES, &out);
    CU_ASSERT_EQUAL(sw_train_steps(&spec, IMAGES), 50);
    CU_ASSERT_EQUAL(sw_train_steps(&out, IMAGES), 40);
}

/* ---- fine-tuning ------------------------------------------------------------------------------ */

static void fine_tuning_goes_on_at_the_last_rate(void) {
    struct sw_trial_spec out,
        spec = MAKE("rewind.mode", "fine-tune", "train.schedule.name", "step",
                    "train.schedule.milestones", "4,8", "train.schedule.warmup.fraction", "0.1",
                    "train.sparse.steps", "12", "train.sparse.lr_factor", "2");
    sw_train_round_spec(&spec, 1, IMAGES, &out);
    CU_ASSERT_EQUAL(sw_train_steps(&out, IMAGES), 12);
    for (int64_t step = 0; step < 12; step++)
        CU_ASSERT_DOUBLE_EQUAL(sw_lr_at(&out, step, 12, 5), 2 * 0.5 * 0.01, 1e-15);
    spec.train_sparse_steps = SW_INT_NULL;
    sw_train_round_spec(&spec, 1, IMAGES, &out);
    CU_ASSERT_EQUAL(sw_train_steps(&out, IMAGES), 50);
}

/* The last step of a cosine is a little above its floor. */
static void fine_tuning_after_a_cosine(void) {
    struct sw_trial_spec out, spec = MAKE("rewind.mode", "fine-tune", "train.schedule.name",
                                          "cosine", "train.schedule.floor", "0.1");
    sw_train_round_spec(&spec, 1, IMAGES, &out);
    double last = 0.5 * (0.1 + 0.9 * (1 + cos(acos(-1) * 49 / 50)) / 2);
    CU_ASSERT_DOUBLE_EQUAL(sw_lr_at(&out, 20, 50, 5), last, 1e-15);
}

static void learning_rate_rewinding_replays_the_schedule(void) {
    struct sw_trial_spec out, spec = MAKE("rewind.mode", "learning-rate", "rewind.to", "20",
                                          "train.schedule.name", "cosine");
    sw_train_round_spec(&spec, 1, IMAGES, &out);
    CU_ASSERT_EQUAL(memcmp(&out, &spec, sizeof spec), 0);
}

/* ---- rules ------------------------------------------------------------------------------------ */

static void the_root_of_what_is_left(void) {
    struct sw_trial_spec spec = MAKE("train.sparse.lr_rule", "seed_sqrt");
    struct sw_lr_prune prune = {.left = 1};
    double product = 1;
    for (int round = 1; round <= 25; round++) { /* the guide's example: 20 % each time */
        prune.left *= 0.8;
        product *= sqrt(1 - 0.2);
        CU_ASSERT_DOUBLE_EQUAL(sw_lr_rule_factor(&spec, &prune), product, 1e-14);
    }
    CU_ASSERT_DOUBLE_EQUAL(product, 0.0615, 1e-3);
    SW_TEXT_COPY(spec.train_sparse_lr_rule, "none");
    CU_ASSERT_EQUAL(sw_lr_rule_factor(&spec, &prune), 1);
}

static double allr(double removed, double before, double gone, int64_t steps) {
    struct sw_trial_spec spec = MAKE("rewind.mode", "fine-tune", "train.sparse.lr_rule", "allr");
    struct sw_lr_prune prune = {.left = 0.5,
                                .removed = removed,
                                .norm_before = before,
                                .norm_removed = gone,
                                .steps = steps,
                                .dense_steps = 50};
    return sw_lr_rule_factor(&spec, &prune);
}

static void the_rate_grows_with_the_norm_that_was_removed(void) {
    CU_ASSERT_DOUBLE_EQUAL(allr(0.25, 10, 1.5, 5), 0.15 / 0.5, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(allr(0.25, 10, 0.1, 5), 0.1, 1e-15); /* no less than 5 of 50 steps */
    CU_ASSERT_DOUBLE_EQUAL(allr(0.25, 10, 9, 5), 1, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(allr(0.25, 10, 1, 50), 1, 1e-15); /* of full length: always */
    CU_ASSERT_DOUBLE_EQUAL(allr(0, 10, 0, 5), 0.1, 1e-15);   /* nothing was removed */
    CU_ASSERT_DOUBLE_EQUAL(allr(0.5, 0, 0, 5), 0.1, 1e-15);  /* nothing was there */
}

static void allr_falls_on_a_line_to_zero(void) {
    struct sw_trial_spec out,
        spec = MAKE("rewind.mode", "fine-tune", "train.sparse.lr_rule", "allr",
                    "train.schedule.name", "cosine", "train.schedule.floor", "0.5",
                    "train.schedule.warmup.fraction", "0.5", "train.sparse.steps", "10");
    sw_train_round_spec(&spec, 1, IMAGES, &out);
    for (int64_t step = 0; step < 10; step++)
        CU_ASSERT_DOUBLE_EQUAL(sw_lr_at(&out, step, 10, 5), 0.5 * (1 - (double) step / 10), 1e-15);
}

static void smupar_raises_the_rates_of_hidden_layers(void) {
    const int64_t shape[3] = {1, 4, 4}, kept[4] = {16, 8, 4, 8};
    struct sw_trial_spec spec = MAKE("train.sparse.lr_rule", "smupar");
    struct sw_arch arch;
    double factors[8];
    CU_ASSERT_TRUE(sw_lr_rule_scales_layers(&spec));
    SW_TEST_OK(sw_arch_create("mlp-8-8-4", shape, 4, &arch));
    sw_lr_rule_layers(&arch, kept, factors);
    const double expected[8] = {1, 1, 64.0 / 8, 1, 32.0 / 4, 1, 1, 1};
    for (int p = 0; p < 8; p++)
        CU_ASSERT_EQUAL(factors[p], expected[p]);
    sw_arch_fini(&arch);
}

/* ---- what does not fit ------------------------------------------------------------------------ */

static void expect_refusal(struct sw_trial_spec spec, const char *key, const char *part) {
    const char *named = "";
    CU_ASSERT_EQUAL(sw_train_check_sparse(&spec, &named), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(named, key);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), part));
}

static void settings_that_do_not_fit_are_refused(void) {
    expect_refusal(MAKE("train.sparse.lr_rule", "allr"), "train.sparse.lr_rule", "fine-tune");
    expect_refusal(MAKE("train.sparse.lr_rule", "smupar", "train.optimizer.name", "sgd"),
                   "train.sparse.lr_rule", "adam and adamw");
    expect_refusal(MAKE("train.sparse.steps", "5"), "train.sparse.steps", "fine-tune");
    expect_refusal(MAKE("rewind.mode", "fine-tune", "rewind.to", "5"), "rewind.to", "not used");
    expect_refusal(MAKE("rewind.to", "5", "train.sparse.batch_factor", "1.25"),
                   "train.sparse.batch_factor", "step of the dense training");
    expect_refusal(MAKE("train.batch", "65536", "train.sparse.batch_factor", "1.25"),
                   "train.sparse.batch_factor", "more than 65536");
    expect_refusal(MAKE("train.sparse.decay_factor", "1.25"), "train.sparse.decay_factor",
                   "no train.optimizer.weight_decay");
    expect_refusal(MAKE("train.sparse.decay_factor", "30", "train.optimizer.weight_decay", "0.1"),
                   "train.sparse.decay_factor", "above 1");
    expect_refusal(MAKE("rewind.mode", "learning-rate", "prune.score_weights", "init"),
                   "prune.score_weights", "no trained weights");
    expect_refusal(MAKE("rewind.mode", "fine-tune", "prune.sign_reference", "rewind"),
                   "prune.sign_reference", "no weights are rewound to");
    expect_refusal(MAKE("train.sparse.warmup.start", "0.2"), "train.sparse.warmup.start",
                   "no warmup");
}

static void controls_need_weights_of_their_own(void) {
    const char *key = "";
    expect_refusal(MAKE("rewind.mode", "fine-tune", "control", "reinit"), "control", "reinit");
    expect_refusal(MAKE("rewind.mode", "learning-rate", "control", "random"), "control", "random");
    expect_refusal(MAKE("rewind.mode", "learning-rate", "control", "reinit,shuffle"), "control",
                   "shuffle");
    struct sw_trial_spec spec = MAKE("rewind.mode", "learning-rate", "control", "reinit");
    SW_TEST_OK(sw_train_check_sparse(&spec, &key));
}

static void settings_that_fit_are_taken(void) {
    const char *key = "";
    struct sw_trial_spec spec = MAKE("rewind.to", "5", "train.sparse.batch_factor", "1.001",
                                     "train.sparse.warmup.start", "0.2",
                                     "train.schedule.warmup.fraction", "0.1");
    SW_TEST_OK(sw_train_check_sparse(&spec, &key));
    spec = MAKE("rewind.mode", "fine-tune", "train.sparse.lr_rule", "allr", "train.sparse.steps",
                "3");
    SW_TEST_OK(sw_train_check_sparse(&spec, &key));
}

static CU_TestInfo all[] = {
    {"the dense round has the settings of the trial",
     the_dense_round_has_the_settings_of_the_trial},
    {"without settings pruned rounds are as the dense one",
     without_settings_pruned_rounds_are_as_the_dense_one},
    {"factors act on rate batch and decay", factors_act_on_rate_batch_and_decay},
    {"batches are rounded to whole samples", batches_are_rounded_to_whole_samples},
    {"a larger batch has fewer steps", a_larger_batch_has_fewer_steps},
    {"fine tuning goes on at the last rate", fine_tuning_goes_on_at_the_last_rate},
    {"fine tuning after a cosine", fine_tuning_after_a_cosine},
    {"learning rate rewinding replays the schedule", learning_rate_rewinding_replays_the_schedule},
    {"the root of what is left", the_root_of_what_is_left},
    {"the rate grows with the norm that was removed",
     the_rate_grows_with_the_norm_that_was_removed},
    {"allr falls on a line to zero", allr_falls_on_a_line_to_zero},
    {"smupar raises the rates of hidden layers", smupar_raises_the_rates_of_hidden_layers},
    {"settings that do not fit are refused", settings_that_do_not_fit_are_refused},
    {"controls need weights of their own", controls_need_weights_of_their_own},
    {"settings that fit are taken", settings_that_fit_are_taken},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"pruned rounds", NULL, NULL, NULL, NULL, all},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_train_sparse", suites);
}
