/* Where the mask is not as sparse as was asked for: floors, whole blocks and units, and layers that compete
 * with each other can have that effect. Points are absolute: 0.05 of the weights. */
#include "monitor_internal.h"

#include <math.h>
#include <stdio.h>

static const double largest_deviation = 0.05;

static double sparsity_of(int64_t kept, int64_t all) {
    return 1 - (double) kept / (double) all;
}

static void tell(struct sw_watch *watch, int64_t step, double deviation, const char *whose) {
    char message[sizeof watch->alerts->message];
    if (!(fabs(deviation) > largest_deviation)) return;
    (void) snprintf(message, sizeof message, "sparsity of %.30s is 5 points or more off the target",
                    whose);
    sw_watch_alert(watch, "sparsity", step, deviation, message);
}

/* Of the layers only the worst is told of. */
static enum sw_status check(struct sw_watch *watch, struct sw_net *net,
                            const struct sw_curve_point *point) {
    int64_t n_params = 0, kept = 0, all = 0;
    const struct sw_net_param *params = sw_net_params(net, &n_params);
    const char *name = "";
    double worst = 0;
    for (int64_t p = 0; p < n_params; p++) {
        const struct sw_param *param = params[p].param;
        if (!param->prunable) continue;
        double deviation = sparsity_of(params[p].n, param->count) - watch->sparsity;
        kept += params[p].n;
        all += param->count;
        if (fabs(deviation) <= fabs(worst)) continue;
        worst = deviation;
        name = param->name;
    }
    if (all == 0) return SW_OK;
    tell(watch, point->step, sparsity_of(kept, all) - watch->sparsity, "the network");
    tell(watch, point->step, worst, name);
    return SW_OK;
}

const struct sw_monitor sw_monitor_sparsity = {
    .name = "sparsity",
    .summary =
        "alert when the network, or its worst layer, is 5 points off the sparsity that was asked for",
    .after_evaluation = check,
};
