/* Small weights go first: Frankle & Carbin 2019, section 1: "remove the p % with the lowest
 * magnitudes". */
#include "prune_internal.h"

#include <math.h>

/* score = |w| */
static enum sw_status score_magnitude(const struct sw_score_input *input, float *scores) {
    for (int64_t i = 0; i < input->count; i++)
        scores[i] = fabsf(input->weights[i]);
    return SW_OK;
}

const struct sw_criterion sw_criterion_magnitude = {
    .name = "magnitude",
    .summary = "absolute value of the trained weight",
    .formula = "|w|",
    .source = "Frankle & Carbin 2019, arXiv 1803.03635",
    .score = score_magnitude,
};
