/* Rounds whose checksums fit and whose content does not; and the digest of what a store holds. */
#include <math.h>
#include <string.h>

#include "../support/store_fixture.h"
#include "sweepstake/comm.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

/* ---- invariants: checksums fit, content does not -------------------------------------------- */

/* Commit a changed copy of row 3 and expect the fault to be named. */
static void expect_fault(struct fixture *fixture, struct sw_small_round *round,
                         enum sw_section section, const char *word) {
    SW_TEST_OK(sw_store_commit(fixture->store, 3, &round->payload, false));
    struct sw_round_check check = check_row(fixture, 3, true);
    if (check.state != SW_ROUND_DAMAGED || check.section != section ||
        strstr(check.detail, word) == NULL)
        fprintf(stderr, "  state %d, section %d: %s\n", (int) check.state, (int) check.section,
                check.detail);
    CU_ASSERT_EQUAL(check.state, SW_ROUND_DAMAGED);
    CU_ASSERT_EQUAL(check.section, section);
    CU_ASSERT_PTR_NOT_NULL(strstr(check.detail, word));
    sw_small_round_fini(round);
    sw_small_round_make(&fixture->sweep, 3, SW_SMALL_OK, 0, round);
}

static void set_up_with_parents(struct fixture *fixture, struct sw_small_round *round) {
    set_up(fixture);
    SW_TEST_OK(commit_kind(fixture, 0, SW_SMALL_OK, 0));
    SW_TEST_OK(commit_kind(fixture, 1, SW_SMALL_OK, 0));
    sw_small_round_make(&fixture->sweep, 3, SW_SMALL_OK, 0, round);
}

static void mask_that_breaks_a_rule_is_named(void) {
    struct fixture fixture;
    struct sw_small_round round, parent;
    set_up_with_parents(&fixture, &round);
    const struct sw_param *fc1 = &fixture.sweep.archs[0].params[0];
    int64_t kept = 0, revived = 0;
    sw_small_round_make(&fixture.sweep, 1, SW_SMALL_OK, 0, &parent);
    while (!sw_mask_get(round.mask, kept))
        kept++;
    while (sw_mask_get(parent.mask, revived))
        revived++;
    CU_ASSERT_TRUE_FATAL(revived < fc1->count);

    sw_mask_clear_bit(round.mask, kept);
    expect_fault(&fixture, &round, SW_SECTION_MASK, "kept");

    sw_mask_clear_bit(round.mask, kept);
    round.mask[revived / 8] |= (uint8_t) (1U << (revived % 8));
    expect_fault(&fixture, &round, SW_SECTION_MASK, "row 1 had removed");

    /* fc2.weight has 48 weights and no spare bits; a longer mask with some is made of conv's. */
    sw_small_round_fini(&parent);
    sw_small_round_fini(&round);
    sw_small_round_make(&fixture.sweep, 5, SW_SMALL_OK, 0, &round);
    const struct sw_param *conv = &fixture.sweep.archs[1].params[0];
    CU_ASSERT_NOT_EQUAL_FATAL(conv->count % 8, 0);
    round.mask[sw_mask_bytes(conv->count) - 1] |= 0x80;
    SW_TEST_OK(sw_store_commit(fixture.store, 5, &round.payload, false));
    struct sw_round_check check = check_row(&fixture, 5, true);
    CU_ASSERT_EQUAL(check.state, SW_ROUND_DAMAGED);
    CU_ASSERT_EQUAL(check.section, SW_SECTION_MASK);
    CU_ASSERT_PTR_NOT_NULL(strstr(check.detail, "unused bits of conv1.weight"));
    sw_small_round_fini(&round);
    tear_down(&fixture);
}

static void parent_that_is_gone_is_not_asked(void) {
    struct fixture fixture;
    set_up(&fixture);
    SW_TEST_OK(commit_kind(&fixture, 3, SW_SMALL_OK, 0));
    SW_TEST_OK(commit_kind(&fixture, 4, SW_SMALL_OK, 0));
    expect_state(&fixture, 3, SW_ROUND_COMMITTED);
    expect_state(&fixture, 4, SW_ROUND_COMMITTED);
    flip(&fixture, slab_of(&fixture, 3, SW_SECTION_MASK));
    expect_state(&fixture, 4, SW_ROUND_COMMITTED);
    tear_down(&fixture);
}

static void sections_that_do_not_fit_together_are_named(void) {
    struct fixture fixture;
    struct sw_small_round round;
    set_up_with_parents(&fixture, &round);
    round.payload.length[SW_SECTION_WEIGHTS] -= sizeof(float);
    expect_fault(&fixture, &round, SW_SECTION_WEIGHTS, "survivors");
    round.payload.length[SW_SECTION_MASK] = 0;
    expect_fault(&fixture, &round, SW_SECTION_MASK, "instead of");
    round.payload.length[SW_SECTION_LAYERS] = 0;
    expect_fault(&fixture, &round, SW_SECTION_LAYERS, "instead of");
    round.layers[1].nnz += 1;
    expect_fault(&fixture, &round, SW_SECTION_LAYERS, "fc2.weight");
    SW_TEXT_COPY(round.layers[0].name, "fc9.weight");
    expect_fault(&fixture, &round, SW_SECTION_LAYERS, "fc1.weight");
    round.payload.length[SW_SECTION_CURVES] -= sizeof(struct sw_curve_point);
    expect_fault(&fixture, &round, SW_SECTION_CURVES, "3 rows");
    round.payload.length[SW_SECTION_ALERTS] = 0;
    expect_fault(&fixture, &round, SW_SECTION_ALERTS, "0 rows");
    sw_small_round_fini(&round);
    tear_down(&fixture);
}

static void record_that_is_wrong_is_named(void) {
    struct fixture fixture;
    struct sw_small_round round;
    set_up_with_parents(&fixture, &round);
    round.record.result.test_accuracy = NAN;
    expect_fault(&fixture, &round, SW_SECTION_RECORD, "no number");
    round.record.result.validation_loss = INFINITY;
    expect_fault(&fixture, &round, SW_SECTION_RECORD, "no number");
    round.record.result.train_accuracy = 1.5;
    expect_fault(&fixture, &round, SW_SECTION_RECORD, "no number");
    round.record.result.sparsity += 0.01;
    expect_fault(&fixture, &round, SW_SECTION_RECORD, "sparsity");
    round.record.result.trial = 1;
    expect_fault(&fixture, &round, SW_SECTION_RECORD, "planned");
    SW_TEXT_COPY(round.record.result.control, "reinit");
    expect_fault(&fixture, &round, SW_SECTION_RECORD, "control");
    round.record.result.prunable -= 1;
    expect_fault(&fixture, &round, SW_SECTION_RECORD, "network");
    sw_small_round_fini(&round);
    tear_down(&fixture);
}

/* ---- digest --------------------------------------------------------------------------------- */

static struct sw_digest digest_of(struct fixture *fixture) {
    struct sw_digest digest;
    SW_TEST_OK(sw_store_digest(fixture->store, &digest));
    return digest;
}

static void digest_is_of_results_only(void) {
    struct fixture a, b;
    set_up(&a);
    set_up(&b);
    struct sw_digest empty = digest_of(&a);
    commit_all(&a);
    for (int64_t row = SW_SMALL_ROUNDS - 1; row >= 0; row--) {
        CU_ASSERT_FALSE(sw_digest_equal(digest_of(&a), digest_of(&b)));
        SW_TEST_OK(commit_kind(&b, row, SW_SMALL_OK, 3 + (int) row));
    }
    CU_ASSERT_TRUE(sw_digest_equal(digest_of(&a), digest_of(&b)));
    CU_ASSERT_FALSE(sw_digest_equal(digest_of(&a), empty));
    struct sw_small_round round;
    sw_small_round_make(&b.sweep, 6, SW_SMALL_OK, 0, &round);
    round.weights[1] = nextafterf(round.weights[1], 1);
    SW_TEST_OK(sw_store_commit(b.store, 6, &round.payload, false));
    CU_ASSERT_FALSE(sw_digest_equal(digest_of(&a), digest_of(&b)));
    sw_small_round_fini(&round);
    tear_down(&a);
    tear_down(&b);
}

/* The formula of the schema, from the rounds themselves. */
static void digest_is_the_documented_one(void) {
    struct fixture fixture;
    struct sw_digest_stream *stream;
    set_up(&fixture);
    SW_TEST_OK(commit_kind(&fixture, 0, SW_SMALL_OK, 0));
    SW_TEST_OK(commit_kind(&fixture, 1, SW_SMALL_FAILED, 0));
    SW_TEST_OK(sw_digest_begin(&stream));
    for (int64_t row = 0; row < SW_SMALL_ROUNDS; row++) {
        int64_t status = row < 2 ? row : -1;
        struct sw_small_round round;
        sw_digest_update(stream, &status, sizeof status);
        if (row >= 2) continue;
        sw_small_round_make(&fixture.sweep, row, row == 0 ? SW_SMALL_OK : SW_SMALL_FAILED, 9,
                            &round);
        for (int s = 0; s < SW_SECTION_RECORD; s++) {
            if (s == SW_SECTION_PRUNES && round.payload.length[s] == 0) continue;
            struct sw_digest sum = sw_digest_of(round.payload.bytes[s], round.payload.length[s]);
            sw_digest_update(stream, &sum, sizeof sum);
        }
        struct sw_digest sum = sw_digest_of(&round.record.result, sizeof round.record.result);
        sw_digest_update(stream, &sum, sizeof sum);
        sw_small_round_fini(&round);
    }
    CU_ASSERT_TRUE(sw_digest_equal(sw_digest_end(&stream), digest_of(&fixture)));
    tear_down(&fixture);
}

int main(void) {
    CU_TestInfo invariants[] = {
        {"mask_that_breaks_a_rule_is_named", mask_that_breaks_a_rule_is_named},
        {"parent_that_is_gone_is_not_asked", parent_that_is_gone_is_not_asked},
        {"sections_that_do_not_fit_together_are_named",
         sections_that_do_not_fit_together_are_named},
        {"record_that_is_wrong_is_named", record_that_is_wrong_is_named},
        CU_TEST_INFO_NULL};
    CU_TestInfo digest[] = {{"digest_is_of_results_only", digest_is_of_results_only},
                            {"digest_is_the_documented_one", digest_is_the_documented_one},
                            CU_TEST_INFO_NULL};
    CU_SuiteInfo suites[] = {{"invariants", NULL, NULL, NULL, NULL, invariants},
                             {"digest", NULL, NULL, NULL, NULL, digest},
                             CU_SUITE_INFO_NULL};
    (void) sw_comm_prepare_environment();
    if (sw_comm_init() != SW_OK) return 1;
    int code = sw_test_main("test_store_invariants", suites);
    sw_comm_fini(true, code);
    return code;
}
