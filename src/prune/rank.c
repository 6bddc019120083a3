/* Kept weights in the order of their magnitudes. */
#include "prune_internal.h"

#include <math.h>
#include <stdlib.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

static int compare(const void *a, const void *b) {
    const struct sw_ranked *left = a, *right = b;
    if (left->magnitude != right->magnitude) return left->magnitude < right->magnitude ? -1 : 1;
    return (left->index > right->index) - (left->index < right->index);
}

enum sw_status sw_rank_magnitudes(const float *values, const uint8_t *mask, int64_t count,
                                  struct sw_ranked **out, int64_t *n) {
    int64_t kept = 0;
    SW_TRY(SW_ALLOC(out, (size_t) sw_mask_count(mask, count), "ranks of weights"));
    for (int64_t i = 0; i < count; i++) {
        if (!sw_mask_get(mask, i)) continue;
        float magnitude = isnan(values[i]) ? 0 : fabsf(values[i]);
        (*out)[kept++] = (struct sw_ranked){magnitude, (int32_t) i};
    }
    qsort(*out, (size_t) kept, sizeof **out, compare);
    *n = kept;
    return SW_OK;
}
