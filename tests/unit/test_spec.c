#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../support/test_main.h"
#include "sweepstake/memory.h"
#include "sweepstake/sweep.h"

/* ---- fields --------------------------------------------------------------------------------- */

static void every_preset_is_accepted(void) {
    size_t n = 0;
    const struct sw_field *fields = sw_spec_fields(&n);
    struct sw_trial_spec spec;
    memset(&spec, 0, sizeof spec);
    CU_ASSERT_TRUE(n > 20);
    for (size_t i = 0; i < n; i++) {
        SW_TEST_OK(sw_spec_set(&spec, &fields[i], fields[i].preset));
        CU_ASSERT_PTR_EQUAL(sw_spec_find_field(fields[i].key), &fields[i]);
        CU_ASSERT_TRUE(strlen(fields[i].help) > 5);
    }
    struct sw_trial_spec defaults;
    sw_spec_set_defaults(&defaults);
    CU_ASSERT_EQUAL(memcmp(&spec, &defaults, sizeof spec), 0);
}

static void every_value_reads_back_as_written(void) {
    size_t n = 0;
    const struct sw_field *fields = sw_spec_fields(&n);
    struct sw_trial_spec spec, copy;
    sw_spec_set_defaults(&spec);
    memset(&copy, 0, sizeof copy);
    SW_TEST_OK(sw_spec_set(&spec, sw_spec_find_field("train.optimizer.lr"), "0.30000000000000004"));
    for (size_t i = 0; i < n; i++) {
        char text[256];
        SW_TEST_OK(
            sw_spec_set(&copy, &fields[i], sw_spec_get(&spec, &fields[i], text, sizeof text)));
    }
    CU_ASSERT_EQUAL(memcmp(&spec, &copy, sizeof spec), 0);
    CU_ASSERT_EQUAL(copy.train_optimizer_lr, 0.1 + 0.2);
}

static void bad_values_are_refused_and_change_nothing(void) {
    static const struct {
        const char *key, *value, *phrase;
    } bad[] = {
        {"prune.rate", "1.5", "not within"},
        {"prune.rate", "0.2x", "not a number"},
        {"prune.rate", "nan", "not a number"},
        {"prune.output_rate", "null", "not a number"},
        {"train.batch", "0", "not within"},
        {"train.batch", "60.5", "whole number"},
        {"seed", "9007199254740993", "not within"},
        {"model.name", "a b", "not a name"},
        {"control", "reinit,", "list of names"},
        {"data.shape", "1x28", "three whole numbers"},
        {"data.shape", "1x28x0", "not within"},
        {"rewind.to", "-5", "not within"},
        {"train.optimizer.nesterov", "yes", "true nor false"},
        {"train.optimizer.nesterov", "", "true nor false"},
        {"train.schedule.milestones", "80,", "list of numbers"},
        {"train.schedule.milestones", ",80", "list of numbers"},
        {"train.schedule.milestones", "80,,120", "list of numbers"},
        {"train.schedule.milestones", "80, 120", "list of numbers"},
        {"train.schedule.milestones", "nan", "list of numbers"},
        {"train.schedule.milestones", "000000000000000000000000000000000080", "list of numbers"},
        {"train.schedule.milestones", "80,-1", "-1 is not within"},
        {"train.schedule.milestones",
         "1.2345678901234567,1.2345678901234567,1.2345678901234567,1.2345678901234567,"
         "1.2345678901234567,1.2345678901234567",
         "too long"}};
    struct sw_trial_spec spec, before;
    sw_spec_set_defaults(&spec);
    before = spec;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        SW_TEST_FAILS(sw_spec_set(&spec, sw_spec_find_field(bad[i].key), bad[i].value), SW_CONFIG);
        CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), bad[i].phrase));
        CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), bad[i].key));
        CU_ASSERT_EQUAL(memcmp(&spec, &before, sizeof spec), 0);
    }
}

static void whole_numbers_may_be_written_as_reals(void) {
    struct sw_trial_spec spec;
    sw_spec_set_defaults(&spec);
    SW_TEST_OK(sw_spec_set(&spec, sw_spec_find_field("train.steps"), "5e4"));
    CU_ASSERT_EQUAL(spec.train_steps, 50000);
    SW_TEST_OK(sw_spec_set(&spec, sw_spec_find_field("train.steps"), "null"));
    CU_ASSERT_EQUAL(spec.train_steps, SW_INT_NULL);
    SW_TEST_OK(sw_spec_set(&spec, sw_spec_find_field("prune.target"), "~"));
    CU_ASSERT_TRUE(isnan(spec.prune_target));
}

static void numbers_have_one_text(void) {
    const struct sw_field *field = sw_spec_find_field("train.schedule.milestones");
    struct sw_trial_spec spec;
    char text[256];
    double number = 0;
    sw_spec_set_defaults(&spec);
    CU_ASSERT_FALSE(sw_spec_number(spec.train_schedule_milestones, 0, &number));
    SW_TEST_OK(sw_spec_set(&spec, field, "80.0,1.20e2,0.30000000000000004"));
    CU_ASSERT_STRING_EQUAL(sw_spec_get(&spec, field, text, sizeof text),
                           "80,120,0.30000000000000004");
    CU_ASSERT_TRUE(sw_spec_number(spec.train_schedule_milestones, 1, &number) && number == 120);
    CU_ASSERT_TRUE(sw_spec_number(spec.train_schedule_milestones, 2, &number));
    CU_ASSERT_EQUAL(number, 0.1 + 0.2);
    CU_ASSERT_FALSE(sw_spec_number(spec.train_schedule_milestones, 3, &number));
    field = sw_spec_find_field("train.optimizer.nesterov");
    CU_ASSERT_STRING_EQUAL(sw_spec_get(&spec, field, text, sizeof text), "false");
    SW_TEST_OK(sw_spec_set(&spec, field, "true"));
    CU_ASSERT_STRING_EQUAL(sw_spec_get(&spec, field, text, sizeof text), "true");
    CU_ASSERT_EQUAL(spec.train_optimizer_nesterov, 1);
}

static void canonical_text_holds_the_chosen_stages(void) {
    struct sw_trial_spec spec;
    sw_spec_set_defaults(&spec);
    struct sw_text text = {0};
    SW_TEST_OK(sw_spec_canonical(&spec, SW_STAGE_PRUNE, &text));
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_text_get(&text), "prune.rate: 0.2\n"));
    CU_ASSERT_PTR_NULL(strstr(sw_text_get(&text), "train.batch"));
    CU_ASSERT_PTR_NULL(strstr(sw_text_get(&text), "prune.rounds"));
    sw_text_fini(&text);
}

static void words_and_shapes_are_taken_apart(void) {
    char word[32];
    CU_ASSERT_TRUE(sw_spec_word("divergence,gradient-norm", 1, word));
    CU_ASSERT_STRING_EQUAL(word, "gradient-norm");
    CU_ASSERT_FALSE(sw_spec_word("divergence,gradient-norm", 2, word));
    CU_ASSERT_FALSE(sw_spec_word("", 0, word));
    int64_t shape[4];
    CU_ASSERT_EQUAL(sw_spec_shape("3x32x16", shape), 3);
    CU_ASSERT_TRUE(shape[0] == 3 && shape[1] == 32 && shape[2] == 16);
    CU_ASSERT_EQUAL(sw_spec_shape("3x", shape), 0);
    CU_ASSERT_EQUAL(sw_spec_shape("1x2x3x4x5", shape), 0);
}

/* ---- records -------------------------------------------------------------------------------- */

static void columns_cover_their_rows_without_gaps(void) {
    for (int table = SW_TABLE_ROUNDS; table <= SW_TABLE_ALERTS; table++) {
        size_t n = 0, bytes = 0, end = 0;
        const struct sw_column *columns = sw_spec_columns((enum sw_table) table, &n, &bytes);
        for (size_t i = 0; i < n; i++) {
            CU_ASSERT_EQUAL(columns[i].offset, end);
            CU_ASSERT_TRUE(strlen(columns[i].description) > 3);
            end += columns[i].size;
        }
        CU_ASSERT_EQUAL(end, bytes);
    }
}

static void results_come_before_what_was_measured(void) {
    size_t n = 0, bytes = 0;
    const struct sw_column *columns = sw_spec_columns(SW_TABLE_ROUNDS, &n, &bytes);
    for (size_t i = 0; i < n; i++)
        CU_ASSERT_EQUAL(columns[i].result, columns[i].offset < sizeof(struct sw_round_results));
}

static void controls_have_names(void) {
    enum sw_control control = SW_CONTROL_TICKET;
    CU_ASSERT_TRUE(sw_control_find("reinit", &control) && control == SW_CONTROL_REINIT);
    CU_ASSERT_FALSE(sw_control_find("no-such", &control));
    CU_ASSERT_STRING_EQUAL(sw_control_name(SW_CONTROL_TICKET), "ticket");
}

/* ---- layout
 * -----------------------------------------------------------------------------------------------
 */

static void slabs_follow_each_other(void) {
    struct sw_sweep sweep = {.n_archs = 1, .n_rounds = 3};
    SW_TEST_OK(SW_ALLOC(&sweep.archs, 1, "archs"));
    SW_TEST_OK(SW_ALLOC(&sweep.rounds, 3, "rounds"));
    sweep.archs[0].parameters = 10;
    sweep.archs[0].mask_bytes = 2;
    sweep.archs[0].n_layers = 1;
    for (int64_t row = 0; row < 3; row++)
        sweep.rounds[row] = (struct sw_round_plan){
            .row = row, .survivors = 10 - row, .curve_points = 4, .mask_owner = row == 2 ? 1 : row};
    sw_sweep_lay_out(&sweep);
    CU_ASSERT_EQUAL(sweep.extent[SW_SECTION_THETA0], 10);
    CU_ASSERT_EQUAL(sweep.extent[SW_SECTION_MASK], 4);
    CU_ASSERT_EQUAL(sweep.extent[SW_SECTION_WEIGHTS], 27);
    CU_ASSERT_EQUAL(sweep.rounds[2].offset[SW_SECTION_WEIGHTS], 19);
    CU_ASSERT_EQUAL(sweep.rounds[2].offset[SW_SECTION_MASK], -1);
    CU_ASSERT_EQUAL(sweep.rounds[1].offset[SW_SECTION_THETA0], -1);
    CU_ASSERT_EQUAL(sweep.rounds[2].offset[SW_SECTION_CURVES], 8);
    struct sw_payload_layout payload;
    sw_payload_lay_out(&sweep.rounds[1], &payload);
    CU_ASSERT_EQUAL(payload.bytes[SW_SECTION_WEIGHTS], 36);
    for (int s = 0; s < SW_SECTION_COUNT; s++)
        CU_ASSERT_EQUAL(payload.offset[s] % 64, 0);
    CU_ASSERT_TRUE(payload.total >=
                   payload.offset[SW_SECTION_RECORD] + sizeof(struct sw_round_record));
    sw_sweep_fini(&sweep);
}

int main(void) {
    CU_TestInfo fields[] = {
        {"every preset is accepted", every_preset_is_accepted},
        {"every value reads back as written", every_value_reads_back_as_written},
        {"bad values are refused and change nothing", bad_values_are_refused_and_change_nothing},
        {"whole numbers may be written as reals", whole_numbers_may_be_written_as_reals},
        {"numbers have one text", numbers_have_one_text},
        {"canonical text holds the chosen stages", canonical_text_holds_the_chosen_stages},
        {"words and shapes are taken apart", words_and_shapes_are_taken_apart},
        CU_TEST_INFO_NULL};
    CU_TestInfo records[] = {
        {"columns cover their rows without gaps", columns_cover_their_rows_without_gaps},
        {"results come before what was measured", results_come_before_what_was_measured},
        {"controls have names", controls_have_names},
        CU_TEST_INFO_NULL};
    CU_TestInfo layout[] = {{"slabs follow each other", slabs_follow_each_other},
                            CU_TEST_INFO_NULL};
    CU_SuiteInfo suites[] = {{"fields", NULL, NULL, NULL, NULL, fields},
                             {"records", NULL, NULL, NULL, NULL, records},
                             {"layout", NULL, NULL, NULL, NULL, layout},
                             CU_SUITE_INFO_NULL};
    return sw_test_main("test_spec", suites);
}
