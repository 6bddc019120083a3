/* Large weights go first: what a mask is worth that does the opposite of large_final. */
#include "prune_internal.h"

#include <math.h>

/* score = -|w| */
static enum sw_status score_small_final(const struct sw_score_input *input, float *scores) {
    for (int64_t i = 0; i < input->count; i++)
        scores[i] = -fabsf(input->weights[i]);
    return SW_OK;
}

const struct sw_criterion sw_criterion_small_final = {
    .name = "small_final",
    .summary = "the smallest trained weights stay",
    .formula = "-|w|",
    .source = "Zhou et al. 2019, arXiv 1905.01067, figure 3 (their mask criterion \"small_final\")",
    .negative = true,
    .score = score_small_final,
};
