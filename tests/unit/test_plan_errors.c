#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/test_main.h"
#include "sweepstake/memory.h"
#include "sweepstake/plan.h"

/* Four good lines; a broken case adds its own from line 5 on. */
#define DATA "data: {name: synthetic, train: 120, test: 40, validation: 20}\n"
#define HEAD "sweep: t\n" DATA "model: {name: mlp-8}\ntrain: {epochs: 1, batch: 20}\n"

struct broken {
    const char *text;
    int line, column; /* 0: an error without a place */
    const char *phrase, *other;
};

static enum sw_status build_bytes(const char *text, size_t bytes, const char *const *sets,
                                  size_t n_sets, char **errors) {
    struct sw_plan_source source = {
        .path = "s.yaml", .text = text, .text_bytes = bytes, .sets = sets, .n_sets = n_sets};
    struct sw_sweep sweep;
    struct sw_text report = {0};
    enum sw_status status = sw_plan_build(&source, &sweep, &report);
    if (status == SW_OK) sw_sweep_fini(&sweep);
    *errors = strdup(sw_text_get(&report));
    sw_text_fini(&report);
    return status;
}

/* Does the report hold an error at the place whose line has both phrases? */
static bool has_error(const char *report, const struct broken *want) {
    char place[64];
    snprintf(place, sizeof place,
             want->line > 0 ? "s.yaml:%d:%d: error: " : "s.yaml: error: ", want->line,
             want->column);
    for (const char *at = report; (at = strstr(at, place)) != NULL; at++) {
        char line[2048];
        snprintf(line, sizeof line, "%.*s", (int) strcspn(at, "\n"), at);
        if (strstr(line, want->phrase) != NULL &&
            (want->other == NULL || strstr(line, want->other) != NULL))
            return true;
    }
    return false;
}

static void expect_broken(const struct broken *cases, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char *report = NULL;
        enum sw_status status = build_bytes(cases[i].text, strlen(cases[i].text), NULL, 0, &report);
        bool good = status == SW_CONFIG && has_error(report, &cases[i]);
        if (!good)
            fprintf(stderr, "  case %zu (status %d), wanted %d:%d %s, got:\n%s", i, (int) status,
                    cases[i].line, cases[i].column, cases[i].phrase, report);
        CU_ASSERT_TRUE(good);
        free(report);
    }
}

#define EXPECT_BROKEN(cases) expect_broken((cases), sizeof(cases) / sizeof *(cases))

/* ---- bytes and syntax ----------------------------------------------------------------------- */

static void refuses_bytes_that_are_no_text(void) {
    static const struct broken cases[] = {
        {HEAD "seed: \xff\n", 5, 7, "0xff", "UTF-8"},
        {HEAD "seed: \xc0\x80\n", 5, 7, "0xc0", "UTF-8"},
        {HEAD "seed: \xed\xa0\x80\n", 5, 7, "0xed", "UTF-8"},
        {HEAD "# \xc3\xa9 \x01\n", 5, 5, "U+0001", NULL},
        {HEAD "seed: 1\rprune: {rate: 0.2}\n", 5, 8, "U+000D", NULL},
        {HEAD "seed: 1 # \xe2\x80\xa8\n", 5, 11, "U+2028", NULL},
        {HEAD "seed: 1 # \xef\xbb\xbf\n", 5, 11, "U+FEFF", NULL},
        {"%\xd9", 1, 1, "directives", NULL},
        {"%YAML 1.2\n---\n" HEAD, 1, 1, "must not begin with %", NULL},
        {"\xef\xbb\xbf%YAML 1.2\n---\n" HEAD, 1, 1, "must not begin with %", NULL},
        {HEAD "prune:\n\trate: 0.2\n", 6, 1, "tab", "spaces"},
        {HEAD "prune:\n  \trate: 0.2\n", 6, 3, "tab", "spaces"},
    };
    EXPECT_BROKEN(cases);
}

static void refuses_bytes_behind_a_nul(void) {
    static const char text[] = HEAD "seed: 1\0\n";
    struct broken want = {NULL, 5, 8, "U+0000", NULL};
    char *report = NULL;
    SW_TEST_FAILS(build_bytes(text, sizeof text - 1, NULL, 0, &report), SW_CONFIG);
    CU_ASSERT_TRUE(has_error(report, &want));
    free(report);
}

static void refuses_a_file_that_is_too_large(void) {
    size_t bytes = SW_SWEEP_FILE_LIMIT + 1;
    char *text = malloc(bytes), *report = NULL;
    memset(text, '#', bytes);
    SW_TEST_FAILS(build_bytes(text, bytes, NULL, 0, &report), SW_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(report, "1048577 bytes"));
    free(report);
    free(text);
}

static void refuses_yaml_that_a_sweep_does_not_need(void) {
    static const struct broken cases[] = {
        {HEAD "seed: &a 1\n", 5, 7, "anchors", NULL},
        {HEAD "seed: *a\n", 5, 7, "aliases", NULL},
        {HEAD "seed: !!int 1\n", 5, 7, "tags", NULL},
        {HEAD "prune: !map\n  rate: 0.2\n", 5, 8, "tags", NULL},
        {HEAD "---\nsweep: u\n", 5, 1, "second document", NULL},
        {HEAD "? [a]\n: 1\n", 5, 3, "key must be a word", NULL},
        {HEAD "<<: {seed: 1}\n", 5, 1, "merge keys", NULL},
        {HEAD "prune: {rate: 0.2\n", 5, 8, "the bracket that opens here", "not closed"},
        {HEAD "prune: {rate: 0.2\nseed: 1\n", 6, 5, "not valid YAML", "open since line 5"},
        {HEAD "grid: {seed: [0, 1}\n", 5, 19, "not valid YAML", NULL},
        {HEAD "prune: rate: 0.2\n", 5, 12, "not valid YAML", NULL},
        {HEAD "seed: @1\n", 5, 7, "not valid YAML", NULL},
        {"", 0, 0, "a sweep file is a map", "nothing"},
        {"# only a comment\n", 0, 0, "a sweep file is a map", "nothing"},
        {"- sweep\n", 1, 1, "a sweep file is a map", "a list"},
        {HEAD "seed: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n", 5, 38,
         "more than 32 levels", NULL},
    };
    EXPECT_BROKEN(cases);
}

/* ---- keys ----------------------------------------------------------------------------------- */

static void names_unknown_keys_and_the_nearest_known_one(void) {
    static const struct broken cases[] = {
        {HEAD "prun: {rate: 0.2}\n", 5, 1, "prun: unknown key", "did you mean prune?"},
        {HEAD "prune: {rat: 0.2}\n", 5, 9, "prune.rat: unknown key", "did you mean prune.rate?"},
        {HEAD "prune.ratex: 0.2\n", 5, 1, "prune.ratex: unknown", "did you mean prune.rate?"},
        {HEAD "model.init: glorot-normal\nlearning: 1\n", 6, 1, "learning: unknown key",
         "allowed here: sweep, store, recipe, grid, data"},
        {HEAD "prune: {momentum: 0.9}\n", 5, 9, "prune.momentum: unknown",
         "did you mean train.optimizer.momentum?"},
        {HEAD "prune: {\"\": 1}\n", 5, 9, "unknown key", "allowed below prune: criterion"},
        {HEAD "prune: {sweep: t}\n", 5, 9, "prune.sweep: unknown key", NULL},
        {HEAD "\"se\\x00ed\": 1\n", 5, 1, "unknown key", NULL},
        {HEAD "grid: {prune.rte: [0.2]}\n", 5, 8, "prune.rte: unknown", "prune.rate?"},
        {HEAD "grid: {store: [a, b]}\n", 5, 8, "store: cannot vary", NULL},
    };
    EXPECT_BROKEN(cases);
}

static void finds_keys_that_occur_twice(void) {
    static const struct broken cases[] = {
        {HEAD "seed: 1\nseed: 2\n", 6, 1, "seed occurs twice", "line 5"},
        {HEAD "prune: {rate: 0.2, rate: 0.3}\n", 5, 20, "rate occurs twice", NULL},
        {HEAD "train: {steps: 5}\n", 5, 1, "train occurs twice", "line 4"},
        {HEAD "train.batch: 30\n", 5, 1, "train.batch: set twice", "line 4"},
        {HEAD "grid: {seed: [0], seed: [1]}\n", 5, 19, "seed occurs twice", NULL},
        {HEAD "sweep: u\n", 5, 1, "sweep occurs twice", NULL},
    };
    EXPECT_BROKEN(cases);
}

static void wants_a_name_and_a_length(void) {
    static const struct broken cases[] = {
        {DATA "model: {name: mlp-8}\ntrain: {epochs: 1}\n", 0, 0, "sweep: a sweep needs a name",
         NULL},
        {"sweep: a b\n" DATA, 1, 8, "sweep: got a b", "letters"},
        {"sweep: \"\"\n" DATA, 1, 8, "sweep: got \"\"", NULL},
        {"sweep:\n" DATA, 1, 1, "sweep: got nothing", NULL},
        {"sweep: t\nstore: []\n" DATA, 2, 8, "store: a path", NULL},
        {"sweep: t\nstore: \"a\\nb\"\n" DATA, 2, 8, "store: a path", NULL},
        {"sweep: t\n" DATA "model: {name: mlp-8}\ntrain: {batch: 20}\n", 4, 1,
         "length of a training is missing", "train.steps"},
        {"sweep: t\n" DATA "train: {epochs: 1, steps: 5, batch: 20}\n", 3, 27,
         "train.epochs is set too", NULL},
        {HEAD "grid: {train.steps: [5, 6]}\n", 5, 22, "train.epochs is set too", NULL},
    };
    EXPECT_BROKEN(cases);
}

/* ---- values --------------------------------------------------------------------------------- */

static void says_which_values_are_allowed(void) {
    static const struct broken cases[] = {
        {HEAD "prune: {rate: 1.5}\n", 5, 15, "prune.rate: got 1.5", "from 1e-06 to 0.999999"},
        {HEAD "prune: {rate: 0.2x}\n", 5, 15, "prune.rate: got 0.2x", "a number from"},
        {HEAD "prune: {rate: .nan}\n", 5, 15, "prune.rate: got .nan", NULL},
        {HEAD "prune: {rate: 1e999}\n", 5, 15, "prune.rate: got 1e999", NULL},
        {HEAD "prune: {rate: null}\n", 5, 15, "prune.rate: null", "there is no target"},
        {HEAD "prune: {output_rate: null}\n", 5, 22, "prune.output_rate: got null", NULL},
        {HEAD "prune: {output_rate: }\n", 5, 9, "prune.output_rate: got nothing", NULL},
        {HEAD "prune: {rate: \"0.2\"}\n", 5, 15, "prune.rate: got \"0.2\"", NULL},
        {HEAD "prune: {rate: {a: 1}}\n", 5, 15, "prune.rate: got a map", NULL},
        {HEAD "prune: {rate: [0.2, 0.4]}\n", 5, 15, "prune.rate: got a list", "in grid"},
        {HEAD "prune: {rounds: 2.5}\n", 5, 17, "prune.rounds: got 2.5", "a whole number from 0"},
        {HEAD "prune: {rounds: -1}\n", 5, 17, "prune.rounds: got -1", "to 1000 (prunes)"},
        {HEAD "seed: 9007199254740993\n", 5, 7, "seed: got 9007199254740993", "9007199254740992"},
        {HEAD "prune: 0.2\n", 5, 8, "prune: got 0.2;", "a map"},
        {"sweep: t\n" DATA "train: {epochs: 1, optimizer: adam}\n", 3, 31,
         "train.optimizer: got adam;", "{name: ...}"},
        {HEAD "prune: {criterion: magnitud}\n", 5, 20, "unknown word magnitud",
         "did you mean magnitude? allowed: magnitude, random"},
        {HEAD "prune: {criterion: \"ran\\x00dom\"}\n", 5, 20, "prune.criterion: unknown word",
         NULL},
        {HEAD "prune: {criterion: [random]}\n", 5, 20, "prune.criterion: got a list", NULL},
        {HEAD "control: [reinit, ticket]\n", 5, 19, "control: unknown word ticket", "reinit"},
        {HEAD "control: [reinit, reinit]\n", 5, 19, "control: reinit is listed twice", NULL},
        {HEAD "control: [[reinit]]\n", 5, 11, "control: got a list", NULL},
        {HEAD "control:\n", 5, 1, "control: got nothing", "[] for none"},
        {HEAD "monitor: {divergence: 1}\n", 5, 10, "monitor: got a map", NULL},
        {"sweep: t\n" DATA "model: {name: perceptron}\ntrain: {epochs: 1}\n", 3, 15,
         "model.name: unknown word perceptron", "lenet-300-100"},
        {"sweep: t\ndata: {name: fashon-mnist}\ntrain: {epochs: 1}\n", 2, 14,
         "data.name: unknown word fashon-mnist", "did you mean fashion-mnist?"},
        {"sweep: t\ndata: {name: synthetic, shape: [1, 8]}\ntrain: {epochs: 1}\n", 2, 32,
         "data.shape: got a list", "[channels, height, width]"},
        {"sweep: t\ndata: {name: synthetic, shape: [1, a, 8]}\ntrain: {epochs: 1}\n", 2, 32,
         "data.shape: got a list", NULL},
    };
    EXPECT_BROKEN(cases);
}

/* ---- the grid ------------------------------------------------------------------------------- */

static void explains_what_an_axis_is(void) {
    static const struct broken cases[] = {
        {HEAD "grid: [seed]\n", 5, 7, "grid: got a list", NULL},
        {HEAD "grid: {seed: 3}\n", 5, 14, "seed: got 3;", "list of values"},
        {HEAD "grid: {seed: []}\n", 5, 14, "seed: the axis is empty", NULL},
        {HEAD "grid: {prune: {rate: [0.2]}}\n", 5, 15, "prune: axes have whole keys",
         "\"prune.rate: [...]\""},
        {HEAD "grid: {seed: [0, 1, -1]}\n", 5, 21, "seed: got -1", NULL},
        {HEAD "grid: {seed: [0, 1, 0]}\n", 5, 21, "seed: the value 0 stands twice", NULL},
        {HEAD "grid: {prune.rate: [0.2, 0.20]}\n", 5, 26, "the value 0.2 stands twice", NULL},
        {HEAD "grid: {train.schedule: [constant]}\n", 5, 25, "train.schedule: got constant;",
         "a map of settings"},
        {HEAD "grid: {train.optimizer: [{lrr: 1}]}\n", 5, 27, "train.optimizer.lrr: unknown",
         "train.optimizer.lr?"},
        {HEAD "grid: {train.optimizer: [{lr: 0.1}], train.optimizer.lr: [0.2]}\n", 5, 59,
         "train.optimizer.lr: also set by the axis train.optimizer", NULL},
        {HEAD "grid: {data.shape: [1, 8, 8]}\n", 5, 21, "data.shape: got 1", NULL},
    };
    EXPECT_BROKEN(cases);
}

static void bounds_the_number_of_trials_and_rounds(void) {
    struct sw_text text = {0};
    char *report = NULL;
    SW_TEST_OK(sw_text_add(&text, HEAD "grid:\n"));
    for (int axis = 0; axis < 2; axis++) {
        SW_TEST_OK(sw_text_add(&text, "  %s: [0", axis == 0 ? "seed" : "data.seed"));
        for (int i = 1; i < 317; i++)
            SW_TEST_OK(sw_text_add(&text, ", %d", i));
        SW_TEST_OK(sw_text_add(&text, "]\n"));
    }
    SW_TEST_FAILS(build_bytes(text.bytes, text.length, NULL, 0, &report), SW_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(report, "s.yaml:5:1: error: grid: the product"));
    CU_ASSERT_PTR_NOT_NULL(strstr(report, "100000 trials"));
    free(report);
    sw_text_fini(&text);
}

/* ---- settings against each other ------------------------------------------------------------ */

static void refuses_settings_that_nothing_uses(void) {
    static const struct broken cases[] = {
        {"sweep: t\n" DATA "train: {epochs: 1, optimizer: {name: sgd, beta1: 0.8}}\n", 3, 50,
         "train.optimizer.beta1 is not used by sgd, which takes lr, momentum, weight_decay, nesterov",
         NULL},
        {"sweep: t\n" DATA "train: {epochs: 1, optimizer: {momentum: 0.8}}\n", 3, 42,
         "train.optimizer.momentum is not used by adam", NULL},
        {"sweep: t\ndata: {name: fashion-mnist, shape: [1, 8, 8]}\ntrain: {epochs: 1}\n", 2, 36,
         "data.shape is not used by fashion-mnist, which takes dir", NULL},
        {HEAD "grid: {train.optimizer: [{name: sgd, beta2: 0.9}, {name: adam}]}\n", 5, 45,
         "train.optimizer.beta2 is not used by sgd", NULL},
        {HEAD "grid: {train.optimizer.momentum: [0.8, 0.9]}\n", 5, 35,
         "train.optimizer.momentum is not used by adam", NULL},
        {HEAD "train.optimizer.name: sgd\ngrid: {train.optimizer.beta1: [0.8]}\n", 6, 32,
         "train.optimizer.beta1 is not used by sgd", NULL},
        {HEAD "train.optimizer.nesterov: true\n", 5, 27,
         "train.optimizer.nesterov is not used by adam, which takes lr, beta1", NULL},
        {HEAD "train.schedule: {name: step, milestones: [1], floor: 0.1}\n", 5, 54,
         "train.schedule.floor is not used by step, which takes milestones, gamma", NULL},
        {HEAD "train.schedule: {name: cosine, gamma: 0.1}\n", 5, 39,
         "train.schedule.gamma is not used by cosine, which takes floor", NULL},
        {HEAD "train.schedule.milestones: [1]\n", 5, 28,
         "train.schedule.milestones is not used by constant", NULL},
    };
    EXPECT_BROKEN(cases);
}

static void refuses_settings_that_do_not_fit_together(void) {
    static const struct broken cases[] = {
        {HEAD "train.schedule: {name: step}\n", 5, 24,
         "train.schedule.milestones: the step schedule", "[80, 120]"},
        {HEAD "train.schedule: {name: step, milestones: [2, 1]}\n", 5, 42,
         "train.schedule.milestones: 1 comes after 2", NULL},
        {HEAD "grid: {train.schedule: [{name: constant}, {name: step, milestones: [3, 3]}]}\n", 5,
         68, "train.schedule.milestones: 3 comes after 3", NULL},
        {HEAD "train.optimizer: {name: sgd, nesterov: true}\n", 5, 40,
         "train.optimizer.nesterov: true needs", "momentum above 0"},
        {HEAD "train.format: bsr\n", 5, 15, "train.format: bsr stores whole blocks",
         "block4, block8 or block16"},
        {HEAD "train.format: bsr4\n", 5, 15, "train.format: unknown word bsr4", "auto, dense, csr"},
        {HEAD "grid: {train.block_size: [4, 8]}\nprune.granularity: block4\n", 5, 30,
         "train.block_size: got 8", "at most 4"},
        {HEAD "train.block_size: 5\n", 5, 19, "train.block_size: unknown word 5", "auto, 4, 8, 16"},
    };
    EXPECT_BROKEN(cases);
}

static void refuses_wrong_lists_of_numbers_and_truth_values(void) {
    static const struct broken cases[] = {
        {HEAD "train.schedule: {name: step, milestones: [80, x]}\n", 5, 42,
         "train.schedule.milestones: got a list",
         "a list of numbers, each from 1e-06 to 1000000 (epochs)"},
        {HEAD "train.schedule: {name: step, milestones: [0]}\n", 5, 42,
         "train.schedule.milestones: got a list", "each from"},
        {HEAD "train.schedule: {name: step, milestones: [[1]]}\n", 5, 43,
         "train.schedule.milestones: got a list", "each from"},
        {HEAD "train.schedule: {name: step, milestones: '80'}\n", 5, 42,
         "train.schedule.milestones: got \"80\"", "each from"},
        {HEAD "train.schedule: {name: step, milestones: null}\n", 5, 42,
         "train.schedule.milestones: got null", "each from"},
        {HEAD "train.optimizer: {name: sgd, nesterov: yes}\n", 5, 40,
         "train.optimizer.nesterov: got yes", "true or false"},
        {HEAD "train.optimizer: {name: sgd, nesterov: 1}\n", 5, 40,
         "train.optimizer.nesterov: got 1", "true or false"},
        {HEAD "train.optimizer: {name: sgd, nesterov: 'true'}\n", 5, 40,
         "train.optimizer.nesterov: got \"true\"", "true or false"},
        {HEAD "train.optimizer: {name: sgd, nesterov: [true]}\n", 5, 40,
         "train.optimizer.nesterov: got a list", "list them in grid"},
    };
    EXPECT_BROKEN(cases);
}

static void checks_data_and_model_together(void) {
    static const struct broken cases[] = {
        {"sweep: t\ndata: {name: synthetic, train: 100, validation: 100}\ntrain: {epochs: 1}\n", 2,
         49, "data.validation: got 100", "less than the 100 training images"},
        {"sweep: t\ndata: {name: synthetic, train: 100, limit: 50, validation: 50}\n"
         "train: {epochs: 1}\n",
         2, 60, "data.validation: got 50", "less than the 50 training images"},
        {HEAD "grid: {train.batch: [20, 101]}\n", 5, 26, "train.batch: got 101",
         "at most the 100 training images"},
        {"sweep: t\n" DATA "model: {name: mlp-0}\ntrain: {epochs: 1, batch: 20}\n", 3, 15,
         "model.name: ", "mlp-0"},
        {"sweep: t\n" DATA "train: {epochs: 1, batch: 20}\ngrid: {model.name: [mlp-8, mlp-x]}\n", 4,
         28, "model.name: ", "mlp-x"},
    };
    EXPECT_BROKEN(cases);
}

static void missing_data_is_an_io_error(void) {
    static const char text[] = "sweep: t\ndata: {name: mnist, dir: /no/such/folder}\n"
                               "train: {epochs: 1}\n";
    struct broken want = {NULL, 2, 26, "data.dir: ", "/no/such/folder"};
    char *report = NULL;
    SW_TEST_FAILS(build_bytes(text, strlen(text), NULL, 0, &report), SW_IO);
    CU_ASSERT_TRUE(has_error(report, &want));
    free(report);
}

/* ---- the report ----------------------------------------------------------------------------- */

static void reports_all_errors_at_once_in_order(void) {
    static const char text[] = "sweep: t\n"
                               "data: {name: mnist, dir: /no/such/folder}\n"
                               "train: {epochs: 0, batch: x}\n"
                               "prune: {rat: 0.2}\n"
                               "grid: {seed: []}\n";
    static const char wanted[] =
        "s.yaml:3:17: error: train.epochs: got 0; allowed is a whole number from 1 to 1000000 "
        "(epochs) or null\n"
        "    train: {epochs: 0, batch: x}\n"
        "                    ^\n"
        "s.yaml:3:27: error: train.batch: got x; allowed is a whole number from 1 to 65536 "
        "(samples)\n"
        "    train: {epochs: 0, batch: x}\n"
        "                              ^\n"
        "s.yaml:4:9: error: prune.rat: unknown key; did you mean prune.rate?\n"
        "    prune: {rat: 0.2}\n"
        "            ^\n"
        "s.yaml:5:14: error: seed: the axis is empty; list at least one value\n"
        "    grid: {seed: []}\n"
        "                 ^\n";
    char *report = NULL;
    SW_TEST_FAILS(build_bytes(text, strlen(text), NULL, 0, &report), SW_CONFIG);
    const char *second = strstr(report, "s.yaml:3:");
    CU_ASSERT_EQUAL(strncmp(report, "s.yaml:2:26: error: data.dir: ", 30), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(second);
    CU_ASSERT_STRING_EQUAL(second, wanted);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), "5 errors"));
    free(report);
}

static void what_is_right_is_checked_beside_what_is_wrong(void) {
    static const char text[] = "sweep: t\n" DATA "model: {name: mlp-0}\n"
                               "train: {steps: 1, batch: 101}\n"
                               "grid: {prune.rate: [2]}\n";
    static const struct broken wanted[] = {{NULL, 3, 15, "model.name: ", "mlp-0"},
                                           {NULL, 4, 26, "train.batch: got 101", NULL},
                                           {NULL, 5, 21, "prune.rate: got 2", NULL}};
    char *report = NULL;
    SW_TEST_FAILS(build_bytes(text, strlen(text), NULL, 0, &report), SW_CONFIG);
    for (size_t i = 0; i < 3; i++)
        CU_ASSERT_TRUE(has_error(report, &wanted[i]));
    free(report);
}

static void places_carets_by_character(void) {
    static const char text[] = "sweep: t\r\n# \xc3\xa9\r\n\"\xc3\xa9\xe6\x97\xa5\": 1\r\n"
                               "train: {\"\xc3\xa9\": 1, epochs: -1}\r\n";
    char *report = NULL;
    SW_TEST_FAILS(build_bytes(text, strlen(text), NULL, 0, &report), SW_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(report, "s.yaml:3:1: error: \xc3\xa9\xe6\x97\xa5: unknown key"));
    CU_ASSERT_PTR_NOT_NULL(strstr(report, "s.yaml:4:25: error: train.epochs: got -1"));
    CU_ASSERT_PTR_NOT_NULL(strstr(
        report, "    train: {\"\xc3\xa9\": 1, epochs: -1}\n                            ^\n"));
    free(report);
}

static void cuts_long_lines_around_the_caret(void) {
    struct sw_text text = {0};
    char *report = NULL;
    SW_TEST_OK(sw_text_add(&text, HEAD "grid: {seed: ["));
    for (int i = 0; i < 2000; i++)
        SW_TEST_OK(sw_text_add(&text, "%d, ", i));
    SW_TEST_OK(sw_text_add(&text, "oops, 5000]}\n"));
    SW_TEST_FAILS(build_bytes(text.bytes, text.length, NULL, 0, &report), SW_CONFIG);
    const char *caret = strstr(report, "^\n"), *line = strstr(report, "    ...");
    CU_ASSERT_PTR_NOT_NULL_FATAL(caret);
    CU_ASSERT_PTR_NOT_NULL_FATAL(line);
    const char *start = caret;
    while (start[-1] != '\n')
        start--;
    CU_ASSERT_TRUE(start - line < 200);
    CU_ASSERT_EQUAL(strncmp(line + (caret - start), "oops", 4), 0);
    free(report);
    sw_text_fini(&text);
}

static void shows_at_most_fifty_errors(void) {
    struct sw_text text = {0};
    char *report = NULL;
    SW_TEST_OK(sw_text_add(&text, HEAD));
    for (int i = 0; i < 300; i++)
        SW_TEST_OK(sw_text_add(&text, "unheard-of-%d: 1\n", i));
    SW_TEST_FAILS(build_bytes(text.bytes, text.length, NULL, 0, &report), SW_CONFIG);
    size_t shown = 0;
    for (const char *at = report; (at = strstr(at, ": unknown key")) != NULL; at++)
        shown++;
    CU_ASSERT_EQUAL(shown, 50);
    free(report);
    sw_text_fini(&text);
}

static void shows_no_bytes_that_a_terminal_obeys(void) {
    static const char *const texts[] = {HEAD "prune: {criterion: \"a\\e[31m\\x9b\\u009b\"}\n",
                                        HEAD "\"\\e[2J\": 1\n", HEAD "seed: \x1b[2J\n",
                                        HEAD "seed: \xc2\x9b"
                                             "2J\n",
                                        HEAD "seed: \x9b\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *report = NULL;
        SW_TEST_FAILS(build_bytes(texts[i], strlen(texts[i]), NULL, 0, &report), SW_CONFIG);
        CU_ASSERT_TRUE(strlen(report) > 10);
        CU_ASSERT_PTR_NULL(strpbrk(report, "\x1b\x9b"));
        free(report);
    }
}

/* ---- --set ---------------------------------------------------------------------------------- */

static void shows_the_set_that_is_wrong(void) {
    static const struct {
        const char *set, *wanted;
    } cases[] = {
        {"prune.rate=2", "--set prune.rate=2: error: prune.rate: got 2; allowed is a number"},
        {"prune.rate=2", "\n    --set prune.rate=2\n                     ^\n"},
        {"prune.rat=0.2", "prune.rat: unknown key; did you mean prune.rate?"},
        {"prune.rat=0.2", "\n    --set prune.rat=0.2\n          ^\n"},
        {"seed=[0, 1]", "seed: got a list"},
        {"seed", "KEY=VALUE is wanted here"},
        {"=3", "KEY=VALUE is wanted here"},
        {"seed=%\xd9", "0xd9 is not valid UTF-8"},
        {"seed=%x", "must not begin with %"},
        {"seed=1\nsweep: u", "U+000A"},
        {"seed=[0", "not valid YAML"},
        {"seed=&a 1", "anchors"},
        {"grid.seed=3", "seed: got 3; an axis is a list"},
        {"grid.seed=3", "\n    --set grid.seed=3\n                    ^\n"},
        {"grid.sed=[3]", "\n    --set grid.sed=[3]\n               ^\n"},
        {"grid={}", "set one axis at a time"},
        {"train.optimizer={lr: 0.1, lr: 0.2}", "lr occurs twice"},
        {"train.steps=5", "train.epochs is set too"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *report = NULL;
        SW_TEST_FAILS(build_bytes(HEAD, strlen(HEAD), &cases[i].set, 1, &report), SW_CONFIG);
        bool good = strstr(report, cases[i].wanted) != NULL;
        if (!good) fprintf(stderr, "  %s: got\n%s", cases[i].set, report);
        CU_ASSERT_TRUE(good);
        free(report);
    }
}

static void a_set_cannot_be_undone_by_an_axis(void) {
    static const char text[] = HEAD "grid: {train.optimizer: [{lr: 0.1}, {lr: 0.2}]}\n";
    const char *set = "train.optimizer.lr=0.3";
    char *report = NULL;
    SW_TEST_FAILS(build_bytes(text, strlen(text), &set, 1, &report), SW_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(report, "the axis train.optimizer of the grid sets it too"));
    free(report);
}

/* ---- what is off ---------------------------------------------------------------------------- */

static void refuses_settings_of_what_is_off(void) {
    static const struct broken cases[] = {
        {HEAD "signin: {beta: 2}\n", 5, 16, "signin.beta", "signin.enabled is false"},
        {HEAD "signin: {enabled: false, reset_epochs: 2}\n", 5, 40, "signin.reset_epochs",
         "is not used"},
        {HEAD "signin: {enabled: true}\n", 5, 19, "signin.enabled", "signin.reset_epochs"},
        {HEAD "signin: {enabled: true, reset_epochs: 2, buffers: clear}\n", 5, 51, "signin.buffers",
         "zero, keep, project"},
        {HEAD "sign.seed_force: {every: 2}\n", 5, 26, "sign.seed_force.every",
         "sign.seed_force.reference is none"},
        {HEAD "sign.seed_force: {reference: dense, every: 2}\n", 5, 30, "sign.seed_force.reference",
         "sign.seed_force.below"},
        {HEAD "signin: {enabled: true, reset_epochs: 2}\ngrid:\n  signin: [{enabled: false, beta: "
              "3}, {enabled: true}]\n",
         7, 35, "signin.beta", "signin.enabled is false"},
    };
    EXPECT_BROKEN(cases);
}

int main(void) {
    CU_TestInfo bytes[] = {
        {"refuses_bytes_that_are_no_text", refuses_bytes_that_are_no_text},
        {"refuses_bytes_behind_a_nul", refuses_bytes_behind_a_nul},
        {"refuses_a_file_that_is_too_large", refuses_a_file_that_is_too_large},
        {"refuses_yaml_that_a_sweep_does_not_need", refuses_yaml_that_a_sweep_does_not_need},
        CU_TEST_INFO_NULL,
    };
    CU_TestInfo settings[] = {
        {"names_unknown_keys_and_the_nearest_known_one",
         names_unknown_keys_and_the_nearest_known_one},
        {"finds_keys_that_occur_twice", finds_keys_that_occur_twice},
        {"wants_a_name_and_a_length", wants_a_name_and_a_length},
        {"says_which_values_are_allowed", says_which_values_are_allowed},
        {"explains_what_an_axis_is", explains_what_an_axis_is},
        {"bounds_the_number_of_trials_and_rounds", bounds_the_number_of_trials_and_rounds},
        {"refuses_settings_that_nothing_uses", refuses_settings_that_nothing_uses},
        {"refuses_settings_of_what_is_off", refuses_settings_of_what_is_off},
        {"refuses_settings_that_do_not_fit_together", refuses_settings_that_do_not_fit_together},
        {"refuses_wrong_lists_of_numbers_and_truth_values",
         refuses_wrong_lists_of_numbers_and_truth_values},
        {"checks_data_and_model_together", checks_data_and_model_together},
        {"missing_data_is_an_io_error", missing_data_is_an_io_error},
        CU_TEST_INFO_NULL,
    };
    CU_TestInfo report[] = {
        {"reports_all_errors_at_once_in_order", reports_all_errors_at_once_in_order},
        {"what_is_right_is_checked_beside_what_is_wrong",
         what_is_right_is_checked_beside_what_is_wrong},
        {"places_carets_by_character", places_carets_by_character},
        {"cuts_long_lines_around_the_caret", cuts_long_lines_around_the_caret},
        {"shows_at_most_fifty_errors", shows_at_most_fifty_errors},
        {"shows_no_bytes_that_a_terminal_obeys", shows_no_bytes_that_a_terminal_obeys},
        {"shows_the_set_that_is_wrong", shows_the_set_that_is_wrong},
        {"a_set_cannot_be_undone_by_an_axis", a_set_cannot_be_undone_by_an_axis},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"plan_bytes", NULL, NULL, NULL, NULL, bytes},
                             {"plan_settings", NULL, NULL, NULL, NULL, settings},
                             {"plan_report", NULL, NULL, NULL, NULL, report},
                             CU_SUITE_INFO_NULL};
    return sw_test_main("test_plan_errors", suites);
}
