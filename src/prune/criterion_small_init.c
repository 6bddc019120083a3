/* Large initial weights go first. */
#include "prune_internal.h"

#include <math.h>

/* score = -|w0| */
static enum sw_status score_small_init(const struct sw_score_input *input, float *scores) {
    for (int64_t i = 0; i < input->count; i++)
        scores[i] = -fabsf(input->theta0[i]);
    return SW_OK;
}

const struct sw_criterion sw_criterion_small_init = {
    .name = "small_init",
    .summary = "the smallest initial weights stay",
    .formula = "-|w0|",
    .source = "Zhou et al. 2019, arXiv 1905.01067, figure 3 (their mask criterion \"small_init\")",
    .needs = SW_NEEDS_THETA0,
    .negative = true,
    .score = score_small_init,
};
