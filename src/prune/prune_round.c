/* From a trained parent to the mask of the next round, layer by layer. */
#include "sweepstake/prune.h"

#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

/* Scratch of one prune; arrays as long as the largest layer. */
struct scratch {
    float *weights;
    float *scores;
    uint8_t *mask; /* [mask_bytes] the new mask while it is being made */
};

static enum sw_status alloc_scratch(const struct sw_arch *arch, struct scratch *scratch) {
    int64_t largest = 0;
    for (int64_t p = 0; p < arch->n_params; p++)
        if (arch->params[p].prunable && arch->params[p].count > largest)
            largest = arch->params[p].count;
    SW_TRY(SW_ALLOC(&scratch->weights, (size_t) largest, "weights to be pruned"));
    SW_TRY(SW_ALLOC(&scratch->scores, (size_t) largest, "pruning scores"));
    return SW_ALLOC(&scratch->mask, (size_t) arch->mask_bytes, "a mask");
}

static void free_scratch(struct scratch *scratch) {
    SW_FREE(&scratch->weights);
    SW_FREE(&scratch->scores);
    SW_FREE(&scratch->mask);
}

/* Score one layer and select in it. `mask` starts as the parent's and ends as the new one. */
static enum sw_status prune_layer(const struct sw_criterion *criterion,
                                  const struct sw_score_input *input, int64_t keep,
                                  const uint8_t *parent_mask, float *scores, uint8_t *mask) {
    criterion->score(input, scores);
    SW_TRY(sw_prune_select(scores, input->count, keep, mask));
    int64_t kept = sw_mask_count(mask, input->count);
    if (kept != keep || !sw_mask_is_nested(mask, parent_mask, input->count))
        return SW_FAIL(SW_INTERNAL, "layer %lld keeps %lld weights instead of %lld of its parent's",
                       (long long) input->layer, (long long) kept, (long long) keep);
    return SW_OK;
}

static enum sw_status prune_layers(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                                   int64_t round, const uint8_t *parent_mask,
                                   const float *survivors, const float *theta0, const int64_t *kept,
                                   struct scratch *scratch) {
    const struct sw_criterion *criterion = sw_criterion_find(spec->prune_criterion);
    if (criterion == NULL)
        return SW_FAIL(SW_CONFIG, "prune.criterion: there is no criterion '%s'",
                       spec->prune_criterion);
    int64_t layer = 0;
    for (int64_t p = 0; p < arch->n_params; p++) {
        const struct sw_param *param = &arch->params[p];
        if (!param->prunable) {
            survivors += param->count;
            continue;
        }
        const uint8_t *before = parent_mask + param->mask_offset;
        survivors += sw_mask_scatter(before, param->count, survivors, scratch->weights);
        struct sw_score_input input = {.weights = scratch->weights,
                                       .theta0 = theta0 + param->offset,
                                       .count = param->count,
                                       .seed = (uint64_t) spec->seed,
                                       .round = round,
                                       .layer = layer};
        SW_TRY(prune_layer(criterion, &input, kept[layer], before, scratch->scores,
                           scratch->mask + param->mask_offset));
        layer++;
    }
    return SW_OK;
}

enum sw_status sw_prune_round(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                              int64_t round, const uint8_t *parent_mask,
                              const float *parent_survivors, const float *theta0,
                              const int64_t *kept, uint8_t *mask) {
    struct scratch scratch = {0};
    enum sw_status status = SW_OK;
    SW_TRY_TO(alloc_scratch(arch, &scratch), status, cleanup);
    memcpy(scratch.mask, parent_mask, (size_t) arch->mask_bytes);
    SW_TRY_TO(
        prune_layers(spec, arch, round, parent_mask, parent_survivors, theta0, kept, &scratch),
        status, cleanup);
    memcpy(mask, scratch.mask, (size_t) arch->mask_bytes);
cleanup:
    free_scratch(&scratch);
    return status;
}
