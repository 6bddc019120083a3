/* Sign-In as a training uses it: weights cross zero, resets come when they are due, settings are checked. */
#include <math.h>
#include <string.h>

#include "../support/test_main.h"
#include "sweepstake/memory.h"
#include "sweepstake/train.h"

#define STEPS 13 /* 240 images in batches of 50: 5 steps to an epoch */
#define MAX_SURVIVORS 8000

static struct sw_hal *hal;
static struct sw_trial_spec spec;
static struct sw_data_info info;
static struct sw_data data;
static struct sw_arch arch;
static char *block;
static float theta[MAX_SURVIVORS];

static void set_spec(void) {
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.data_name, "synthetic");
    SW_TEXT_COPY(spec.data_shape, "1x8x8");
    SW_TEXT_COPY(spec.model_name, "mlp-48-24");
    spec.data_classes = 4;
    spec.data_train = 300;
    spec.data_validation = 60;
    spec.data_test = 80;
    spec.train_batch = 50;
    spec.train_steps = STEPS;
    spec.train_evaluate_every = 4;
    SW_TEXT_COPY(spec.train_optimizer_name, "sgd");
    spec.train_optimizer_lr = 0.05;
    spec.train_optimizer_weight_decay = 1e-3;
    spec.signin_enabled = 1;
    spec.signin_reset_epochs = 1;
}

static int set_up(void) {
    const struct sw_hal_options options = {.threads = 1, .isa = sw_isa_detect()};
    set_spec();
    if (sw_hal_open(sw_backend_find("cpu"), &options, &hal) != SW_OK) return 1;
    if (sw_data_probe(&spec, &info) != SW_OK) return 1;
    if (SW_ALLOC(&block, (size_t) info.block_bytes, "data") != SW_OK) return 1;
    if (sw_data_decode(&spec, &info, block) != SW_OK) return 1;
    if (sw_data_open(&spec, &info, block, &data) != SW_OK) return 1;
    if (sw_arch_create(spec.model_name, info.shape, info.classes, &arch) != SW_OK) return 1;
    sw_init_weights(&arch, sw_init_find(spec.model_init), false, 3, SW_RANDOM_INIT, 0, theta);
    return arch.parameters > MAX_SURVIVORS;
}

static int tear_down(void) {
    sw_arch_fini(&arch);
    sw_data_close(&data);
    SW_FREE(&block);
    sw_hal_close(&hal);
    return 0;
}

/* ---- zero ----------------------------------------------------------------------------------- */

static struct sw_buffer *scalar(float value) {
    struct sw_buffer *buffer = NULL;
    SW_TEST_OK(sw_hal_alloc(hal, 4, "test", &buffer));
    SW_TEST_OK(sw_hal_upload(buffer, 0, &value, 4));
    return buffer;
}

/* Descend (theta - goal)^2 / 2 from `start`, for 2000 steps; what theta becomes. */
static double descend(float start, float goal, float beta) {
    struct sw_factors f = {.theta = scalar(start), .u = scalar(0), .w = scalar(0), .n = 1};
    struct sw_buffer *g = scalar(0);
    const struct sw_sgd_step step = {.lr = 0.05f};
    struct sw_factor_events events = {0};
    float value = start;
    SW_TEST_OK(sw_hal_factor(hal, &f, beta, false));
    for (int i = 0; i < 2000; i++) {
        float gradient = value - goal;
        SW_TEST_OK(sw_hal_upload(g, 0, &gradient, 4));
        SW_TEST_OK(sw_hal_factored_sgd(hal, &f, g, &step, &events));
        SW_TEST_OK(sw_hal_download(f.theta, 0, &value, 4));
    }
    sw_hal_free(&f.theta);
    sw_hal_free(&f.u);
    sw_hal_free(&f.w);
    sw_hal_free(&g);
    return (double) value;
}

static void weights_cross_zero_with_balance_only(void) {
    CU_ASSERT_DOUBLE_EQUAL(descend(0.5f, -0.5f, 1), -0.5, 1e-4);
    CU_ASSERT_DOUBLE_EQUAL(descend(-0.3f, 0.7f, 1), 0.7, 1e-4);
    CU_ASSERT_DOUBLE_EQUAL(descend(0, -0.5f, 1), -0.5, 1e-4);
    /* Without it they come near zero, and stay on their side. */
    double blocked = descend(0.5f, -0.5f, 0);
    CU_ASSERT_TRUE(blocked >= 0 && blocked < 1e-3);
    CU_ASSERT_DOUBLE_EQUAL(descend(0.5f, 0.7f, 0), 0.7, 1e-4);
    CU_ASSERT_EQUAL(descend(0, -0.5f, 0), 0);
}

/* ---- resets --------------------------------------------------------------------------------- */

struct record {
    int64_t n_resets;
    int64_t steps[64];
    double least[64], most[64]; /* u^2 - w^2 before each */
    double start;               /* largest |u w - theta| there */
    struct sw_train_outcome outcome;
    float values[MAX_SURVIVORS];
    struct sw_curve_point curve[16];
};

static enum sw_status note_reset(void *context, const struct sw_net_param *param,
                                 const struct sw_factors *f, int64_t step) {
    struct record *record = context;
    float u[MAX_SURVIVORS], w[MAX_SURVIVORS], values[MAX_SURVIVORS];
    int64_t bytes = param->n * 4, at = record->n_resets++;
    SW_TEST_OK(sw_hal_download(f->u, 0, u, bytes));
    SW_TEST_OK(sw_hal_download(f->w, 0, w, bytes));
    SW_TEST_OK(sw_hal_download(f->theta, 0, values, bytes));
    record->steps[at] = step;
    record->least[at] = INFINITY;
    record->most[at] = -INFINITY;
    for (int64_t i = 0; i < param->n; i++) {
        double beta = (double) u[i] * (double) u[i] - (double) w[i] * (double) w[i];
        record->least[at] = fmin(record->least[at], beta);
        record->most[at] = fmax(record->most[at], beta);
        record->start = fmax(record->start,
                             fabs((double) u[i] * (double) w[i] - (double) values[i]));
    }
    return SW_OK;
}

static void train(struct record *record, int64_t first_step, bool factored) {
    const struct sw_train_hooks hooks = {.context = record,
                                         .before_reset = note_reset,
                                         .factored = factored,
                                         .first_step = first_step};
    struct sw_net *net = NULL;
    memset(record, 0, sizeof *record);
    SW_TEST_OK(sw_net_create(hal, &arch, NULL, SW_EVALUATE_BATCH, &net));
    SW_TEST_OK(sw_net_set_theta(net, theta));
    SW_TEST_OK(sw_train_run(net, &spec, &data, &hooks, record->curve, &record->outcome));
    SW_TEST_OK(sw_net_get_survivors(net, record->values));
    sw_net_destroy(&net);
}

static struct record record, other;

static void check_resets(int64_t first_step, const int64_t *steps, int64_t n) {
    train(&record, first_step, true);
    CU_ASSERT_EQUAL_FATAL(record.n_resets, n * arch.n_layers);
    for (int64_t i = 0; i < record.n_resets; i++)
        CU_ASSERT_EQUAL(record.steps[i], steps[i / arch.n_layers]);
    CU_ASSERT_TRUE(record.start <= 1e-6);
}

/* Epochs are those of the whole training, also where it begins in the middle of one. */
static void resets_come_after_their_epochs(void) {
    const int64_t each[] = {5, 10}, second[] = {10};
    set_spec();
    check_resets(0, each, 2);
    check_resets(3, each, 2);
    check_resets(5, second, 1);
    spec.signin_reset_epochs = 2;
    check_resets(0, second, 1);
    spec.signin_reset_epochs = 3;
    check_resets(0, NULL, 0);
}

/* Without momentum u^2 - w^2 becomes smaller in every step, however it began. */
static void balance_shrinks_until_it_is_restored(void) {
    set_spec();
    spec.signin_beta = 0.5;
    train(&record, 0, true);
    for (int64_t i = 0; i < record.n_resets; i++) {
        double decayed = 0.5 * pow(1 - 0.05 * 1e-3, 2 * 5);
        CU_ASSERT_TRUE(record.most[i] <= decayed + 1e-6);
        CU_ASSERT_TRUE(record.least[i] > 0.3 && record.least[i] < record.most[i]);
    }
    /* A start without balance gets it with the first reset only. */
    spec.signin_on_rewind = 0;
    train(&record, 0, true);
    for (int64_t i = 0; i < record.n_resets; i++)
        CU_ASSERT_TRUE(record.steps[i] == 5 ? fabs(record.most[i]) < 1e-6 : record.most[i] > 0.45);
}

/* What is off leaves a training as it was; what is on does not. */
static void only_factored_trainings_differ(void) {
    set_spec();
    train(&record, 0, false);
    spec.signin_enabled = 0;
    spec.signin_reset_epochs = SW_INT_NULL;
    train(&other, 0, false);
    CU_ASSERT_EQUAL(memcmp(&record, &other, offsetof(struct record, outcome)), 0);
    CU_ASSERT_EQUAL(memcmp(record.values, other.values, sizeof record.values), 0);
    set_spec();
    train(&record, 0, true);
    CU_ASSERT_NOT_EQUAL(memcmp(record.values, other.values, sizeof record.values), 0);
    CU_ASSERT_EQUAL(record.outcome.optimizer_bytes, 4 * 2 * arch.prunable);
}

/* The three ways to treat momenta are three trainings; without momenta they are one. */
static void buffers_are_treated_as_asked(void) {
    const char *const words[] = {"zero", "keep", "project"};
    static struct record by[3];
    for (int momentum = 0; momentum < 2; momentum++) {
        set_spec();
        spec.train_optimizer_momentum = momentum * 0.9;
        for (int i = 0; i < 3; i++) {
            SW_TEXT_COPY(spec.signin_buffers, words[i]);
            train(&by[i], 0, true);
        }
        for (int i = 1; i < 3; i++)
            for (int j = 0; j < i; j++)
                CU_ASSERT_EQUAL(memcmp(by[i].values, by[j].values, sizeof by[i].values) != 0,
                                momentum == 1);
    }
}

/* After a reset that clears them, Adam begins anew: its first step is the rate, not three times that. */
static void adam_begins_anew_after_cleared_momenta(void) {
    set_spec();
    SW_TEXT_COPY(spec.train_optimizer_name, "adam");
    spec.train_optimizer_lr = 1e-3;
    spec.train_optimizer_weight_decay = 0;
    spec.train_optimizer_epsilon = 1e-12;
    spec.train_steps = 5;
    train(&record, 0, true);
    spec.train_steps = 6;
    train(&other, 0, true);
    double most = 0;
    int64_t n_weights = arch.params[0].count;
    for (int64_t i = 0; i < n_weights; i++) {
        double before = (double) record.values[i];
        double u = sqrt((1 + sqrt(1 + 4 * before * before)) / 2);
        most = fmax(most, fabs((double) other.values[i] - before) /
                              (1e-3 * (u + fabs(before) / u) + 1e-6));
    }
    CU_ASSERT_TRUE(most > 0.9 && most <= 1.001);
}

/* ---- forced signs --------------------------------------------------------------------------- */

static uint8_t reference[MAX_SURVIVORS / 8 + 1];

/* One training at rate 0, so that nothing but the correction after the first epoch changes a weight. */
static void train_forced(double below, bool factored) {
    const struct sw_train_hooks hooks = {.factored = factored, .sign_reference = reference};
    struct sw_net *net = NULL;
    memset(&record, 0, sizeof record);
    spec.train_steps = 6;
    spec.train_optimizer_lr = spec.train_optimizer_weight_decay = 0;
    spec.sign_seed_force_every = 1;
    spec.sign_seed_force_below = below;
    SW_TEST_OK(sw_net_create(hal, &arch, NULL, SW_EVALUATE_BATCH, &net));
    SW_TEST_OK(sw_net_set_theta(net, theta));
    SW_TEST_OK(sw_train_run(net, &spec, &data, &hooks, record.curve, &record.outcome));
    SW_TEST_OK(sw_net_get_survivors(net, record.values));
    sw_net_destroy(&net);
}

/* Weights of the first layer have the signs of the reference but for 100 of them; those of the others
 * have to be positive, as half of them are. */
static void set_reference(void) {
    int64_t first = arch.params[0].count;
    memset(reference, 0xff, sizeof reference);
    for (int64_t i = 0; i < first; i++)
        if ((theta[i] < 0) != (i < 100)) reference[i / 8] &= (uint8_t) ~(1u << (i % 8));
}

static void check_forced(bool factored) {
    int64_t forced[3] = {0};
    set_reference();
    train_forced(0.9, factored); /* 100 of 3072 differ: aligned enough */
    for (int64_t p = 0, l = 0; p < arch.n_params; p++) {
        const struct sw_param *param = &arch.params[p];
        for (int64_t i = param->offset; i < param->offset + param->count; i++) {
            bool flips = l > 0 && param->prunable && theta[i] < 0;
            forced[l] += flips;
            CU_ASSERT_DOUBLE_EQUAL(record.values[i], flips ? -theta[i] : theta[i],
                                   1e-6 * fabs((double) theta[i]));
        }
        l += param->prunable == 0;
    }
    for (int64_t l = 0; l < 3; l++)
        CU_ASSERT_EQUAL(record.outcome.events[l].forced, forced[l]);
    CU_ASSERT_TRUE(forced[0] == 0 && forced[1] > 400 && forced[2] > 30);
    train_forced(1, factored);
    CU_ASSERT_EQUAL(record.outcome.events[0].forced, 100);
    train_forced(0, factored);
    CU_ASSERT_EQUAL(record.outcome.events[1].forced, 0);
}

static void layers_below_the_limit_are_forced(void) {
    set_spec();
    check_forced(false);
    set_spec();
    check_forced(true);
}

/* ---- settings ------------------------------------------------------------------------------- */

static void expect_refused(const char *key, const char *phrase) {
    const char *at = NULL;
    SW_TEST_FAILS(sw_train_check(&spec, &at), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(at, key);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), phrase));
}

static void what_has_to_be_given_is_asked_for(void) {
    const char *key = NULL;
    set_spec();
    SW_TEST_OK(sw_train_check(&spec, &key));
    spec.signin_reset_epochs = SW_INT_NULL;
    expect_refused("signin.enabled", "signin.reset_epochs");
    spec.signin_enabled = 0;
    SW_TEST_OK(sw_train_check(&spec, &key));
    SW_TEXT_COPY(spec.sign_seed_force_reference, "dense");
    expect_refused("sign.seed_force.reference", "sign.seed_force.every");
    spec.sign_seed_force_every = 2;
    expect_refused("sign.seed_force.reference", "sign.seed_force.below");
    spec.sign_seed_force_below = 0.8;
    SW_TEST_OK(sw_train_check(&spec, &key));
    CU_ASSERT_EQUAL(sw_train_sign_reference(&spec, 1), SW_SIGN_DENSE);
    CU_ASSERT_EQUAL(sw_train_sign_reference(&spec, 0), SW_SIGN_NONE);
}

static void words_have_names_and_summaries(void) {
    const char *(*const lists[])(size_t, const char **) = {
        sw_signin_buffers_at, sw_signin_rounds_at, sw_sign_reference_at};
    const size_t lengths[] = {3, 2, 4};
    for (int list = 0; list < 3; list++) {
        const char *summary = NULL, *word = NULL;
        size_t n = 0;
        for (; (word = lists[list](n, &summary)) != NULL; n++)
            CU_ASSERT_TRUE(strlen(word) > 2 && strlen(summary) > 5);
        CU_ASSERT_EQUAL(n, lengths[list]);
    }
}

int main(void) {
    static CU_TestInfo signin[] = {
        {"weights_cross_zero_with_balance_only", weights_cross_zero_with_balance_only},
        {"resets_come_after_their_epochs", resets_come_after_their_epochs},
        {"balance_shrinks_until_it_is_restored", balance_shrinks_until_it_is_restored},
        {"only_factored_trainings_differ", only_factored_trainings_differ},
        {"buffers_are_treated_as_asked", buffers_are_treated_as_asked},
        {"adam_begins_anew_after_cleared_momenta", adam_begins_anew_after_cleared_momenta},
        {"layers_below_the_limit_are_forced", layers_below_the_limit_are_forced},
        CU_TEST_INFO_NULL};
    static CU_TestInfo settings[] = {
        {"what_has_to_be_given_is_asked_for", what_has_to_be_given_is_asked_for},
        {"words_have_names_and_summaries", words_have_names_and_summaries},
        CU_TEST_INFO_NULL};
    static CU_SuiteInfo suites[] = {{"signin", set_up, tear_down, NULL, NULL, signin},
                                    {"settings", NULL, NULL, NULL, NULL, settings},
                                    CU_SUITE_INFO_NULL};
    return sw_test_main("test_train_signin", suites);
}
