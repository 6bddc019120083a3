/* A conversion as it is before anything is trained again. */
#include "trial_run.h"

#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

/* The trained weights at their places; removed ones, which may return, are 0. */
static void scatter(const struct sw_arch *arch, const uint8_t *mask, const float *survivors,
                    float *theta) {
    for (int64_t p = 0; p < arch->n_params; p++) {
        const struct sw_param *param = &arch->params[p];
        float *values = theta + param->offset;
        if (param->prunable) {
            survivors += sw_mask_scatter(mask + param->mask_offset, param->count, survivors,
                                         values);
            continue;
        }
        memcpy(values, survivors, (size_t) param->count * sizeof *values);
        survivors += param->count;
    }
}

static enum sw_status find_accuracy(struct sw_trial_run *run, struct sw_net *net,
                                    enum sw_split split, double *out) {
    double loss = 0;
    int64_t correct = 0;
    if (run->data->count[split] == 0) return SW_OK;
    SW_TRY(sw_train_evaluate(net, run->data, split, &loss, &correct));
    *out = (double) correct / (double) run->data->count[split];
    return SW_OK;
}

enum sw_status sw_trial_judge_conversion(struct sw_trial_run *run, const uint8_t *parent_mask,
                                         const float *survivors) {
    struct sw_round_results *result = &run->record.result;
    struct sw_net *net = NULL;
    float *theta = NULL;
    enum sw_status status = SW_OK;
    SW_TRY_TO(SW_ALLOC(&theta, (size_t) run->arch.parameters, "converted weights"), status,
              cleanup);
    scatter(&run->arch, parent_mask, survivors, theta);
    SW_TRY_TO(sw_trial_create_net(run, theta, &net), status, cleanup);
    SW_TRY_TO(find_accuracy(run, net, SW_SPLIT_VALIDATION, &result->converted_validation_accuracy),
              status, cleanup);
    SW_TRY_TO(find_accuracy(run, net, SW_SPLIT_TEST, &result->converted_test_accuracy), status,
              cleanup);
cleanup:
    sw_net_destroy(&net);
    SW_FREE(&theta);
    return status;
}
