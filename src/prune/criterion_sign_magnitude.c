/* Signs matter more than sizes (Zhou et al. 2019, Gadhikar et al. 2025): a weight against the sign of its
 * reference counts for less. A zero agrees with both signs. With prune.sign_factor 0 and reference init this is
 * large_final_same_sign but for zeros, with 1 it is magnitude. */
#include "prune_internal.h"

#include <math.h>

/* score = |w|, times prune.sign_factor where the reference has the opposite sign */
static enum sw_status score_sign_magnitude(const struct sw_score_input *input, float *scores) {
    for (int64_t i = 0; i < input->count; i++)
        scores[i] = fabsf(input->weights[i]) *
                    (sw_compare_signs(input->weights[i], input->reference[i]) < 0
                         ? (float) input->spec->prune_sign_factor
                         : 1);
    return SW_OK;
}

static const char *const options[] = {"prune.sign_reference", "prune.sign_factor", NULL};

const struct sw_criterion sw_criterion_sign_magnitude = {
    .name = "sign_magnitude",
    .summary =
        "absolute value of the trained weight, lowered where its sign is not that of prune.sign_reference",
    .formula = "|w| if sign(w) = sign(reference), else prune.sign_factor |w|",
    .source =
        "sign-aware pruning: ours, between Zhou et al.'s large_final and large_final, same sign (arXiv 1905.01067)",
    .options = options,
    .needs = SW_NEEDS_TRAINING | SW_NEEDS_REFERENCE,
    .score = score_sign_magnitude,
};
