#include "../support/test_main.h"

#include <stdio.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/net.h"
#include "sweepstake/prune.h"

#define BYTES 128

static struct sw_arch arch;
static struct sw_trial_spec spec;
static uint8_t ticket[BYTES];

static void set_bit(uint8_t *mask, int64_t i) {
    mask[i / 8] |= (uint8_t) (1U << (i % 8));
}

/* mlp-20-13 on 9 features with 3 classes: 180, 260 and 39 weights. The ticket keeps the first 45 of fc1,
 * every fifth of fc2, all of fc3. */
static int set_up(void) {
    int64_t shape[3] = {1, 3, 3};
    if (sw_arch_create("mlp-20-13", shape, 3, &arch) != SW_OK) return 1;
    sw_spec_set_defaults(&spec);
    spec.seed = 3;
    memset(ticket, 0, sizeof ticket);
    for (int64_t i = 0; i < 45; i++)
        set_bit(ticket, i);
    for (int64_t i = 0; i < 260; i += 5)
        set_bit(ticket + sw_arch_layer(&arch, 1)->mask_offset, i);
    sw_mask_fill(ticket + sw_arch_layer(&arch, 2)->mask_offset, 39);
    return 0;
}

static int tear_down(void) {
    sw_arch_fini(&arch);
    return 0;
}

static void make(enum sw_control control, int64_t round, uint8_t mask[BYTES]) {
    memset(mask, 0x55, BYTES);
    SW_TEST_OK(sw_prune_control_mask(&spec, &arch, control, round, ticket, mask));
}

static bool is_equal(const uint8_t *a, const uint8_t *b) {
    return memcmp(a, b, (size_t) arch.mask_bytes) == 0;
}

static void counts_of_every_layer_stay(void) {
    const int64_t kept[] = {45, 52, 39};
    for (int control = 0; control < SW_CONTROL_COUNT; control++) {
        for (int64_t round = 1; round < 20; round++) {
            uint8_t mask[BYTES];
            make((enum sw_control) control, round, mask);
            for (int64_t l = 0; l < 3; l++) {
                const struct sw_param *layer = sw_arch_layer(&arch, l);
                const uint8_t *bits = mask + layer->mask_offset;
                CU_ASSERT_EQUAL(sw_mask_count(bits, layer->count), kept[l]);
                CU_ASSERT_TRUE(sw_mask_is_clean(bits, layer->count));
            }
        }
    }
}

static void reinit_keeps_the_mask(void) {
    uint8_t mask[BYTES];
    make(SW_CONTROL_REINIT, 4, mask);
    CU_ASSERT_TRUE(is_equal(mask, ticket));
}

static void masks_depend_on_seed_round_and_control(void) {
    uint8_t first[BYTES], other[BYTES];
    const enum sw_control controls[] = {SW_CONTROL_RANDOM, SW_CONTROL_SHUFFLE};
    for (int i = 0; i < 2; i++) {
        make(controls[i], 1, first);
        CU_ASSERT_FALSE(is_equal(first, ticket));
        make(controls[i], 1, other);
        CU_ASSERT_TRUE(is_equal(first, other));
        make(controls[i], 2, other);
        CU_ASSERT_FALSE(is_equal(first, other));
        spec.seed++;
        make(controls[i], 1, other);
        spec.seed--;
        CU_ASSERT_FALSE(is_equal(first, other));
        make(controls[1 - i], 1, other);
        CU_ASSERT_FALSE(is_equal(first, other));
    }
}

/* A random mask knows the ticket's counts and nothing else; a shuffled one is an image of the mask. */
static void random_ignores_where_the_ticket_keeps_its_weights(void) {
    uint8_t before[BYTES], after[BYTES], shuffled[BYTES];
    make(SW_CONTROL_RANDOM, 1, before);
    make(SW_CONTROL_SHUFFLE, 1, shuffled);
    sw_mask_clear_bit(ticket, 0);
    set_bit(ticket, 100);
    make(SW_CONTROL_RANDOM, 1, after);
    CU_ASSERT_TRUE(is_equal(before, after));
    make(SW_CONTROL_SHUFFLE, 1, after);
    CU_ASSERT_FALSE(is_equal(shuffled, after));
    sw_mask_clear_bit(ticket, 100);
    set_bit(ticket, 0);
}

/* Over many rounds every weight is kept about as often: 45 of 180, within 5 standard deviations. */
static void every_place_is_as_likely(void) {
    enum { ROUNDS = 2000 };
    const enum sw_control controls[] = {SW_CONTROL_RANDOM, SW_CONTROL_SHUFFLE};
    for (int c = 0; c < 2; c++) {
        int hits[180] = {0}, off = 0;
        for (int64_t round = 1; round <= ROUNDS; round++) {
            uint8_t mask[BYTES];
            make(controls[c], round, mask);
            for (int64_t i = 0; i < 180; i++)
                hits[i] += sw_mask_get(mask, i);
        }
        for (int i = 0; i < 180; i++)
            off += hits[i] < 500 - 97 || hits[i] > 500 + 97; /* deviation 19.4 */
        CU_ASSERT_EQUAL(off, 0);
    }
}

static CU_TestInfo controls[] = {
    {"counts of every layer stay", counts_of_every_layer_stay},
    {"reinit keeps the mask", reinit_keeps_the_mask},
    {"masks depend on seed, round and control", masks_depend_on_seed_round_and_control},
    {"random ignores where the ticket keeps its weights",
     random_ignores_where_the_ticket_keeps_its_weights},
    {"every place is as likely", every_place_is_as_likely},
    CU_TEST_INFO_NULL,
};
static CU_SuiteInfo suites[] = {
    {"controls", set_up, tear_down, NULL, NULL, controls},
    CU_SUITE_INFO_NULL,
};

int main(void) {
    return sw_test_main("test_prune_control", suites);
}
