/* Any weight may go: the baseline that a criterion has to beat. Depends on the seed of the trial,
 * the round and the layer, never on the weights. */
#include "prune_internal.h"

#include "sweepstake/random.h"

/* score uniform in [0, 1] */
static enum sw_status score_random(const struct sw_score_input *input, float *scores) {
    uint64_t stream = (uint64_t) input->round << 32 | (uint64_t) input->layer;
    for (int64_t i = 0; i < input->count; i++)
        scores[i] = (float) sw_random_uniform(input->seed, SW_RANDOM_PRUNE, stream, (uint64_t) i);
    return SW_OK;
}

const struct sw_criterion sw_criterion_random = {
    .name = "random",
    .summary = "random numbers: the baseline that any other criterion has to beat",
    .formula = "uniform in 0..1, drawn by seed, round, layer and place",
    .source = "Zhou et al. 2019, arXiv 1905.01067 (their criterion \"random\")",
    .score = score_random,
};
