#include <stdio.h>
#include <string.h>

#include "../support/test_main.h"
#include "sweepstake/memory.h"
#include "sweepstake/plan.h"

#define TRIAL0 "trial 0\nseed: 0\ntrain.batch: 60\ncontrol: \n"
#define TRIAL1 "trial 1\nseed: 1\ntrain.batch: 60\ncontrol: \n"

static void expect(const char *before, const char *after, const char *wanted) {
    struct sw_text out = {0};
    SW_TEST_OK(sw_plan_compare(before, after, &out));
    CU_ASSERT_STRING_EQUAL(sw_text_get(&out), wanted);
    sw_text_fini(&out);
}

static void equal_plans_have_no_differences(void) {
    expect(TRIAL0 TRIAL1, TRIAL0 TRIAL1, "");
    expect("", "", "");
    /* The order of settings is no difference. */
    expect("trial 0\na: 1\nb: 2\n", "trial 0\nb: 2\na: 1\n", "");
}

static void each_changed_setting_is_one_line(void) {
    expect(TRIAL0 TRIAL1, TRIAL0 "trial 1\nseed: 7\ntrain.batch: 64\ncontrol: reinit\n",
           "trial 1: seed: 1 -> 7\n"
           "trial 1: train.batch: 60 -> 64\n"
           "trial 1: control: (empty) -> reinit\n");
    expect(TRIAL0, "trial 0\nseed: 0\ncontrol: \nnew.key: 5\n",
           "trial 0: train.batch: 60 -> (no such setting)\n"
           "trial 0: new.key: (no such setting) -> 5\n");
}

static void a_changed_number_of_trials_is_told(void) {
    expect(TRIAL0, TRIAL0 TRIAL1, "trials: 1 -> 2\n");
    expect(TRIAL0 TRIAL1, TRIAL1, "trial 0: seed: 0 -> 1\ntrials: 2 -> 1\n");
    expect("", TRIAL0, "trials: 0 -> 1\n");
}

static void odd_texts_do_no_harm(void) {
    expect("no trial here\n\n", "trial 0\n", "trials: 0 -> 1\n");
    expect("trial 0\nnocolon\n:\na:\n", "trial 0",
           "trial 0: nocolon: (empty) -> (no such setting)\n"
           "trial 0: : (empty) -> (no such setting)\n"
           "trial 0: a: (empty) -> (no such setting)\n");
    expect("trial 0\na: 1", "trial 0\na: 1\n", "");
}

static void long_reports_are_cut(void) {
    struct sw_text before = {0}, after = {0}, out = {0};
    for (int i = 0; i < 30; i++) {
        SW_TEST_OK(sw_text_add(&before, "trial %d\nseed: 0\n", i));
        SW_TEST_OK(sw_text_add(&after, "trial %d\nseed: %d\n", i, i == 3 ? 0 : 1));
    }
    SW_TEST_OK(sw_plan_compare(before.bytes, after.bytes, &out));
    size_t lines = 0;
    for (const char *at = out.bytes; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    CU_ASSERT_EQUAL(lines, 21);
    CU_ASSERT_PTR_NOT_NULL(strstr(out.bytes, "trial 20: seed: 0 -> 1\n... and 9 more\n"));
    CU_ASSERT_PTR_NULL(strstr(out.bytes, "trial 3:"));
    sw_text_fini(&before);
    sw_text_fini(&after);
    sw_text_fini(&out);
}

static void plans_of_one_sweep_differ_by_its_settings(void) {
    static const char text[] = "sweep: t\n"
                               "data: {name: synthetic, train: 120, test: 40, validation: 20}\n"
                               "model: {name: mlp-8}\ntrain: {epochs: 1, batch: 20}\n"
                               "prune: {rounds: 0}\ngrid: {seed: [0, 1]}\n";
    const char *set = "train.optimizer.lr=0.5";
    struct sw_plan_source source = {.path = "s", .text = text, .text_bytes = strlen(text)};
    struct sw_sweep a, b;
    struct sw_text errors = {0}, out = {0};
    SW_TEST_OK(sw_plan_build(&source, &a, &errors));
    source.sets = &set;
    source.n_sets = 1;
    SW_TEST_OK(sw_plan_build(&source, &b, &errors));
    SW_TEST_OK(sw_plan_compare(a.canonical, b.canonical, &out));
    CU_ASSERT_STRING_EQUAL(sw_text_get(&out), "trial 0: train.optimizer.lr: 0.0012 -> 0.5\n"
                                              "trial 1: train.optimizer.lr: 0.0012 -> 0.5\n");
    sw_text_fini(&errors);
    sw_text_fini(&out);
    sw_sweep_fini(&a);
    sw_sweep_fini(&b);
}

int main(void) {
    CU_TestInfo compare[] = {
        {"equal_plans_have_no_differences", equal_plans_have_no_differences},
        {"each_changed_setting_is_one_line", each_changed_setting_is_one_line},
        {"a_changed_number_of_trials_is_told", a_changed_number_of_trials_is_told},
        {"odd_texts_do_no_harm", odd_texts_do_no_harm},
        {"long_reports_are_cut", long_reports_are_cut},
        {"plans_of_one_sweep_differ_by_its_settings", plans_of_one_sweep_differ_by_its_settings},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"plan_compare", NULL, NULL, NULL, NULL, compare}, CU_SUITE_INFO_NULL};
    return sw_test_main("test_plan_compare", suites);
}
