/* Weights that training wants to change stay. */
#include "prune_internal.h"

#include <math.h>

/* score = |g| */
static enum sw_status score_gradient(const struct sw_score_input *input, float *scores) {
    for (int64_t i = 0; i < input->count; i++)
        scores[i] = (float) fabs(input->gradient[i]);
    return SW_OK;
}

static const char *const options[] = {"prune.score_samples", NULL};

const struct sw_criterion sw_criterion_gradient = {
    .name = "gradient",
    .summary = "absolute value of the gradient of the loss",
    .formula = "|g|, g as for snip",
    .source = "Zhou et al. 2019, arXiv 1905.01067, figure 3 (their mask criterion \"grad\")",
    .options = options,
    .needs = SW_NEEDS_GRADIENT,
    .score = score_gradient,
};
