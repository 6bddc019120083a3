#include "../support/test_main.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/net.h"
#include "sweepstake/prune.h"

static struct sw_arch arch;
static struct sw_trial_spec spec;
static float *theta;
static uint8_t *mask, *next;
static struct sw_prune_call rows[SW_MAX_LAYERS];
static struct sw_prune_report report;
static int64_t n_rows;

/* LeNet with normal weights, all of them there; one round to a sparsity that all layers share. */
static void begin(const char *schedule, double target) {
    SW_TEST_OK(sw_arch_create("lenet-300-100", (int64_t[3]){1, 28, 28}, 10, &arch));
    sw_spec_set_defaults(&spec);
    SW_TEXT_COPY(spec.prune_schedule, schedule);
    spec.prune_rate = NAN;
    spec.prune_output_rate = 1;
    spec.prune_target = target;
    spec.prune_rounds = 1;
    theta = malloc((size_t) arch.parameters * sizeof *theta);
    mask = calloc(1, (size_t) arch.mask_bytes);
    next = calloc(1, (size_t) arch.mask_bytes);
    sw_init_weights(&arch, sw_init_find("glorot-normal"), false, 7, SW_RANDOM_INIT, 0, theta);
    for (int64_t l = 0; l < arch.n_layers; l++)
        sw_mask_fill(mask + sw_arch_layer(&arch, l)->mask_offset, sw_arch_layer(&arch, l)->count);
}

static void end(void) {
    free(theta);
    free(mask);
    free(next);
    sw_arch_fini(&arch);
}

/* One call; the mask is the new one afterwards. */
static void call(const struct sw_prune_span *span, int64_t done) {
    float *survivors = malloc((size_t) arch.parameters * sizeof *survivors), *out = survivors;
    for (int64_t p = 0; p < arch.n_params; p++) {
        const struct sw_param *param = &arch.params[p];
        if (param->prunable)
            out += sw_mask_gather(mask + param->mask_offset, param->count, theta + param->offset,
                                  out);
        else
            out += param->count;
    }
    SW_TEST_OK(sw_prune_within(&spec, &arch, 1, span, done, mask, survivors, next, rows, &n_rows,
                               &report));
    for (int64_t l = 0; l < arch.n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(&arch, l);
        CU_ASSERT_TRUE(
            sw_mask_is_nested(next + layer->mask_offset, mask + layer->mask_offset, layer->count));
    }
    memcpy(mask, next, (size_t) arch.mask_bytes);
    free(survivors);
}

static int64_t count(int64_t l) {
    const struct sw_param *layer = sw_arch_layer(&arch, l);
    return sw_mask_count(mask + layer->mask_offset, layer->count);
}

/* ---- the seed's threshold ------------------------------------------------------------------ */

/* Realised sparsities of normal weights: F(c F^-1(s)), to within what 235,200 weights allow. */
static void the_seeds_threshold_overshoots_its_quantile(void) {
    const struct {
        double current, target;
        int64_t warmup;
        double realised;
    } table[] = {{0.5, 0.9, 0, 0.590}, {0.8, 0.95, 0, 0.833}, {0.5, 0.9, 2, 0.320}};
    const struct sw_prune_span span = {.first = 0, .steps = 1000, .epoch_steps = 10};
    for (int i = 0; i < 3; i++) {
        begin("seed_dynamic", table[i].target);
        spec.prune_start_sparsity = table[i].current;
        spec.prune_warmup_epochs = table[i].warmup;
        call(&span, 10); /* epoch 1 */
        CU_ASSERT_EQUAL(n_rows, 3);
        CU_ASSERT_STRING_EQUAL(rows[0].layer, "fc1.weight");
        CU_ASSERT_EQUAL(rows[0].step, 10);
        CU_ASSERT_DOUBLE_EQUAL(rows[0].requested, table[i].current, 0);
        CU_ASSERT_DOUBLE_EQUAL(rows[0].realised, table[i].realised, 0.003);
        CU_ASSERT_DOUBLE_EQUAL(rows[0].realised, 1 - (double) count(0) / 235200, 1e-12);
        end();
    }
}

/* Epoch 0 of a warmup prunes nothing; calls go on from what they left, and stop exactly at the target. */
static void the_seeds_rule_grows_to_the_exact_target(void) {
    const struct sw_prune_span span = {.first = 20, .steps = 420, .epoch_steps = 10};
    begin("seed_dynamic", 0.9);
    spec.prune_warmup_epochs = 4;
    call(&span, 20);
    CU_ASSERT_EQUAL(n_rows, 3);
    CU_ASSERT_EQUAL(count(0), 235200);
    CU_ASSERT_DOUBLE_EQUAL(rows[0].threshold, 0, 0);
    CU_ASSERT_DOUBLE_EQUAL(rows[0].requested, 0.1, 0);
    CU_ASSERT_FALSE(sw_prune_is_due(&spec, &span, 25));
    CU_ASSERT_FALSE(sw_prune_is_due(&spec, &span, 330));
    CU_ASSERT_TRUE(sw_prune_is_last(&spec, &span, 320)); /* three quarters of 400 behind 20 */
    double before = 0;
    for (int64_t done = 30; done <= 320; done += 10) {
        CU_ASSERT_TRUE(sw_prune_is_due(&spec, &span, done));
        call(&span, done);
        double sparsity = 1 - (double) count(0) / 235200;
        CU_ASSERT_TRUE(sparsity >= before && sparsity <= 0.9);
        before = sparsity;
    }
    for (int64_t l = 0; l < 3; l++)
        CU_ASSERT_DOUBLE_EQUAL((double) count(l), 0.1 * (double) sw_arch_layer(&arch, l)->count, 0);
    end();
}

/* ---- cubic --------------------------------------------------------------------------------- */

static void cubic_has_its_sparsities_at_given_steps(void) {
    const struct sw_prune_span span = {.first = 0, .steps = 100, .epoch_steps = 10};
    const double wanted[] = {0, 0.9 * (1 - 8.0 / 27), 0.9 * (1 - 1.0 / 27), 0.9};
    begin("cubic", 0.9);
    spec.prune_frequency = 25;
    CU_ASSERT_EQUAL(sw_prune_calls(&spec, &span), 4);
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_TRUE(sw_prune_is_due(&spec, &span, 25 * i));
        call(&span, 25 * i);
        for (int64_t l = 0; l < 3; l++) {
            double size = (double) sw_arch_layer(&arch, l)->count;
            CU_ASSERT_DOUBLE_EQUAL((double) count(l), size - floor(wanted[i] * size + 0.5), 0);
        }
    }
    CU_ASSERT_TRUE(sw_prune_is_last(&spec, &span, 75));
    end();
}

static void cubic_begins_where_it_is_told(void) {
    const struct sw_prune_span span = {.first = 100, .steps = 200, .epoch_steps = 10};
    begin("cubic", 0.8);
    spec.prune_start_sparsity = 0.5;
    spec.prune_begin = 0.2;
    spec.prune_end = 1; /* one step has to follow */
    spec.prune_frequency = 50;
    CU_ASSERT_FALSE(sw_prune_is_due(&spec, &span, 119));
    CU_ASSERT_TRUE(sw_prune_is_due(&spec, &span, 120));
    CU_ASSERT_TRUE(sw_prune_is_due(&spec, &span, 170));
    CU_ASSERT_TRUE(sw_prune_is_last(&spec, &span, 199));
    CU_ASSERT_EQUAL(sw_prune_calls(&spec, &span), 3);
    call(&span, 120);
    CU_ASSERT_EQUAL(count(0), 117600);
    call(&span, 199);
    CU_ASSERT_EQUAL(count(0), 47040);
    end();
}

/* Equal weights: exactly the planned number goes, the lowest indices first. */
static void ties_are_cut_exactly(void) {
    const struct sw_prune_span span = {.first = 0, .steps = 100, .epoch_steps = 10};
    const char *const names[] = {"cubic", "seed_dynamic"};
    for (int i = 0; i < 2; i++) {
        begin(names[i], 0.7);
        for (int64_t p = 0; p < arch.parameters; p++)
            theta[p] = p % 2 ? 0.5F : -0.5F;
        for (int64_t done = 0; done <= 75; done++)
            if (sw_prune_is_due(&spec, &span, done)) call(&span, done);
        CU_ASSERT_EQUAL(count(0), 70560);
        CU_ASSERT_FALSE(sw_mask_get(mask, 235200 - 70560 - 1));
        CU_ASSERT_TRUE(sw_mask_get(mask, 235200 - 70560));
        end();
    }
}

static void global_scope_competes_in_one_pool(void) {
    const struct sw_prune_span span = {.first = 0, .steps = 100, .epoch_steps = 10};
    begin("cubic", 0.9);
    SW_TEXT_COPY(spec.prune_scope, "global");
    CU_ASSERT_EQUAL(sw_prune_pools(&spec, &arch), 1);
    call(&span, 75);
    CU_ASSERT_EQUAL(n_rows, 1);
    CU_ASSERT_STRING_EQUAL(rows[0].layer, "all");
    CU_ASSERT_EQUAL(count(0) + count(1) + count(2), 26620);
    end();
}

/* ---- checking ------------------------------------------------------------------------------ */

static void what_does_not_fit_is_refused(void) {
    const struct sw_prune_span span = {.first = 0, .steps = 30000, .epoch_steps = 10};
    const char *key = NULL;
    begin("cubic", 0.9);
    SW_TEST_OK(sw_prune_check(&spec, &arch, &key));
    SW_TEST_OK(sw_prune_check_span(&spec, &span, &key));
    spec.prune_frequency = 1;
    SW_TEST_FAILS(sw_prune_check_span(&spec, &span, &key), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(key, "prune.frequency");
    spec.prune_begin = 0.8;
    SW_TEST_FAILS(sw_prune_check_span(&spec, &span, &key), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(key, "prune.end");
    SW_TEXT_COPY(spec.prune_criterion, "random");
    SW_TEST_FAILS(sw_prune_check(&spec, &arch, &key), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(key, "prune.criterion");
    SW_TEXT_COPY(spec.prune_criterion, "magnitude");
    SW_TEXT_COPY(spec.prune_granularity, "neuron");
    SW_TEST_FAILS(sw_prune_check(&spec, &arch, &key), SW_CONFIG);
    SW_TEXT_COPY(spec.prune_granularity, "weight");
    spec.signin_enabled = 1;
    SW_TEST_FAILS(sw_prune_check(&spec, &arch, &key), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(key, "signin.enabled");
    spec.signin_enabled = 0;
    SW_TEXT_COPY(spec.prune_schedule, "seed_dynamic");
    spec.prune_start_sparsity = 0;
    SW_TEST_FAILS(sw_prune_check(&spec, &arch, &key), SW_CONFIG);
    CU_ASSERT_STRING_EQUAL(key, "prune.start_sparsity");
    end();
}

static CU_TestInfo seed[] = {
    {"the seed's threshold overshoots its quantile", the_seeds_threshold_overshoots_its_quantile},
    {"the seed's rule grows to the exact target", the_seeds_rule_grows_to_the_exact_target},
    CU_TEST_INFO_NULL,
};
static CU_TestInfo cubic[] = {
    {"cubic has its sparsities at given steps", cubic_has_its_sparsities_at_given_steps},
    {"cubic begins where it is told", cubic_begins_where_it_is_told},
    {"ties are cut exactly", ties_are_cut_exactly},
    {"global scope competes in one pool", global_scope_competes_in_one_pool},
    {"what does not fit is refused", what_does_not_fit_is_refused},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"seed", NULL, NULL, NULL, NULL, seed},
    {"cubic", NULL, NULL, NULL, NULL, cubic},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_prune_within", suites);
}
