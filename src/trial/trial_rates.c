/* What a round takes from its parent's trained weights beside the mask: the weights themselves where they
 * are not rewound, and what a learning rate may follow from. */
#include "trial_run.h"

#include <math.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

/* ---- the parent's weights ------------------------------------------------------------------------ */

/* Sums over the prunable weights that the parent kept. */
struct loss {
    int64_t before, removed;
    double squares_before, squares_removed;
};

/* The parent's weights of one layer, in the order of their places. */
static void add_layer(const uint8_t *parent, const uint8_t *mask, int64_t count,
                      const float **survivors, struct loss *loss) {
    for (int64_t i = 0; i < count; i++) {
        if (!sw_mask_get(parent, i)) continue;
        double square = (double) **survivors * (double) **survivors;
        (*survivors)++;
        loss->before++;
        loss->squares_before += square;
        if (sw_mask_get(mask, i)) continue;
        loss->removed++;
        loss->squares_removed += square;
    }
}

static void measure_loss(struct sw_trial_run *run, const uint8_t *parent_mask,
                         const float *survivors) {
    struct loss loss = {0};
    for (int64_t p = 0; p < run->arch.n_params; p++) {
        const struct sw_param *param = &run->arch.params[p];
        if (param->prunable)
            add_layer(parent_mask + param->mask_offset, run->mask + param->mask_offset,
                      param->count, &survivors, &loss);
        else
            survivors += param->count;
    }
    run->prune.removed = loss.before > 0 ? (double) loss.removed / (double) loss.before : 0;
    run->prune.norm_before = sqrt(loss.squares_before);
    run->prune.norm_removed = sqrt(loss.squares_removed);
}

/* Into theta_k, a whole network; what the parent does not keep stays 0. */
static void keep_weights(struct sw_trial_run *run, const uint8_t *parent_mask,
                         const float *survivors) {
    for (int64_t p = 0; p < run->arch.n_params; p++) {
        const struct sw_param *param = &run->arch.params[p];
        float *out = run->theta_k + param->offset;
        if (!param->prunable) {
            memcpy(out, survivors, (size_t) param->count * sizeof *out);
            survivors += param->count;
            continue;
        }
        survivors += sw_mask_scatter(parent_mask + param->mask_offset, param->count, survivors,
                                     out);
    }
}

void sw_trial_take_parent(struct sw_trial_run *run, const uint8_t *parent_mask,
                          const float *survivors) {
    if (!sw_round_keeps_weights(&run->spec, &run->task->plan)) return;
    measure_loss(run, parent_mask, survivors);
    keep_weights(run, parent_mask, survivors);
}

/* ---- learning rates ------------------------------------------------------------------------------ */

enum sw_status sw_trial_make_rates(struct sw_trial_run *run) {
    const int64_t images = run->data->count[SW_SPLIT_TRAIN];
    const struct sw_round_results *result = &run->record.result;
    if (run->task->plan.round == 0) return SW_OK;
    if (run->arch.prunable > 0)
        run->prune.left = (double) result->nnz / (double) run->arch.prunable;
    run->prune.steps = run->task->plan.steps - run->task->plan.rewind_to;
    run->prune.dense_steps = sw_train_steps(&run->task->spec, images);
    run->spec.train_optimizer_lr *= sw_lr_rule_factor(&run->spec, &run->prune);
    if (!sw_lr_rule_scales_layers(&run->spec)) return SW_OK;
    SW_TRY(SW_ALLOC(&run->lr_factors, (size_t) run->arch.n_params, "learning rates"));
    sw_lr_rule_layers(&run->arch, run->kept, run->lr_factors);
    return SW_OK;
}
