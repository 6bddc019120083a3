/* Small initial weights go first: how much of a ticket was there before training. */
#include "prune_internal.h"

#include <math.h>

/* score = |w0| */
static enum sw_status score_large_init(const struct sw_score_input *input, float *scores) {
    for (int64_t i = 0; i < input->count; i++)
        scores[i] = fabsf(input->theta0[i]);
    return SW_OK;
}

const struct sw_criterion sw_criterion_large_init = {
    .name = "large_init",
    .summary = "absolute value of the initial weight",
    .formula = "|w0|",
    .source = "Zhou et al. 2019, arXiv 1905.01067, figure 3 (their mask criterion \"large_init\")",
    .needs = SW_NEEDS_THETA0,
    .score = score_large_init,
};
