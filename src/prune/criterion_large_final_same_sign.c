/* Large weights stay, those that training took to the other sign go first. A zero has no
 * sign that could be kept. */
#include "prune_internal.h"

#include <math.h>

/* score = |w| where w and w0 have the same sign, else 0 */
static enum sw_status score_large_final_same_sign(const struct sw_score_input *input,
                                                  float *scores) {
    for (int64_t i = 0; i < input->count; i++)
        scores[i] = sw_compare_signs(input->weights[i], input->theta0[i]) > 0
                        ? fabsf(input->weights[i])
                        : 0;
    return SW_OK;
}

const struct sw_criterion sw_criterion_large_final_same_sign = {
    .name = "large_final_same_sign",
    .summary = "absolute value of trained weights that kept their sign; others score 0",
    .formula = "|w| if sign(w) = sign(w0), else 0",
    .source =
        "Zhou et al. 2019, arXiv 1905.01067, figure 3 (their mask criterion \"large_final, same sign\")",
    .needs = SW_NEEDS_THETA0 | SW_NEEDS_TRAINING,
    .score = score_large_final_same_sign,
};
