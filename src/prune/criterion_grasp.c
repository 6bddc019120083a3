/* Wang et al. keep the gradient flow of the loss: cutting weight i changes |g|^2 / 2 by -w_i (H g)_i to first
 * order. What lowers it most has the largest w_i (H g)_i, and stays.
 * Theirs is a Hessian by automatic differentiation; ours comes from differences of gradients, where units that
 * switch within the step count. */
#include "prune_internal.h"

/* score = w (H g) */
static enum sw_status score_grasp(const struct sw_score_input *input, float *scores) {
    for (int64_t i = 0; i < input->count; i++)
        scores[i] = (float) ((double) input->weights[i] * input->product[i]);
    return SW_OK;
}

static const char *const options[] = {"prune.score_samples", "prune.score_temperature", NULL};

const struct sw_criterion sw_criterion_grasp = {
    .name = "grasp",
    .summary =
        "gradient signal preservation: what the loss's gradient flow would lose without the weight",
    .formula =
        "w (H g), the largest stay; H g = (grad(w + e g) - grad(w - e g)) / 2e, e = 1e-3 |w| / |g|, of the loss with logits / prune.score_temperature; batch norm and dropout as for snip",
    .source =
        "Wang et al. 2020, GraSP, arXiv 2002.07376; sign and temperature as in their code and in Tanaka et al.'s",
    .options = options,
    .needs = SW_NEEDS_GRADIENT | SW_NEEDS_PRODUCT,
    .negative = true,
    .score = score_grasp,
};
