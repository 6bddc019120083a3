/* Weights that grew stay; those that shrank most go first. */
#include "prune_internal.h"

#include <math.h>

/* score = |w| - |w0| */
static enum sw_status score_magnitude_increase(const struct sw_score_input *input, float *scores) {
    for (int64_t i = 0; i < input->count; i++)
        scores[i] = fabsf(input->weights[i]) - fabsf(input->theta0[i]);
    return SW_OK;
}

const struct sw_criterion sw_criterion_magnitude_increase = {
    .name = "magnitude_increase",
    .summary = "growth of the absolute value in training",
    .formula = "|w| - |w0|",
    .source =
        "Zhou et al. 2019, arXiv 1905.01067, figure 3 (their mask criterion \"magnitude_increase\")",
    .needs = SW_NEEDS_THETA0 | SW_NEEDS_TRAINING,
    .negative = true,
    .score = score_magnitude_increase,
};
