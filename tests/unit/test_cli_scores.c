/* Which tickets count as the best ones, and how shares are written. */
#include <math.h>
#include <string.h>

#include "../../src/cli/cli.h"
#include "../support/test_main.h"

/* Two trials of three rounds: rows 0, 1, 2 and 3, 4, 5; row 6 is a control of trial 1. */
enum { ROWS = 7, TRIALS = 2, WIDE = 3 };

static struct sw_round_plan plans[ROWS];
static int64_t trial_rounds[TRIALS * WIDE * SW_CONTROL_COUNT];

static void make_sweep(struct sw_sweep *sweep) {
    memset(sweep, 0, sizeof *sweep);
    for (int i = 0; i < TRIALS * WIDE * SW_CONTROL_COUNT; i++)
        trial_rounds[i] = -1;
    for (int row = 0; row < ROWS; row++) {
        bool control = row == 6;
        plans[row] = (struct sw_round_plan){
            .row = row, .trial = control ? 1 : row / WIDE, .round = control ? 2 : row % WIDE};
        plans[row].control = control ? SW_CONTROL_REINIT : SW_CONTROL_TICKET;
        trial_rounds[(plans[row].trial * WIDE + plans[row].round) * SW_CONTROL_COUNT +
                     plans[row].control] = row;
    }
    sweep->n_trials = TRIALS;
    sweep->n_rounds = ROWS;
    sweep->rounds = plans;
    sweep->rounds_wide = WIDE;
    sweep->trial_rounds = trial_rounds;
}

static void set(struct sw_cli_scores *scores, int64_t row, double sparsity, double accuracy) {
    struct sw_round_record record;
    memset(&record, 0, sizeof record);
    record.result.row = row;
    record.result.sparsity = sparsity;
    record.result.early_stop_test_accuracy = accuracy;
    record.result.test_accuracy = 0.99; /* only looked at without validation images */
    sw_cli_scores_set(scores, &record);
}

static void start(struct sw_cli_scores *scores) {
    struct sw_sweep sweep;
    make_sweep(&sweep);
    SW_TEST_OK(sw_cli_scores_from_sweep(&sweep, scores));
}

static void nothing_done_gives_no_ticket(void) {
    struct sw_cli_scores scores;
    struct sw_cli_ticket best[3];
    start(&scores);
    CU_ASSERT_EQUAL(sw_cli_scores_best(&scores, 3, best), 0);
    set(&scores, 1, 0.5, 0.9); /* its dense network is not known yet */
    CU_ASSERT_EQUAL(sw_cli_scores_best(&scores, 3, best), 0);
    set(&scores, -1, 0.5, 0.9);
    set(&scores, ROWS, 0.5, 0.9);
    CU_ASSERT_EQUAL(sw_cli_scores_best(&scores, 3, best), 0);
    sw_cli_scores_fini(&scores);
}

static void the_sparsest_that_is_as_accurate_wins(void) {
    struct sw_cli_scores scores;
    struct sw_cli_ticket best[3];
    start(&scores);
    set(&scores, 0, 0, 0.80);
    set(&scores, 1, 0.5, 0.80); /* equal is enough */
    set(&scores, 2, 0.75, 0.7999);
    CU_ASSERT_EQUAL_FATAL(sw_cli_scores_best(&scores, 3, best), 1);
    CU_ASSERT_EQUAL(best[0].row, 1);
    CU_ASSERT_EQUAL(best[0].round, 1);
    CU_ASSERT_EQUAL(best[0].dense_accuracy, 0.80);
    set(&scores, 2, 0.75, 0.81);
    CU_ASSERT_EQUAL_FATAL(sw_cli_scores_best(&scores, 3, best), 1);
    CU_ASSERT_EQUAL(best[0].row, 2);
    sw_cli_scores_fini(&scores);
}

static void one_per_trial_sparsest_first(void) {
    struct sw_cli_scores scores;
    struct sw_cli_ticket best[3];
    start(&scores);
    for (int row = 0; row < ROWS; row++)
        set(&scores, row, 0.1 * row, 0.5);
    CU_ASSERT_EQUAL_FATAL(sw_cli_scores_best(&scores, 3, best), 2);
    CU_ASSERT_EQUAL(best[0].row, 5); /* the control, row 6, is no ticket */
    CU_ASSERT_EQUAL(best[1].row, 2);
    CU_ASSERT_EQUAL(sw_cli_scores_best(&scores, 1, best), 1);
    sw_cli_scores_fini(&scores);
}

static void without_validation_the_end_counts(void) {
    struct sw_round_record record;
    memset(&record, 0, sizeof record);
    record.result.early_stop_test_accuracy = NAN;
    record.result.test_accuracy = 0.25;
    CU_ASSERT_EQUAL(sw_cli_accuracy(&record), 0.25);
    record.result.early_stop_test_accuracy = 0.75;
    CU_ASSERT_EQUAL(sw_cli_accuracy(&record), 0.75);
}

static void percentages_keep_three_figures(void) {
    static const struct {
        double share;
        const char *text;
    } cases[] = {{1, "100"},       {0.99951, "100"},   {0.512, "51.2"},    {0.09996, "10.0"},
                 {0.0475, "4.75"}, {0.009996, "1.00"}, {0.00123, "0.123"}, {0, "0.000"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[16];
        CU_ASSERT_STRING_EQUAL(sw_cli_percent(out, sizeof out, cases[i].share), cases[i].text);
    }
}

int main(void) {
    CU_TestInfo scores[] = {
        {"nothing_done_gives_no_ticket", nothing_done_gives_no_ticket},
        {"the_sparsest_that_is_as_accurate_wins", the_sparsest_that_is_as_accurate_wins},
        {"one_per_trial_sparsest_first", one_per_trial_sparsest_first},
        {"without_validation_the_end_counts", without_validation_the_end_counts},
        {"percentages_keep_three_figures", percentages_keep_three_figures},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"scores", NULL, NULL, NULL, NULL, scores}, CU_SUITE_INFO_NULL};
    return sw_test_main("test_cli_scores", suites);
}
