/* L2 norms of the layers' gradients, looked at as often as the network is evaluated. Vanished and exploded
 * gradients are worth an alert; ones that are not numbers end the training. */
#include "monitor_internal.h"

#include <math.h>
#include <stdio.h>

static const double lowest_norm = 1e-6, highest_norm = 1e2;

static enum sw_status watch_layer(struct sw_watch *watch, struct sw_net *net,
                                  const struct sw_net_param *param, int64_t step, double *norm) {
    double squares = 0;
    SW_TRY(sw_hal_sum_squares(sw_net_hal(net), param->gradients, param->n, &squares));
    *norm = sqrt(squares);
    if (!isfinite(*norm))
        return SW_FAIL(SW_DIVERGED, "training diverged: the gradient norm of %s is %g at step %lld",
                       param->param->name, *norm, (long long) step);
    if (*norm >= lowest_norm && *norm <= highest_norm) return SW_OK;
    char message[sizeof watch->alerts->message];
    snprintf(message, sizeof message, "gradient norm of %s is outside 1e-6 .. 1e2",
             param->param->name);
    sw_watch_alert(watch, "gradient-norm", step, *norm, message);
    return SW_OK;
}

static enum sw_status watch_gradients(struct sw_watch *watch, struct sw_net *net, int64_t step,
                                      double loss) {
    (void) loss;
    if (step % watch->evaluate_every != 0) return SW_OK;
    int64_t n_params = 0, layer = 0;
    const struct sw_net_param *params = sw_net_params(net, &n_params);
    for (int64_t p = 0; p < n_params; p++)
        if (params[p].param->prunable)
            SW_TRY(watch_layer(watch, net, &params[p], step, &watch->gradient_norm[layer++]));
    return SW_OK;
}

const struct sw_monitor sw_monitor_gradient_norm = {
    .name = "gradient-norm",
    .summary =
        "alert when a layer's gradient norm is outside 1e-6 .. 1e2; a norm that is not a number "
        "ends the training",
    .after_backward = watch_gradients,
};
