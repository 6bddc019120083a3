/* How much the loss changes, to first order, when a connection is cut: Lee et al. differentiate the loss by a
 * factor c on every weight, at c = 1, which gives g w. They divide by the sum over the network, which leaves
 * the order as it is and is left out. */
#include "prune_internal.h"

#include <math.h>

/* score = |g w| */
static enum sw_status score_snip(const struct sw_score_input *input, float *scores) {
    for (int64_t i = 0; i < input->count; i++)
        scores[i] = (float) fabs(input->gradient[i] * (double) input->weights[i]);
    return SW_OK;
}

static const char *const options[] = {"prune.score_samples", NULL};

const struct sw_criterion sw_criterion_snip = {
    .name = "snip",
    .summary = "connection sensitivity: first-order change of the loss without the weight",
    .formula =
        "|g w|, g = gradient of the mean loss over prune.score_samples training samples; batch norm with the statistics of each pass, no dropout",
    .source = "Lee et al. 2019, SNIP, arXiv 1810.02340; also one of Zhou et al.'s criteria",
    .options = options,
    .needs = SW_NEEDS_GRADIENT,
    .score = score_snip,
};
