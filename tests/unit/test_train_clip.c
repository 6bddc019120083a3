/* Clipping and accumulation: one step against plain double arithmetic, histories against sorting, and
 * trainings in pieces. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../support/test_main.h"
#include "../support/trial_lab.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "sweepstake/train.h"

#include "../../src/train/clip.h"

/* 200 training images: an epoch has 9 steps, the last of them with 8 images. */
#define HEAD                                                                                        \
    "sweep: t\n"                                                                                    \
    "data: {name: synthetic, shape: [1, 6, 6], classes: 4, train: 240, test: 80, validation: 40}\n" \
    "model: {name: mlp-20-12}\nseed: 11\nprune: {criterion: random, rate: 0.5, rounds: 1}\n"
/* The mask does not follow from the training. A step of plain gradient descent at rate 1: the weights move by the gradient. */
#define ONE_STEP "train: {steps: 1, batch: 24, optimizer: {name: sgd, lr: 1}"
#define MOST 2000

static struct trial_lab lab;

/* ---- gradients of one step ---------------------------------------------------------------------- */

/* Start weights and movement of the survivors of a row, in their order, with the layer of each. */
struct moves {
    int64_t n, layers;
    double start[MOST], move[MOST];
    int layer[MOST], unit[MOST]; /* unit: number of the row, or -1 in other parameters */
    bool output[MOST];
};

static void get_moves(int64_t row, struct moves *out) {
    const struct sw_arch *arch = &lab.sweep.archs[0];
    const uint8_t *mask = sw_fake_sink_get(&lab.sink, row, SW_SECTION_MASK, NULL);
    const float *theta = sw_fake_sink_get(&lab.sink, 0, SW_SECTION_THETA0, NULL);
    size_t n = 0;
    const float *end = trial_lab_weights(&lab, row, &n);
    CU_ASSERT_TRUE_FATAL(n <= MOST);
    out->n = 0;
    out->layers = -1;
    bool output = false;
    for (int64_t p = 0; p < arch->n_params; p++) {
        const struct sw_param *param = &arch->params[p];
        if (param->prunable) out->layers++, output = param->output != 0;
        for (int64_t i = 0; i < param->count; i++) {
            if (param->prunable && !sw_mask_get(mask + param->mask_offset, i)) continue;
            int64_t k = out->n++;
            out->start[k] = theta[param->offset + i];
            out->move[k] = out->start[k] - (double) end[k];
            out->layer[k] = (int) out->layers;
            out->unit[k] = param->prunable ? (int) (i / (param->count / param->shape[0])) : -1;
            out->output[k] = output;
        }
    }
    out->layers++;
}

static void run_step(const char *clip, struct moves *out) {
    char text[1024];
    (void) snprintf(text, sizeof text, HEAD ONE_STEP "%s}\n", clip);
    trial_lab_open(text, &lab);
    trial_lab_run(&lab, 1);
    get_moves(1, out);
    trial_lab_close(&lab);
}

static double norm_of(const struct moves *moves, int64_t layer) {
    double squares = 0;
    for (int64_t k = 0; k < moves->n; k++)
        if (layer < 0 || moves->layer[k] == layer) squares += moves->move[k] * moves->move[k];
    return sqrt(squares);
}

static struct moves plain, clipped;

/* Weights are about 1 and moves are differences of floats. */
#define TOLERANCE 3e-7

static void a_whole_gradient_gets_its_largest_norm(void) {
    run_step("", &plain);
    double norm = norm_of(&plain, -1);
    CU_ASSERT_TRUE_FATAL(norm > 0.05);
    run_step(", clip: {kind: global, norm: 0.02}", &clipped);
    for (int64_t k = 0; k < plain.n; k++)
        CU_ASSERT_DOUBLE_EQUAL(clipped.move[k], plain.move[k] * 0.02 / norm, TOLERANCE);
    run_step(", clip: {kind: global, norm: 1e6}", &clipped);
    CU_ASSERT_EQUAL(memcmp(&clipped, &plain, sizeof plain), 0);
    /* The first step is its own history. */
    run_step(", clip: {kind: global, percentile: 10}", &clipped);
    CU_ASSERT_EQUAL(memcmp(&clipped, &plain, sizeof plain), 0);
}

static void every_layer_gets_its_largest_norm(void) {
    run_step("", &plain);
    double least = INFINITY, most = 0;
    for (int64_t l = 0; l < plain.layers; l++) {
        least = fmin(least, norm_of(&plain, l));
        most = fmax(most, norm_of(&plain, l));
    }
    double limit = (least + most) / 2;
    char text[80];
    (void) snprintf(text, sizeof text, ", clip: {kind: layer, norm: %.17g}", limit);
    run_step(text, &clipped);
    int64_t shorter = 0;
    for (int64_t k = 0; k < plain.n; k++) {
        double norm = norm_of(&plain, plain.layer[k]);
        double factor = norm > limit ? limit / norm : 1;
        shorter += factor < 1;
        CU_ASSERT_DOUBLE_EQUAL(clipped.move[k], plain.move[k] * factor, TOLERANCE);
    }
    CU_ASSERT_TRUE(shorter > 0 && shorter < plain.n);
}

/* Ratio and epsilon so that some units are clipped; biases are one unit each, the output layer is left. */
static void units_are_clipped_against_their_weights(void) {
    const double ratio = 0.02, epsilon = 0.05;
    int64_t shorter = 0, kept = 0;
    run_step("", &plain);
    run_step(", clip: {kind: agc, ratio: 0.02, epsilon: 0.05}", &clipped);
    for (int64_t k = 0; k < plain.n; k++) {
        double weights = 0, moves = 0, factor = 1;
        for (int64_t i = 0; i < plain.n; i++) {
            if (plain.layer[i] != plain.layer[k] || plain.unit[i] != plain.unit[k]) continue;
            weights += plain.start[i] * plain.start[i];
            moves += plain.move[i] * plain.move[i];
        }
        double limit = ratio * fmax(sqrt(weights), epsilon);
        if (!plain.output[k] && sqrt(moves) > limit) factor = limit / sqrt(moves);
        factor < 1 ? shorter++ : kept++;
        CU_ASSERT_DOUBLE_EQUAL(clipped.move[k], plain.move[k] * factor, TOLERANCE);
    }
    CU_ASSERT_TRUE(shorter > 20 && kept > 20);
}

/* ---- histories ----------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b) {
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

/* numpy.percentile's linear interpolation. */
static double percentile_of(const double *all, int64_t n, double percentile) {
    double sorted[64], at = percentile / 100 * (double) (n - 1);
    memcpy(sorted, all, (size_t) n * sizeof *all);
    qsort(sorted, (size_t) n, sizeof *sorted, compare);
    int64_t i = (int64_t) at;
    return i + 1 < n ? sorted[i] + (at - (double) i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

static void percentiles_are_of_the_last_norms(void) {
    static const int64_t windows[] = {1, 2, 7, 64};
    double all[60], ring[64], sorted[64];
    for (int i = 0; i < 60; i++) /* with equal ones among them */
        all[i] = floor(8 * sw_random_uniform(1, SW_RANDOM_BENCH, 0, (uint64_t) i)) / 8;
    for (size_t w = 0; w < 4; w++)
        for (double percentile = 0; percentile <= 100; percentile += 12.5) {
            struct sw_norms norms = {.ring = ring, .sorted = sorted};
            for (int64_t i = 0; i < 60; i++) {
                int64_t first = i + 1 > windows[w] ? i + 1 - windows[w] : 0;
                CU_ASSERT_DOUBLE_EQUAL(sw_norms_add(&norms, windows[w], percentile, all[i]),
                                       percentile_of(all + first, i + 1 - first, percentile),
                                       1e-15);
            }
        }
}

/* Percentile 100 never clips; percentile 0 clips every step that is not the smallest so far. */
static void the_share_of_clipped_steps_is_recorded(void) {
    trial_lab_open(HEAD "train: {steps: 30, batch: 24, clip: {kind: layer, percentile: 0}}\n"
                        "grid: {train.clip.percentile: [0, 100]}\n",
                   &lab);
    trial_lab_run(&lab, 1);
    for (int64_t row = 0; row < lab.sweep.n_rounds; row++) {
        const struct sw_layer_record *layers = sw_fake_sink_get(&lab.sink, row, SW_SECTION_LAYERS,
                                                                NULL);
        bool never = lab.sweep.trials[lab.sweep.rounds[row].trial].train_clip_percentile == 100;
        for (int64_t l = 0; l < 3; l++) {
            double least = never ? 0 : 0.3, most = never ? 0 : 0.999;
            CU_ASSERT_TRUE(layers[l].clipped >= least && layers[l].clipped <= most);
        }
    }
    trial_lab_close(&lab);
    trial_lab_open(HEAD "train: {steps: 3, batch: 24}\n", &lab);
    trial_lab_run(&lab, 1);
    const struct sw_layer_record *layers = sw_fake_sink_get(&lab.sink, 1, SW_SECTION_LAYERS, NULL);
    CU_ASSERT_TRUE(isnan(layers[0].clipped));
    trial_lab_close(&lab);
}

/* ---- accumulation -------------------------------------------------------------------------------- */

/* 24 samples in parts of 7, 7, 7, 3: the mean over all of them. */
static void parts_add_up_to_the_batch(void) {
    run_step("", &plain);
    run_step(", accumulate: 4", &clipped);
    for (int64_t k = 0; k < plain.n; k++)
        CU_ASSERT_DOUBLE_EQUAL(clipped.move[k], plain.move[k], TOLERANCE);
    CU_ASSERT_NOT_EQUAL(memcmp(&clipped, &plain, sizeof plain), 0); /* other sums */
    run_step(", accumulate: 24", &clipped);
    for (int64_t k = 0; k < plain.n; k++)
        CU_ASSERT_DOUBLE_EQUAL(clipped.move[k], plain.move[k], TOLERANCE);
    run_step(", accumulate: 1", &clipped);
    CU_ASSERT_EQUAL(memcmp(&clipped, &plain, sizeof plain), 0);
}

static void parts_need_less_memory(void) {
    int64_t bytes[2];
    for (int64_t parts = 1; parts <= 2; parts++) {
        char text[1024];
        (void) snprintf(text, sizeof text,
                        "sweep: t\ndata: {name: synthetic, train: 2048, test: 40, validation: 0}\n"
                        "model: {name: mlp-64}\nprune.rounds: 0\n"
                        "train: {steps: 2, batch: 1024, accumulate: %d}\n",
                        parts == 1 ? 1 : 4);
        trial_lab_open(text, &lab);
        trial_lab_run(&lab, 1);
        const struct sw_round_record *record = sw_fake_sink_get(&lab.sink, 0, SW_SECTION_RECORD,
                                                                NULL);
        const struct sw_round_measured *measured = &record->measured;
        bytes[parts - 1] = measured->bytes_activations + measured->bytes_gradients;
        /* The plan knows it in advance. */
        CU_ASSERT_TRUE(lab.sweep.rounds[0].rank_bytes > bytes[parts - 1]);
        trial_lab_close(&lab);
    }
    CU_ASSERT_TRUE((double) bytes[1] < 0.4 * (double) bytes[0]);
}

/* Batch norm sees the parts: another training, which says so in its documentation. */
static void statistics_are_those_of_the_parts(void) {
    static const char text[] =
        "sweep: t\ndata: {name: synthetic, shape: [1, 8, 8], classes: 4, train: 120, test: 40, "
        "validation: 20}\nmodel: {name: resnet-8}\nprune.rounds: 0\n"
        "train: {steps: 2, batch: 20}\ngrid: {train.accumulate: [1, 4]}\n";
    trial_lab_open(text, &lab);
    trial_lab_run(&lab, 1);
    CU_ASSERT_EQUAL(lab.sweep.n_rounds, 2);
    CU_ASSERT_STRING_EQUAL(trial_lab_result(&lab, 1)->status, "ok");
    CU_ASSERT_NOT_EQUAL(trial_lab_result(&lab, 0)->test_loss, trial_lab_result(&lab, 1)->test_loss);
    trial_lab_close(&lab);
}

/* ---- together ------------------------------------------------------------------------------------ */

static void clipped_trainings_come_to_the_same_in_pieces(void) {
    trial_lab_open(HEAD "train: {steps: 31, batch: 24, evaluate: {every: 10}, accumulate: 3}\n"
                        "grid: {train.clip: [{kind: layer, percentile: 30, window: 5}, "
                        "{kind: global, percentile: 50}, {kind: agc}, {kind: layer, norm: 0.1}]}\n",
                   &lab);
    CU_ASSERT_EQUAL(lab.sweep.n_rounds, 8);
    trial_lab_run(&lab, 2); /* threads change nothing */
    trial_lab_repeat(&lab, 7);
    trial_lab_close(&lab);
}

static void expect_refusal(const char *const *words, const char *key, const char *part) {
    struct sw_trial_spec spec;
    const char *named = "";
    sw_spec_set_defaults(&spec);
    for (; words[0] != NULL; words += 2)
        SW_TEST_OK(sw_spec_set(&spec, sw_spec_find_field(words[0]), words[1]));
    CU_ASSERT_EQUAL(sw_train_check(&spec, &named), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(named, key);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), part));
}
#define REFUSED(key, part, ...) expect_refusal((const char *const[]){__VA_ARGS__, NULL}, key, part)

static void settings_that_do_not_fit_are_refused(void) {
    REFUSED("train.clip.kind", "either", "train.clip.kind", "global");
    REFUSED("train.clip.percentile", "either", "train.clip.kind", "layer", "train.clip.norm", "1",
            "train.clip.percentile", "10");
    REFUSED("train.clip.window", "not used", "train.clip.kind", "layer", "train.clip.norm", "1",
            "train.clip.window", "10");
    REFUSED("train.accumulate", "no 9 parts", "train.accumulate", "9", "train.batch", "8");
}

/* Bytes that anybody may have written. */
static void forged_histories_are_refused(void) {
    struct sw_trial_spec spec;
    struct sw_norms norms = {0};
    struct sw_clip clip = {.spec = &spec, .n_layers = 2, .n_norms = 1, .norms = &norms};
    int64_t words[1 + 2 + 1 + 3] = {5, 4, 0, 3};
    double ring[3] = {1, 2, 3};
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.train_clip_kind, "global");
    spec.train_clip_percentile = 10;
    spec.train_clip_window = 3;
    memcpy(words + 4, ring, sizeof ring);
    CU_ASSERT_EQUAL(sw_train_clip_bytes(&spec, 2), (int64_t) sizeof words);
    CU_ASSERT_TRUE(sw_clip_fits(&clip, words, 5));
    CU_ASSERT_FALSE(sw_clip_fits(&clip, words, 4));
    static const struct {
        int at;
        int64_t word;
    } forged[] = {{1, 6}, {2, -1}, {3, -1}, {3, 6}};
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        int64_t copy[7];
        memcpy(copy, words, sizeof copy);
        copy[forged[i].at] = forged[i].word;
        CU_ASSERT_FALSE(sw_clip_fits(&clip, copy, 5));
    }
    static const double bad[] = {NAN, INFINITY, -1};
    for (int i = 0; i < 3; i++) {
        int64_t copy[7];
        memcpy(copy, words, sizeof copy);
        memcpy(copy + 5, &bad[i], sizeof *bad);
        CU_ASSERT_FALSE(sw_clip_fits(&clip, copy, 5));
    }
}

static CU_TestInfo steps[] = {
    {"a whole gradient gets its largest norm", a_whole_gradient_gets_its_largest_norm},
    {"every layer gets its largest norm", every_layer_gets_its_largest_norm},
    {"units are clipped against their weights", units_are_clipped_against_their_weights},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo histories[] = {
    {"percentiles are of the last norms", percentiles_are_of_the_last_norms},
    {"the share of clipped steps is recorded", the_share_of_clipped_steps_is_recorded},
    {"forged histories are refused", forged_histories_are_refused},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo accumulation[] = {
    {"parts add up to the batch", parts_add_up_to_the_batch},
    {"parts need less memory", parts_need_less_memory},
    {"statistics are those of the parts", statistics_are_those_of_the_parts},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo together[] = {
    {"clipped trainings come to the same in pieces", clipped_trainings_come_to_the_same_in_pieces},
    {"settings that do not fit are refused", settings_that_do_not_fit_are_refused},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"one step", NULL, NULL, NULL, NULL, steps},
    {"histories", NULL, NULL, NULL, NULL, histories},
    {"accumulation", NULL, NULL, NULL, NULL, accumulation},
    {"together", NULL, NULL, NULL, NULL, together},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_train_clip", suites);
}
