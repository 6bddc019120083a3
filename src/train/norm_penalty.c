/* Network slimming (Liu et al. 2017, arXiv 1708.06519): an L1 penalty on the scales of batch norm draws those
 * that the loss does not need towards 0, so that norm_scale can prune their filters. */
#include "training.h"

#include "sweepstake/memory.h"

/* gradients += penalty * sign(values); at 0 the penalty has no slope. */
static enum sw_status add_slope(const struct sw_net_param *param, float penalty, float *values,
                                float *gradients) {
    const int64_t bytes = param->n * (int64_t) sizeof *values;
    SW_TRY(sw_hal_download(param->values, 0, values, bytes));
    SW_TRY(sw_hal_download(param->gradients, 0, gradients, bytes));
    for (int64_t i = 0; i < param->n; i++)
        gradients[i] += penalty * (float) ((values[i] > 0) - (values[i] < 0));
    return sw_hal_upload(param->gradients, 0, gradients, bytes);
}

/* Scales are few, a thousandth of a network: the host adds, whatever the device. */
enum sw_status sw_training_add_norm_penalty(struct sw_net *net, const struct sw_trial_spec *spec) {
    int64_t n_params = 0, most = 0;
    const struct sw_net_param *params = sw_net_params(net, &n_params);
    float *values = NULL;
    enum sw_status status = SW_OK;
    if (spec->train_norm_penalty == 0) return SW_OK;
    for (int64_t p = 0; p < n_params; p++)
        if (params[p].param->role == SW_ROLE_SCALE && params[p].n > most) most = params[p].n;
    SW_TRY(SW_ALLOC(&values, (size_t) (2 * most), "scales of batch norm"));
    for (int64_t p = 0; p < n_params && status == SW_OK; p++)
        if (params[p].param->role == SW_ROLE_SCALE)
            status = add_slope(&params[p], (float) spec->train_norm_penalty, values, values + most);
    SW_FREE(&values);
    return status;
}
