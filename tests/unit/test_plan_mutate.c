/* Sweep files are hostile input: whatever bytes come, the outcome is a plan or a report. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/test_main.h"
#include "sweepstake/memory.h"
#include "sweepstake/plan.h"

static const char good[] =
    "# a sweep\n"
    "sweep: t\n"
    "data: {name: synthetic, train: 120, test: 40, validation: 20, shape: [1, 4, 4]}\n"
    "model: {name: mlp-8, init: \"glorot-normal\"}\n"
    "train:\n"
    "  epochs: 1\n"
    "  batch: 20\n"
    "  optimizer: {name: adam, lr: 1.2e-3, 'beta1': 0.9}\n"
    "prune: {rate: 0.2, rounds: 2, target: null}\n"
    "control: [reinit]\n"
    "monitor: []\n"
    "grid:\n"
    "  prune.rate: [0.2, 0.4]\n"
    "  seed: [0, 1, 2]\n"
    "  train.schedule: [{name: constant}, {warmup: {fraction: 0.2, start: 0.2}}]\n"
    "store: t.h5\n";

/* Enough data sets for any grid that a small change can make; none is decoded. */
static struct sw_data_info known[64];

static void prepare(void) {
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        known[i] = (struct sw_data_info){.name = "synthetic",
                                         .shape = {1, 4, 4},
                                         .classes = 10,
                                         .train = 100,
                                         .validation = 20,
                                         .test = 40};
}

/* Build from exactly these bytes, in memory that ends with them. */
static enum sw_status build_exactly(const char *bytes, size_t n, const char *set) {
    char *copy = malloc(n > 0 ? n : 1);
    memcpy(copy, bytes, n);
    struct sw_plan_source source = {.path = "s.yaml",
                                    .text = copy,
                                    .text_bytes = n,
                                    .sets = &set,
                                    .n_sets = set != NULL,
                                    .known = known,
                                    .n_known = sizeof known / sizeof *known};
    struct sw_sweep sweep;
    struct sw_text errors = {0};
    enum sw_status status = sw_plan_build(&source, &sweep, &errors);
    if (status == SW_OK) {
        CU_ASSERT_TRUE(sweep.n_trials > 0 && sweep.n_rounds > 0);
        sw_sweep_fini(&sweep);
    } else {
        CU_ASSERT_EQUAL(status, SW_CONFIG);
        CU_ASSERT_PTR_NOT_NULL(strstr(sw_text_get(&errors), "error: "));
    }
    sw_text_fini(&errors);
    free(copy);
    return status;
}

static uint64_t state;
static size_t below(size_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (size_t) (state >> 33) % n;
}

/* One change: replace, insert, remove or repeat a piece. */
static size_t mutate(char *text, size_t n, size_t room) {
    static const char *const pieces[] = {
        "%",  "%\xd9", "&a ",  "*a", "!!x ", "---\n", "{",    "}",           "[",  "]",
        ": ", ",",     "\t",   "\n", "\"",   "'",     "#",    "\xff",        "? ", "- ",
        "| ", "> ",    "null", "-",  "1e9",  "\r",    "grid", "\xe2\x80\xa8"};
    size_t at = below(n + 1), length = below(12);
    const char *piece = pieces[below(sizeof pieces / sizeof *pieces)];
    switch (below(4)) {
    case 0:
        if (at < n) text[at] = (char) below(256);
        return n;
    case 1:
        length = strlen(piece);
        if (n + length > room) return n;
        memmove(text + at + length, text + at, n - at);
        memcpy(text + at, piece, length);
        return n + length;
    case 2:
        if (length > n - at) length = n - at;
        memmove(text + at, text + at + length, n - at - length);
        return n - length;
    default:
        if (length > n - at) length = n - at;
        if (n + length > room) return n;
        memmove(text + at + length, text + at, n - at);
        return n + length;
    }
}

static void the_good_file_is_good(void) {
    CU_ASSERT_EQUAL(build_exactly(good, strlen(good), NULL), SW_OK);
}

static void changed_files_give_a_plan_or_a_report(void) {
    size_t plans = 0, reports = 0;
    state = 20240607;
    for (int i = 0; i < 4000; i++) {
        char text[2 * sizeof good];
        size_t n = strlen(good);
        memcpy(text, good, n);
        for (size_t changes = 1 + below(3); changes > 0; changes--)
            n = mutate(text, n, sizeof text);
        if (build_exactly(text, n, NULL) == SW_OK) {
            plans++;
        } else {
            reports++;
        }
    }
    /* Both must happen, or nothing was tested. */
    CU_ASSERT_TRUE(plans > 100);
    CU_ASSERT_TRUE(reports > 1000);
}

static void cut_files_give_a_plan_or_a_report(void) {
    size_t reports = 0;
    for (size_t n = 0; n < strlen(good); n++)
        reports += build_exactly(good, n, NULL) != SW_OK;
    CU_ASSERT_TRUE(reports > 300);
}

static void changed_sets_give_a_plan_or_a_report(void) {
    static const char *const sets[] = {"prune.rate=0.3", "grid.seed=[0, 1]",
                                       "train.optimizer={name: sgd, momentum: 0.5}"};
    state = 7;
    for (int i = 0; i < 1500; i++) {
        char text[128];
        size_t n = strlen(sets[i % 3]);
        memcpy(text, sets[i % 3], n);
        for (size_t changes = 1 + below(3); changes > 0; changes--)
            n = mutate(text, n, sizeof text - 1);
        text[n] = '\0';
        (void) build_exactly(good, strlen(good), text);
    }
}

static void large_files_are_read_in_reasonable_time(void) {
    static const char *const units[] = {"a: 1\n", "- ",     "[",   "{a: ", "? ",
                                        "\"",     "a: b: ", "&a ", "\n"};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct sw_text text = {0};
        while (text.length < 200000)
            SW_TEST_OK(sw_text_add(&text, "%s", units[i]));
        CU_ASSERT_EQUAL(build_exactly(text.bytes, text.length, NULL), SW_CONFIG);
        sw_text_fini(&text);
    }
}

int main(void) {
    CU_TestInfo mutations[] = {
        {"the_good_file_is_good", the_good_file_is_good},
        {"changed_files_give_a_plan_or_a_report", changed_files_give_a_plan_or_a_report},
        {"cut_files_give_a_plan_or_a_report", cut_files_give_a_plan_or_a_report},
        {"changed_sets_give_a_plan_or_a_report", changed_sets_give_a_plan_or_a_report},
        {"large_files_are_read_in_reasonable_time", large_files_are_read_in_reasonable_time},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"plan_mutate", NULL, NULL, NULL, NULL, mutations},
                             CU_SUITE_INFO_NULL};
    prepare();
    return sw_test_main("test_plan_mutate", suites);
}
