/* Weights that moved stay, whichever way. */
#include "prune_internal.h"

#include <math.h>

/* score = |w - w0| */
static enum sw_status score_movement(const struct sw_score_input *input, float *scores) {
    for (int64_t i = 0; i < input->count; i++)
        scores[i] = fabsf(input->weights[i] - input->theta0[i]);
    return SW_OK;
}

const struct sw_criterion sw_criterion_movement = {
    .name = "movement",
    .summary = "distance between trained and initial weight",
    .formula = "|w - w0|",
    .source = "Zhou et al. 2019, arXiv 1905.01067, figure 3 (their mask criterion \"movement\")",
    .needs = SW_NEEDS_THETA0 | SW_NEEDS_TRAINING,
    .score = score_movement,
};
