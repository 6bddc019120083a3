/* Units whose batch norm scales them down go first. All weights of a unit have one score: it is made for pruning
 * whole filters, and for trainings with train.norm_penalty, which draws scales towards 0. */
#include "prune_internal.h"

#include <math.h>

/* score = |scale of the weight's output unit|; layers without batch norm are not pruned */
static enum sw_status score_norm_scale(const struct sw_score_input *input, float *scores) {
    for (int64_t i = 0; i < input->count; i++)
        scores[i] = input->scale != NULL ? fabsf(input->scale[i / (input->count / input->rows)])
                                         : 0;
    return SW_OK;
}

const struct sw_criterion sw_criterion_norm_scale = {
    .name = "norm_scale",
    .summary = "absolute scale of the batch norm behind the weight's filter (network slimming)",
    .formula = "|gamma| of the filter",
    .source = "Liu et al. 2017, network slimming, arXiv 1708.06519",
    .needs = SW_NEEDS_TRAINING | SW_NEEDS_NORM,
    .score = score_norm_scale,
};
