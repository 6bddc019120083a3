/* Layer-adaptive magnitudes: the share of a weight in what is left of its layer when all smaller ones are gone.
 * The largest weight of every layer scores 1, so that a global cut empties none. Within a layer the order
 * is that of magnitude. */
#include "prune_internal.h"

#include "sweepstake/memory.h"

/* score = w^2 / sum of v^2 over all weights v of the layer that are not smaller; of equal ones those of
 * higher index count as larger. 0 for a weight of 0. Sums in double, from the largest square down. */
static enum sw_status score_lamp(const struct sw_score_input *input, float *scores) {
    struct sw_ranked *ranked = NULL;
    int64_t n = 0;
    double sum = 0;
    SW_TRY(sw_rank_magnitudes(input->weights, input->mask, input->count, &ranked, &n));
    while (n-- > 0) {
        double square = (double) ranked[n].magnitude * (double) ranked[n].magnitude;
        sum += square;
        scores[ranked[n].index] = sum > 0 ? (float) (square / sum) : 0;
    }
    SW_FREE(&ranked);
    return SW_OK;
}

const struct sw_criterion sw_criterion_lamp = {
    .name = "lamp",
    .summary = "magnitude that a global cut can compare between layers; for prune.scope global",
    .formula = "w^2 / sum of v^2 over the kept weights v of the layer with |v| >= |w|",
    .source = "Lee et al. 2021, LAMP, arXiv 2010.07611",
    .score = score_lamp,
};
