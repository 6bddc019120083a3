/* What a round begins with: masks of the controls, weights of a step to rewind to, how they are stored. Sweeps come from plan
 * and run row by row. */
#include "../support/fake_sink.h"
#include "../support/test_main.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sweepstake/memory.h"
#include "sweepstake/plan.h"
#include "sweepstake/prune.h"
#include "sweepstake/train.h"
#include "sweepstake/trial.h"

/* 200 training images: an epoch has 9 steps, the last of them with 8 images. */
#define HEAD                                                                                        \
    "sweep: t\n"                                                                                    \
    "data: {name: synthetic, shape: [1, 6, 6], classes: 4, train: 240, test: 80, validation: 40}\n" \
    "model: {name: mlp-20-12}\n"                                                                    \
    "seed: 11\n"

static struct sw_sweep sweep;
static struct sw_data data;
static char *block;
static struct sw_fake_sink sink;

static void open_sweep(const char *text) {
    struct sw_text errors = {0};
    struct sw_plan_source source = {.path = "t.yaml", .text = text, .text_bytes = strlen(text)};
    SW_TEST_OK(sw_plan_build(&source, &sweep, &errors));
    if (errors.length > 0) fprintf(stderr, "%s", sw_text_get(&errors));
    sw_text_fini(&errors);
    CU_ASSERT_TRUE_FATAL(sweep.n_rounds > 0 && sweep.n_rounds <= SW_FAKE_ROWS);
    SW_TEST_OK(SW_ALLOC(&block, (size_t) sweep.datas[0].block_bytes, "data"));
    SW_TEST_OK(sw_data_decode(&sweep.trials[0], &sweep.datas[0], block));
    SW_TEST_OK(sw_data_open(&sweep.trials[0], &sweep.datas[0], block, &data));
    sw_fake_sink_init(&sink);
}

static void close_sweep(void) {
    sw_fake_sink_fini(&sink);
    sw_data_close(&data);
    SW_FREE(&block);
    sw_sweep_fini(&sweep);
}

static struct sw_round_task make_task(int64_t row) {
    const struct sw_round_plan *plan = &sweep.rounds[row];
    const struct sw_arch *arch = &sweep.archs[plan->arch];
    struct sw_round_task task;
    memset(&task, 0, sizeof task);
    task.spec = sweep.trials[plan->trial];
    task.plan = *plan;
    task.data = sweep.datas[plan->data];
    task.n_layers = arch->n_layers;
    (void) sw_sweep_snapshots(&sweep, row, task.snapshot_step);
    task.dense_row = sw_sweep_row(&sweep, task.plan.trial, 0, SW_CONTROL_TICKET);
    for (int64_t l = 0; l < arch->n_layers; l++) {
        task.kept[l] = sweep.kept[row * sweep.max_layers + l];
        task.parent_kept[l] = sw_arch_layer(arch, l)->count;
        if (plan->parent >= 0)
            task.parent_kept[l] = sweep.kept[plan->parent * sweep.max_layers + l];
    }
    return task;
}

static enum sw_status run_task(const struct sw_round_task *task, struct sw_fake_sink *to) {
    struct sw_hal_options options = {.threads = 1, .isa = sw_isa_detect()};
    struct sw_trial_place place = {.backend = "cpu", .threads = 1, .attempt = 1};
    struct sw_hal *hal = NULL;
    SW_TRY(sw_hal_open(sw_backend_find("cpu"), &options, &hal));
    struct sw_sink opened = sw_fake_sink_open(to, task->plan.row);
    enum sw_status status = sw_trial_run_round(task, hal, &data, &place, &opened);
    sw_hal_close(&hal);
    return status;
}

static void run_all(void) {
    for (int64_t row = 0; row < sweep.n_rounds; row++) {
        struct sw_round_task task = make_task(row);
        SW_TEST_OK(run_task(&task, &sink));
    }
}

static const struct sw_round_results *result_of(int64_t row) {
    const struct sw_round_record *record = sw_fake_sink_get(&sink, row, SW_SECTION_RECORD, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(record);
    return &record->result;
}

static int64_t row_of(int64_t trial, int64_t round, enum sw_control control) {
    return sw_sweep_row(&sweep, trial, round, control);
}

static const float *weights_of(const struct sw_fake_sink *from, int64_t row, size_t *bytes) {
    const float *weights = sw_fake_sink_get(from, row, SW_SECTION_WEIGHTS, bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(weights);
    return weights;
}

/* ---- controls ------------------------------------------------------------------------------- */

static void controls_hand_over_the_masks_they_make(void) {
    open_sweep(HEAD "train: {steps: 20, batch: 24, evaluate: {every: 10}}\n"
                    "prune: {rate: 0.5, rounds: 2}\ncontrol: [reinit, random, shuffle]\n");
    run_all();
    const struct sw_arch *arch = &sweep.archs[0];
    const uint8_t *ticket = sw_fake_sink_get(&sink, row_of(0, 2, SW_CONTROL_TICKET),
                                             SW_SECTION_MASK, NULL);
    for (int control = 1; control < SW_CONTROL_COUNT; control++) {
        int64_t row = row_of(0, 2, (enum sw_control) control);
        bool reinit = control == SW_CONTROL_REINIT;
        uint8_t derived[300];
        size_t length = 0;
        const uint8_t *mask = sw_fake_sink_get(&sink, row, SW_SECTION_MASK, &length);
        CU_ASSERT_EQUAL((sw_fake_sink_get(&sink, row, SW_SECTION_THETA0, NULL) != NULL), reinit);
        CU_ASSERT_EQUAL(length, reinit ? 0 : (size_t) arch->mask_bytes);
        SW_TEST_OK(sw_prune_control_mask(&sweep.trials[0], arch, (enum sw_control) control, 2,
                                         ticket, derived));
        if (!reinit) CU_ASSERT_EQUAL(memcmp(mask, derived, length), 0);
        CU_ASSERT_STRING_EQUAL(result_of(row)->control, sw_control_name((enum sw_control) control));
        CU_ASSERT_EQUAL(result_of(row)->nnz, sweep.rounds[row].nnz);
        CU_ASSERT_STRING_EQUAL(result_of(row)->status, "ok");
    }
    close_sweep();
}

/* ---- rewinding ------------------------------------------------------------------------------ */

#define REWOUND                                                                                    \
    HEAD "train: {steps: 31, batch: 24, evaluate: {every: 10}, "                                   \
         "schedule: {name: constant, warmup: {fraction: 0.6}}}\n"                                  \
         "prune: {rate: 0.5, rounds: 2}\ncontrol: [reinit, random]\n"                              \
         "grid: {rewind.to: [0, 20, 13]}\n"

/* The weights after k steps are those that a training of k steps ends with (the rate must not depend
 * on the length: no warmup). */
static void snapshots_are_the_weights_after_k_steps(void) {
    open_sweep(HEAD "train: {steps: 31, batch: 24, evaluate: {every: 10}}\n"
                    "prune: {rounds: 1}\ngrid: {rewind.to: [20, 13]}\n");
    struct sw_fake_sink other;
    size_t length = 0;
    const int64_t steps[] = {20, 13};
    struct sw_round_task task = make_task(0);
    size_t bytes = (size_t) sweep.archs[0].parameters * sizeof(float);
    CU_ASSERT_EQUAL(task.plan.snapshots, 2);
    SW_TEST_OK(run_task(&task, &sink));
    const char *snapshots = sw_fake_sink_get(&sink, 0, SW_SECTION_THETA_K, &length);
    CU_ASSERT_EQUAL_FATAL(length, 2 * bytes);
    task.plan.snapshots = 0;
    for (int i = 0; i < 2; i++) {
        sw_fake_sink_init(&other);
        task.spec.train_steps = task.plan.steps = steps[i];
        task.plan.curve_points = sw_train_curve_points(&task.spec, steps[i]);
        SW_TEST_OK(run_task(&task, &other));
        const char *end = sw_fake_sink_get(&other, 0, SW_SECTION_WEIGHTS, &length);
        CU_ASSERT_EQUAL(length, bytes);
        CU_ASSERT_EQUAL(memcmp(snapshots + (size_t) i * bytes, end, bytes), 0);
        CU_ASSERT_PTR_NULL(sw_fake_sink_get(&other, 0, SW_SECTION_THETA_K, NULL));
        sw_fake_sink_fini(&other);
    }
    close_sweep();
}

/* Without momentum and with nothing removed, the rest of the training is the one that was: same
 * samples, same learning rates, from the middle of an epoch and of the warmup on. */
static void a_rewound_training_goes_on_as_the_first_one_did(void) {
    open_sweep(HEAD "train: {steps: 31, batch: 24, evaluate: {every: 10}, "
                    "optimizer: {name: sgd, lr: 0.1}, "
                    "schedule: {name: constant, warmup: {fraction: 0.8}}}\n"
                    "prune: {rate: 1e-6, rounds: 1}\ngrid: {rewind.to: [13, 18, 30]}\n");
    run_all();
    size_t length = 0, other = 0;
    const char *first = sw_fake_sink_get(&sink, 0, SW_SECTION_WEIGHTS, &length);
    for (int64_t trial = 0; trial < 3; trial++) {
        int64_t row = row_of(trial, 1, SW_CONTROL_TICKET);
        const char *again = sw_fake_sink_get(&sink, row, SW_SECTION_WEIGHTS, &other);
        CU_ASSERT_EQUAL_FATAL(length, other);
        CU_ASSERT_EQUAL(memcmp(first, again, length), 0);
        CU_ASSERT_EQUAL(result_of(row)->test_loss, result_of(0)->test_loss);
        CU_ASSERT_TRUE(result_of(row)->train_flops < result_of(0)->train_flops);
    }
    close_sweep();
}

/* Adam begins with empty moments and its first correction: not what a restart in the middle would do. */
static void the_optimizer_starts_anew(void) {
    open_sweep(HEAD "train: {steps: 31, batch: 24, evaluate: {every: 10}, "
                    "optimizer: {name: adam, lr: 1e-3}}\n"
                    "prune: {rate: 1e-6, rounds: 1}\nrewind: {to: 30}\n");
    run_all();
    size_t length = 0;
    const float *before = sw_fake_sink_get(&sink, 0, SW_SECTION_THETA_K, NULL);
    const float *after = sw_fake_sink_get(&sink, 1, SW_SECTION_WEIGHTS, &length);
    int moved = 0, other = 0;
    for (size_t i = 0; i < length / sizeof *after; i++) {
        float step = fabsf(after[i] - before[i]);
        moved += fabsf(step - 1e-3F) < 2e-5F; /* the first step of Adam is lr times the sign */
        other += step > 1.1e-3F;
    }
    CU_ASSERT_EQUAL(other, 0);
    CU_ASSERT_TRUE(moved > 500);
    close_sweep();
}

/* Loss on the test images of weights under a row's mask. */
static double loss_of(int64_t row, const float *theta) {
    struct sw_hal_options options = {.threads = 1, .isa = sw_isa_detect()};
    const void *mask = sw_fake_sink_get(&sink, sweep.rounds[row].mask_owner, SW_SECTION_MASK, NULL);
    struct sw_hal *hal = NULL;
    struct sw_net *net = NULL;
    double loss = 0;
    int64_t correct = 0;
    SW_TEST_OK(sw_hal_open(sw_backend_find("cpu"), &options, &hal));
    SW_TEST_OK(sw_net_create(hal, &sweep.archs[0], mask, SW_EVALUATE_BATCH, &net));
    SW_TEST_OK(sw_net_set_theta(net, theta));
    SW_TEST_OK(sw_train_evaluate(net, &data, SW_SPLIT_TEST, &loss, &correct));
    sw_net_destroy(&net);
    sw_hal_close(&hal);
    return loss;
}

static void rounds_begin_at_their_step_with_its_weights(void) {
    const int64_t steps[] = {0, 20, 13}, points[] = {5, 3, 4}; /* 0 10 20 30 31; 20 30 31; 13 ... */
    open_sweep(REWOUND);
    run_all();
    const float *snapshots = sw_fake_sink_get(&sink, 0, SW_SECTION_THETA_K, NULL);
    for (int64_t trial = 0; trial < 3; trial++) {
        for (int control = 0; control < SW_CONTROL_SHUFFLE; control++) {
            int64_t row = row_of(trial, 2, (enum sw_control) control);
            bool reinit = control == SW_CONTROL_REINIT;
            size_t length = 0;
            const struct sw_round_plan *plan = &sweep.rounds[row];
            const struct sw_curve_point *curve = sw_fake_sink_get(&sink, row, SW_SECTION_CURVES,
                                                                  &length);
            const float *start = sw_fake_sink_get(&sink, plan->theta0_owner, SW_SECTION_THETA0,
                                                  NULL);
            if (plan->theta_k_index >= 0)
                start = snapshots + plan->theta_k_index * sweep.archs[0].parameters;
            CU_ASSERT_EQUAL(length / sizeof *curve, (size_t) (reinit ? 5 : points[trial]));
            CU_ASSERT_EQUAL(curve[0].step, reinit ? 0 : steps[trial]);
            CU_ASSERT_EQUAL(curve[length / sizeof *curve - 1].step, 31);
            CU_ASSERT_DOUBLE_EQUAL(curve[0].test_loss, loss_of(row, start), 0);
            CU_ASSERT_EQUAL(result_of(row)->first_step, curve[0].step);
            CU_ASSERT_EQUAL(result_of(row)->steps, 31);
            CU_ASSERT_TRUE(result_of(row)->early_stop_step >= curve[0].step);
        }
    }
    close_sweep();
}

static void a_training_that_diverges_first_keeps_no_weights(void) {
    open_sweep(HEAD "train: {steps: 31, batch: 24, evaluate: {every: 10}, optimizer: {name: sgd, "
                    "lr: 1e3, weight_decay: 1}}\n"
                    "prune: {rounds: 1}\nrewind: {to: 30}\n");
    struct sw_round_task task = make_task(0);
    SW_TEST_OK(run_task(&task, &sink));
    CU_ASSERT_STRING_EQUAL(result_of(0)->status, "failed");
    CU_ASSERT_PTR_NULL(sw_fake_sink_get(&sink, 0, SW_SECTION_THETA_K, NULL));
    close_sweep();
}

static void tasks_that_contradict_themselves_are_refused(void) {
    open_sweep(REWOUND);
    struct sw_round_task task = make_task(0);
    SW_TEST_OK(run_task(&task, &sink));
    int64_t row = row_of(1, 1, SW_CONTROL_TICKET);
    task = make_task(row);
    task.plan.rewind_to = 31;
    SW_TEST_FAILS(run_task(&task, &sink), SW_INTERNAL);
    task = make_task(row);
    task.plan.theta_k_owner = -1;
    SW_TEST_FAILS(run_task(&task, &sink), SW_INTERNAL);
    task = make_task(row);
    task.plan.theta_k_index = -1;
    SW_TEST_FAILS(run_task(&task, &sink), SW_INTERNAL);
    task = make_task(row);
    task.plan.theta_k_index = 2;
    SW_TEST_FAILS(run_task(&task, &sink), SW_DAMAGED); /* the slab ends before */
    close_sweep();
}

/* ---- interruption ---------------------------------------------------------------------------- */

static bool is_same(const struct sw_fake_sink *other, int64_t row, enum sw_section section) {
    size_t length = 0, expected = 0;
    const void *a = sw_fake_sink_get(other, row, section, &length);
    const void *b = sw_fake_sink_get(&sink, row, section, &expected);
    if (length != expected || (a == NULL) != (b == NULL)) return false;
    if (section == SW_SECTION_RECORD) expected = sizeof(struct sw_round_results);
    return a == NULL || memcmp(a, b, expected) == 0;
}

/* End a round every `steps` steps, and begin again where it stood. */
static void run_in_pieces(int64_t row, int64_t steps, struct sw_fake_sink *to) {
    struct sw_round_task task = make_task(row);
    struct sw_hal_options options = {.threads = 1, .isa = sw_isa_detect()};
    struct sw_trial_place place = {.backend = "cpu", .threads = 1, .attempt = 1};
    struct sw_hal *hal = NULL;
    SW_TEST_OK(sw_hal_open(sw_backend_find("cpu"), &options, &hal));
    enum sw_status status = SW_STOPPED;
    SW_FREE(&to->checkpoint);
    for (int pieces = 0; status == SW_STOPPED && pieces < 20; pieces++) {
        struct sw_sink opened = sw_fake_sink_open(to, row);
        sw_fake_sink_take_checkpoints(to, &opened);
        to->end_after = steps;
        status = sw_trial_run_round(&task, hal, &data, &place, &opened);
    }
    SW_TEST_OK(status);
    sw_hal_close(&hal);
}

static void expect_the_same_in_pieces(const char *text) {
    struct sw_fake_sink pieces;
    open_sweep(text);
    run_all();
    sw_fake_sink_init(&pieces);
    for (int64_t row = 0; row < sweep.n_rounds; row++) {
        run_in_pieces(row, 7, &pieces);
        for (int s = 0; s < SW_SECTION_COUNT; s++)
            CU_ASSERT_TRUE(is_same(&pieces, row, (enum sw_section) s));
        CU_ASSERT_PTR_NOT_NULL(strstr(sw_text_get(&pieces.notices), "resumes at step"));
    }
    sw_fake_sink_fini(&pieces);
    close_sweep();
}

static void rewound_rounds_come_to_the_same_in_pieces(void) {
    expect_the_same_in_pieces(REWOUND);
}

#define FILTERS                                                                                     \
    "sweep: t\n"                                                                                    \
    "data: {name: synthetic, shape: [2, 6, 6], classes: 4, train: 120, test: 40, validation: 20}\n" \
    "model: {name: resnet-8}\nseed: 11\n"                                                           \
    "train: {steps: 9, batch: 24, evaluate: {every: 4}, optimizer: {name: sgd, lr: 0.02, "          \
    "momentum: 0.9, weight_decay: 1e-3}}\n"                                                         \
    "prune: {granularity: filter, rate: 0.5, rounds: 1}\n"

static void rounds_of_units_come_to_the_same_in_pieces(void) {
    expect_the_same_in_pieces(HEAD "train: {steps: 31, batch: 24, evaluate: {every: 10}}\n"
                                   "prune: {granularity: neuron, rate: 0.4, rounds: 2}\n"
                                   "control: [shuffle, random]\nrewind: {to: 5}\n");
}

/* Batch norm, momentum, statistics of theta_k: all of it as one with the filters. */
static void rounds_of_filters_come_to_the_same_in_pieces(void) {
    expect_the_same_in_pieces(FILTERS "control: [shuffle, random, reinit]\nrewind: {to: 1}\n");
    expect_the_same_in_pieces(FILTERS "train.format: csr\nprune.scope: global\n");
}

/* ---- conversion ------------------------------------------------------------------------------ */

static void conversions_are_judged_before_and_after(void) {
    const char *text = HEAD
        "train: {steps: 31, batch: 24, evaluate: {every: 10}}\n"
        "prune: {rate: 0.5, rounds: 3, convert: {round: 1, granularity: neuron}}\n"
        "control: [shuffle]\nrewind: {to: 5}\n";
    open_sweep(text);
    run_all();
    for (int64_t round = 0; round <= 3; round++) {
        const struct sw_round_results *result = result_of(row_of(0, round, SW_CONTROL_TICKET));
        CU_ASSERT_STRING_EQUAL(result->status, "ok");
        CU_ASSERT_EQUAL(isnan(result->converted_test_accuracy), round != 2);
        CU_ASSERT_EQUAL(isnan(result->converted_validation_accuracy), round != 2);
    }
    int64_t row = row_of(0, 2, SW_CONTROL_TICKET);
    double accuracy = result_of(row)->converted_test_accuracy;
    CU_ASSERT_TRUE(accuracy >= 0 && accuracy <= 1);
    CU_ASSERT_EQUAL(sweep.rounds[row].parent, row_of(0, 1, SW_CONTROL_TICKET));
    CU_ASSERT_TRUE(isnan(result_of(row_of(0, 2, SW_CONTROL_SHUFFLE))->converted_test_accuracy));
    close_sweep();
    expect_the_same_in_pieces(text);
}

/* ---- filters -------------------------------------------------------------------------------- */

/* Whether channels are there but masked, or not there at all, the tickets train alike, and removed channels
 * give 0 behind their batch norm. */
static void filters_train_alike_masked_and_removed(void) {
    size_t bytes = 0, n = 0;
    open_sweep(FILTERS "grid: {train.format: [auto, dense]}\n");
    run_all();
    const struct sw_arch *arch = &sweep.archs[0];
    int64_t row = row_of(0, 1, SW_CONTROL_TICKET), other = row_of(1, 1, SW_CONTROL_TICKET);
    const float *smaller = weights_of(&sink, row, &bytes);
    const float *masked = weights_of(&sink, other, &n);
    const uint8_t *mask = sw_fake_sink_get(&sink, row, SW_SECTION_MASK, NULL);
    CU_ASSERT_EQUAL_FATAL(bytes, n);
    CU_ASSERT_EQUAL(memcmp(mask, sw_fake_sink_get(&sink, other, SW_SECTION_MASK, NULL),
                           (size_t) arch->mask_bytes),
                    0);
    for (int64_t p = 0; p < arch->n_params; p++) {
        const struct sw_param *param = &arch->params[p];
        int64_t count = param->prunable ? sw_mask_count(mask + param->mask_offset, param->count)
                                        : param->count;
        int64_t zeros = 0;
        for (int64_t i = 0; i < count; i++)
            zeros += smaller[i] == 0;
        if (param->role == SW_ROLE_SCALE) CU_ASSERT_EQUAL(zeros, param->count / 2);
        if (sw_role_is_trained(param->role))
            CU_ASSERT_TRUE(sw_test_close(smaller, masked, (size_t) count, 1e-3, 1e-3));
        smaller += count;
        masked += count;
    }
    const struct sw_round_record *record = sw_fake_sink_get(&sink, row, SW_SECTION_RECORD, NULL);
    const struct sw_round_record *whole = sw_fake_sink_get(&sink, other, SW_SECTION_RECORD, NULL);
    CU_ASSERT_TRUE(record->measured.bytes_activations < whole->measured.bytes_activations);
    CU_ASSERT_DOUBLE_EQUAL(record->result.test_loss, whole->result.test_loss, 1e-3);
    close_sweep();
}

/* ---- storage -------------------------------------------------------------------------------- */

/* Layers of 20 x 36, 12 x 20 and 4 x 12 weights, of which the last has too few blocks to lose one. */
static const char formats[] = HEAD "train: {steps: 20, batch: 24, evaluate: {every: 10}}\n"
                                   "prune: {rate: 0.5, rounds: 1, granularity: block4}\n"
                                   "grid: {train.format: [dense, csr, csc, coo, bsr]}\n";

static void rounds_are_stored_as_the_sweep_says(void) {
    static const char *const letters[] = {"ddd", "ccd", "ttd", "ood", "bbd"};
    static const char *const names[] = {"dense", "csr", "csc", "coo", "bsr4"};
    open_sweep(formats);
    CU_ASSERT_EQUAL(sweep.n_rounds, 1 + 5); /* one dense round for all formats */
    run_all();
    for (int64_t trial = 0; trial < 5; trial++) {
        int64_t row = row_of(trial, 1, SW_CONTROL_TICKET);
        const struct sw_round_record *record = sw_fake_sink_get(&sink, row, SW_SECTION_RECORD,
                                                                NULL);
        const struct sw_layer_record *layers = sw_fake_sink_get(&sink, row, SW_SECTION_LAYERS,
                                                                NULL);
        CU_ASSERT_STRING_EQUAL(record->measured.inference_format, letters[trial]);
        CU_ASSERT_STRING_EQUAL(layers[0].format, names[trial]);
        CU_ASSERT_STRING_EQUAL(layers[2].format, "dense");
    }
    close_sweep();
}

/* Formats differ by the order of sums only, and each repeats its bits. */
static void formats_train_the_same_ticket(void) {
    struct sw_fake_sink again;
    size_t bytes = 0, n = 0;
    open_sweep(formats);
    run_all();
    sw_fake_sink_init(&again);
    struct sw_round_task dense = make_task(0);
    SW_TEST_OK(run_task(&dense, &again));
    const float *wanted = weights_of(&sink, row_of(0, 1, SW_CONTROL_TICKET), &bytes);
    for (int64_t trial = 0; trial < 5; trial++) {
        int64_t row = row_of(trial, 1, SW_CONTROL_TICKET);
        struct sw_round_task task = make_task(row);
        SW_TEST_OK(run_task(&task, &again));
        const float *weights = weights_of(&sink, row, &n);
        CU_ASSERT_EQUAL_FATAL(n, bytes);
        CU_ASSERT_TRUE(sw_test_close(weights, wanted, n / sizeof *weights, 1e-3, 1e-3));
        CU_ASSERT_EQUAL(memcmp(weights, weights_of(&again, row, NULL), n), 0);
    }
    sw_fake_sink_fini(&again);
    close_sweep();
}

static CU_TestInfo controls[] = {
    {"controls hand over the masks they make", controls_hand_over_the_masks_they_make},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo rewinding[] = {
    {"snapshots are the weights after k steps", snapshots_are_the_weights_after_k_steps},
    {"a rewound training goes on as the first one did",
     a_rewound_training_goes_on_as_the_first_one_did},
    {"the optimizer starts anew", the_optimizer_starts_anew},
    {"rounds begin at their step with its weights", rounds_begin_at_their_step_with_its_weights},
    {"a training that diverges first keeps no weights",
     a_training_that_diverges_first_keeps_no_weights},
    {"tasks that contradict themselves are refused", tasks_that_contradict_themselves_are_refused},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo interruption[] = {
    {"rewound rounds come to the same in pieces", rewound_rounds_come_to_the_same_in_pieces},
    {"rounds of units come to the same in pieces", rounds_of_units_come_to_the_same_in_pieces},
    {"rounds of filters come to the same in pieces", rounds_of_filters_come_to_the_same_in_pieces},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo storage[] = {
    {"rounds are stored as the sweep says", rounds_are_stored_as_the_sweep_says},
    {"formats train the same ticket", formats_train_the_same_ticket},
    {"conversions are judged before and after", conversions_are_judged_before_and_after},
    {"filters train alike, masked and removed", filters_train_alike_masked_and_removed},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"storage", NULL, NULL, NULL, NULL, storage},
    {"interruption", NULL, NULL, NULL, NULL, interruption},
    {"controls", NULL, NULL, NULL, NULL, controls},
    {"rewinding", NULL, NULL, NULL, NULL, rewinding},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_trial_starts", suites);
}
