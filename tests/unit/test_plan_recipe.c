/* Recipes: what they set, what overrides them, and what a trial becomes. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../support/test_main.h"
#include "sweepstake/plan.h"
#include "sweepstake/train.h"

#define DATA                                                                                       \
    "data: {name: synthetic, train: 240, test: 80, validation: 40}\nmodel: {name: mlp-20-12}\n"
#define HEAD "sweep: t\n" DATA "train: {epochs: 10, batch: 24, optimizer: {lr: 0.01}}\n"

static struct sw_sweep sweep;

static enum sw_status build(const char *text, const char *set, struct sw_text *errors) {
    struct sw_plan_source source = {.path = "t.yaml",
                                    .text = text,
                                    .text_bytes = strlen(text),
                                    .sets = &set,
                                    .n_sets = set != NULL};
    return sw_plan_build(&source, &sweep, errors);
}

static void build_good(const char *text, const char *set) {
    struct sw_text errors = {0};
    enum sw_status status = build(text, set, &errors);
    if (status != SW_OK) fprintf(stderr, "%s", sw_text_get(&errors));
    sw_text_fini(&errors);
    CU_ASSERT_EQUAL_FATAL(status, SW_OK);
}

static void expect_error(const char *text, const char *set, const char *part) {
    struct sw_text errors = {0};
    CU_ASSERT_EQUAL(build(text, set, &errors), SW_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(sw_text_get(&errors), part));
    sw_text_fini(&errors);
}

static void expect_line(const char *line) {
    if (strstr(sweep.recipe_report, line) == NULL)
        fprintf(stderr, "no %s in\n%s", line, sweep.recipe_report);
    CU_ASSERT_PTR_NOT_NULL(strstr(sweep.recipe_report, line));
}

/* Every row that is there is a setting with a value that its field takes. */
static void recipes_set_what_they_list(void) {
    const struct sw_recipe *recipe = NULL;
    for (size_t i = 0; (recipe = sw_recipe_at(i)) != NULL; i++) {
        char text[512], expected[256], got[256];
        struct sw_trial_spec wanted;
        sw_spec_set_defaults(&wanted);
        (void) snprintf(text, sizeof text, HEAD "recipe: %s\n", recipe->name);
        if (strcmp(recipe->name, "frankle-carbin") == 0) /* the file has another rate and batch */
            (void) snprintf(text, sizeof text, "sweep: t\n" DATA "train: {epochs: 2}\nrecipe: %s\n",
                            recipe->name);
        build_good(text, NULL);
        CU_ASSERT_STRING_EQUAL(sweep.recipe, recipe->name);
        for (const struct sw_recipe_row *row = recipe->rows; row->help != NULL; row++) {
            if (row->key == NULL || strstr(row->help, "both kinds") != NULL) continue;
            const struct sw_field *field = sw_spec_find_field(row->key);
            CU_ASSERT_PTR_NOT_NULL_FATAL(field);
            SW_TEST_OK(sw_spec_set(&wanted, field, row->value));
            sw_spec_get(&wanted, field, expected, sizeof expected);
            sw_spec_get(&sweep.trials[0], field, got, sizeof got);
            CU_ASSERT_STRING_EQUAL(got, expected);
        }
        sw_sweep_fini(&sweep);
    }
}

static void the_guides_checklist(void) {
    struct sw_trial_spec sparse;
    build_good(HEAD "recipe: guide\n", NULL);
    const struct sw_trial_spec *spec = &sweep.trials[0];
    sw_train_round_spec(spec, 1, 200, &sparse);
    CU_ASSERT_EQUAL(spec->train_batch, 24);
    CU_ASSERT_EQUAL(sparse.train_batch, 30);
    CU_ASSERT_DOUBLE_EQUAL(sparse.train_optimizer_lr, 0.004, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(sparse.train_optimizer_weight_decay, 0.0125, 1e-15);
    CU_ASSERT_DOUBLE_EQUAL(sparse.train_schedule_warmup_fraction, 0.2, 0);
    CU_ASSERT_EQUAL(spec->train_schedule_warmup_fraction, 0);
    /* Every 5 epochs: of 9 steps in the dense round, of 7 in the others. */
    CU_ASSERT_EQUAL(sweep.rounds[0].steps, 90);
    CU_ASSERT_EQUAL(sweep.rounds[0].curve_points, 3);
    CU_ASSERT_EQUAL(sweep.rounds[1].steps, 70);
    CU_ASSERT_EQUAL(sweep.rounds[1].curve_points, 3);
    /* 22 prunes of a tenth, the last of which reaches nine tenths exactly. */
    CU_ASSERT_EQUAL(sweep.n_rounds, 23);
    CU_ASSERT_EQUAL(sweep.rounds[22].nnz * 10, sweep.archs[0].prunable);
    expect_line("unavailable: 8-bit activations");
    expect_line("unavailable: gradient checkpoints");
    expect_line("unavailable: peak memory");
    CU_ASSERT_PTR_NOT_NULL(strstr(sweep.canonical, "train.sparse.lr_factor: 0.4\n"));
    sw_sweep_fini(&sweep);
}

static void convolutions_lose_more_where_there_are_both(void) {
    static const char conv[] =
        "sweep: t\ndata: {name: synthetic, shape: [1, 16, 16], train: 240, test: 80, validation: 40}\n"
        "train: {epochs: 10, batch: 24, optimizer: {lr: 0.01}}\nrecipe: guide\n";
    build_good(conv, "model.name=lenet-5");
    expect_line("prune.allocation: seed_rate_ratio\nprune.ratio: 1.5\n");
    CU_ASSERT_STRING_EQUAL(sweep.trials[0].prune_allocation, "seed_rate_ratio");
    const int64_t *kept = sweep.kept + sweep.max_layers; /* round 1 */
    for (int64_t l = 0; l < sweep.archs[0].n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(&sweep.archs[0], l);
        double rate = layer->rank == 4 ? 0.15 : 0.1;
        CU_ASSERT_DOUBLE_EQUAL((double) kept[l], (1 - rate) * (double) layer->count, 0.51);
    }
    sw_sweep_fini(&sweep);
    build_good(conv, "grid.model.name=[lenet-5, mlp-8]");
    expect_line("prune.allocation: seed_rate_ratio left out: mlp-8 has one kind of layer only\n");
    CU_ASSERT_STRING_EQUAL(sweep.trials[0].prune_allocation, "rates");
    sw_sweep_fini(&sweep);
}

static void file_sets_and_grid_override_a_recipe(void) {
    build_good(HEAD "recipe: guide\nprune.rounds: 25\ntrain.evaluate.every: 7\n"
                    "grid: {train.sparse: [{lr_factor: 0.3}, {batch_factor: 1.5}]}\n",
               "prune.target=0.8");
    expect_line("prune.rounds: 22 -> 25 by line 6\n");
    expect_line("prune.target: 0.9 -> 0.8 by --set prune.target=0.8\n");
    expect_line("train.evaluate.epochs: 5 -> train.evaluate.every 7 by line 7\n");
    expect_line("train.sparse.lr_factor: 0.4 -> the axis train.sparse of the grid\n");
    CU_ASSERT_EQUAL(sweep.trials[0].prune_rounds, 25);
    CU_ASSERT_EQUAL(sweep.trials[0].prune_target, 0.8);
    CU_ASSERT_EQUAL(sweep.trials[0].train_evaluate_epochs, SW_INT_NULL);
    CU_ASSERT_EQUAL(sweep.trials[0].train_sparse_lr_factor, 0.3);
    CU_ASSERT_EQUAL(sweep.trials[1].train_sparse_lr_factor, 0.4);
    CU_ASSERT_EQUAL(sweep.trials[0].train_sparse_batch_factor, 1.25);
    CU_ASSERT_EQUAL(sweep.trials[1].train_sparse_batch_factor, 1.5);
    sw_sweep_fini(&sweep);
}

/* A value that is written out may be the default. */
static void a_default_that_is_written_overrides(void) {
    build_good(HEAD "recipe: guide\nprune.scope: layer\ntrain.sparse: {lr_factor: 1}\n", NULL);
    expect_line("train.sparse.lr_factor: 0.4 -> 1 by line 7\n");
    CU_ASSERT_EQUAL(sweep.trials[0].train_sparse_lr_factor, 1);
    sw_sweep_fini(&sweep);
}

/* Options of plug-ins that the file does not choose are no mistakes of the file. */
static void other_plugins_may_be_chosen(void) {
    build_good("sweep: t\n" DATA "recipe: guide\n"
               "train: {epochs: 10, batch: 24, optimizer: {name: sgd, momentum: 0.9}}\n",
               NULL);
    CU_ASSERT_STRING_EQUAL(sweep.trials[0].train_optimizer_name, "sgd");
    expect_line("train.optimizer.beta1: 0.9 left out: sgd does not take it\n");
    expect_line("train.optimizer.weight_decay: 0.01\n");
    sw_sweep_fini(&sweep);
    build_good(HEAD "recipe: frankle-carbin\nprune.granularity: neuron\n", NULL);
    sw_sweep_fini(&sweep);
}

static void a_set_may_choose_or_drop_the_recipe(void) {
    build_good(HEAD, "recipe=guide");
    CU_ASSERT_STRING_EQUAL(sweep.recipe, "guide");
    sw_sweep_fini(&sweep);
    build_good(HEAD "recipe: guide\n", "recipe=renda-lr-rewinding");
    CU_ASSERT_STRING_EQUAL(sweep.trials[0].rewind_mode, "learning-rate");
    CU_ASSERT_EQUAL(sweep.trials[0].train_sparse_lr_factor, 1);
    sw_sweep_fini(&sweep);
    build_good(HEAD "recipe: guide\n", "recipe=");
    CU_ASSERT_STRING_EQUAL(sweep.recipe, "");
    CU_ASSERT_PTR_NULL(sweep.recipe_report);
    CU_ASSERT_EQUAL(sweep.trials[0].train_sparse_lr_factor, 1);
    sw_sweep_fini(&sweep);
}

static void wrong_recipes_are_refused(void) {
    expect_error(HEAD "recipe: giude\n", NULL, "did you mean guide?");
    expect_error(HEAD "recipe: [guide]\n", NULL, "recipe: got a list; allowed: guide, ");
    expect_error(HEAD "grid: {recipe: [guide]}\n", NULL, "recipe: cannot vary within a sweep");
    /* What a recipe sets is checked as all is. */
    expect_error(HEAD "recipe: guide\nrewind.to: 5\n", NULL, "train.sparse.batch_factor");
    expect_error(HEAD "train.evaluate: {every: 5, epochs: 5}\n", NULL,
                 "train.evaluate.epochs is set too");
}

static CU_TestInfo all[] = {
    {"recipes set what they list", recipes_set_what_they_list},
    {"the guide's checklist", the_guides_checklist},
    {"convolutions lose more where there are both", convolutions_lose_more_where_there_are_both},
    {"file, sets and grid override a recipe", file_sets_and_grid_override_a_recipe},
    {"a default that is written overrides", a_default_that_is_written_overrides},
    {"other plug-ins may be chosen", other_plugins_may_be_chosen},
    {"a set may choose or drop the recipe", a_set_may_choose_or_drop_the_recipe},
    {"wrong recipes are refused", wrong_recipes_are_refused},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"recipes", NULL, NULL, NULL, NULL, all},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_plan_recipe", suites);
}
