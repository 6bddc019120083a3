/* Initial weights that are made for a mask: their deviations, and the trainings that they are for. */
#include <math.h>
#include <string.h>

#include "../support/test_main.h"
#include "../support/trial_lab.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "sweepstake/net.h"

static struct sw_trial_spec make(const char *init, const char *criterion, const char *control,
                                 int64_t tickets) {
    struct sw_trial_spec spec;
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.model_sparse_init, init);
    SW_TEXT_COPY(spec.prune_criterion, criterion);
    SW_TEXT_COPY(spec.control, control);
    spec.model_sparse_init_tickets = tickets;
    return spec;
}

/* ---- values ------------------------------------------------------------------------------------ */

#define MASK_BYTES 65536
static uint8_t mask[MASK_BYTES];

/* Units of a layer keep different shares: 1/8, 1/4, ... of their inputs; every 16th unit keeps none. */
static void draw_mask(const struct sw_arch *arch) {
    memset(mask, 0, sizeof mask);
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param *param = sw_arch_layer(arch, l);
        const int64_t inputs = param->count / param->shape[0];
        for (int64_t i = 0; i < param->count; i++) {
            int64_t unit = i / inputs;
            double share = unit % 16 == 15 ? 0 : 0.125 * (double) (1 + unit % 4);
            if (sw_random_uniform(5, SW_RANDOM_BENCH, (uint64_t) l, (uint64_t) i) < share)
                mask[param->mask_offset + i / 8] |= (uint8_t) (1U << (i % 8));
        }
    }
}

/* Root of the mean square of the values times `root`, which belongs to their unit or layer: 1 when each has
 * the deviation 1 / root. */
static void expect_deviations(const char *rule, const char *init) {
    const int64_t shape[3] = {3, 8, 8};
    struct sw_trial_spec spec = make(rule, "random", "", 0);
    struct sw_arch arch;
    float *plain = NULL, *theta = NULL;
    SW_TEXT_COPY(spec.model_init, init);
    SW_TEST_OK(sw_arch_create("conv-2", shape, 10, &arch));
    CU_ASSERT_TRUE_FATAL(arch.mask_bytes <= MASK_BYTES);
    SW_TEST_OK(SW_ALLOC(&plain, (size_t) arch.parameters, "theta"));
    SW_TEST_OK(SW_ALLOC(&theta, (size_t) arch.parameters, "theta"));
    draw_mask(&arch);
    sw_init_weights(&arch, sw_init_find(init), false, 3, SW_RANDOM_INIT, 0, plain);
    memcpy(theta, plain, (size_t) arch.parameters * sizeof *theta);
    sw_sparse_init_scale(&spec, &arch, mask, theta);
    for (int64_t l = 0; l < arch.n_layers; l++) {
        const struct sw_param *param = sw_arch_layer(&arch, l);
        const uint8_t *bits = mask + param->mask_offset;
        const int64_t inputs = param->count / param->shape[0];
        double squares = 0, kept_all = (double) sw_mask_count(bits, param->count), n = 0;
        for (int64_t unit = 0; unit < param->shape[0]; unit++) {
            double kept = 0;
            for (int64_t i = unit * inputs; i < (unit + 1) * inputs; i++)
                kept += sw_mask_get(bits, i);
            double fan = strcmp(rule, "unit_fanin") == 0
                             ? kept
                             : kept_all / (double) param->count * (double) inputs;
            for (int64_t i = unit * inputs; i < (unit + 1) * inputs; i++) {
                double w = theta[param->offset + i];
                if (!sw_mask_get(bits, i)) {
                    CU_ASSERT_EQUAL(theta[param->offset + i], plain[param->offset + i]);
                    continue;
                }
                squares += w * w * fan / 2;
                n++;
            }
        }
        /* Of n squares of normal numbers: within four of the mean's deviations, sqrt(2 / n). */
        CU_ASSERT_DOUBLE_EQUAL(squares / n, 1, 4 * sqrt(2 / n));
    }
    SW_FREE(&plain);
    SW_FREE(&theta);
    sw_arch_fini(&arch);
}

static void layers_have_the_deviation_of_what_they_keep(void) {
    expect_deviations("seed_layer", "kaiming-normal");
    expect_deviations("seed_layer", "glorot-normal");
}

static void units_have_the_deviation_of_what_they_keep(void) {
    expect_deviations("unit_fanin", "kaiming-normal");
    expect_deviations("unit_fanin", "glorot-uniform");
}

/* ---- trainings --------------------------------------------------------------------------------- */

static void it_acts_on_random_masks_only(void) {
    struct sw_trial_spec ticket = make("unit_fanin", "magnitude", "random", 0);
    struct sw_trial_spec random = make("unit_fanin", "random", "", 0);
    struct sw_trial_spec forced = make("unit_fanin", "magnitude", "", 1);
    struct sw_trial_spec none = make("none", "random", "random", 0);
    CU_ASSERT_FALSE(sw_sparse_init_acts(&ticket, 1, SW_CONTROL_TICKET));
    CU_ASSERT_FALSE(sw_sparse_init_acts(&ticket, 1, SW_CONTROL_REINIT));
    CU_ASSERT_TRUE(sw_sparse_init_acts(&ticket, 1, SW_CONTROL_RANDOM));
    CU_ASSERT_TRUE(sw_sparse_init_acts(&ticket, 1, SW_CONTROL_SHUFFLE));
    CU_ASSERT_TRUE(sw_sparse_init_acts(&random, 1, SW_CONTROL_TICKET));
    CU_ASSERT_FALSE(sw_sparse_init_acts(&random, 0, SW_CONTROL_TICKET));
    CU_ASSERT_TRUE(sw_sparse_init_acts(&forced, 1, SW_CONTROL_TICKET));
    CU_ASSERT_FALSE(sw_sparse_init_acts(&none, 1, SW_CONTROL_RANDOM));
}

static void expect_refusal(const struct sw_trial_spec *spec, const char *part) {
    const char *key = "";
    CU_ASSERT_EQUAL(sw_sparse_init_check(spec, &key), SW_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_status_text(), part));
}

static void tickets_keep_their_values_unless_forced(void) {
    const char *key = "";
    struct sw_trial_spec spec = make("seed_layer", "magnitude", "reinit", 0);
    expect_refusal(&spec, "model.sparse_init_tickets: true");
    spec.model_sparse_init_tickets = 1;
    SW_TEST_OK(sw_sparse_init_check(&spec, &key));
    spec.rewind_to = 5;
    expect_refusal(&spec, "begin with trained weights");
    spec.rewind_to = 0;
    SW_TEXT_COPY(spec.rewind_mode, "learning-rate");
    expect_refusal(&spec, "begin with trained weights");
    spec = make("none", "random", "", 1);
    expect_refusal(&spec, "not used without");
    spec = make("seed_layer", "magnitude", "shuffle", 0);
    SW_TEST_OK(sw_sparse_init_check(&spec, &key));
}

/* With steps too small to matter, the weights that are handed over are those that it began with. */
static void trainings_begin_with_them(void) {
    struct trial_lab lab;
    float theta[1700];
    trial_lab_open("sweep: t\ndata: {name: synthetic, train: 240, test: 80, validation: 40}\n"
                   "model: {name: mlp-20-12}\ntrain: {steps: 1, batch: 24, optimizer: {name: sgd, "
                   "lr: 1e-12}}\nprune: {rate: 0.5, rounds: 1}\ncontrol: [reinit, random]\n"
                   "grid: {model.sparse_init: [none, unit_fanin]}\n",
                   &lab);
    CU_ASSERT_EQUAL(lab.sweep.n_rounds, 1 + 3 + 3); /* one dense round */
    trial_lab_run(&lab, 1);
    const struct sw_arch *arch = &lab.sweep.archs[0];
    const float *theta0 = sw_fake_sink_get(&lab.sink, 0, SW_SECTION_THETA0, NULL);
    CU_ASSERT_TRUE_FATAL(arch->parameters <= 1700);
    for (int control = 0; control <= SW_CONTROL_RANDOM; control++) {
        size_t n = 0, m = 0;
        int64_t row = sw_sweep_row(&lab.sweep, 1, 1, (enum sw_control) control);
        int64_t usual = sw_sweep_row(&lab.sweep, 0, 1, (enum sw_control) control);
        const float *weights = trial_lab_weights(&lab, row, &n);
        const float *others = trial_lab_weights(&lab, usual, &m);
        if (control != SW_CONTROL_RANDOM) {
            CU_ASSERT_TRUE(n == m && memcmp(weights, others, n * sizeof *weights) == 0);
            continue;
        }
        const uint8_t *bits = sw_fake_sink_get(&lab.sink, row, SW_SECTION_MASK, NULL);
        memcpy(theta, theta0, (size_t) arch->parameters * sizeof *theta);
        sw_sparse_init_scale(&lab.sweep.trials[1], arch, bits, theta);
        for (int64_t p = 0; p < arch->n_params; p++)
            for (int64_t i = 0; i < arch->params[p].count; i++)
                if (!arch->params[p].prunable || sw_mask_get(bits + arch->params[p].mask_offset, i))
                    CU_ASSERT_DOUBLE_EQUAL(*weights++, theta[arch->params[p].offset + i], 1e-9);
    }
    trial_lab_close(&lab);
}

static CU_TestInfo all[] = {
    {"layers have the deviation of what they keep", layers_have_the_deviation_of_what_they_keep},
    {"units have the deviation of what they keep", units_have_the_deviation_of_what_they_keep},
    {"it acts on random masks only", it_acts_on_random_masks_only},
    {"tickets keep their values unless forced", tickets_keep_their_values_unless_forced},
    {"trainings begin with them", trainings_begin_with_them},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"sparse init", NULL, NULL, NULL, NULL, all},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_net_init_sparse", suites);
}
