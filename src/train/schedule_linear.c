/* A straight line from the end of the warmup to the end of the training. */
#include "schedule.h"

static const char *const options[] = {"train.schedule.floor", NULL};

static double factor(const struct sw_trial_spec *spec, const struct sw_lr_moment *moment) {
    double floor = spec->train_schedule_floor;
    return floor + (1 - floor) * (1 - sw_schedule_progress(moment));
}

extern const struct sw_lr_schedule sw_schedule_linear;
const struct sw_lr_schedule sw_schedule_linear = {
    .name = "linear",
    .summary = "a line from the rate at the end of the warmup down to the floor",
    .options = options,
    .factor = factor,
};
