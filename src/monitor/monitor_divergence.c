/* A training whose loss is not a number, or far above that of guessing, does not come back: end it. */
#include "monitor_internal.h"

#include <math.h>

/* Guessing among 1000 classes costs 6.9 nats; a network far beyond this has left its working range. */
static const double highest_loss = 1e4;

static enum sw_status check(struct sw_watch *watch, int64_t step, const char *which, double loss) {
    if (loss <= highest_loss) return SW_OK; /* false for NaN */
    sw_watch_alert(watch, "divergence", step, loss, "the loss has left its range: training ended");
    return SW_FAIL(SW_DIVERGED, "training diverged: %s is %g at step %lld (limit %g)", which, loss,
                   (long long) step, highest_loss);
}

static enum sw_status check_batch(struct sw_watch *watch, struct sw_net *net, int64_t step,
                                  double loss) {
    (void) net;
    return check(watch, step, "the loss", loss);
}

/* The last update of all is seen by no further backward pass, only by its evaluation. An accuracy of NaN
 * says that a split has no images. */
static enum sw_status check_point(struct sw_watch *watch, struct sw_net *net,
                                  const struct sw_curve_point *point) {
    (void) net;
    if (!isnan(point->validation_accuracy))
        SW_TRY(check(watch, point->step, "the validation loss", point->validation_loss));
    if (!isnan(point->test_accuracy))
        SW_TRY(check(watch, point->step, "the test loss", point->test_loss));
    return SW_OK;
}

const struct sw_monitor sw_monitor_divergence = {
    .name = "divergence",
    .summary = "end a training whose loss is NaN, infinite or above 1e4, and mark it as failed",
    .after_backward = check_batch,
    .after_evaluation = check_point,
};
