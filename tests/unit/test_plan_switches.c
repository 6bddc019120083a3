/* Settings of what one field turns on: identities, owners and sizes of trials that have it. */
#include <stdio.h>
#include <string.h>

#include "../support/test_main.h"
#include "sweepstake/plan.h"

#define HEAD                                                                                       \
    "sweep: t\ndata: {name: synthetic, train: 120, test: 40, validation: 20}\n"                    \
    "model: {name: mlp-8}\ntrain: {epochs: 1, batch: 20}\n"

static void build_good(const char *text, struct sw_sweep *sweep) {
    struct sw_plan_source source = {.path = "s.yaml", .text = text, .text_bytes = strlen(text)};
    struct sw_text report = {0};
    enum sw_status status = sw_plan_build(&source, sweep, &report);
    if (status != SW_OK) fprintf(stderr, "%s", sw_text_get(&report));
    CU_ASSERT_EQUAL_FATAL(status, SW_OK);
    sw_text_fini(&report);
}

/* Sign-In changes pruned rounds, and the dense one only where it is asked to. Its factors take room. */
static void factored_trials_share_their_dense_round(void) {
    static const char text[] = HEAD
        "prune: {rounds: 2}\ngrid:\n  signin: [{enabled: false}, {enabled: "
        "true, reset_epochs: 3}, {enabled: true, reset_epochs: 3, rounds: "
        "all}]\n";
    struct sw_sweep plain, sweep;
    build_good(HEAD "prune: {rounds: 2}\n", &plain);
    build_good(text, &sweep);
    CU_ASSERT_EQUAL(sweep.n_trials, 3);
    CU_ASSERT_EQUAL(sweep.shared, 1);
    CU_ASSERT_EQUAL_FATAL(sweep.n_rounds, 8);
    for (int64_t row = 0; row < 3; row++) /* what is off leaves identities as they were */
        CU_ASSERT_STRING_EQUAL(sweep.rounds[row].id, plain.rounds[row].id);
    const struct sw_round_plan *on = &sweep.rounds[sw_sweep_row(&sweep, 1, 1, SW_CONTROL_TICKET)];
    /* Adam: two factors and two more moments, in use and in a checkpoint. */
    CU_ASSERT_EQUAL(on->rank_bytes, plain.rounds[1].rank_bytes + 2 * 4 * 4 * on->nnz);
    sw_sweep_fini(&sweep);
    build_good(HEAD "prune: {rounds: 2}\nsignin: {enabled: true, reset_epochs: 3, rounds: all}\n",
               &sweep);
    on = &sweep.rounds[0];
    CU_ASSERT_EQUAL(on->rank_bytes, plain.rounds[0].rank_bytes + 2 * 4 * 4 * on->nnz);
    sw_sweep_fini(&plain);
    sw_sweep_fini(&sweep);
}

/* A correction of signs changes pruned rounds only; its dense weights take room. */
static void forced_trials_share_their_dense_round(void) {
    static const char text[] = HEAD
        "prune: {rounds: 2}\ngrid:\n  sign.seed_force: [{reference: none}, {reference: dense, "
        "every: 1, below: 0.9}, {reference: theta0, every: 1, below: 0.9}]\n";
    struct sw_sweep sweep;
    build_good(text, &sweep);
    CU_ASSERT_EQUAL(sweep.shared, 2);
    CU_ASSERT_EQUAL_FATAL(sweep.n_rounds, 7);
    int64_t dense = sweep.rounds[4].rank_bytes - sweep.rounds[2].rank_bytes;
    CU_ASSERT_EQUAL(dense, 2 * 4 * sweep.archs[0].parameters);
    CU_ASSERT_EQUAL(sweep.rounds[6].rank_bytes, sweep.rounds[2].rank_bytes);
    sw_sweep_fini(&sweep);
}

/* Scales of batch norm are part of the initial weights. */
static void initial_weights_differ_by_the_scales_of_batch_norm(void) {
    static const char text[] =
        "sweep: t\ndata: {name: synthetic, shape: [3, 8, 8], train: 120, test: 40, validation: 20}\n"
        "model: {name: resnet-8}\ntrain: {epochs: 1, batch: 20}\nprune: {rounds: 1}\n"
        "grid:\n  model.norm_scale: [one, uniform]\n  train.batch: [20, 30]\n";
    struct sw_sweep sweep;
    build_good(text, &sweep);
    CU_ASSERT_EQUAL_FATAL(sweep.n_trials, 4);
    for (int64_t row = 0; row < sweep.n_rounds; row++) {
        const struct sw_round_plan *owner = &sweep.rounds[sweep.rounds[row].theta0_owner];
        CU_ASSERT_STRING_EQUAL(sweep.trials[owner->trial].model_norm_scale,
                               sweep.trials[sweep.rounds[row].trial].model_norm_scale);
    }
    int64_t other = sw_sweep_row(&sweep, 1, 0, SW_CONTROL_TICKET);
    CU_ASSERT_NOT_EQUAL(sweep.rounds[other].theta0_owner, other); /* one of the batches draws it */
    sw_sweep_fini(&sweep);
}

int main(void) {
    static CU_TestInfo tests[] = {
        {"factored_trials_share_their_dense_round", factored_trials_share_their_dense_round},
        {"forced_trials_share_their_dense_round", forced_trials_share_their_dense_round},
        {"initial_weights_differ_by_the_scales_of_batch_norm",
         initial_weights_differ_by_the_scales_of_batch_norm},
        CU_TEST_INFO_NULL};
    static CU_SuiteInfo suites[] = {{"switches", NULL, NULL, NULL, NULL, tests},
                                    CU_SUITE_INFO_NULL};
    return sw_test_main("test_plan_switches", suites);
}
