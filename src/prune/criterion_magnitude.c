/* Small weights go first: Frankle & Carbin 2019, section 1: "remove the p % with the lowest
 * magnitudes". */
#include "prune_internal.h"

#include <math.h>

/* score = |w| */
static void score_magnitude(const struct sw_score_input *input, float *scores) {
    for (int64_t i = 0; i < input->count; i++)
        scores[i] = fabsf(input->weights[i]);
}

static const char *const no_options[] = {NULL};

const struct sw_criterion sw_criterion_magnitude = {
    .name = "magnitude",
    .summary = "absolute value of the trained weight",
    .source = "Frankle & Carbin 2019, arXiv 1803.03635",
    .options = no_options,
    .score = score_magnitude,
};
