/* What pruned rounds do with settings of their own: rates, batches, weights that are kept. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../support/test_main.h"
#include "../support/trial_lab.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "sweepstake/prune.h"
#include "sweepstake/train.h"

/* 200 training images: an epoch has 9 steps, the last of them with 8 images. */
#define HEAD                                                                                        \
    "sweep: t\n"                                                                                    \
    "data: {name: synthetic, shape: [1, 6, 6], classes: 4, train: 240, test: 80, validation: 40}\n" \
    "model: {name: mlp-20-12}\nseed: 11\n"
#define TRAIN                                                                                      \
    "train: {steps: 31, batch: 24, evaluate: {every: 10}, optimizer: {name: sgd, lr: 0.1, "        \
    "momentum: 0.9}, schedule: {name: cosine}"

static struct trial_lab lab;

/* The parent's weights under the mask of a row, trained from step `first` on with `spec`: into out[]. */
static void train_alone(int64_t row, const struct sw_trial_spec *spec, int64_t first, float *out) {
    const struct sw_arch *arch = &lab.sweep.archs[0];
    const struct sw_round_plan *plan = &lab.sweep.rounds[row];
    const uint8_t *parent = sw_fake_sink_get(&lab.sink, plan->parent, SW_SECTION_MASK, NULL);
    const uint8_t *mask = sw_fake_sink_get(&lab.sink, row, SW_SECTION_MASK, NULL);
    struct sw_hal_options options = {.threads = 1, .isa = sw_isa_detect()};
    struct sw_train_hooks hooks = {.first_step = first};
    struct sw_train_outcome outcome;
    struct sw_curve_point curve[16];
    struct sw_hal *hal = NULL;
    struct sw_net *net = NULL;
    float *theta = NULL;
    size_t n = 0;
    const float *next = trial_lab_weights(&lab, plan->parent, &n);
    SW_TEST_OK(SW_ALLOC(&theta, (size_t) arch->parameters, "theta"));
    for (int64_t p = 0; p < arch->n_params; p++)
        for (int64_t i = 0; i < arch->params[p].count; i++)
            if (!arch->params[p].prunable || sw_mask_get(parent + arch->params[p].mask_offset, i))
                theta[arch->params[p].offset + i] = *next++;
    SW_TEST_OK(sw_hal_open(sw_backend_find("cpu"), &options, &hal));
    SW_TEST_OK(sw_net_create(hal, arch, mask, sw_train_max_batch(spec, arch), &net));
    SW_TEST_OK(sw_net_set_theta(net, theta));
    SW_TEST_OK(sw_train_run(net, spec, &lab.data, &hooks, curve, &outcome));
    SW_TEST_OK(sw_net_get_survivors(net, out));
    sw_net_destroy(&net);
    sw_hal_close(&hal);
    SW_FREE(&theta);
}

static void expect_trained_alone(int64_t row, const struct sw_trial_spec *spec, int64_t first) {
    float alone[2000];
    size_t n = 0;
    const float *weights = trial_lab_weights(&lab, row, &n);
    CU_ASSERT_TRUE_FATAL(n < 2000);
    train_alone(row, spec, first, alone);
    CU_ASSERT_EQUAL(memcmp(weights, alone, n * sizeof *alone), 0);
}

/* ---- weights that are kept --------------------------------------------------------------------- */

static void learning_rate_rewinding_trains_the_parents_weights(void) {
    trial_lab_open(HEAD TRAIN "}\nprune: {rate: 0.4, rounds: 2}\n"
                              "rewind: {mode: learning-rate, to: 13}\n",
                   &lab);
    trial_lab_run(&lab, 1);
    for (int64_t row = 1; row <= 2; row++) {
        const struct sw_round_plan *plan = &lab.sweep.rounds[row];
        CU_ASSERT_EQUAL(plan->rewind_to, 13);
        CU_ASSERT_EQUAL(plan->theta_k_owner, -1);
        CU_ASSERT_EQUAL(trial_lab_result(&lab, row)->first_step, 13);
        const struct sw_curve_point *curve = trial_lab_curve(&lab, row);
        CU_ASSERT_EQUAL(curve[0].step, 13);
        CU_ASSERT_DOUBLE_EQUAL(curve[0].learning_rate, 0.05 * (1 + cos(acos(-1) * 13.0 / 31)),
                               1e-15);
        expect_trained_alone(row, &lab.sweep.trials[0], 13);
    }
    CU_ASSERT_EQUAL(lab.sweep.rounds[0].snapshots, 0); /* nobody rewinds to them */
    trial_lab_close(&lab);
}

static void fine_tuning_trains_the_parents_weights_at_the_last_rate(void) {
    trial_lab_open(HEAD TRAIN ", sparse: {steps: 12, lr_factor: 3}}\n"
                              "prune: {rate: 0.4, rounds: 2}\nrewind: {mode: fine-tune}\n",
                   &lab);
    trial_lab_run(&lab, 1);
    struct sw_trial_spec spec = lab.sweep.trials[0];
    double last = 0.05 * (1 + cos(acos(-1) * 30.0 / 31));
    CU_ASSERT_DOUBLE_EQUAL(trial_lab_curve(&lab, 1)[0].learning_rate, 3 * last, 1e-15);
    CU_ASSERT_EQUAL(trial_lab_result(&lab, 2)->steps, 12);
    sw_train_round_spec(&lab.sweep.trials[0], 1, 200, &spec);
    expect_trained_alone(1, &spec, 0);
    expect_trained_alone(2, &spec, 0);
    trial_lab_close(&lab);
}

/* One cut from the dense network each time: from its weights too. */
static void one_shot_rounds_keep_the_dense_weights(void) {
    trial_lab_open(HEAD TRAIN "}\nprune: {rate: 0.4, rounds: 3, schedule: one-shot}\n"
                              "rewind: {mode: learning-rate}\n",
                   &lab);
    trial_lab_run(&lab, 1);
    CU_ASSERT_EQUAL(lab.sweep.rounds[3].parent, 0);
    expect_trained_alone(3, &lab.sweep.trials[0], 0);
    trial_lab_close(&lab);
}

/* Units: the network is rebuilt smaller, from the weights of a larger one. */
static void units_keep_their_weights(void) {
    trial_lab_open(HEAD TRAIN "}\nprune: {rate: 0.3, rounds: 2, granularity: neuron}\n"
                              "rewind: {mode: learning-rate, to: 5}\n",
                   &lab);
    trial_lab_run(&lab, 1);
    expect_trained_alone(1, &lab.sweep.trials[0], 5);
    expect_trained_alone(2, &lab.sweep.trials[0], 5);
    trial_lab_close(&lab);
}

static void a_reinit_control_trains_the_whole_schedule(void) {
    trial_lab_open(HEAD TRAIN "}\nprune: {rate: 0.4, rounds: 1}\ncontrol: [reinit]\n"
                              "grid: {rewind.mode: [weights, learning-rate]}\nrewind.to: 7\n",
                   &lab);
    trial_lab_run(&lab, 1);
    int64_t row = sw_sweep_row(&lab.sweep, 1, 1, SW_CONTROL_REINIT);
    CU_ASSERT_EQUAL(lab.sweep.n_rounds, 5); /* one dense round, two tickets with their controls */
    CU_ASSERT_EQUAL(lab.sweep.rounds[row].rewind_to, 0);
    CU_ASSERT_EQUAL(trial_lab_curve(&lab, row)[0].step, 0);
    trial_lab_close(&lab);
}

/* ---- rates ------------------------------------------------------------------------------------- */

static void the_root_of_the_share_left_is_that_of_the_mask(void) {
    trial_lab_open(HEAD TRAIN ", sparse: {lr_rule: seed_sqrt, lr_factor: 0.5}}\n"
                              "prune: {rate: 0.4, rounds: 3}\ncontrol: [random]\n",
                   &lab);
    trial_lab_run(&lab, 1);
    for (int64_t row = 1; row < lab.sweep.n_rounds; row++) {
        const struct sw_round_results *result = trial_lab_result(&lab, row);
        double left = (double) result->nnz / (double) result->prunable;
        CU_ASSERT_DOUBLE_EQUAL(trial_lab_curve(&lab, row)[0].learning_rate, 0.05 * sqrt(left),
                               1e-15);
    }
    CU_ASSERT_EQUAL(trial_lab_curve(&lab, 0)[0].learning_rate, 0.1);
    trial_lab_close(&lab);
}

/* The norms from the weights that were handed over, in another order. */
static void allr_starts_from_what_was_removed(void) {
    trial_lab_open(HEAD TRAIN ", sparse: {lr_rule: allr, steps: 4}}\n"
                              "prune: {rate: 0.5, rounds: 1}\nrewind: {mode: fine-tune}\n",
                   &lab);
    trial_lab_run(&lab, 1);
    const struct sw_arch *arch = &lab.sweep.archs[0];
    const uint8_t *mask = sw_fake_sink_get(&lab.sink, 1, SW_SECTION_MASK, NULL);
    size_t n = 0;
    const float *dense = trial_lab_weights(&lab, 0, &n);
    long double all = 0, gone = 0;
    for (int64_t p = arch->n_params - 1; p >= 0; p--)
        for (int64_t i = 0; arch->params[p].prunable && i < arch->params[p].count; i++) {
            long double w = dense[arch->params[p].offset + i];
            all += w * w;
            if (!sw_mask_get(mask + arch->params[p].mask_offset, i)) gone += w * w;
        }
    double removed = 1 - (double) lab.sweep.rounds[1].nnz / (double) arch->prunable;
    double factor = sqrt((double) (gone / all) / removed);
    CU_ASSERT_TRUE(factor > 4.0 / 31 && factor < 1); /* else the bounds decide */
    const struct sw_curve_point *curve = trial_lab_curve(&lab, 1);
    CU_ASSERT_DOUBLE_EQUAL(curve[0].learning_rate, 0.1 * factor, 1e-12);
    trial_lab_close(&lab);
}

/* Adam's first step is the rate, times smupar's factor in hidden layers, and the gradient's sign. */
static void smupar_moves_hidden_layers_further(void) {
    trial_lab_open(HEAD "train: {steps: 1, batch: 24, optimizer: {name: adam, lr: 1e-3}, "
                        "sparse: {lr_rule: smupar}}\nprune: {rate: 0.75, rounds: 1}\n",
                   &lab);
    trial_lab_run(&lab, 1);
    const struct sw_arch *arch = &lab.sweep.archs[0];
    const uint8_t *mask = sw_fake_sink_get(&lab.sink, 1, SW_SECTION_MASK, NULL);
    const float *theta = sw_fake_sink_get(&lab.sink, 0, SW_SECTION_THETA0, NULL);
    size_t n = 0;
    const float *next = trial_lab_weights(&lab, 1, &n);
    for (int64_t p = 0, layer = 0; p < arch->n_params; p++) {
        const struct sw_param *param = &arch->params[p];
        double most = 0, factor = param->prunable && layer == 1 ? 4 : 1;
        for (int64_t i = 0; i < param->count; i++) {
            if (param->prunable && !sw_mask_get(mask + param->mask_offset, i)) continue;
            most = fmax(most, fabs((double) *next++ - (double) theta[param->offset + i]));
        }
        CU_ASSERT_DOUBLE_EQUAL(most, factor * 1e-3, 2e-5);
        layer += param->prunable;
    }
    trial_lab_close(&lab);
}

/* ---- monitors ------------------------------------------------------------------------------------ */

static const struct sw_alert *find_alert(int64_t row, const char *monitor, const char *part) {
    size_t bytes = 0;
    const struct sw_alert *alerts = sw_fake_sink_get(&lab.sink, row, SW_SECTION_ALERTS, &bytes);
    for (size_t i = 0; i < bytes / sizeof *alerts; i++)
        if (strcmp(alerts[i].monitor, monitor) == 0 && strstr(alerts[i].message, part) != NULL)
            return &alerts[i];
    return NULL;
}

/* The first evaluation at which the dense curve, by steps, is more than 0.02 above: `batch` times as long
 * batches, `end` compares with the last one. */
static const struct sw_curve_point *first_loss(int64_t row, bool end) {
    const struct sw_curve_point *dense = trial_lab_curve(&lab, 0),
                                *curve = trial_lab_curve(&lab, row);
    const int64_t n_dense = trial_lab_result(&lab, 0)->curve_points;
    for (int64_t i = 1; i < trial_lab_result(&lab, row)->curve_points; i++) {
        int64_t at = end ? n_dense - 1 : 0;
        while (at + 1 < n_dense && dense[at + 1].epoch <= curve[i].epoch)
            at++;
        if (dense[at].validation_accuracy - curve[i].validation_accuracy > 0.02) return &curve[i];
    }
    return NULL;
}

static void a_network_that_is_worse_than_the_dense_one_is_told_of(void) {
    static const char *const modes[] = {"weights", "learning-rate", "fine-tune"};
    int told = 0;
    for (int m = 0; m < 3; m++) {
        char text[1024];
        (void) snprintf(text, sizeof text,
                        HEAD "train: {steps: 60, batch: 24, evaluate: {every: 10}, optimizer: "
                             "{name: sgd, lr: 0.1, momentum: 0.9}, sparse: {batch_factor: 1.5}}\n"
                             "prune: {rate: 0.6, rounds: 4}\nrewind: {mode: %s}\n"
                             "monitor: [divergence, degradation]\n",
                        modes[m]);
        trial_lab_open(text, &lab);
        trial_lab_run(&lab, 1);
        CU_ASSERT_PTR_NULL(find_alert(0, "degradation", ""));
        for (int64_t row = 1; row < lab.sweep.n_rounds; row++) {
            const struct sw_curve_point *worse = first_loss(row, m == 2);
            const struct sw_alert *alert = find_alert(row, "degradation", "over 2 %");
            CU_ASSERT_EQUAL((worse != NULL), (alert != NULL));
            if (worse == NULL || alert == NULL) continue;
            CU_ASSERT_EQUAL(alert->step, worse->step);
            told++;
        }
        trial_lab_close(&lab);
    }
    CU_ASSERT_TRUE(told > 0 && told < 12);
}

/* A floor holds the network 5 points and more above its target. */
static void sparsity_that_is_off_is_told_of(void) {
    trial_lab_open(
        HEAD TRAIN "}\nprune: {rate: 0.5, rounds: 3, min_keep: 250}\nmonitor: [sparsity]\n", &lab);
    trial_lab_run(&lab, 1);
    CU_ASSERT_PTR_NULL(find_alert(0, "sparsity", ""));
    const struct sw_alert *whole = find_alert(3, "sparsity", "the network");
    const struct sw_alert *layer = find_alert(3, "sparsity", "fc2.weight");
    const struct sw_round_results *result = trial_lab_result(&lab, 3);
    CU_ASSERT_PTR_NOT_NULL_FATAL(whole);
    CU_ASSERT_DOUBLE_EQUAL(whole->value, result->sparsity - result->sparsity_requested, 1e-15);
    CU_ASSERT_TRUE(whole->value < -0.05);
    CU_ASSERT_PTR_NOT_NULL_FATAL(layer); /* its 240 weights all stay */
    CU_ASSERT_DOUBLE_EQUAL(layer->value, -result->sparsity_requested, 1e-15);
    trial_lab_close(&lab);
}

/* ---- together ------------------------------------------------------------------------------------ */

#define ALL                                                                                           \
    HEAD                                                                                              \
        "train: {epochs: 3, batch: 24, evaluate: {every: 10}, optimizer: {name: adamw, lr: 1e-2, "    \
        "weight_decay: 0.1}, schedule: {name: cosine}, sparse: {lr_factor: 0.4, batch_factor: 1.25, " \
        "decay_factor: 1.25, warmup: {fraction: 0.2, start: 0.2}}}\n"                                 \
        "prune: {rate: 0.4, rounds: 2}\nmonitor: [divergence, gradient-norm, sparsity, degradation]\n"

static void rounds_come_to_the_same_in_pieces(void) {
    trial_lab_open(ALL "grid: {train.sparse.lr_rule: [seed_sqrt, smupar], "
                       "rewind.mode: [weights, learning-rate]}\n",
                   &lab);
    CU_ASSERT_EQUAL(lab.sweep.n_rounds, 1 + 4 * 2);
    trial_lab_run(&lab, 2);
    trial_lab_repeat(&lab, 7);
    trial_lab_close(&lab);
    trial_lab_open(ALL "rewind.mode: fine-tune\ntrain.sparse.lr_rule: allr\n"
                       "train.sparse.steps: 11\n",
                   &lab);
    trial_lab_run(&lab, 1);
    trial_lab_repeat(&lab, 7);
    trial_lab_close(&lab);
}

/* 200 images in batches of 30 instead of 24. */
static void a_pruned_round_has_its_own_length(void) {
    trial_lab_open(ALL, &lab);
    trial_lab_run(&lab, 1);
    CU_ASSERT_EQUAL(trial_lab_result(&lab, 0)->steps, 27);
    CU_ASSERT_EQUAL(trial_lab_result(&lab, 1)->steps, 21);
    CU_ASSERT_DOUBLE_EQUAL(trial_lab_curve(&lab, 1)[0].learning_rate, 0.2 * 4e-3, 1e-15);
    trial_lab_close(&lab);
}

/* Variants that differ in settings of pruned rounds only share the dense one. */
static void the_dense_round_is_shared(void) {
    trial_lab_open(HEAD TRAIN "}\nprune: {rounds: 1}\ngrid: {train.sparse: [{lr_factor: 1}, "
                              "{lr_factor: 0.4}, {lr_rule: seed_sqrt}, {batch_factor: 1.5}, "
                              "{warmup: {fraction: 0.2, start: 0.3}}], rewind.mode: [weights, "
                              "learning-rate, fine-tune]}\n",
                   &lab);
    CU_ASSERT_EQUAL(lab.sweep.n_rounds, 1 + 15);
    trial_lab_close(&lab);
}

static CU_TestInfo kept[] = {
    {"learning-rate rewinding trains the parent's weights",
     learning_rate_rewinding_trains_the_parents_weights},
    {"fine-tuning trains the parent's weights at the last rate",
     fine_tuning_trains_the_parents_weights_at_the_last_rate},
    {"one-shot rounds keep the dense weights", one_shot_rounds_keep_the_dense_weights},
    {"units keep their weights", units_keep_their_weights},
    {"a reinit control trains the whole schedule", a_reinit_control_trains_the_whole_schedule},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo rates[] = {
    {"the root of the share left is that of the mask",
     the_root_of_the_share_left_is_that_of_the_mask},
    {"allr starts from what was removed", allr_starts_from_what_was_removed},
    {"smupar moves hidden layers further", smupar_moves_hidden_layers_further},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo together[] = {
    {"a network that is worse than the dense one is told of",
     a_network_that_is_worse_than_the_dense_one_is_told_of},
    {"sparsity that is off is told of", sparsity_that_is_off_is_told_of},
    {"rounds come to the same in pieces", rounds_come_to_the_same_in_pieces},
    {"a pruned round has its own length", a_pruned_round_has_its_own_length},
    {"the dense round is shared", the_dense_round_is_shared},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"kept weights", NULL, NULL, NULL, NULL, kept},
    {"rates", NULL, NULL, NULL, NULL, rates},
    {"together", NULL, NULL, NULL, NULL, together},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_trial_sparse", suites);
}
