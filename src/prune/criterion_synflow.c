/* No data: how much of what flows from inputs of one to the outputs goes through a weight. Scores of a layer
 * sum up to the whole flow, so that a layer whose weights become few is not cut through (layer collapse) as long
 * as the prune takes many steps. The gradient comes divided by the flow: scores are shares of it. */
#include "prune_internal.h"

#include <math.h>

/* score = |w| dR/d|w| / R */
static enum sw_status score_synflow(const struct sw_score_input *input, float *scores) {
    for (int64_t i = 0; i < input->count; i++)
        scores[i] = (float) (fabs((double) input->weights[i]) * input->gradient[i]);
    return SW_OK;
}

static const char *const options[] = {"prune.score_steps", NULL};

const struct sw_criterion sw_criterion_synflow = {
    .name = "synflow",
    .summary =
        "synaptic flow through the weight, asked again after each of prune.score_steps small cuts",
    .formula =
        "|w| dR/d|w| / R, R = sum of the outputs of the network with absolute weights for an input of ones, without biases, with batch norm passing on what it is given, in double",
    .source =
        "Tanaka et al. 2020, SynFlow, arXiv 2006.05467; their code keeps batch norm with absolute statistics, which is left out here",
    .options = options,
    .needs = SW_NEEDS_FLOW,
    .score = score_synflow,
};
