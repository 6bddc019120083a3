/* A round that is interrupted inside and run again hands over the same results, whatever is wrong
 * with its checkpoint. */
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

#define ROUNDS 3
#define STEPS 23

/* ---- a small lottery ----------------------------------------------------------------------- */

static struct sw_trial_spec spec;
static const char *schedule = "iterative";
static struct sw_data_info info;
static struct sw_data data;
static struct sw_arch arch;
static char *block;
static struct sw_hal *hal;
static struct sw_fake_sink whole; /* rows 0..3, without interruption */
static struct sw_fake_sink sink;  /* rows that are interrupted */

/* Gradients that alerts are made of: a rate so high that they leave the usual range. */
static void set_spec(void) {
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.data_name, "synthetic");
    SW_TEXT_COPY(spec.data_shape, "1x6x6");
    SW_TEXT_COPY(spec.data_normalize, "none");
    SW_TEXT_COPY(spec.model_name, "mlp-20-12");
    spec.data_classes = 4;
    spec.data_train = 240;
    spec.data_validation = 40;
    spec.data_test = 80;
    spec.train_steps = STEPS;
    spec.train_batch = 24;
    spec.train_evaluate_every = 5;
    spec.train_optimizer_lr = 0.01;
    spec.prune_rate = 0.5;
    SW_TEXT_COPY(spec.prune_schedule, schedule);
    spec.prune_frequency = 4;
    spec.prune_warmup_epochs = 0;
    spec.seed = 11;
}

static struct sw_round_task make_task(int64_t round) {
    struct sw_round_task task;
    memset(&task, 0, sizeof task);
    task.spec = spec;
    task.data = info;
    task.n_layers = arch.n_layers;
    sw_prune_kept(&spec, &arch, round, task.kept);
    sw_prune_kept(&spec, &arch, round > 0 ? round - 1 : 0, task.parent_kept);
    struct sw_round_plan *plan = &task.plan;
    plan->row = plan->round = plan->mask_owner = round;
    plan->parent = round - 1;
    plan->steps = sw_train_steps(&spec, info.train);
    plan->theta_k_owner = plan->theta_k_index = -1;
    plan->curve_points = sw_train_curve_points(&spec, plan->steps);
    for (int64_t l = 0; l < task.n_layers; l++)
        plan->nnz += task.kept[l];
    plan->survivors = plan->nnz + arch.parameters - arch.prunable;
    const struct sw_prune_span span = {0, plan->steps, sw_train_epoch_steps(&spec, info.train)};
    for (int64_t l = 0; round > 0 && l < task.n_layers; l++)
        plan->start_survivors += task.parent_kept[l];
    plan->start_survivors += arch.parameters - arch.prunable;
    plan->length[SW_SECTION_MASK] = arch.mask_bytes;
    if (round > 0) plan->prune_rows = sw_prune_calls(&spec, &span) * sw_prune_pools(&spec, &arch);
    plan->flops = sw_train_flops(&spec, &arch, &info, task.kept);
    return task;
}

static enum sw_status run(struct sw_fake_sink *to, int64_t round, bool checkpoints) {
    struct sw_round_task task = make_task(round);
    struct sw_trial_place place = {"cpu", 0, 1, 1, sw_clock_wall()};
    struct sw_sink opened = sw_fake_sink_open(to, round);
    if (checkpoints) sw_fake_sink_take_checkpoints(to, &opened);
    return sw_trial_run_round(&task, hal, &data, &place, &opened);
}

static int set_up_with(const char *name) {
    schedule = name;
    const struct sw_hal_options options = {.threads = 1, .isa = sw_isa_detect()};
    set_spec();
    if (sw_data_probe(&spec, &info) != SW_OK) return 1;
    if (SW_ALLOC(&block, (size_t) info.block_bytes, "data") != SW_OK) return 1;
    if (sw_data_decode(&spec, &info, block) != SW_OK) return 1;
    if (sw_data_open(&spec, &info, block, &data) != SW_OK) return 1;
    if (sw_arch_create(spec.model_name, info.shape, info.classes, &arch) != SW_OK) return 1;
    if (sw_hal_open(sw_backend_find("cpu"), &options, &hal) != SW_OK) return 1;
    sw_fake_sink_init(&whole);
    sw_fake_sink_init(&sink);
    for (int64_t round = 0; round <= ROUNDS; round++)
        if (run(&whole, round, false) != SW_OK || run(&sink, round, false) != SW_OK) return 1;
    return 0;
}

static int set_up(void) {
    return set_up_with("iterative");
}
static int set_up_cubic(void) {
    return set_up_with("cubic");
}
static int set_up_seed(void) {
    return set_up_with("seed_dynamic");
}

static int tear_down(void) {
    sw_fake_sink_fini(&whole);
    sw_fake_sink_fini(&sink);
    sw_hal_close(&hal);
    sw_arch_fini(&arch);
    sw_data_close(&data);
    SW_FREE(&block);
    return 0;
}

/* All that counts for the digest: sections bytewise, and the results of the record. */
static void check_row(int64_t row) {
    for (int s = 0; s < SW_SECTION_COUNT; s++) {
        size_t a = 0, b = 0;
        const void *expected = sw_fake_sink_get(&whole, row, (enum sw_section) s, &a);
        const void *found = sw_fake_sink_get(&sink, row, (enum sw_section) s, &b);
        CU_ASSERT_EQUAL_FATAL(a, b);
        if (s == SW_SECTION_RECORD) a = sizeof(struct sw_round_results);
        if (expected != NULL && found != NULL) CU_ASSERT_EQUAL(memcmp(expected, found, a), 0);
    }
}

static const struct sw_round_record *record_of(int64_t row) {
    return sw_fake_sink_get(&sink, row, SW_SECTION_RECORD, NULL);
}

static void check_notice(const char *text) {
    bool found = strstr(sw_text_get(&sink.notices), text) != NULL;
    if (!found) fprintf(stderr, "  no '%s' in: %s\n", text, sw_text_get(&sink.notices));
    CU_ASSERT_TRUE(found);
}

/* ---- interruption -------------------------------------------------------------------------- */

static void reset(void) {
    SW_FREE(&sink.checkpoint);
    sink.save_every = sink.end_after = 0;
    sink.refuses_checkpoints = false;
}

static void a_round_that_was_ended_goes_on_to_the_same_results(void) {
    for (int64_t round = 0; round <= ROUNDS; round++)
        for (int64_t step = 1; step <= STEPS; step++) {
            char expected[64];
            reset();
            sink.end_after = step;
            CU_ASSERT_EQUAL(run(&sink, round, true), SW_STOPPED);
            CU_ASSERT_EQUAL_FATAL(sink.n_saved, 1);
            CU_ASSERT_EQUAL(sink.step, step);
            CU_ASSERT_PTR_NULL(record_of(round));
            double earlier = sw_clock_monotonic();
            sink.end_after = 0;
            SW_TEST_OK(run(&sink, round, true));
            CU_ASSERT_EQUAL(sink.asked, STEPS - step);
            (void) snprintf(expected, sizeof expected, "resumes at step %d of %d\n", (int) step,
                            STEPS);
            CU_ASSERT_STRING_EQUAL(sw_text_get(&sink.notices), expected);
            check_row(round);
            CU_ASSERT_TRUE(record_of(round)->measured.train_seconds > 0);
            CU_ASSERT_TRUE(sw_clock_monotonic() - earlier < 60);
        }
}

/* The lotteries above were pruned while they trained: rows of calls, and masks that are nested. */
static void masks_shrank_on_the_way(void) {
    for (int64_t round = 1; round <= ROUNDS; round++) {
        size_t length = 0, bytes = 0;
        const struct sw_prune_call *calls = sw_fake_sink_get(&whole, round, SW_SECTION_PRUNES,
                                                             &length);
        const uint8_t *mask = sw_fake_sink_get(&whole, round, SW_SECTION_MASK, &bytes);
        const uint8_t *before = sw_fake_sink_get(&whole, round - 1, SW_SECTION_MASK, &bytes);
        const struct sw_round_task task = make_task(round);
        CU_ASSERT_TRUE_FATAL(length >= 6 * sizeof *calls && mask != NULL && before != NULL);
        CU_ASSERT_EQUAL(calls[0].step, 0);
        CU_ASSERT_TRUE(calls[length / sizeof *calls - 1].step > 9);
        for (int64_t l = 0; l < arch.n_layers; l++) {
            const struct sw_param *layer = sw_arch_layer(&arch, l);
            const uint8_t *bits = mask + layer->mask_offset;
            CU_ASSERT_EQUAL(sw_mask_count(bits, layer->count), task.kept[l]);
            CU_ASSERT_TRUE(sw_mask_is_nested(bits, before + layer->mask_offset, layer->count));
        }
        const struct sw_round_record *record = sw_fake_sink_get(&whole, round, SW_SECTION_RECORD,
                                                                NULL);
        double dense = sw_train_flops(&spec, &arch, &info, task.parent_kept);
        CU_ASSERT_TRUE(record->result.train_flops > task.plan.flops &&
                       record->result.train_flops < dense);
    }
}

/* What the monitor `signs` and Sign-In carry is part of it: 10 steps or fewer to an epoch. */
static void watched_signs_go_on_to_the_same_results(void) {
    SW_TEXT_COPY(spec.monitor, "signs,gradient-norm");
    SW_TEXT_COPY(spec.train_optimizer_name, "sgd");
    SW_TEXT_COPY(spec.sign_seed_force_reference, "rewind");
    spec.train_optimizer_lr = 0.004;
    spec.signin_enabled = 1;
    spec.signin_reset_epochs = 1;
    spec.sign_seed_force_every = 2;
    spec.sign_seed_force_below = 1;
    for (int64_t round = 0; round <= 1; round++) {
        reset();
        SW_TEST_OK(run(&whole, round, false));
        SW_TEST_OK(run(&sink, round, false));
    }
    for (int64_t step = 1; step <= STEPS; step++) {
        reset();
        sink.end_after = step;
        CU_ASSERT_EQUAL(run(&sink, 1, true), SW_STOPPED);
        sink.end_after = 0;
        SW_TEST_OK(run(&sink, 1, true));
        check_notice("resumes at step");
        check_row(1);
    }
    const struct sw_layer_record *layers = sw_fake_sink_get(&sink, 1, SW_SECTION_LAYERS, NULL);
    CU_ASSERT_TRUE(layers[0].signs.flips > 0 && layers[0].sign_forced > 0);
    CU_ASSERT_TRUE(layers[0].signs.factor_least < 1 && layers[0].signs.factor_median <= 1);
    layers = sw_fake_sink_get(&sink, 0, SW_SECTION_LAYERS, NULL);
    CU_ASSERT_TRUE(layers[0].signs.flips > 0 && layers[0].sign_forced == 0);
    CU_ASSERT_TRUE(isnan(layers[0].signs.factor_median));
    reset();
    set_spec();
    for (int64_t round = 0; round <= ROUNDS; round++) {
        SW_TEST_OK(run(&whole, round, false));
        SW_TEST_OK(run(&sink, round, false));
    }
}

/* The lottery has alerts, or the test above would not look at them. */
static void alerts_before_and_after_are_kept(void) {
    size_t length = 0;
    (void) sw_fake_sink_get(&whole, 0, SW_SECTION_ALERTS, &length);
    CU_ASSERT_TRUE(length > 0);
}

static void checkpoints_on_the_way_change_nothing(void) {
    reset();
    sink.save_every = 4;
    SW_TEST_OK(run(&sink, 2, true));
    CU_ASSERT_EQUAL(sink.n_saved, STEPS / 4);
    CU_ASSERT_EQUAL(sink.step, 20);
    CU_ASSERT_STRING_EQUAL(sw_text_get(&sink.notices), "");
    check_row(2);
    struct sw_round_task task = make_task(2);
    CU_ASSERT_TRUE((int64_t) sink.checkpoint_bytes <=
                   sw_trial_checkpoint_bytes(&spec, &task.plan, task.n_layers));
    /* What a crash at the very end would find. */
    SW_TEST_OK(run(&sink, 2, true));
    check_notice("resumes at step 20 of 23");
    check_row(2);
}

static void a_diverged_round_is_the_same_failure(void) {
    spec.train_optimizer_lr = 1e3;
    SW_TEXT_COPY(spec.train_optimizer_name, "sgd");
    reset();
    SW_TEST_OK(run(&whole, 0, false));
    SW_TEST_OK(run(&sink, 0, false));
    CU_ASSERT_STRING_EQUAL(record_of(0)->result.status, "failed");
    sink.save_every = 1;
    SW_TEST_OK(run(&sink, 0, true));
    CU_ASSERT_TRUE_FATAL(sink.n_saved > 0);
    SW_TEST_OK(run(&sink, 0, true));
    check_notice("resumes at step");
    check_row(0);
    set_spec();
    SW_TEST_OK(run(&whole, 0, false));
    reset();
    SW_TEST_OK(run(&sink, 0, false));
}

/* ---- trouble ------------------------------------------------------------------------------- */

static void a_checkpoint_that_cannot_be_saved_is_told_once(void) {
    reset();
    sink.refuses_checkpoints = true;
    sink.save_every = 3;
    SW_TEST_OK(run(&sink, 1, true));
    CU_ASSERT_STRING_EQUAL(sw_text_get(&sink.notices),
                           "no checkpoint could be saved: the disk is full\n");
    check_row(1);
    sink.end_after = 5;
    CU_ASSERT_EQUAL(run(&sink, 1, true), SW_STOPPED);
    CU_ASSERT_STRING_EQUAL(sw_status_text(), "ended at step 5 of 23");
    reset();
    SW_TEST_OK(run(&sink, 1, true));
    check_row(1);
}

static void another_masks_checkpoint_is_not_taken(void) {
    reset();
    sink.end_after = 9;
    CU_ASSERT_EQUAL(run(&sink, 3, true), SW_STOPPED);
    sink.key.bytes[5] ^= 1;
    sink.end_after = 0;
    SW_TEST_OK(run(&sink, 3, true));
    CU_ASSERT_EQUAL(sink.asked, STEPS);
    check_row(3);
}

/* Every byte before the numbers is changed in turn: the round ends, with or without it. */
static void damaged_heads_never_crash(void) {
    struct sw_round_task task = make_task(1);
    reset();
    sink.end_after = 7;
    CU_ASSERT_EQUAL(run(&sink, 1, true), SW_STOPPED);
    sink.end_after = 0;
    for (size_t at = 0; at < 32; at++) {
        sink.checkpoint[at] ^= (char) 0x81;
        SW_TEST_OK(run(&sink, 1, true));
        if (sink.asked == STEPS) check_row(1);
        sink.checkpoint[at] ^= (char) 0x81;
    }
    const size_t good = sink.checkpoint_bytes;
    const size_t lengths[] = {0, 1, 31, 32, 33, good - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        sink.checkpoint_bytes = lengths[i];
        SW_TEST_OK(run(&sink, 1, true));
        check_notice("a checkpoint is ignored: ");
        CU_ASSERT_EQUAL(sink.asked, STEPS);
        check_row(1);
    }
    sink.checkpoint_bytes = good;
    CU_ASSERT_TRUE(good <= (size_t) sw_trial_checkpoint_bytes(&spec, &task.plan, task.n_layers));
}

int main(void) {
    static CU_TestInfo interruption[] = {
        {"watched_signs_go_on_to_the_same_results", watched_signs_go_on_to_the_same_results},
        {"a_round_that_was_ended_goes_on_to_the_same_results",
         a_round_that_was_ended_goes_on_to_the_same_results},
        {"alerts_before_and_after_are_kept", alerts_before_and_after_are_kept},
        {"checkpoints_on_the_way_change_nothing", checkpoints_on_the_way_change_nothing},
        {"a_diverged_round_is_the_same_failure", a_diverged_round_is_the_same_failure},
        CU_TEST_INFO_NULL};
    static CU_TestInfo within[] = {
        {"masks_shrank_on_the_way", masks_shrank_on_the_way},
        {"a_round_that_was_ended_goes_on_to_the_same_results",
         a_round_that_was_ended_goes_on_to_the_same_results},
        {"checkpoints_on_the_way_change_nothing", checkpoints_on_the_way_change_nothing},
        {"damaged_heads_never_crash", damaged_heads_never_crash},
        CU_TEST_INFO_NULL};
    static CU_TestInfo trouble[] = {
        {"a_checkpoint_that_cannot_be_saved_is_told_once",
         a_checkpoint_that_cannot_be_saved_is_told_once},
        {"another_masks_checkpoint_is_not_taken", another_masks_checkpoint_is_not_taken},
        {"damaged_heads_never_crash", damaged_heads_never_crash},
        CU_TEST_INFO_NULL};
    static CU_SuiteInfo suites[] = {{"interruption", set_up, tear_down, NULL, NULL, interruption},
                                    {"trouble", set_up, tear_down, NULL, NULL, trouble},
                                    {"cubic", set_up_cubic, tear_down, NULL, NULL, within},
                                    {"seed", set_up_seed, tear_down, NULL, NULL, within},
                                    CU_SUITE_INFO_NULL};
    return sw_test_main("test_trial_checkpoint", suites);
}
