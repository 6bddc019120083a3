/* Weights that were large and are large stay: both their magnitudes are above the same percentile of their layer.
 * Zhou et al. find that percentile by bisection; the lower of the two percentiles of a weight, as its score,
 * leaves the same weights and any number of them. */
#include "prune_internal.h"

#include "sweepstake/memory.h"

/* Lower scores[index] to the share of kept weights that are smaller than it; equal ones have equal shares. */
static enum sw_status lower(const float *values, const struct sw_score_input *input,
                            float *scores) {
    struct sw_ranked *ranked = NULL;
    int64_t n = 0, smaller = 0;
    SW_TRY(sw_rank_magnitudes(values, input->mask, input->count, &ranked, &n));
    for (int64_t i = 0; i < n; i++) {
        if (i > 0 && ranked[i].magnitude > ranked[i - 1].magnitude) smaller = i;
        float share = (float) ((double) smaller / (double) n);
        if (share < scores[ranked[i].index]) scores[ranked[i].index] = share;
    }
    SW_FREE(&ranked);
    return SW_OK;
}

/* score = min(percentile of |w|, percentile of |w0|) among the kept weights of the layer */
static enum sw_status score_large_init_large_final(const struct sw_score_input *input,
                                                   float *scores) {
    for (int64_t i = 0; i < input->count; i++)
        scores[i] = 1;
    SW_TRY(lower(input->weights, input, scores));
    return lower(input->theta0, input, scores);
}

const struct sw_criterion sw_criterion_large_init_large_final = {
    .name = "large_init_large_final",
    .summary = "both initial and trained weight are among the largest of their layer",
    .formula =
        "min(percentile of |w|, percentile of |w0|), each among the kept weights of the layer",
    .source = "Zhou et al. 2019, arXiv 1905.01067, figure 3 (their mask criterion \"large_init, "
              "large_final\")",
    .needs = SW_NEEDS_THETA0 | SW_NEEDS_TRAINING,
    .score = score_large_init_large_final,
};
