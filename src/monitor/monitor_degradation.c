/* A pruned network that is worse than the dense one was after as many epochs. Points are absolute: 0.02 of
 * the validation images. */
#include "monitor_internal.h"

static const double largest_loss = 0.02;

/* The last evaluation of the dense training up to that epoch. */
static const struct sw_curve_point *find_dense(const struct sw_watch *watch, double epoch) {
    const struct sw_curve_point *found = &watch->dense[0];
    for (int64_t i = 1; i < watch->n_dense; i++)
        if (watch->dense_end || watch->dense[i].epoch <= epoch) found = &watch->dense[i];
    return found;
}

/* False for accuracies that are no numbers: there are no validation images. */
static enum sw_status check(struct sw_watch *watch, struct sw_net *net,
                            const struct sw_curve_point *point) {
    (void) net;
    if (watch->n_dense == 0 || point->step == watch->first_step) return SW_OK;
    double loss = find_dense(watch, point->epoch)->validation_accuracy - point->validation_accuracy;
    if (loss > largest_loss)
        sw_watch_alert(watch, "degradation", point->step, loss,
                       "validation accuracy is over 2 % below the dense network's");
    return SW_OK;
}

const struct sw_monitor sw_monitor_degradation = {
    .name = "degradation",
    .summary =
        "alert when the validation accuracy is over 2 points below the dense network's after as "
        "many epochs",
    .needs_dense = true,
    .after_evaluation = check,
};
