#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/test_main.h"
#include "sweepstake/memory.h"
#include "sweepstake/plan.h"
#include "sweepstake/prune.h"

#define DATA "data: {name: synthetic, train: 120, test: 40, validation: 20}\n"
#define HEAD "sweep: t\n" DATA "model: {name: mlp-8}\ntrain: {epochs: 1, batch: 20}\n"

/* The published example, with the words that this build has. */
static const char example[] =
    "sweep: quickstart\n"
    "data:   {name: fashion-mnist, dir: /usr/share/datasets/fashion-mnist, validation: 5000, "
    "normalize: unit}        # unit (0..1) | standard | none\n"
    "model:  {name: lenet-300-100, init: glorot-normal}\n"
    "train:  {epochs: 8, batch: 60, evaluate: {every: 100}, optimizer: {name: adam, lr: 1.2e-3, "
    "beta1: 0.9, beta2: 0.999},                  # epochs or steps\n"
    "         schedule: {name: constant, warmup: {fraction: 0, start: 0.1}}}\n"
    "prune:  {criterion: magnitude, scope: layer, granularity: weight, schedule: iterative, "
    "rate: 0.2, output_rate: 0.5, rounds: 12, target: null, min_keep: 1}\n"
    "rewind: {to: 0}\n"
    "control: [reinit]                 # per ticket, the same mask with new random weights\n"
    "grid:                             # the product of all axes\n"
    "  prune.rate: [0.2, 0.4]\n"
    "  prune.granularity: [weight]\n"
    "  seed: [0, 1, 2]\n"
    "  train.schedule: [{name: constant}, {name: constant, warmup: {fraction: 0.2, start: 0.2}}]\n"
    "store: quickstart.h5\n";

/* Fashion-MNIST as its files describe it, so that nothing needs to be decoded. */
static struct sw_data_info fashion(void) {
    struct sw_data_info info = {.name = "fashion-mnist",
                                .shape = {1, 28, 28},
                                .classes = 10,
                                .train = 55000,
                                .validation = 5000,
                                .test = 10000,
                                .block_bytes = 70000 * 785};
    memset(info.checksum.bytes, 0x5a, sizeof info.checksum.bytes);
    return info;
}

static enum sw_status build(const char *text, const char *const *sets, size_t n_sets,
                            const struct sw_data_info *known, int64_t n_known,
                            struct sw_sweep *sweep) {
    struct sw_plan_source source = {.path = "s.yaml",
                                    .text = text,
                                    .text_bytes = strlen(text),
                                    .sets = sets,
                                    .n_sets = n_sets,
                                    .known = known,
                                    .n_known = n_known};
    struct sw_text report = {0};
    enum sw_status status = sw_plan_build(&source, sweep, &report);
    if (status != SW_OK) fprintf(stderr, "%s", sw_text_get(&report));
    sw_text_fini(&report);
    return status;
}

static void build_good(const char *text, struct sw_sweep *sweep) {
    SW_TEST_OK(build(text, NULL, 0, NULL, 0, sweep));
}

static void build_set(const char *text, const char *set, struct sw_sweep *sweep) {
    SW_TEST_OK(build(text, &set, 1, NULL, 0, sweep));
}

static void build_example(struct sw_sweep *sweep) {
    struct sw_data_info info = fashion();
    SW_TEST_OK(build(example, NULL, 0, &info, 1, sweep));
}

/* Every row agrees with the rules of struct sw_round_plan. */
static void check_invariants(const struct sw_sweep *sweep) {
    for (int64_t row = 0; row < sweep->n_rounds; row++) {
        const struct sw_round_plan *round = &sweep->rounds[row];
        bool ticket = round->control == SW_CONTROL_TICKET;
        int64_t up = round->round;
        if (ticket) up = sw_prune_parent_round(&sweep->trials[round->trial], round->round);
        CU_ASSERT_EQUAL(round->row, row);
        CU_ASSERT_EQUAL(
            sw_sweep_row(sweep, round->trial, round->round, (enum sw_control) round->control), row);
        CU_ASSERT_EQUAL(
            round->parent,
            round->round == 0 ? -1 : sw_sweep_row(sweep, round->trial, up, SW_CONTROL_TICKET));
        CU_ASSERT_TRUE(round->parent < row);
        CU_ASSERT_TRUE(round->theta0_owner <= row && round->mask_owner <= row);
        bool reinit = round->control == SW_CONTROL_REINIT;
        CU_ASSERT_EQUAL(round->mask_owner, reinit ? round->parent : row);
        if (!ticket)
            CU_ASSERT_EQUAL(round->theta0_owner,
                            reinit ? row : sweep->rounds[round->parent].theta0_owner);
        CU_ASSERT_EQUAL(round->offset[SW_SECTION_RECORD], row);
        CU_ASSERT_EQUAL(strlen(round->id), 32);
        CU_ASSERT_TRUE(round->flops > 0 && round->rank_bytes > (24 << 20));
        int64_t nnz = 0;
        for (int64_t layer = 0; layer < sweep->archs[round->arch].n_layers; layer++)
            nnz += sweep->kept[row * sweep->max_layers + layer];
        if (sw_prune_known(&sweep->trials[round->trial]) == SW_PRUNE_KNOWS_LAYERS)
            CU_ASSERT_EQUAL(round->nnz, nnz);
        CU_ASSERT_TRUE(round->nnz <= nnz);
        CU_ASSERT_EQUAL(round->length[SW_SECTION_WEIGHTS], round->survivors);
    }
}

/* ---- good files ----------------------------------------------------------------------------- */

static void the_published_example_is_a_plan(void) {
    struct sw_sweep sweep;
    build_example(&sweep);
    CU_ASSERT_STRING_EQUAL(sweep.name, "quickstart");
    CU_ASSERT_STRING_EQUAL(sweep.store, "quickstart.h5");
    CU_ASSERT_EQUAL(sweep.n_trials, 12);
    CU_ASSERT_EQUAL(sweep.n_archs, 1);
    CU_ASSERT_EQUAL(sweep.n_datas, 1);
    CU_ASSERT_EQUAL(sweep.rounds_wide, 13);
    /* 12 trials of 13 tickets and 12 controls; 6 (seed, schedule) pairs share their dense round. */
    CU_ASSERT_EQUAL(sweep.n_rounds, 12 * 24 + 6);
    CU_ASSERT_EQUAL(sweep.shared, 6);
    CU_ASSERT_EQUAL(sweep.archs[0].parameters, 266610);
    CU_ASSERT_EQUAL(sweep.rounds[0].nnz, 266200);
    CU_ASSERT_EQUAL(sweep.rounds[0].steps, 8 * 917);
    CU_ASSERT_EQUAL(sweep.rounds[0].parent, -1);
    CU_ASSERT_TRUE(isnan(sweep.trials[0].prune_target));
    CU_ASSERT_EQUAL(sweep.text_bytes, strlen(example));
    CU_ASSERT_STRING_EQUAL(sweep.text, example);
    CU_ASSERT_STRING_EQUAL(sweep.overrides, "");
    check_invariants(&sweep);
    sw_sweep_fini(&sweep);
}

static void the_smallest_file_has_one_trial(void) {
    struct sw_sweep sweep;
    build_good("sweep: t\n" DATA "train: {steps: 7}\nprune.rounds: 0\n", &sweep);
    CU_ASSERT_EQUAL(sweep.n_trials, 1);
    CU_ASSERT_EQUAL(sweep.n_rounds, 1);
    CU_ASSERT_EQUAL(sweep.rounds[0].steps, 7);
    CU_ASSERT_STRING_EQUAL(sweep.store, "t.h5");
    CU_ASSERT_STRING_EQUAL(sweep.trials[0].monitor, "divergence,gradient-norm");
    CU_ASSERT_EQUAL(sweep.datas[0].train, 100);
    sw_sweep_fini(&sweep);
}

static void settings_may_be_written_in_several_ways(void) {
    static const char *const texts[] = {
        HEAD "control: reinit\nmonitor: []\nprune: {rate: 0.25, rounds: 1}\n",
        "\xef\xbb\xbf" HEAD "control: [reinit]\nmonitor: []\nprune:\n  rate: 2.5e-1\n  rounds: 1\n",
        "---\n" HEAD "control: ['reinit']\nmonitor: []\nprune.rate: .25\nprune.rounds: 1\n...\n",
        "{sweep: t, data.name: synthetic, data: {train: 120, test: 40, validation: 20}, model: "
        "{name: mlp-8}, train: {epochs: 1, batch: 20}, control: reinit, monitor: [], prune: {rate: "
        "0.25, rounds: 1}, grid: }",
        "sweep: t\r\n" DATA "model.name: mlp-8\r\ntrain: {epochs: 1.0, batch: 2e1}\r\n"
        "control: [reinit]\r\nmonitor: []\r\nprune: {rate: 0.25, rounds: 1}\r\ngrid: {}\r\n",
    };
    struct sw_sweep first, other;
    build_good(texts[0], &first);
    CU_ASSERT_EQUAL(first.n_rounds, 3);
    CU_ASSERT_STRING_EQUAL(first.trials[0].monitor, "");
    for (size_t i = 1; i < sizeof texts / sizeof *texts; i++) {
        build_good(texts[i], &other);
        CU_ASSERT_STRING_EQUAL(other.canonical, first.canonical);
        CU_ASSERT_EQUAL(memcmp(other.rounds, first.rounds, 3 * sizeof *first.rounds), 0);
        CU_ASSERT_FALSE(sw_digest_equal(other.digest, first.digest));
        sw_sweep_fini(&other);
    }
    sw_sweep_fini(&first);
}

/* ---- the grid ------------------------------------------------------------------------------- */

static void the_last_axis_runs_fastest(void) {
    struct sw_sweep sweep;
    build_good(HEAD "prune: {rounds: 1}\n"
                    "grid:\n"
                    "  seed: [5, 3]\n"
                    "  train.optimizer: [{name: sgd, lr: 0.1, momentum: 0.9}, {lr: 0.2}]\n"
                    "  prune.rate: [0.5, 0.1, 0.2]\n",
               &sweep);
    static const double rates[] = {0.5, 0.1, 0.2};
    CU_ASSERT_EQUAL_FATAL(sweep.n_trials, 12);
    for (int64_t t = 0; t < 12; t++) {
        const struct sw_trial_spec *spec = &sweep.trials[t];
        bool sgd = t / 3 % 2 == 0;
        CU_ASSERT_EQUAL(spec->seed, t < 6 ? 5 : 3);
        CU_ASSERT_EQUAL(spec->prune_rate, rates[t % 3]);
        CU_ASSERT_STRING_EQUAL(spec->train_optimizer_name, sgd ? "sgd" : "adam");
        CU_ASSERT_EQUAL(spec->train_optimizer_lr, sgd ? 0.1 : 0.2);
        CU_ASSERT_EQUAL(spec->train_optimizer_momentum, sgd ? 0.9 : 0);
    }
    check_invariants(&sweep);
    sw_sweep_fini(&sweep);
}

static void a_list_field_as_an_axis(void) {
    struct sw_sweep sweep;
    build_good(HEAD "prune: {rounds: 3}\n"
                    "grid:\n"
                    "  data.shape: [[1, 8, 8], [3, 4, 4]]\n"
                    "  control: [[], [reinit]]\n"
                    "  prune.target: [null, 0.3]\n",
               &sweep);
    CU_ASSERT_EQUAL(sweep.n_trials, 8);
    CU_ASSERT_EQUAL(sweep.n_datas, 2);
    CU_ASSERT_EQUAL(sweep.n_archs, 2);
    CU_ASSERT_STRING_EQUAL(sweep.trials[4].data_shape, "3x4x4");
    CU_ASSERT_STRING_EQUAL(sweep.trials[1].control, "");
    CU_ASSERT_STRING_EQUAL(sweep.trials[2].control, "reinit");
    CU_ASSERT_TRUE(isnan(sweep.trials[2].prune_target));
    CU_ASSERT_EQUAL(sweep.trials[3].prune_target, 0.3);
    CU_ASSERT_EQUAL(sweep.archs[1].input_shape[0], 3);
    CU_ASSERT_EQUAL(sweep.datas[1].shape[2], 4);
    /* 20 % a round passes 30 % in round 2, which ends the trial. */
    CU_ASSERT_TRUE(sw_sweep_row(&sweep, 1, 2, SW_CONTROL_TICKET) >= 0);
    CU_ASSERT_EQUAL(sw_sweep_row(&sweep, 1, 3, SW_CONTROL_TICKET), -1);
    CU_ASSERT_TRUE(sw_sweep_row(&sweep, 0, 3, SW_CONTROL_TICKET) >= 0);
    check_invariants(&sweep);
    sw_sweep_fini(&sweep);
}

static void lists_of_numbers_and_truth_values(void) {
    struct sw_sweep sweep;
    build_good(HEAD "prune.rounds: 0\n"
                    "train.optimizer: {name: sgd, momentum: 0.9}\n"
                    "train.schedule: {name: step, milestones: 7, gamma: 0.5}\n"
                    "grid:\n"
                    "  train.optimizer.nesterov: [true, false]\n"
                    "  train.schedule.milestones: [[1, 2.50], 3, [1e1]]\n",
               &sweep);
    CU_ASSERT_EQUAL_FATAL(sweep.n_trials, 6);
    CU_ASSERT_EQUAL(sweep.trials[0].train_optimizer_nesterov, 1);
    CU_ASSERT_EQUAL(sweep.trials[3].train_optimizer_nesterov, 0);
    CU_ASSERT_STRING_EQUAL(sweep.trials[0].train_schedule_milestones, "1,2.5");
    CU_ASSERT_STRING_EQUAL(sweep.trials[1].train_schedule_milestones, "3");
    CU_ASSERT_STRING_EQUAL(sweep.trials[2].train_schedule_milestones, "10");
    CU_ASSERT_EQUAL(sweep.n_rounds, 6);
    sw_sweep_fini(&sweep);
}

static void an_axis_replaces_the_base_value(void) {
    struct sw_sweep sweep;
    build_good(HEAD "seed: 9\nprune.rounds: 0\n"
                    "train.optimizer: {beta1: 0.8, lr: 0.5}\n"
                    "grid: {seed: [1], train.optimizer: [{beta1: 0.7}, {}, {name: sgd}]}\n",
               &sweep);
    CU_ASSERT_EQUAL_FATAL(sweep.n_trials, 3);
    CU_ASSERT_EQUAL(sweep.trials[0].seed, 1);
    CU_ASSERT_EQUAL(sweep.trials[0].train_optimizer_beta1, 0.7);
    CU_ASSERT_EQUAL(sweep.trials[1].train_optimizer_beta1, 0.8);
    CU_ASSERT_EQUAL(sweep.trials[0].train_optimizer_lr, 0.5);
    CU_ASSERT_STRING_EQUAL(sweep.trials[2].train_optimizer_name, "sgd");
    sw_sweep_fini(&sweep);
}

/* ---- sharing -------------------------------------------------------------------------------- */

static void variants_of_pruning_share_their_dense_round(void) {
    struct sw_sweep sweep;
    build_good(HEAD "prune: {rounds: 2}\ngrid: {prune.rate: [0.2, 0.4], seed: [0, 1, 2]}\n",
               &sweep);
    CU_ASSERT_EQUAL(sweep.n_trials, 6);
    CU_ASSERT_EQUAL(sweep.n_rounds, 6 * 2 + 3);
    CU_ASSERT_EQUAL(sweep.shared, 3);
    for (int64_t seed = 0; seed < 3; seed++) {
        CU_ASSERT_EQUAL(sw_sweep_row(&sweep, seed, 0, SW_CONTROL_TICKET),
                        sw_sweep_row(&sweep, seed + 3, 0, SW_CONTROL_TICKET));
        CU_ASSERT_NOT_EQUAL(sw_sweep_row(&sweep, seed, 1, SW_CONTROL_TICKET),
                            sw_sweep_row(&sweep, seed + 3, 1, SW_CONTROL_TICKET));
    }
    check_invariants(&sweep);
    sw_sweep_fini(&sweep);
}

static void labels_do_not_make_new_rounds(void) {
    struct sw_sweep sweep;
    build_good(HEAD "grid:\n"
                    "  prune.rounds: [1, 3, 2]\n"
                    "  control: [[reinit], []]\n"
                    "  monitor: [[], [divergence]]\n",
               &sweep);
    CU_ASSERT_EQUAL(sweep.n_trials, 12);
    CU_ASSERT_EQUAL(sweep.rounds_wide, 4);
    /* All trials are one ladder of four tickets with three controls. */
    CU_ASSERT_EQUAL(sweep.n_rounds, 7);
    CU_ASSERT_EQUAL(sweep.shared, 2 * (2 + 4 + 3) * 2 + 2 * (1 + 3 + 2) - 7);
    CU_ASSERT_EQUAL(sw_sweep_row(&sweep, 2, 1, SW_CONTROL_REINIT), -1);
    check_invariants(&sweep);
    sw_sweep_fini(&sweep);
}

/* What no chosen plug-in takes cannot change a result: it makes trials, but no trainings. */
static void unused_options_do_not_make_new_rounds(void) {
    struct sw_sweep sweep;
    build_good(HEAD "prune: {rounds: 1}\n"
                    "grid:\n"
                    "  train.optimizer.name: [adam, sgd]\n"
                    "  train.optimizer.momentum: [0, 0.5, 0.9]\n"
                    "  train.schedule.name: [constant, cosine]\n"
                    "  train.schedule.floor: [0, 0.1]\n",
               &sweep);
    CU_ASSERT_EQUAL_FATAL(sweep.n_trials, 24);
    /* 1 adam and 3 sgds, each with 1 constant rate and 2 cosines. */
    CU_ASSERT_EQUAL(sweep.n_rounds, 4 * 3 * 2);
    CU_ASSERT_EQUAL(sw_sweep_row(&sweep, 0, 1, SW_CONTROL_TICKET),
                    sw_sweep_row(&sweep, 9, 1, SW_CONTROL_TICKET));
    CU_ASSERT_NOT_EQUAL(sw_sweep_row(&sweep, 2, 1, SW_CONTROL_TICKET),
                        sw_sweep_row(&sweep, 3, 1, SW_CONTROL_TICKET));
    check_invariants(&sweep);
    sw_sweep_fini(&sweep);
}

static void initial_weights_are_shared_by_network_distribution_and_seed(void) {
    struct sw_sweep sweep;
    build_good(HEAD "prune: {rounds: 1}\ncontrol: [reinit]\n"
                    "grid: {model.init: [glorot-normal, kaiming-normal], "
                    "train.optimizer.lr: [0.1, 0.2], seed: [0, 1]}\n",
               &sweep);
    CU_ASSERT_EQUAL_FATAL(sweep.n_rounds, 8 * 3);
    int64_t owners = 0;
    for (int64_t row = 0; row < sweep.n_rounds; row++) {
        const struct sw_round_plan *round = &sweep.rounds[row];
        const struct sw_trial_spec *spec = &sweep.trials[round->trial];
        if (round->control == SW_CONTROL_REINIT) {
            CU_ASSERT_EQUAL(round->theta0_owner, row);
            continue;
        }
        const struct sw_round_plan *owner = &sweep.rounds[round->theta0_owner];
        owners += owner == round;
        CU_ASSERT_EQUAL(owner->round, 0);
        CU_ASSERT_EQUAL(sweep.trials[owner->trial].seed, spec->seed);
        CU_ASSERT_STRING_EQUAL(sweep.trials[owner->trial].model_init, spec->model_init);
    }
    CU_ASSERT_EQUAL(owners, 4);
    CU_ASSERT_EQUAL(sweep.extent[SW_SECTION_THETA0], (4 + 8) * sweep.archs[0].parameters);
    sw_sweep_fini(&sweep);
}

static void controls_own_what_they_change(void) {
    struct sw_sweep sweep;
    build_good(HEAD "prune: {rounds: 2}\ncontrol: [shuffle, reinit, random]\n", &sweep);
    CU_ASSERT_EQUAL(sweep.n_rounds, 3 + 2 * 3);
    for (int control = 0; control < SW_CONTROL_COUNT; control++) {
        int64_t row = sw_sweep_row(&sweep, 0, 2, (enum sw_control) control);
        const struct sw_round_plan *round = &sweep.rounds[row];
        CU_ASSERT_EQUAL(round->theta0_owner, control == SW_CONTROL_REINIT ? row : 0);
        CU_ASSERT_EQUAL(round->length[SW_SECTION_MASK] > 0, control != SW_CONTROL_REINIT);
        CU_ASSERT_EQUAL(round->nnz,
                        sweep.rounds[sw_sweep_row(&sweep, 0, 2, SW_CONTROL_TICKET)].nnz);
    }
    check_invariants(&sweep);
    sw_sweep_fini(&sweep);
}

/* Every one-shot round prunes the dense one; the first is the same cut as the first iterative one. */
static void one_shot_rounds_prune_the_dense_network(void) {
    struct sw_sweep sweep;
    build_good(HEAD "prune: {rounds: 3}\ncontrol: [reinit]\n"
                    "grid: {prune.schedule: [iterative, one-shot]}\n",
               &sweep);
    CU_ASSERT_EQUAL(sweep.n_rounds, 1 + 2 + 2 * 2 * 2);
    CU_ASSERT_EQUAL(sweep.shared, 3);
    for (int64_t round = 0; round <= 3; round++) {
        int64_t iterative = sw_sweep_row(&sweep, 0, round, SW_CONTROL_TICKET);
        int64_t row = sw_sweep_row(&sweep, 1, round, SW_CONTROL_TICKET);
        CU_ASSERT_EQUAL(row == iterative, round < 2);
        CU_ASSERT_EQUAL(sweep.rounds[row].parent, round == 0 ? -1 : 0);
        CU_ASSERT_EQUAL(sweep.rounds[row].nnz, sweep.rounds[iterative].nnz);
    }
    check_invariants(&sweep);
    sw_sweep_fini(&sweep);
    build_good(HEAD "prune: {schedule: one-shot, rounds: 9, target: 0.5, rate: 0.3}\n", &sweep);
    CU_ASSERT_EQUAL_FATAL(sweep.n_rounds, 4); /* 51 % are left of row 2: one more, exactly half */
    CU_ASSERT_EQUAL(sweep.rounds[3].nnz * 2, sweep.archs[0].prunable);
    CU_ASSERT_EQUAL(sweep.rounds[3].parent, 0);
    sw_sweep_fini(&sweep);
}

static void one_dense_training_keeps_the_weights_of_every_step(void) {
    struct sw_sweep sweep;
    int64_t steps[SW_SNAPSHOTS_MAX];
    build_good("sweep: t\n" DATA "model: {name: mlp-8}\ntrain: {steps: 60, batch: 20}\n"
               "prune: {rounds: 2}\ncontrol: [reinit, random]\n"
               "grid: {prune.rate: [0.2, 0.4], rewind.to: [0, 50, 7], seed: [0, 1]}\n",
               &sweep);
    CU_ASSERT_EQUAL(sweep.n_rounds, 2 + 12 * 2 * 3);
    int64_t parameters = sweep.archs[0].parameters;
    CU_ASSERT_EQUAL(sweep.extent[SW_SECTION_THETA_K], 2 * 2 * parameters);
    for (int64_t row = 0; row < sweep.n_rounds; row++) {
        const struct sw_round_plan *round = &sweep.rounds[row];
        int64_t k = sweep.trials[round->trial].rewind_to;
        bool rewound = round->round > 0 && round->control != SW_CONTROL_REINIT && k > 0;
        CU_ASSERT_EQUAL(round->rewind_to, rewound ? k : 0);
        CU_ASSERT_EQUAL(round->steps, 60);
        CU_ASSERT_EQUAL(round->theta_k_owner,
                        rewound ? sw_sweep_row(&sweep, round->trial, 0, SW_CONTROL_TICKET) : -1);
        CU_ASSERT_EQUAL(round->theta_k_index, rewound ? (k == 7) : -1);
        CU_ASSERT_EQUAL(round->snapshots, round->round == 0 ? 2 : 0);
        if (round->round > 0) continue;
        CU_ASSERT_EQUAL(round->length[SW_SECTION_THETA_K], 2 * parameters);
        CU_ASSERT_EQUAL(sw_sweep_snapshots(&sweep, row, steps), 2);
        CU_ASSERT_EQUAL(steps[0], 50);
        CU_ASSERT_EQUAL(steps[1], 7);
    }
    const struct sw_round_plan *late = &sweep.rounds[sw_sweep_row(&sweep, 2, 1, SW_CONTROL_TICKET)];
    const struct sw_round_plan *whole =
        &sweep.rounds[sw_sweep_row(&sweep, 0, 1, SW_CONTROL_TICKET)];
    CU_ASSERT_TRUE(late->flops < 0.3 * whole->flops);
    check_invariants(&sweep);
    sw_sweep_fini(&sweep);
}

/* ---- --set ---------------------------------------------------------------------------------- */

static void a_set_replaces_values_axes_and_names(void) {
    static const char text[] = HEAD
        "prune.rounds: 0\ngrid: {seed: [0, 1], prune.rate: [0.2, 0.4]}\n";
    struct sw_sweep sweep;
    build_set(text, "train.batch=30", &sweep);
    CU_ASSERT_EQUAL(sweep.trials[3].train_batch, 30);
    CU_ASSERT_EQUAL(sweep.n_trials, 4);
    CU_ASSERT_STRING_EQUAL(sweep.overrides, "train.batch=30\n");
    sw_sweep_fini(&sweep);
    build_set(text, "seed=7", &sweep);
    CU_ASSERT_EQUAL(sweep.n_trials, 2);
    CU_ASSERT_EQUAL(sweep.trials[1].seed, 7);
    sw_sweep_fini(&sweep);
    build_set(text, "grid.seed=[4, 5, 6]", &sweep);
    CU_ASSERT_EQUAL_FATAL(sweep.n_trials, 6);
    CU_ASSERT_EQUAL(sweep.trials[1].seed, 4); /* the axis stays where it was written */
    CU_ASSERT_EQUAL(sweep.trials[5].seed, 6);
    sw_sweep_fini(&sweep);
    build_set(text, "grid.train.optimizer=[{name: sgd}, {name: adam, beta1: 0.5}]", &sweep);
    CU_ASSERT_EQUAL_FATAL(sweep.n_trials, 8);
    CU_ASSERT_EQUAL(sweep.trials[1].train_optimizer_beta1, 0.5);
    sw_sweep_fini(&sweep);
    build_set(text, "sweep=other", &sweep);
    CU_ASSERT_STRING_EQUAL(sweep.store, "other.h5");
    sw_sweep_fini(&sweep);
    build_set(text, "store=dir/x=y.h5", &sweep);
    CU_ASSERT_STRING_EQUAL(sweep.store, "dir/x=y.h5");
    sw_sweep_fini(&sweep);
    build_set(text, "prune.target=", &sweep);
    CU_ASSERT_TRUE(isnan(sweep.trials[0].prune_target));
    sw_sweep_fini(&sweep);
}

static void later_sets_win(void) {
    static const char *const sets[] = {"seed=1", "train={epochs: null, steps: 3}", "seed=2",
                                       "grid.prune.rate=[0.3]", "prune.rate=0.1"};
    struct sw_sweep sweep;
    SW_TEST_OK(build(HEAD "prune.rounds: 1\n", sets, 5, NULL, 0, &sweep));
    CU_ASSERT_EQUAL(sweep.trials[0].seed, 2);
    CU_ASSERT_EQUAL(sweep.trials[0].prune_rate, 0.1);
    CU_ASSERT_EQUAL(sweep.trials[0].train_steps, 3);
    CU_ASSERT_EQUAL(sweep.trials[0].train_epochs, SW_INT_NULL);
    sw_sweep_fini(&sweep);
}

static void a_set_of_a_group_replaces_its_axis(void) {
    struct sw_sweep sweep;
    build_set(HEAD "prune.rounds: 0\ngrid: {train.optimizer: [{name: sgd}, {name: adam}]}\n",
              "train.optimizer={name: sgd, momentum: 0.5}", &sweep);
    CU_ASSERT_EQUAL(sweep.n_trials, 1);
    CU_ASSERT_EQUAL(sweep.trials[0].train_optimizer_momentum, 0.5);
    sw_sweep_fini(&sweep);
}

/* ---- figures and identities ----------------------------------------------------------------- */

static void costs_add_up(void) {
    struct sw_sweep sweep;
    struct sw_plan_cost cost;
    build_good(HEAD "prune: {rounds: 2}\ngrid: {prune.rate: [0.2, 0.4], seed: [0, 1, 2]}\n",
               &sweep);
    sw_plan_cost(&sweep, &cost);
    double flops = 0;
    int64_t largest = 0;
    for (int64_t row = 0; row < sweep.n_rounds; row++) {
        flops += sweep.rounds[row].flops;
        if (sweep.rounds[row].rank_bytes > largest) largest = sweep.rounds[row].rank_bytes;
    }
    CU_ASSERT_EQUAL(cost.trials, 6);
    CU_ASSERT_EQUAL(cost.rounds, 15);
    CU_ASSERT_EQUAL(cost.shared_rounds, 3);
    CU_ASSERT_EQUAL(cost.steps, 15 * 5);
    CU_ASSERT_DOUBLE_EQUAL(cost.flops, flops, flops * 1e-12);
    CU_ASSERT_EQUAL(cost.node_bytes, sweep.datas[0].block_bytes);
    CU_ASSERT_EQUAL(cost.rank_bytes, largest);
    sw_sweep_fini(&sweep);
}

static void data_known_from_another_rank_is_not_probed(void) {
    struct sw_data_info known[2] = {fashion(), fashion()};
    static const char text[] = "sweep: t\ndata: {name: mnist, dir: /no/such/folder}\n"
                               "train: {epochs: 1}\nprune.rounds: 0\n"
                               "grid: {data.limit: [10000, 20000, 10000.5e1]}\n";
    struct sw_sweep sweep;
    known[1].train = 777;
    SW_TEST_FAILS(build(text, NULL, 0, known, 2, &sweep), SW_INTERNAL);
    const char *set = "grid.data.limit=[10000, 20000]";
    SW_TEST_OK(build(text, &set, 1, known, 2, &sweep));
    CU_ASSERT_EQUAL(sweep.n_datas, 2);
    CU_ASSERT_EQUAL(sweep.datas[sweep.rounds[1].data].train, 777);
    sw_sweep_fini(&sweep);
}

static void the_data_decides_over_identity_not_its_folder(void) {
    struct sw_data_info info = fashion();
    struct sw_sweep a, b;
    const char *elsewhere = "data.dir=/elsewhere";
    SW_TEST_OK(build(example, NULL, 0, &info, 1, &a));
    SW_TEST_OK(build(example, &elsewhere, 1, &info, 1, &b));
    CU_ASSERT_STRING_EQUAL(a.rounds[5].id, b.rounds[5].id);
    sw_sweep_fini(&b);
    info.checksum.bytes[0] ^= 1;
    SW_TEST_OK(build(example, NULL, 0, &info, 1, &b));
    CU_ASSERT_STRING_NOT_EQUAL(a.rounds[5].id, b.rounds[5].id);
    sw_sweep_fini(&a);
    sw_sweep_fini(&b);
}

/* Stores are resumed by these: a change here makes every existing store unknown. */
static void digests_stay_what_they_are(void) {
    struct sw_sweep sweep;
    char text[SW_DIGEST_TEXT];
    build_example(&sweep);
    CU_ASSERT_STRING_EQUAL(sw_digest_text(sweep.digest, text), "eca14af6821381c80053d4ff1c032057");
    CU_ASSERT_STRING_EQUAL(sweep.rounds[0].id, "e709976d33907e7567e0e40a11fb1786");
    CU_ASSERT_STRING_EQUAL(sweep.rounds[2].id, "df4ef9d3ec0af99df3748bbd745cc3c0");
    sw_sweep_fini(&sweep);
}

/* ---- words ---------------------------------------------------------------------------------- */

static void every_registry_lists_its_words(void) {
    for (int registry = SW_REGISTRY_DATA; registry <= SW_REGISTRY_SPARSE_INIT; registry++) {
        const char *summary = NULL, *word = NULL;
        size_t n = 0;
        for (; (word = sw_plan_registry_word((enum sw_registry) registry, n, &summary)) != NULL;
             n++)
            CU_ASSERT_TRUE(strlen(word) > 0 && strlen(summary) > 5);
        CU_ASSERT_TRUE(n > 0);
    }
    CU_ASSERT_PTR_NULL(sw_plan_registry_word(SW_REGISTRY_NONE, 0, NULL));
    CU_ASSERT_STRING_EQUAL(sw_plan_registry_word(SW_REGISTRY_CONTROL, 0, NULL), "reinit");
}

int main(void) {
    CU_TestInfo files[] = {
        {"the_published_example_is_a_plan", the_published_example_is_a_plan},
        {"the_smallest_file_has_one_trial", the_smallest_file_has_one_trial},
        {"settings_may_be_written_in_several_ways", settings_may_be_written_in_several_ways},
        CU_TEST_INFO_NULL,
    };
    CU_TestInfo grid[] = {
        {"the_last_axis_runs_fastest", the_last_axis_runs_fastest},
        {"a_list_field_as_an_axis", a_list_field_as_an_axis},
        {"lists_of_numbers_and_truth_values", lists_of_numbers_and_truth_values},
        {"an_axis_replaces_the_base_value", an_axis_replaces_the_base_value},
        {"variants_of_pruning_share_their_dense_round",
         variants_of_pruning_share_their_dense_round},
        {"labels_do_not_make_new_rounds", labels_do_not_make_new_rounds},
        {"unused_options_do_not_make_new_rounds", unused_options_do_not_make_new_rounds},
        {"initial_weights_are_shared_by_network_distribution_and_seed",
         initial_weights_are_shared_by_network_distribution_and_seed},
        {"controls own what they change", controls_own_what_they_change},
        {"one-shot rounds prune the dense network", one_shot_rounds_prune_the_dense_network},
        {"one dense training keeps the weights of every step",
         one_dense_training_keeps_the_weights_of_every_step},
        CU_TEST_INFO_NULL,
    };
    CU_TestInfo sets[] = {
        {"a_set_replaces_values_axes_and_names", a_set_replaces_values_axes_and_names},
        {"later_sets_win", later_sets_win},
        {"a_set_of_a_group_replaces_its_axis", a_set_of_a_group_replaces_its_axis},
        CU_TEST_INFO_NULL,
    };
    CU_TestInfo figures[] = {
        {"costs_add_up", costs_add_up},
        {"data_known_from_another_rank_is_not_probed", data_known_from_another_rank_is_not_probed},
        {"the_data_decides_over_identity_not_its_folder",
         the_data_decides_over_identity_not_its_folder},
        {"digests_stay_what_they_are", digests_stay_what_they_are},
        {"every_registry_lists_its_words", every_registry_lists_its_words},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"plan_files", NULL, NULL, NULL, NULL, files},
                             {"plan_grid", NULL, NULL, NULL, NULL, grid},
                             {"plan_sets", NULL, NULL, NULL, NULL, sets},
                             {"plan_figures", NULL, NULL, NULL, NULL, figures},
                             CU_SUITE_INFO_NULL};
    return sw_test_main("test_plan_build", suites);
}
