/* Which weights go: the `remove` lowest of the kept ones in the order (score, index), exactly.
 * A radix select over the scores' bits: four passes over one byte each find the score at the cut, a
 * last pass clears everything below it and as many equal ones, lowest index first, as are still
 * missing. */
#include "sweepstake/prune.h"

#include <math.h>
#include <string.h>

#include "sweepstake/mask.h"

/* A whole number that orders like the score: NaN, then -inf .. inf; -0 equals 0. */
static uint32_t rank_of(float score) {
    if (isnan(score)) return 0;
    score += 0.0F; /* -0 becomes 0 */
    uint32_t bits = 0;
    memcpy(&bits, &score, sizeof bits);
    return bits & UINT32_C(0x80000000) ? ~bits : bits | UINT32_C(0x80000000);
}

/* How many kept scores share the upper bits of `prefix` and have each value of the byte at `shift`.
 */
static void count_bytes(const float *scores, int64_t count, const uint8_t *mask, uint32_t prefix,
                        uint32_t upper, int shift, int64_t histogram[256]) {
    memset(histogram, 0, 256 * sizeof *histogram);
    for (int64_t i = 0; i < count; i++) {
        if (!sw_mask_get(mask, i)) continue;
        uint32_t rank = rank_of(scores[i]);
        if ((rank & upper) == prefix) histogram[rank >> shift & 0xFF]++;
    }
}

/* The rank at the cut: fewer than `remove` kept scores are below it, at least `remove` are not
 * above it. *ties: how many of those equal to it go. remove >= 1. */
static uint32_t find_cut(const float *scores, int64_t count, const uint8_t *mask, int64_t remove,
                         int64_t *ties) {
    uint32_t cut = 0, upper = 0;
    int64_t left = remove;
    for (int shift = 24; shift >= 0; shift -= 8) {
        int64_t histogram[256];
        count_bytes(scores, count, mask, cut, upper, shift, histogram);
        uint32_t byte = 0;
        while (left > histogram[byte])
            left -= histogram[byte++];
        cut |= byte << shift;
        upper |= UINT32_C(0xFF) << shift;
    }
    *ties = left;
    return cut;
}

enum sw_status sw_prune_select(const float *scores, int64_t count, int64_t keep, uint8_t *mask) {
    int64_t set = sw_mask_count(mask, count);
    if (keep < 0 || keep > set)
        return SW_FAIL(SW_INTERNAL, "cannot keep %lld weights of a mask that has %lld of %lld",
                       (long long) keep, (long long) set, (long long) count);
    if (keep == set) return SW_OK;
    int64_t ties = 0;
    uint32_t cut = find_cut(scores, count, mask, set - keep, &ties);
    for (int64_t i = 0; i < count; i++) {
        if (!sw_mask_get(mask, i)) continue;
        uint32_t rank = rank_of(scores[i]);
        if (rank < cut || (rank == cut && ties-- > 0)) sw_mask_clear_bit(mask, i);
    }
    return SW_OK;
}
