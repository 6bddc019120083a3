#include "sweepstake/train.h"

static const char *const options[] = {NULL};

static double factor(const struct sw_trial_spec *spec, const struct sw_lr_moment *moment) {
    (void) spec, (void) moment;
    return 1;
}

extern const struct sw_lr_schedule sw_schedule_constant;
const struct sw_lr_schedule sw_schedule_constant = {
    .name = "constant",
    .summary = "the same rate from the end of the warmup to the last step",
    .options = options,
    .factor = factor,
};
