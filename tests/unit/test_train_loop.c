/* Whole trainings on synthetic data: against a double-precision training, in their counts and
 * order, in what stops them, and in being repeatable to the bit. */
#include <math.h>
#include <string.h>

#include "../support/mlp_double.h"
#include "../support/test_main.h"
#include "sweepstake/memory.h"
#include "sweepstake/train.h"

#define MAX_POINTS 64

/* ---- set-up --------------------------------------------------------------------------------- */

/* A data set, a device and a network, as a trial has them. */
struct lab {
    struct sw_trial_spec spec;
    struct sw_data_info info;
    struct sw_data data;
    void *block;
    struct sw_hal *hal;
    struct sw_arch arch;
    struct sw_net *net;
    float *theta;
    uint8_t *mask; /* NULL without pruning */
    struct sw_curve_point curve[MAX_POINTS];
    struct sw_train_outcome outcome;
};

/* 300 images of 1x4x4 in 4 classes: 240 to train on, 60 for validation; 270 to test, more than fit
 * into one pass of an evaluation. */
static void set_defaults(struct sw_trial_spec *spec) {
    sw_spec_set_defaults(spec);
    SW_TEXT_COPY(spec->data_name, "synthetic");
    SW_TEXT_COPY(spec->data_shape, "1x4x4");
    spec->data_classes = 4;
    spec->data_train = 300;
    spec->data_validation = 60;
    spec->data_test = 270;
    SW_TEXT_COPY(spec->model_name, "mlp-12-8");
    spec->train_batch = 50;
    spec->train_steps = 12;
    spec->train_evaluate_every = 5;
    spec->seed = 3;
}

static void open_data(struct lab *lab) {
    SW_TEST_OK(sw_data_probe(&lab->spec, &lab->info));
    SW_TEST_OK(sw_memory_alloc((size_t) lab->info.block_bytes, 1, "data", &lab->block));
    SW_TEST_OK(sw_data_decode(&lab->spec, &lab->info, lab->block));
    SW_TEST_OK(sw_data_open(&lab->spec, &lab->info, lab->block, &lab->data));
}

static void draw_mask(struct lab *lab, double density) {
    SW_TEST_OK(SW_ALLOC(&lab->mask, (size_t) lab->arch.mask_bytes, "mask"));
    for (int64_t l = 0; l < lab->arch.n_layers; l++) {
        const struct sw_param *param = sw_arch_layer(&lab->arch, l);
        sw_mask_fill(lab->mask + param->mask_offset, param->count);
        for (int64_t i = 1; i < param->count; i++)
            if (sw_random_uniform(5, SW_RANDOM_BENCH, (uint64_t) l, (uint64_t) i) >= density)
                sw_mask_clear_bit(lab->mask + param->mask_offset, i);
    }
}

static void build(struct lab *lab, int threads) {
    const struct sw_hal_options options = {.threads = threads, .isa = sw_isa_detect()};
    int64_t batch = lab->spec.train_batch > SW_EVALUATE_BATCH ? lab->spec.train_batch
                                                              : SW_EVALUATE_BATCH;
    SW_TEST_OK(sw_hal_open(sw_backend_find("cpu"), &options, &lab->hal));
    SW_TEST_OK(sw_net_create(lab->hal, &lab->arch, lab->mask, batch, &lab->net));
    SW_TEST_OK(sw_net_set_theta(lab->net, lab->theta));
}

static void set_up(struct lab *lab, const struct sw_trial_spec *spec, double density, int threads) {
    memset(lab, 0, sizeof *lab);
    lab->spec = *spec;
    open_data(lab);
    SW_TEST_OK(sw_arch_create(spec->model_name, lab->info.shape, lab->info.classes, &lab->arch));
    SW_TEST_OK(SW_ALLOC(&lab->theta, (size_t) lab->arch.parameters, "theta"));
    sw_init_weights(&lab->arch, sw_init_find(spec->model_init), false, (uint64_t) spec->seed,
                    SW_RANDOM_INIT, 0, lab->theta);
    if (density < 1) draw_mask(lab, density);
    build(lab, threads);
}

static void tear_down(struct lab *lab) {
    sw_net_destroy(&lab->net);
    sw_hal_close(&lab->hal);
    sw_arch_fini(&lab->arch);
    sw_data_close(&lab->data);
    SW_FREE(&lab->theta);
    SW_FREE(&lab->mask);
    sw_memory_free_at(&lab->block);
}

static enum sw_status train(struct lab *lab, const struct sw_train_hooks *hooks) {
    return sw_train_run(lab->net, &lab->spec, &lab->data, hooks, lab->curve, &lab->outcome);
}

/* ---- the double training -------------------------------------------------------------------- */

struct twin {
    struct mlp_double mlp;
    double theta[512], velocity[512], gradient[512];
    double x[300 * 16];
    int32_t labels[300];
};

static void open_twin(const struct lab *lab, struct twin *twin) {
    memset(twin, 0, sizeof *twin);
    twin->mlp = (struct mlp_double){3, {16, 12, 8, 4}};
    CU_ASSERT_EQUAL_FATAL(mlp_double_parameters(&twin->mlp), lab->arch.parameters);
    for (int64_t p = 0; p < lab->arch.n_params; p++) {
        const struct sw_param *param = &lab->arch.params[p];
        for (int64_t i = 0; i < param->count; i++)
            if (lab->mask == NULL || !param->prunable ||
                sw_mask_get(lab->mask + param->mask_offset, i))
                twin->theta[param->offset + i] = lab->theta[param->offset + i];
    }
}

static void load(const struct lab *lab, struct twin *twin, enum sw_split split,
                 const int32_t *index, int64_t n) {
    for (int64_t b = 0; b < n; b++) {
        int64_t sample = index != NULL ? index[b] : b;
        for (int64_t f = 0; f < 16; f++)
            twin->x[b * 16 + f] = lab->data.table[lab->data.images[split][sample * 16 + f]];
        twin->labels[b] = lab->data.labels[split][sample];
    }
}

/* Sgd on one batch; decay for weights only, nothing for removed weights. */
static void step_twin(const struct lab *lab, struct twin *twin, int64_t batch, double lr) {
    mlp_double_gradient(&twin->mlp, twin->theta, twin->x, twin->labels, batch, twin->gradient);
    for (int64_t p = 0; p < lab->arch.n_params; p++) {
        const struct sw_param *param = &lab->arch.params[p];
        double decay = param->prunable ? lab->spec.train_optimizer_weight_decay : 0;
        for (int64_t i = 0; i < param->count; i++) {
            int64_t at = param->offset + i;
            if (lab->mask != NULL && param->prunable &&
                !sw_mask_get(lab->mask + param->mask_offset, i))
                continue;
            double g = twin->gradient[at] + decay * twin->theta[at];
            twin->velocity[at] = lab->spec.train_optimizer_momentum * twin->velocity[at] + g;
            twin->theta[at] -= lr *
                               (lab->spec.train_optimizer_nesterov
                                    ? g + lab->spec.train_optimizer_momentum * twin->velocity[at]
                                    : twin->velocity[at]);
        }
    }
}

/* The whole of lab->spec's training, 5 steps to an epoch of 240 with a last batch of 40. */
static void train_twin(const struct lab *lab, struct twin *twin) {
    int32_t order[240];
    for (int64_t step = 0; step < lab->spec.train_steps; step++) {
        int64_t first = step % 5 * 50, batch = first + 50 <= 240 ? 50 : 240 - first;
        if (first == 0) sw_data_order((uint64_t) lab->spec.seed, step / 5, 240, order);
        load(lab, twin, SW_SPLIT_TRAIN, order + first, batch);
        step_twin(lab, twin, batch, sw_lr_at(&lab->spec, step, lab->spec.train_steps, 5));
    }
}

/* Survivors of the net against the twin's weights; removed weights of the twin are exactly 0. */
static void compare_weights(const struct lab *lab, const struct twin *twin) {
    float *survivors = NULL, *next;
    SW_TEST_OK(SW_ALLOC(&survivors, (size_t) sw_net_survivors(lab->net), "survivors"));
    SW_TEST_OK(sw_net_get_survivors(lab->net, survivors));
    next = survivors;
    for (int64_t p = 0; p < lab->arch.n_params; p++) {
        const struct sw_param *param = &lab->arch.params[p];
        for (int64_t i = 0; i < param->count; i++) {
            if (lab->mask != NULL && param->prunable &&
                !sw_mask_get(lab->mask + param->mask_offset, i))
                continue;
            CU_ASSERT_DOUBLE_EQUAL(*next, twin->theta[param->offset + i], 2e-5);
            next++;
        }
    }
    SW_FREE(&survivors);
}

/* The evaluations of the trained net against the twin's: removed weights play no part in either. */
static void compare_evaluations(struct lab *lab, struct twin *twin) {
    for (int split = 0; split < SW_SPLIT_COUNT; split++) {
        double loss = 0;
        int64_t correct = 0, n = lab->data.count[split];
        SW_TEST_OK(sw_train_evaluate(lab->net, &lab->data, (enum sw_split) split, &loss, &correct));
        load(lab, twin, (enum sw_split) split, NULL, n);
        double expected = mlp_double_loss(&twin->mlp, twin->theta, twin->x, twin->labels, n);
        CU_ASSERT_DOUBLE_EQUAL(loss, expected, 2e-5 * expected);
        CU_ASSERT_EQUAL(correct,
                        mlp_double_correct(&twin->mlp, twin->theta, twin->x, twin->labels, n));
    }
}

static void check_against_twin(double density, bool nesterov, const char *schedule) {
    struct lab lab;
    struct twin twin;
    struct sw_trial_spec spec;
    set_defaults(&spec);
    SW_TEXT_COPY(spec.train_optimizer_name, "sgd");
    spec.train_optimizer_lr = 0.1;
    spec.train_optimizer_momentum = 0.9;
    spec.train_optimizer_nesterov = nesterov;
    spec.train_optimizer_weight_decay = 1e-2;
    SW_TEXT_COPY(spec.train_schedule_name, schedule);
    SW_TEXT_COPY(spec.train_schedule_milestones, "1,2");
    spec.train_schedule_warmup_fraction = 0.5;
    set_up(&lab, &spec, density, 1);
    open_twin(&lab, &twin);
    compare_evaluations(&lab, &twin);
    SW_TEST_OK(train(&lab, NULL));
    train_twin(&lab, &twin);
    compare_weights(&lab, &twin);
    compare_evaluations(&lab, &twin);
    tear_down(&lab);
}

static void a_training_agrees_with_one_in_double(void) {
    check_against_twin(1, false, "constant");
    check_against_twin(0.9, true, "cosine");
    check_against_twin(0.1, false, "linear");
    check_against_twin(1, true, "step");
}

/* ---- what a training counts ----------------------------------------------------------------- */

/* Batch losses as the hook sees them. */
struct record {
    int64_t steps, evaluations;
    double loss[64];
    enum sw_status fail_backward, fail_evaluation;
    int64_t fail_at;
};

static enum sw_status record_step(void *context, struct sw_net *net, int64_t step, double loss) {
    struct record *record = context;
    (void) net;
    CU_ASSERT_EQUAL(step, record->steps);
    record->loss[record->steps++] = loss;
    return step == record->fail_at ? record->fail_backward : SW_OK;
}

static enum sw_status record_evaluation(void *context, struct sw_net *net,
                                        const struct sw_curve_point *point) {
    struct record *record = context;
    (void) net;
    CU_ASSERT_EQUAL(point->step, record->steps);
    record->evaluations++;
    return point->step == record->fail_at ? record->fail_evaluation : SW_OK;
}

static struct sw_train_hooks hooks_of(struct record *record) {
    return (struct sw_train_hooks){
        .context = record, .after_backward = record_step, .after_evaluation = record_evaluation};
}

static void the_curve_has_its_planned_points(void) {
    const int64_t steps[4] = {0, 5, 10, 12};
    struct lab lab;
    struct sw_trial_spec spec;
    struct record record = {.fail_at = -1};
    struct sw_train_hooks hooks = hooks_of(&record);
    set_defaults(&spec);
    spec.train_schedule_warmup_fraction = 1;
    set_up(&lab, &spec, 1, 1);
    SW_TEST_OK(train(&lab, &hooks));
    CU_ASSERT_EQUAL_FATAL(lab.outcome.points, 4);
    CU_ASSERT_EQUAL(sw_train_curve_points(&spec, 12), 4);
    CU_ASSERT_EQUAL(record.steps, 12);
    CU_ASSERT_EQUAL(record.evaluations, 4);
    for (int i = 0; i < 4; i++) {
        const struct sw_curve_point *point = &lab.curve[i];
        CU_ASSERT_EQUAL(point->step, steps[i]);
        CU_ASSERT_DOUBLE_EQUAL(point->epoch, (double) steps[i] / 5, 1e-12);
        CU_ASSERT_EQUAL(point->learning_rate, sw_lr_at(&spec, i < 3 ? steps[i] : 11, 12, 5));
        CU_ASSERT_EQUAL(point->validation_accuracy, (double) point->validation_correct / 60);
        CU_ASSERT_EQUAL(point->test_accuracy, (double) point->test_correct / 270);
    }
    tear_down(&lab);
}

static void milestones_are_epochs_of_the_data_set(void) {
    static const double rates[4] = {0.5, 0.05, 0.005, 0.005}; /* next steps 0, 5, 10; last 11 */
    struct lab lab;
    struct sw_trial_spec spec;
    set_defaults(&spec);
    spec.train_optimizer_lr = 0.5;
    SW_TEXT_COPY(spec.train_schedule_name, "step");
    SW_TEXT_COPY(spec.train_schedule_milestones, "1,2,99");
    set_up(&lab, &spec, 1, 1);
    SW_TEST_OK(train(&lab, NULL));
    for (int i = 0; i < 4; i++)
        CU_ASSERT_DOUBLE_EQUAL(lab.curve[i].learning_rate, rates[i], 1e-15);
    tear_down(&lab);
}

static void an_evaluation_at_the_last_step_is_made_once(void) {
    struct lab lab;
    struct sw_trial_spec spec;
    set_defaults(&spec);
    spec.train_steps = 10;
    set_up(&lab, &spec, 1, 1);
    SW_TEST_OK(train(&lab, NULL));
    CU_ASSERT_EQUAL(lab.outcome.points, 3);
    CU_ASSERT_EQUAL(lab.curve[2].step, 10);
    tear_down(&lab);
}

/* Every fifth batch has 40 samples, the others 50. */
static void train_loss_is_the_mean_over_samples_since_the_last_point(void) {
    struct lab lab;
    struct sw_trial_spec spec;
    struct record record = {.fail_at = -1};
    struct sw_train_hooks hooks = hooks_of(&record);
    set_defaults(&spec);
    spec.train_evaluate_every = 3;
    set_up(&lab, &spec, 1, 1);
    SW_TEST_OK(train(&lab, &hooks));
    CU_ASSERT_EQUAL_FATAL(lab.outcome.points, 5);
    CU_ASSERT(isnan(lab.curve[0].train_loss));
    for (int64_t point = 1; point < 5; point++) {
        double sum = 0, samples = 0;
        for (int64_t step = 3 * point - 3; step < 3 * point; step++) {
            double batch = step % 5 == 4 ? 40 : 50;
            sum += record.loss[step] * batch;
            samples += batch;
        }
        CU_ASSERT_DOUBLE_EQUAL(lab.curve[point].train_loss, sum / samples, 1e-12);
    }
    tear_down(&lab);
}

/* With a rate that changes nothing, the mean loss of an epoch is that of the whole split. */
static void an_epoch_takes_every_sample_once(void) {
    struct lab lab;
    struct sw_trial_spec spec;
    double loss = 0;
    int64_t correct = 0;
    set_defaults(&spec);
    SW_TEXT_COPY(spec.train_optimizer_name, "sgd");
    spec.train_optimizer_lr = 1e-12;
    spec.train_steps = SW_INT_NULL;
    spec.train_epochs = 2;
    set_up(&lab, &spec, 1, 1);
    SW_TEST_OK(sw_train_evaluate(lab.net, &lab.data, SW_SPLIT_TRAIN, &loss, &correct));
    SW_TEST_OK(train(&lab, NULL));
    CU_ASSERT_EQUAL_FATAL(lab.outcome.points, 3);
    CU_ASSERT_DOUBLE_EQUAL(lab.curve[1].train_loss, loss, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(lab.curve[2].train_loss, loss, 1e-6);
    tear_down(&lab);
}

static void points_are_evaluations_of_that_moment(void) {
    struct lab lab;
    struct sw_trial_spec spec;
    double before = 0, after = 0;
    int64_t correct_before = 0, correct_after = 0;
    set_defaults(&spec);
    set_up(&lab, &spec, 1, 1);
    SW_TEST_OK(sw_train_evaluate(lab.net, &lab.data, SW_SPLIT_TEST, &before, &correct_before));
    SW_TEST_OK(train(&lab, NULL));
    SW_TEST_OK(sw_train_evaluate(lab.net, &lab.data, SW_SPLIT_TEST, &after, &correct_after));
    CU_ASSERT_EQUAL(lab.curve[0].test_loss, before);
    CU_ASSERT_EQUAL(lab.curve[0].test_correct, correct_before);
    CU_ASSERT_EQUAL(lab.curve[3].test_loss, after);
    CU_ASSERT_EQUAL(lab.curve[3].test_correct, correct_after);
    CU_ASSERT(after < before);
    tear_down(&lab);
}

static void without_validation_images_there_is_no_figure(void) {
    struct lab lab;
    struct sw_trial_spec spec;
    set_defaults(&spec);
    spec.data_validation = 0;
    spec.train_steps = 2;
    set_up(&lab, &spec, 1, 1);
    SW_TEST_OK(train(&lab, NULL));
    CU_ASSERT(isnan(lab.curve[0].validation_loss));
    CU_ASSERT(isnan(lab.curve[1].validation_accuracy));
    CU_ASSERT_EQUAL(lab.curve[1].validation_correct, 0);
    CU_ASSERT(isfinite(lab.curve[1].test_loss));
    tear_down(&lab);
}

static void the_outcome_tells_bytes_and_seconds(void) {
    struct lab lab;
    struct sw_trial_spec spec;
    set_defaults(&spec);
    set_up(&lab, &spec, 0.3, 1);
    SW_TEST_OK(train(&lab, NULL));
    const struct sw_train_extent extent = {.survivors = sw_net_survivors(lab.net)};
    CU_ASSERT_EQUAL(lab.outcome.optimizer_bytes, sw_train_state_bytes(&spec, &extent));
    CU_ASSERT(lab.outcome.train_seconds > 0 && lab.outcome.train_seconds < 60);
    CU_ASSERT(lab.outcome.evaluate_seconds > 0 && lab.outcome.evaluate_seconds < 60);
    tear_down(&lab);
}

/* ---- what ends a training ------------------------------------------------------------------- */

static void a_hook_stops_the_training_with_its_status(void) {
    struct lab lab;
    struct sw_trial_spec spec;
    struct record record = {.fail_at = 7, .fail_backward = SW_DIVERGED};
    struct sw_train_hooks hooks = hooks_of(&record);
    set_defaults(&spec);
    set_up(&lab, &spec, 1, 1);
    CU_ASSERT_EQUAL(train(&lab, &hooks), SW_DIVERGED);
    CU_ASSERT_EQUAL(record.steps, 8);
    CU_ASSERT_EQUAL_FATAL(lab.outcome.points, 2);
    CU_ASSERT_EQUAL(lab.curve[1].step, 5);
    record = (struct record){.fail_at = 5, .fail_evaluation = SW_STOPPED};
    CU_ASSERT_EQUAL(train(&lab, &hooks), SW_STOPPED);
    CU_ASSERT_EQUAL(record.steps, 5);
    CU_ASSERT_EQUAL(lab.outcome.points, 2);
    tear_down(&lab);
}

static void a_stop_before_the_update_leaves_the_weights(void) {
    struct lab lab;
    struct sw_trial_spec spec;
    float survivors[512];
    struct record record = {.fail_at = 0, .fail_backward = SW_DIVERGED};
    struct sw_train_hooks hooks = hooks_of(&record);
    set_defaults(&spec);
    set_up(&lab, &spec, 1, 1);
    CU_ASSERT_EQUAL(train(&lab, &hooks), SW_DIVERGED);
    SW_TEST_OK(sw_net_get_survivors(lab.net, survivors));
    CU_ASSERT_EQUAL(memcmp(survivors, lab.theta, (size_t) lab.arch.parameters * 4), 0);
    CU_ASSERT_EQUAL(lab.outcome.points, 1);
    tear_down(&lab);
}

static void settings_that_do_not_fit_are_refused(void) {
    struct lab lab;
    struct sw_trial_spec spec;
    double loss = 0;
    int64_t correct = 0;
    set_defaults(&spec);
    set_up(&lab, &spec, 1, 1);
    SW_TEXT_COPY(lab.spec.train_optimizer_name, "newton");
    SW_TEST_FAILS(train(&lab, NULL), SW_CONFIG);
    lab.spec = spec;
    SW_TEXT_COPY(lab.spec.train_schedule_name, "moon");
    SW_TEST_FAILS(train(&lab, NULL), SW_CONFIG);
    CU_ASSERT_EQUAL(lab.outcome.points, 0);
    SW_TEXT_COPY(lab.spec.train_schedule_name, "step"); /* without milestones */
    SW_TEST_FAILS(train(&lab, NULL), SW_CONFIG);
    lab.spec = spec;
    lab.data.info.classes = 5;
    SW_TEST_FAILS(train(&lab, NULL), SW_CONFIG);
    SW_TEST_FAILS(sw_train_evaluate(lab.net, &lab.data, SW_SPLIT_TEST, &loss, &correct), SW_CONFIG);
    lab.data.info.classes = 4;
    lab.data.features = 15;
    SW_TEST_FAILS(train(&lab, NULL), SW_CONFIG);
    tear_down(&lab);
}

/* ---- learning, and the same again ----------------------------------------------------------- */

static void check_learning(double density, const char *optimizer, double lr, double accuracy) {
    struct lab lab;
    struct sw_trial_spec spec;
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.data_name, "synthetic");
    spec.data_validation = 200;
    SW_TEXT_COPY(spec.model_name, "mlp-64-32");
    SW_TEXT_COPY(spec.train_optimizer_name, optimizer);
    spec.train_optimizer_lr = lr;
    spec.train_epochs = 15;
    set_up(&lab, &spec, density, 1);
    SW_TEST_OK(train(&lab, NULL));
    const struct sw_curve_point *last = &lab.curve[lab.outcome.points - 1];
    CU_ASSERT(lab.curve[0].test_accuracy < 0.3);
    CU_ASSERT(last->test_accuracy > accuracy);
    CU_ASSERT(last->validation_accuracy > accuracy);
    CU_ASSERT(last->train_loss < lab.curve[1].train_loss);
    tear_down(&lab);
}

static void trainings_reach_far_above_chance(void) {
    check_learning(1, "adam", 3e-3, 0.5);
    check_learning(0.2, "adam", 3e-3, 0.45);
    check_learning(1, "sgd", 0.1, 0.4);
    check_learning(1, "adamw", 3e-3, 0.5);
}

static void a_training_is_the_same_for_any_threads_and_after_rebuilding(void) {
    const double densities[] = {1, 0.8, 0.1};
    const int threads[] = {1, 2, 3, 1};
    for (size_t d = 0; d < 3; d++) {
        float first[1024], again[1024];
        struct sw_curve_point curve[MAX_POINTS];
        for (int build = 0; build < 4; build++) {
            struct lab lab;
            struct sw_trial_spec spec;
            set_defaults(&spec);
            set_up(&lab, &spec, densities[d], threads[build]);
            SW_TEST_OK(train(&lab, NULL));
            size_t bytes = (size_t) sw_net_survivors(lab.net) * sizeof *again;
            SW_TEST_OK(sw_net_get_survivors(lab.net, again));
            if (build == 0) memcpy(first, again, bytes);
            if (build == 0) memcpy(curve, lab.curve, sizeof curve);
            CU_ASSERT_EQUAL(memcmp(first, again, bytes), 0);
            CU_ASSERT_EQUAL(memcmp(curve, lab.curve, sizeof curve), 0);
            tear_down(&lab);
        }
    }
}

/* Nothing of a training may leak into the next one of the same network. */
static void a_network_can_be_trained_again(void) {
    struct lab lab;
    struct sw_trial_spec spec;
    float first[512], again[512];
    set_defaults(&spec);
    set_up(&lab, &spec, 0.5, 1);
    SW_TEST_OK(train(&lab, NULL));
    SW_TEST_OK(sw_net_get_survivors(lab.net, first));
    SW_TEST_OK(sw_net_set_theta(lab.net, lab.theta));
    SW_TEST_OK(train(&lab, NULL));
    SW_TEST_OK(sw_net_get_survivors(lab.net, again));
    CU_ASSERT_EQUAL(memcmp(first, again, (size_t) sw_net_survivors(lab.net) * sizeof *first), 0);
    tear_down(&lab);
}

static CU_TestInfo numbers[] = {
    {"a_training_agrees_with_one_in_double", a_training_agrees_with_one_in_double},
    {"trainings_reach_far_above_chance", trainings_reach_far_above_chance},
    {"a_training_is_the_same_for_any_threads_and_after_rebuilding",
     a_training_is_the_same_for_any_threads_and_after_rebuilding},
    {"a_network_can_be_trained_again", a_network_can_be_trained_again},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo counts[] = {
    {"the_curve_has_its_planned_points", the_curve_has_its_planned_points},
    {"milestones_are_epochs_of_the_data_set", milestones_are_epochs_of_the_data_set},
    {"an_evaluation_at_the_last_step_is_made_once", an_evaluation_at_the_last_step_is_made_once},
    {"train_loss_is_the_mean_over_samples_since_the_last_point",
     train_loss_is_the_mean_over_samples_since_the_last_point},
    {"an_epoch_takes_every_sample_once", an_epoch_takes_every_sample_once},
    {"points_are_evaluations_of_that_moment", points_are_evaluations_of_that_moment},
    {"without_validation_images_there_is_no_figure", without_validation_images_there_is_no_figure},
    {"the_outcome_tells_bytes_and_seconds", the_outcome_tells_bytes_and_seconds},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo ends[] = {
    {"a_hook_stops_the_training_with_its_status", a_hook_stops_the_training_with_its_status},
    {"a_stop_before_the_update_leaves_the_weights", a_stop_before_the_update_leaves_the_weights},
    {"settings_that_do_not_fit_are_refused", settings_that_do_not_fit_are_refused},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"numbers", NULL, NULL, NULL, NULL, numbers},
    {"counts", NULL, NULL, NULL, NULL, counts},
    {"ends", NULL, NULL, NULL, NULL, ends},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_train_loop", suites);
}
