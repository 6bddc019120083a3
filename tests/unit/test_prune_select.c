#include "../support/test_main.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/prune.h"
#include "sweepstake/random.h"

#define MOST 600

/* ---- the rule, naively --------------------------------------------------------------------- */

struct entry {
    float score;
    int64_t index;
};

/* NaN first, then the scores, then the index. */
static int compare_entries(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    int x_nan = isnan(x->score) != 0, y_nan = isnan(y->score) != 0;
    if (x_nan != y_nan) return y_nan - x_nan;
    if (!x_nan && x->score != y->score) return x->score < y->score ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static void select_naively(const float *scores, int64_t count, int64_t keep, uint8_t *mask) {
    struct entry entries[MOST];
    int64_t n = 0;
    for (int64_t i = 0; i < count; i++)
        if (sw_mask_get(mask, i)) entries[n++] = (struct entry){scores[i], i};
    qsort(entries, (size_t) n, sizeof *entries, compare_entries);
    for (int64_t i = 0; i < n - keep; i++)
        sw_mask_clear_bit(mask, entries[i].index);
}

/* ---- against the rule ---------------------------------------------------------------------- */

static uint64_t draw(uint64_t stream, uint64_t index) {
    return sw_random_u64(7, SW_RANDOM_BENCH, stream, index);
}

/* Scores with few distinct values, so that ties are many; every seventh list has odd numbers too. */
static void fill_scores(uint64_t stream, int64_t count, float *scores) {
    static const float odd[] = {NAN, -NAN, INFINITY, -INFINITY, 0.0F, -0.0F, 1e-45F, -1e-45F};
    int64_t values = (int64_t) (draw(stream, 1000) % 40) + 1;
    for (int64_t i = 0; i < count; i++) {
        uint64_t word = draw(stream, (uint64_t) i);
        scores[i] = (float) (word % (uint64_t) values) * 0.25F - 2;
        if (stream % 7 == 0) scores[i] = odd[word % 8];
        if (stream % 7 == 1)
            scores[i] = (float) sw_random_normal(7, SW_RANDOM_BENCH, stream, (uint64_t) i);
    }
}

static void fill_mask(uint64_t stream, int64_t count, uint8_t *mask) {
    sw_mask_fill(mask, count);
    for (int64_t i = 0; i < count; i++)
        if (draw(stream, 2000 + (uint64_t) i) % 3 == 0) sw_mask_clear_bit(mask, i);
}

static void selection_is_that_of_a_naive_sort(void) {
    int differences = 0;
    for (uint64_t stream = 0; stream < 400; stream++) {
        float scores[MOST];
        uint8_t ours[MOST / 8 + 1] = {0}, naive[MOST / 8 + 1];
        int64_t count = (int64_t) (draw(stream, 3000) % MOST) + 1;
        fill_scores(stream, count, scores);
        fill_mask(stream, count, ours);
        memcpy(naive, ours, sizeof naive);
        int64_t set = sw_mask_count(ours, count);
        int64_t keep = (int64_t) (draw(stream, 3001) % (uint64_t) (set + 1));
        SW_TEST_OK(sw_prune_select(scores, count, keep, ours));
        select_naively(scores, count, keep, naive);
        differences += memcmp(ours, naive, sizeof naive) != 0;
        differences += sw_mask_count(ours, count) != keep;
    }
    CU_ASSERT_EQUAL(differences, 0);
}

static void among_equal_scores_the_lowest_index_goes(void) {
    float scores[20];
    for (int i = 0; i < 20; i++)
        scores[i] = 0.5F;
    uint8_t mask[3];
    sw_mask_fill(mask, 20);
    SW_TEST_OK(sw_prune_select(scores, 20, 7, mask));
    for (int i = 0; i < 20; i++)
        CU_ASSERT_EQUAL(sw_mask_get(mask, i), i >= 13);
}

static void nan_goes_first_and_zeros_are_equal(void) {
    const float scores[] = {0.0F, -0.0F, NAN, -INFINITY, 0.0F, -NAN, 1};
    uint8_t mask = 0x7F;
    SW_TEST_OK(sw_prune_select(scores, 7, 5, &mask)); /* both NaN */
    CU_ASSERT_EQUAL(mask, 0x5B);
    SW_TEST_OK(sw_prune_select(scores, 7, 4, &mask)); /* -inf */
    CU_ASSERT_EQUAL(mask, 0x53);
    SW_TEST_OK(sw_prune_select(scores, 7, 2, &mask)); /* the first two zeros, whatever their sign */
    CU_ASSERT_EQUAL(mask, 0x50);
}

static void removed_weights_do_not_count_or_return(void) {
    const float scores[] = {9, 8, 1, 2, 3, 7, 6, 5};
    uint8_t mask = 0x3C; /* 2..5 are left */
    SW_TEST_OK(sw_prune_select(scores, 8, 2, &mask));
    CU_ASSERT_EQUAL(mask, 0x30);
}

static void keeping_all_or_none_is_allowed(void) {
    const float scores[] = {3, 2, 1};
    uint8_t mask = 7;
    SW_TEST_OK(sw_prune_select(scores, 3, 3, &mask));
    CU_ASSERT_EQUAL(mask, 7);
    SW_TEST_OK(sw_prune_select(scores, 3, 0, &mask));
    CU_ASSERT_EQUAL(mask, 0);
    SW_TEST_OK(sw_prune_select(scores, 0, 0, &mask));
}

static void a_count_that_is_not_there_is_refused(void) {
    const float scores[] = {3, 2, 1};
    uint8_t mask = 5;
    SW_TEST_FAILS(sw_prune_select(scores, 3, 3, &mask), SW_INTERNAL);
    SW_TEST_FAILS(sw_prune_select(scores, 3, -1, &mask), SW_INTERNAL);
    CU_ASSERT_EQUAL(mask, 5);
}

static CU_TestInfo selection[] = {
    {"selection is that of a naive sort", selection_is_that_of_a_naive_sort},
    {"among equal scores the lowest index goes", among_equal_scores_the_lowest_index_goes},
    {"nan goes first and zeros are equal", nan_goes_first_and_zeros_are_equal},
    {"removed weights do not count or return", removed_weights_do_not_count_or_return},
    {"keeping all or none is allowed", keeping_all_or_none_is_allowed},
    {"a count that is not there is refused", a_count_that_is_not_there_is_refused},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"selection", NULL, NULL, NULL, NULL, selection},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_prune_select", suites);
}
