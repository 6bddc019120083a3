/* A conversion as it is before anything is trained again. */
#include "trial_run.h"

#include "sweepstake/memory.h"

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
    /* Removed weights, which may return, are 0. */
    sw_arch_scatter(&run->arch, parent_mask, survivors, theta);
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
