/* Which weights go: the `remove` lowest of the kept ones in the order (score, index), exactly.
 * A radix select over the scores' bits: four passes over one byte each, every one over what the last
 * one left, find the score at the cut; a last pass clears everything below it and as many equal ones,
 * lowest index first, as are still missing. */
#include "prune_internal.h"

#include <math.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

uint32_t sw_prune_rank(float score) {
    if (isnan(score)) return 0;
    score += 0.0F; /* -0 becomes 0 */
    uint32_t bits = 0;
    memcpy(&bits, &score, sizeof bits);
    return bits & UINT32_C(0x80000000) ? ~bits : bits | UINT32_C(0x80000000);
}

/* Ranks of the kept scores, in order; returns how many. */
static int64_t list_ranks(const float *scores, int64_t count, const uint8_t *mask,
                          uint32_t *ranks) {
    int64_t n = 0;
    for (int64_t first = 0; first < count; first += 64)
        for (uint64_t left = sw_mask_word(mask, count, first); left != 0; left &= left - 1)
            ranks[n++] = sw_prune_rank(scores[first + __builtin_ctzll(left)]);
    return n;
}

/* The rank at the cut: fewer than `remove` of the ranks are below it, at least `remove` are not above it.
 * *ties: how many of those equal to it go. remove in 1..n. Of `ranks` those that share the upper bytes
 * of the cut, as far as they are known, are left. */
static uint32_t find_cut(uint32_t *ranks, int64_t n, int64_t remove, int64_t *ties) {
    uint32_t cut = 0;
    int64_t left = remove;
    for (int shift = 24; shift >= 0; shift -= 8) {
        int64_t histogram[256] = {0}, same = 0;
        uint32_t byte = 0;
        for (int64_t i = 0; i < n; i++)
            histogram[ranks[i] >> shift & 0xFF]++;
        while (left > histogram[byte])
            left -= histogram[byte++];
        cut |= byte << shift;
        for (int64_t i = 0; i < n; i++)
            if ((ranks[i] >> shift & 0xFF) == byte) ranks[same++] = ranks[i];
        n = same;
    }
    *ties = left;
    return cut;
}

static void clear_below(const float *scores, int64_t count, uint32_t cut, int64_t ties,
                        uint8_t *mask) {
    for (int64_t first = 0; first < count; first += 64) {
        uint64_t gone = 0;
        for (uint64_t left = sw_mask_word(mask, count, first); left != 0; left &= left - 1) {
            int bit = __builtin_ctzll(left);
            uint32_t rank = sw_prune_rank(scores[first + bit]);
            if (rank < cut || (rank == cut && ties-- > 0)) gone |= UINT64_C(1) << bit;
        }
        if (gone != 0) sw_mask_clear_word(mask, count, first, gone);
    }
}

enum sw_status sw_prune_select(const float *scores, int64_t count, int64_t keep, uint8_t *mask) {
    int64_t set = sw_mask_count(mask, count), ties = 0;
    uint32_t *ranks = NULL;
    if (keep < 0 || keep > set)
        return SW_FAIL(SW_INTERNAL, "cannot keep %lld weights of a mask that has %lld of %lld",
                       (long long) keep, (long long) set, (long long) count);
    if (keep == set) return SW_OK;
    SW_TRY(SW_ALLOC(&ranks, (size_t) set, "pruning scores"));
    int64_t n = list_ranks(scores, count, mask, ranks);
    uint32_t cut = find_cut(ranks, n, set - keep, &ties);
    clear_below(scores, count, cut, ties, mask);
    SW_FREE(&ranks);
    return SW_OK;
}
