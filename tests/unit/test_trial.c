#include "../support/fake_sink.h"
#include "../support/test_main.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "sweepstake/prune.h"
#include "sweepstake/train.h"
#include "sweepstake/trial.h"

#define ROUNDS 3      /* prunes; tickets are rows 0..3 */
#define CONTROL_ROW 9 /* the reinit control of round 2 */
#define CONTROL_ROUND 2

/* ---- a small lottery ----------------------------------------------------------------------- */

static struct sw_trial_spec spec;
static struct sw_data_info info;
static struct sw_data data;
static struct sw_arch arch;
static void *block;
static struct sw_fake_sink sink; /* of the lottery that most tests look at */

static void set_spec(void) {
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.data_name, "synthetic");
    SW_TEXT_COPY(spec.data_shape, "1x6x6");
    SW_TEXT_COPY(spec.model_name, "mlp-20-12");
    spec.data_classes = 4;
    spec.data_train = 240;
    spec.data_validation = 40;
    spec.data_test = 80;
    spec.train_steps = 45;
    spec.train_batch = 24;
    spec.train_evaluate_every = 10;
    spec.train_optimizer_lr = 0.01;
    spec.prune_rate = 0.5; /* 12.5 % are left of row 3: sparse kernels */
    spec.seed = 11;
}

/* NULL when it cannot be opened. */
static struct sw_hal *open_backend(const struct sw_backend *backend, int threads) {
    struct sw_hal_options options = {.threads = threads, .isa = sw_isa_detect()};
    struct sw_hal *hal = NULL;
    return sw_hal_open(backend, &options, &hal) == SW_OK ? hal : NULL;
}

static struct sw_hal *open_device(int threads) {
    return open_backend(sw_backend_find("cpu"), threads);
}

static int64_t sum_of(const int64_t *numbers, int64_t n) {
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += numbers[i];
    return sum;
}

/* What plan would say about this training. */
static struct sw_round_task make_task(const struct sw_trial_spec *settings, int64_t round,
                                      enum sw_control control) {
    struct sw_round_task task;
    memset(&task, 0, sizeof task);
    bool ticket = control == SW_CONTROL_TICKET;
    task.spec = *settings;
    task.data = info;
    task.n_layers = arch.n_layers;
    sw_prune_kept(settings, &arch, round, task.kept);
    sw_prune_kept(settings, &arch, ticket && round > 0 ? round - 1 : round, task.parent_kept);
    struct sw_round_plan *plan = &task.plan;
    plan->row = ticket ? round : CONTROL_ROW;
    plan->trial = 5;
    plan->round = round;
    plan->control = control;
    plan->parent = ticket ? round - 1 : round;
    plan->theta0_owner = control == SW_CONTROL_REINIT ? CONTROL_ROW : 0;
    plan->mask_owner = control == SW_CONTROL_REINIT ? round : plan->row;
    plan->theta_k_owner = plan->theta_k_index = -1;
    plan->steps = sw_train_steps(settings, info.train);
    plan->curve_points = sw_train_curve_points(settings, plan->steps);
    plan->nnz = sum_of(task.kept, task.n_layers);
    plan->survivors = plan->nnz + arch.parameters - arch.prunable;
    plan->sparsity_requested = sw_prune_requested(settings, &arch, round);
    plan->flops = sw_train_flops(settings, &arch, &info, task.kept);
    return task;
}

static enum sw_status run(const struct sw_round_task *task, struct sw_hal *hal,
                          struct sw_fake_sink *to) {
    struct sw_trial_place place = {"cpu", 3, sw_hal_threads(hal), 1, sw_clock_wall()};
    struct sw_sink opened = sw_fake_sink_open(to, task->plan.row);
    return sw_trial_run_round(task, hal, &data, &place, &opened);
}

/* Also used while a suite starts, where CUnit allows no assertions: returns the status. */
static enum sw_status run_lottery(int threads, struct sw_fake_sink *to) {
    struct sw_hal *hal = open_device(threads);
    enum sw_status status = hal != NULL ? SW_OK : SW_INTERNAL;
    for (int64_t round = 0; round <= ROUNDS && status == SW_OK; round++) {
        struct sw_round_task task = make_task(&spec, round, SW_CONTROL_TICKET);
        status = run(&task, hal, to);
    }
    struct sw_round_task control = make_task(&spec, CONTROL_ROUND, SW_CONTROL_REINIT);
    if (status == SW_OK) status = run(&control, hal, to);
    sw_hal_close(&hal);
    return status;
}

static const struct sw_round_record *record_of(const struct sw_fake_sink *from, int64_t row) {
    return sw_fake_sink_get(from, row, SW_SECTION_RECORD, NULL);
}

static int set_up(void) {
    set_spec();
    if (sw_data_probe(&spec, &info) != SW_OK) return 1;
    if (SW_ALLOC((char **) &block, (size_t) info.block_bytes, "data") != SW_OK) return 1;
    if (sw_data_decode(&spec, &info, block) != SW_OK) return 1;
    if (sw_data_open(&spec, &info, block, &data) != SW_OK) return 1;
    if (sw_arch_create(spec.model_name, info.shape, info.classes, &arch) != SW_OK) return 1;
    sw_fake_sink_init(&sink);
    return run_lottery(1, &sink) != SW_OK;
}

static int tear_down(void) {
    sw_fake_sink_fini(&sink);
    sw_arch_fini(&arch);
    sw_data_close(&data);
    SW_FREE(&block);
    return 0;
}

/* ---- what a round hands over --------------------------------------------------------------- */

static void masks_are_nested_with_the_planned_counts(void) {
    for (int64_t row = 0; row <= ROUNDS; row++) {
        size_t length = 0;
        struct sw_round_task task = make_task(&spec, row, SW_CONTROL_TICKET);
        const uint8_t *mask = sw_fake_sink_get(&sink, row, SW_SECTION_MASK, &length);
        const uint8_t *before = sw_fake_sink_get(&sink, row > 0 ? row - 1 : 0, SW_SECTION_MASK,
                                                 NULL);
        CU_ASSERT_EQUAL_FATAL(length, (size_t) arch.mask_bytes);
        for (int64_t l = 0; l < arch.n_layers; l++) {
            const struct sw_param *layer = sw_arch_layer(&arch, l);
            const uint8_t *bits = mask + layer->mask_offset;
            CU_ASSERT_EQUAL(sw_mask_count(bits, layer->count), task.kept[l]);
            CU_ASSERT_TRUE(sw_mask_is_nested(bits, before + layer->mask_offset, layer->count));
        }
        CU_ASSERT_EQUAL(record_of(&sink, row)->result.nnz, task.plan.nnz);
        sw_fake_sink_get(&sink, row, SW_SECTION_WEIGHTS, &length);
        CU_ASSERT_EQUAL(length, (size_t) task.plan.survivors * sizeof(float));
    }
}

static void theta0_is_saved_by_its_owners_alone(void) {
    size_t length = 0;
    CU_ASSERT_PTR_NOT_NULL(sw_fake_sink_get(&sink, 0, SW_SECTION_THETA0, &length));
    CU_ASSERT_EQUAL(length, (size_t) arch.parameters * sizeof(float));
    for (int64_t row = 1; row <= ROUNDS; row++)
        CU_ASSERT_PTR_NULL(sw_fake_sink_get(&sink, row, SW_SECTION_THETA0, NULL));
    CU_ASSERT_PTR_NOT_NULL(sw_fake_sink_get(&sink, CONTROL_ROW, SW_SECTION_THETA0, NULL));
}

static void a_control_has_its_own_theta0_on_the_tickets_mask(void) {
    float drawn[2000];
    size_t bytes = (size_t) arch.parameters * sizeof *drawn;
    const struct sw_init *init = sw_init_find(spec.model_init);
    sw_init_weights(&arch, init, false, (uint64_t) spec.seed, SW_RANDOM_INIT, 0, drawn);
    const void *saved = sw_fake_sink_get(&sink, 0, SW_SECTION_THETA0, NULL);
    CU_ASSERT_EQUAL(memcmp(saved, drawn, bytes), 0);
    sw_init_weights(&arch, init, false, (uint64_t) spec.seed, SW_RANDOM_REINIT, CONTROL_ROUND,
                    drawn);
    saved = sw_fake_sink_get(&sink, CONTROL_ROW, SW_SECTION_THETA0, NULL);
    CU_ASSERT_EQUAL(memcmp(saved, drawn, bytes), 0);
    CU_ASSERT_PTR_NULL(sw_fake_sink_get(&sink, CONTROL_ROW, SW_SECTION_MASK, NULL));
    const struct sw_round_results *result = &record_of(&sink, CONTROL_ROW)->result;
    CU_ASSERT_STRING_EQUAL(result->control, "reinit");
    CU_ASSERT_STRING_EQUAL(record_of(&sink, CONTROL_ROUND)->result.control, "ticket");
    CU_ASSERT_EQUAL(result->nnz, record_of(&sink, CONTROL_ROUND)->result.nnz);
}

/* The mask of round 1 leaves the largest of the weights that round 0 ended with. */
static void masks_come_from_the_parents_trained_weights(void) {
    const float *weights = sw_fake_sink_get(&sink, 0, SW_SECTION_WEIGHTS, NULL);
    const uint8_t *mask = sw_fake_sink_get(&sink, 1, SW_SECTION_MASK, NULL);
    for (int64_t l = 0; l < arch.n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(&arch, l);
        float largest_gone = 0, smallest_left = INFINITY;
        for (int64_t i = 0; i < layer->count; i++) {
            float size = fabsf(weights[layer->offset + i]);
            if (!sw_mask_get(mask + layer->mask_offset, i))
                largest_gone = fmaxf(largest_gone, size);
            else
                smallest_left = fminf(smallest_left, size);
        }
        CU_ASSERT_TRUE(largest_gone > 0 && largest_gone <= smallest_left);
    }
}

/* Before its first step, every training stands at theta0 under its mask. */
static void survivors_start_from_theta0(void) {
    const int64_t rows[] = {0, 1, 2, 3, CONTROL_ROW};
    struct sw_hal *hal = open_device(1);
    for (int i = 0; i < 5; i++) {
        struct sw_net *net = NULL;
        double loss = 0;
        int64_t correct = 0, row = rows[i];
        int64_t mask_row = row == CONTROL_ROW ? CONTROL_ROUND : row;
        int64_t theta0_row = row == CONTROL_ROW ? CONTROL_ROW : 0;
        const struct sw_curve_point *curve = sw_fake_sink_get(&sink, row, SW_SECTION_CURVES, NULL);
        SW_TEST_OK(sw_net_create(hal, &arch,
                                 sw_fake_sink_get(&sink, mask_row, SW_SECTION_MASK, NULL),
                                 SW_EVALUATE_BATCH, &net));
        SW_TEST_OK(
            sw_net_set_theta(net, sw_fake_sink_get(&sink, theta0_row, SW_SECTION_THETA0, NULL)));
        SW_TEST_OK(sw_train_evaluate(net, &data, SW_SPLIT_TEST, &loss, &correct));
        CU_ASSERT_DOUBLE_EQUAL(loss, curve[0].test_loss, 0);
        sw_net_destroy(&net);
    }
    sw_hal_close(&hal);
}

/* A new network with the stored mask and weights answers as the record says. */
static void stored_weights_reproduce_the_figures(void) {
    struct sw_hal *hal = open_device(1);
    for (int64_t row = 0; row <= ROUNDS; row++) {
        const struct sw_round_results *result = &record_of(&sink, row)->result;
        struct sw_net *net = NULL;
        double loss = 0;
        int64_t correct = 0;
        SW_TEST_OK(sw_net_create(hal, &arch, sw_fake_sink_get(&sink, row, SW_SECTION_MASK, NULL),
                                 SW_EVALUATE_BATCH, &net));
        SW_TEST_OK(
            sw_net_set_survivors(net, sw_fake_sink_get(&sink, row, SW_SECTION_WEIGHTS, NULL)));
        SW_TEST_OK(sw_train_evaluate(net, &data, SW_SPLIT_TEST, &loss, &correct));
        CU_ASSERT_EQUAL(correct, result->test_correct);
        CU_ASSERT_DOUBLE_EQUAL(loss, result->test_loss, 0);
        SW_TEST_OK(sw_train_evaluate(net, &data, SW_SPLIT_VALIDATION, &loss, &correct));
        CU_ASSERT_DOUBLE_EQUAL(loss, result->validation_loss, 0);
        SW_TEST_OK(sw_train_evaluate(net, &data, SW_SPLIT_TRAIN, &loss, &correct));
        CU_ASSERT_DOUBLE_EQUAL(loss, result->train_loss, 0);
        sw_net_destroy(&net);
    }
    sw_hal_close(&hal);
}

static void early_stop_is_the_first_minimum_of_the_validation_loss(void) {
    for (int64_t row = 0; row <= ROUNDS; row++) {
        size_t length = 0;
        const struct sw_curve_point *curve = sw_fake_sink_get(&sink, row, SW_SECTION_CURVES,
                                                              &length);
        const struct sw_round_results *result = &record_of(&sink, row)->result;
        CU_ASSERT_EQUAL_FATAL(length, 6 * sizeof *curve); /* steps 0, 10, 20, 30, 40, 45 */
        CU_ASSERT_EQUAL(result->curve_points, 6);
        for (int i = 0; i < 6; i++) {
            double best = result->early_stop_validation_loss;
            bool earlier = curve[i].step < result->early_stop_step;
            CU_ASSERT_TRUE(earlier ? curve[i].validation_loss > best
                                   : curve[i].validation_loss >= best);
            if (curve[i].step == result->early_stop_step)
                CU_ASSERT_DOUBLE_EQUAL(curve[i].test_accuracy, result->early_stop_test_accuracy, 0);
        }
    }
}

static void records_are_complete(void) {
    size_t n_columns = 0, row_bytes = 0;
    const struct sw_column *columns = sw_spec_columns(SW_TABLE_ROUNDS, &n_columns, &row_bytes);
    const struct sw_round_record *record = record_of(&sink, 2);
    for (size_t i = 0; i < n_columns; i++) {
        double number = 0;
        bool converted = strncmp(columns[i].name, "converted_", 10) == 0; /* nothing was */
        if (columns[i].kind != SW_COLUMN_F64 || converted) continue;
        memcpy(&number, (const char *) record + columns[i].offset, sizeof number);
        if (!isfinite(number)) fprintf(stderr, "  no figure in %s\n", columns[i].name);
        CU_ASSERT_TRUE(isfinite(number));
    }
    CU_ASSERT_STRING_EQUAL(record->result.status, "ok");
    CU_ASSERT_STRING_EQUAL(record->result.reason, "");
    CU_ASSERT_EQUAL(record->result.trial, 5);
    CU_ASSERT_EQUAL(record->result.parameters, arch.parameters);
    CU_ASSERT_EQUAL(record->result.train_images, 200);
    CU_ASSERT_TRUE(record->result.train_accuracy > 0.5); /* it does learn: 4 classes */
    CU_ASSERT_DOUBLE_EQUAL(record->result.sparsity, record->result.sparsity_requested, 0.01);
    CU_ASSERT_EQUAL(record->measured.rank, 3);
    CU_ASSERT_EQUAL(record->measured.threads, 1);
    CU_ASSERT_STRING_EQUAL(record->measured.backend, "cpu");
    CU_ASSERT_EQUAL(strlen(record->measured.inference_format), 3);
    CU_ASSERT_TRUE(strlen(record->measured.host) > 0 && strlen(record->measured.cores) > 0);
    CU_ASSERT_TRUE(record->measured.latency_1_us > 0 && record->measured.latency_64_us > 0);
    CU_ASSERT_TRUE(record->measured.peak_rss > 1 << 20 && record->measured.bytes_weights > 0);
}

static void formats_are_those_of_the_table(void) {
    for (int64_t row = 0; row <= ROUNDS; row++) {
        struct sw_round_task task = make_task(&spec, row, SW_CONTROL_TICKET);
        for (int64_t l = 0; l < arch.n_layers; l++) {
            const struct sw_param *layer = sw_arch_layer(&arch, l);
            bool csr = sw_hal_choose_format(sw_isa_detect(), layer->shape[0], layer->shape[1],
                                            task.kept[l], 1) == SW_FORMAT_CSR;
            CU_ASSERT_EQUAL(record_of(&sink, row)->measured.inference_format[l], csr ? 'c' : 'd');
        }
    }
}

static void layers_tell_norms_and_formats(void) {
    size_t length = 0;
    const struct sw_layer_record *layers = sw_fake_sink_get(&sink, 3, SW_SECTION_LAYERS, &length);
    const float *weights = sw_fake_sink_get(&sink, 3, SW_SECTION_WEIGHTS, NULL);
    CU_ASSERT_EQUAL_FATAL(length, 3 * sizeof *layers);
    double squares = 0;
    for (int64_t i = 0; i < layers[0].nnz; i++)
        squares += (double) weights[i] * weights[i];
    CU_ASSERT_DOUBLE_EQUAL(layers[0].weight_norm, sqrt(squares), 1e-9 * sqrt(squares));
    CU_ASSERT_STRING_EQUAL(layers[2].name, "fc3.weight");
    for (int l = 0; l < 3; l++) {
        struct sw_round_task task = make_task(&spec, 3, SW_CONTROL_TICKET);
        double nnz = (double) task.kept[l];
        CU_ASSERT_EQUAL(layers[l].nnz, task.kept[l]);
        CU_ASSERT_DOUBLE_EQUAL(layers[l].sparsity, 1 - nnz / (double) layers[l].weights, 0);
        CU_ASSERT_TRUE(layers[l].gradient_norm > 0);
        CU_ASSERT_DOUBLE_EQUAL(layers[l].gradient_rms, layers[l].gradient_norm / sqrt(nnz), 0);
        CU_ASSERT_TRUE(strcmp(layers[l].format, "dense") == 0 ||
                       strcmp(layers[l].format, "csr") == 0);
    }
}

/* ---- repeatable ---------------------------------------------------------------------------- */

/* Number of sections that differ; of a record only the results count. */
static int count_differences(const struct sw_fake_sink *a, const struct sw_fake_sink *b) {
    int differences = 0;
    for (int64_t row = 0; row < SW_FAKE_ROWS; row++) {
        for (int s = 0; s < SW_SECTION_COUNT; s++) {
            const struct sw_fake_section *x = &a->sections[row][s], *y = &b->sections[row][s];
            size_t length = s == SW_SECTION_RECORD ? sizeof(struct sw_round_results) : x->length;
            bool both = x->bytes != NULL && y->bytes != NULL;
            if ((x->bytes == NULL) != (y->bytes == NULL) || x->length != y->length ||
                (both && memcmp(x->bytes, y->bytes, length) != 0)) {
                fprintf(stderr, "  row %lld: %s differs\n", (long long) row,
                        sw_section_name((enum sw_section) s));
                differences++;
            }
        }
    }
    return differences;
}

static void the_same_bytes_for_any_threads_and_when_repeated(void) {
    for (int threads = 1; threads <= 2; threads++) {
        struct sw_fake_sink again;
        sw_fake_sink_init(&again);
        SW_TEST_OK(run_lottery(threads, &again));
        CU_ASSERT_EQUAL(count_differences(&sink, &again), 0);
        sw_fake_sink_fini(&again);
    }
}

static void every_backend_runs_a_round(void) {
    const struct sw_backend *backend = NULL;
    for (size_t i = 0; (backend = sw_backend_at(i)) != NULL; i++) {
        if (sw_backend_probe(backend) != SW_OK) continue;
        struct sw_hal *hal = open_backend(backend, 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(hal);
        struct sw_round_task task = make_task(&spec, ROUNDS + 1, SW_CONTROL_TICKET);
        SW_TEST_OK(run(&task, hal, &sink));
        CU_ASSERT_STRING_EQUAL(record_of(&sink, ROUNDS + 1)->result.status, "ok");
        sw_hal_close(&hal);
    }
}

static void another_seed_gives_other_bytes(void) {
    struct sw_fake_sink other;
    sw_fake_sink_init(&other);
    spec.seed++;
    struct sw_hal *hal = open_device(1);
    struct sw_round_task task = make_task(&spec, 0, SW_CONTROL_TICKET);
    SW_TEST_OK(run(&task, hal, &other));
    sw_hal_close(&hal);
    spec.seed--;
    const float *a = sw_fake_sink_get(&sink, 0, SW_SECTION_WEIGHTS, NULL);
    const float *b = sw_fake_sink_get(&other, 0, SW_SECTION_WEIGHTS, NULL);
    CU_ASSERT_NOT_EQUAL(memcmp(a, b, 100 * sizeof *a), 0);
    sw_fake_sink_fini(&other);
}

static void progress_is_told_to_the_end(void) {
    CU_ASSERT_EQUAL(sink.progress.step, 45);
    CU_ASSERT_EQUAL(sink.progress.steps, 45);
    CU_ASSERT_TRUE(sink.progress_calls >= 6);
}

static void without_validation_images_the_last_point_is_the_early_stop(void) {
    struct sw_trial_spec whole = spec;
    struct sw_data all;
    struct sw_data_info described;
    void *bytes = NULL;
    struct sw_fake_sink to;
    whole.data_validation = 0;
    SW_TEST_OK(sw_data_probe(&whole, &described));
    SW_TEST_OK(SW_ALLOC((char **) &bytes, (size_t) described.block_bytes, "data"));
    SW_TEST_OK(sw_data_decode(&whole, &described, bytes));
    SW_TEST_OK(sw_data_open(&whole, &described, bytes, &all));
    sw_fake_sink_init(&to);
    struct sw_hal *hal = open_device(1);
    struct sw_round_task task = make_task(&whole, 0, SW_CONTROL_TICKET);
    task.data = described;
    struct sw_trial_place place = {"cpu", 0, 1, 1, 0};
    struct sw_sink opened = sw_fake_sink_open(&to, 0);
    SW_TEST_OK(sw_trial_run_round(&task, hal, &all, &place, &opened));
    const struct sw_round_results *result = &record_of(&to, 0)->result;
    CU_ASSERT_EQUAL(result->early_stop_step, 45);
    CU_ASSERT_TRUE(isnan(result->early_stop_validation_loss) && isnan(result->validation_loss));
    CU_ASSERT_DOUBLE_EQUAL(result->early_stop_test_loss, result->test_loss, 0);
    sw_hal_close(&hal);
    sw_fake_sink_fini(&to);
    sw_data_close(&all);
    SW_FREE(&bytes);
}

/* ---- failures ------------------------------------------------------------------------------ */

/* Steps that are far too long: every one multiplies the weights by -999. */
static struct sw_trial_spec diverging(const char *monitors) {
    struct sw_trial_spec wild = spec;
    SW_TEXT_COPY(wild.train_optimizer_name, "sgd");
    SW_TEXT_COPY(wild.monitor, monitors);
    wild.train_optimizer_lr = 1e3;
    wild.train_optimizer_weight_decay = 1;
    return wild;
}

static void a_diverging_training_is_a_failed_round(void) {
    struct sw_fake_sink to;
    size_t length = 0;
    struct sw_trial_spec wild = diverging("divergence,gradient-norm");
    sw_fake_sink_init(&to);
    struct sw_hal *hal = open_device(1);
    struct sw_round_task task = make_task(&wild, 0, SW_CONTROL_TICKET);
    SW_TEST_OK(run(&task, hal, &to));
    const struct sw_round_record *record = record_of(&to, 0);
    CU_ASSERT_STRING_EQUAL(record->result.status, "failed");
    CU_ASSERT_PTR_NOT_NULL(strstr(record->result.reason, "diverged"));
    CU_ASSERT_PTR_NOT_NULL(strstr(record->result.reason, "step"));
    CU_ASSERT_TRUE(isnan(record->result.test_loss) && isnan(record->result.train_accuracy));
    CU_ASSERT_EQUAL(record->result.test_correct, -1);
    CU_ASSERT_TRUE(record->result.curve_points >= 1 && record->result.curve_points < 6);
    CU_ASSERT_TRUE(isfinite(record->result.early_stop_validation_loss));
    CU_ASSERT_TRUE(record->result.alerts >= 1);
    sw_fake_sink_get(&to, 0, SW_SECTION_CURVES, &length);
    CU_ASSERT_EQUAL(length, (size_t) record->result.curve_points * sizeof(struct sw_curve_point));
    sw_fake_sink_get(&to, 0, SW_SECTION_WEIGHTS, &length);
    CU_ASSERT_EQUAL(length, (size_t) task.plan.survivors * sizeof(float));
    sw_hal_close(&hal);
    sw_fake_sink_fini(&to);
}

/* Nobody watches: the training runs to its end, and its figures are judged. */
static void an_unwatched_divergence_is_a_failed_round_with_repeatable_bytes(void) {
    struct sw_trial_spec wild = diverging("");
    struct sw_fake_sink to[2];
    for (int threads = 1; threads <= 2; threads++) {
        sw_fake_sink_init(&to[threads - 1]);
        struct sw_hal *hal = open_device(threads);
        struct sw_round_task task = make_task(&wild, 0, SW_CONTROL_TICKET);
        SW_TEST_OK(run(&task, hal, &to[threads - 1]));
        sw_hal_close(&hal);
    }
    CU_ASSERT_STRING_EQUAL(record_of(&to[0], 0)->result.status, "failed");
    CU_ASSERT_PTR_NOT_NULL(strstr(record_of(&to[0], 0)->result.reason, "final training loss"));
    CU_ASSERT_EQUAL(record_of(&to[0], 0)->result.curve_points, 6);
    CU_ASSERT_EQUAL(count_differences(&to[0], &to[1]), 0);
    sw_fake_sink_fini(&to[0]);
    sw_fake_sink_fini(&to[1]);
}

static void errors_of_the_sink_come_back(void) {
    struct sw_fake_sink to;
    sw_fake_sink_init(&to);
    struct sw_hal *hal = open_device(1);
    struct sw_round_task task = make_task(&spec, 1, SW_CONTROL_TICKET);
    SW_TEST_FAILS(run(&task, hal, &to), SW_NOT_FOUND); /* no parent there */
    task = make_task(&spec, CONTROL_ROUND, SW_CONTROL_REINIT);
    SW_TEST_FAILS(run(&task, hal, &to), SW_NOT_FOUND);
    task = make_task(&spec, 0, SW_CONTROL_TICKET);
    for (int s = 0; s < SW_SECTION_COUNT; s++) {
        /* Nobody rewinds to a step of it, and it is not pruned while it trains. */
        if (s == SW_SECTION_THETA_K || s == SW_SECTION_PRUNES) continue;
        to.refused = s;
        SW_TEST_FAILS(run(&task, hal, &to), SW_IO);
        CU_ASSERT_PTR_NULL(record_of(&to, 0));
    }
    sw_hal_close(&hal);
    sw_fake_sink_fini(&to);
}

static void a_mask_with_other_counts_is_damage(void) {
    struct sw_hal *hal = open_device(1);
    struct sw_round_task task = make_task(&spec, CONTROL_ROUND, SW_CONTROL_REINIT);
    task.kept[1]++;
    SW_TEST_FAILS(run(&task, hal, &sink), SW_DAMAGED);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "fc2.weight"));
    task = make_task(&spec, ROUNDS, SW_CONTROL_TICKET);
    task.parent_kept[0]--;
    SW_TEST_FAILS(run(&task, hal, &sink), SW_DAMAGED);
    sw_hal_close(&hal);
}

static void a_task_that_does_not_fit_is_refused(void) {
    struct sw_fake_sink to;
    sw_fake_sink_init(&to);
    struct sw_hal *hal = open_device(1);
    struct sw_round_task task = make_task(&spec, 0, SW_CONTROL_TICKET);
    task.n_layers = 2;
    SW_TEST_FAILS(run(&task, hal, &to), SW_INTERNAL);
    task = make_task(&spec, 0, SW_CONTROL_TICKET);
    task.plan.curve_points--;
    SW_TEST_FAILS(run(&task, hal, &to), SW_INTERNAL);
    task = make_task(&spec, 0, SW_CONTROL_TICKET);
    SW_TEXT_COPY(task.spec.model_init, "zeros");
    SW_TEST_FAILS(run(&task, hal, &to), SW_CONFIG);
    task = make_task(&spec, 0, SW_CONTROL_TICKET);
    SW_TEXT_COPY(task.spec.model_name, "lenet");
    SW_TEST_FAILS(run(&task, hal, &to), SW_CONFIG);
    sw_hal_close(&hal);
    sw_fake_sink_fini(&to);
}

static void a_round_that_never_ran_has_a_record(void) {
    struct sw_round_task task = make_task(&spec, 2, SW_CONTROL_TICKET);
    struct sw_trial_place place = {"cpu", 7, 2, 3, 0};
    struct sw_round_record record;
    sw_trial_failed_record(&task, &place, "killed by signal 11", &record);
    CU_ASSERT_STRING_EQUAL(record.result.status, "failed");
    CU_ASSERT_STRING_EQUAL(record.result.reason, "killed by signal 11");
    CU_ASSERT_EQUAL(record.result.row, 2);
    CU_ASSERT_EQUAL(record.result.nnz, task.plan.nnz);
    CU_ASSERT_EQUAL(record.result.prunable, arch.prunable);
    CU_ASSERT_TRUE(isnan(record.result.test_accuracy) && isnan(record.measured.train_seconds));
    CU_ASSERT_EQUAL(record.result.curve_points, 0);
    CU_ASSERT_EQUAL(record.measured.attempt, 3);
    CU_ASSERT_TRUE(strlen(record.measured.host) > 0);
    place.attempt = 0;
    sw_trial_failed_record(&task, &place, "its parent failed", &record);
    CU_ASSERT_STRING_EQUAL(record.measured.host, "");
}

static CU_TestInfo hands_over[] = {
    {"masks are nested with the planned counts", masks_are_nested_with_the_planned_counts},
    {"theta0 is saved by its owners alone", theta0_is_saved_by_its_owners_alone},
    {"a control has its own theta0 on the ticket's mask",
     a_control_has_its_own_theta0_on_the_tickets_mask},
    {"masks come from the parent's trained weights", masks_come_from_the_parents_trained_weights},
    {"survivors start from theta0", survivors_start_from_theta0},
    {"stored weights reproduce the figures", stored_weights_reproduce_the_figures},
    {"early stop is the first minimum of the validation loss",
     early_stop_is_the_first_minimum_of_the_validation_loss},
    {"records are complete", records_are_complete},
    {"formats are those of the table", formats_are_those_of_the_table},
    {"layers tell norms and formats", layers_tell_norms_and_formats},
    {"progress is told to the end", progress_is_told_to_the_end},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo repeatable[] = {
    {"the same bytes for any threads and when repeated",
     the_same_bytes_for_any_threads_and_when_repeated},
    {"every backend runs a round", every_backend_runs_a_round},
    {"another seed gives other bytes", another_seed_gives_other_bytes},
    {"without validation images the last point is the early stop",
     without_validation_images_the_last_point_is_the_early_stop},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo failures[] = {
    {"a diverging training is a failed round", a_diverging_training_is_a_failed_round},
    {"an unwatched divergence is a failed round with repeatable bytes",
     an_unwatched_divergence_is_a_failed_round_with_repeatable_bytes},
    {"errors of the sink come back", errors_of_the_sink_come_back},
    {"a mask with other counts is damage", a_mask_with_other_counts_is_damage},
    {"a task that does not fit is refused", a_task_that_does_not_fit_is_refused},
    {"a round that never ran has a record", a_round_that_never_ran_has_a_record},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"hands over", set_up, tear_down, NULL, NULL, hands_over},
    {"repeatable", set_up, tear_down, NULL, NULL, repeatable},
    {"failures", set_up, tear_down, NULL, NULL, failures},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_trial", suites);
}
