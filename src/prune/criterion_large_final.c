/* Zhou et al.'s name for what magnitude does, so that their nine criteria stand together. */
#include "prune_internal.h"

#include <math.h>

/* score = |w| */
static enum sw_status score_large_final(const struct sw_score_input *input, float *scores) {
    for (int64_t i = 0; i < input->count; i++)
        scores[i] = fabsf(input->weights[i]);
    return SW_OK;
}

const struct sw_criterion sw_criterion_large_final = {
    .name = "large_final",
    .summary = "absolute value of the trained weight; the same masks as magnitude",
    .formula = "|w|",
    .source = "Zhou et al. 2019, arXiv 1905.01067, figure 3 (their mask criterion \"large_final\")",
    .score = score_large_final,
};
