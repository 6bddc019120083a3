/* PyTorch's MultiStepLR: gamma once for every milestone passed. He et al. 2016 and the lottery
 * ticket papers after them divide by ten at epochs 80 and 120 of 160. */
#include "schedule.h"

static const char *const options[] = {"train.schedule.milestones", "train.schedule.gamma", NULL};

static double factor(const struct sw_trial_spec *spec, const struct sw_lr_moment *moment) {
    double epoch = 0, product = 1;
    for (size_t i = 0; sw_spec_number(spec->train_schedule_milestones, i, &epoch); i++) {
        /* A hair less, because 0.07 epochs of 100 steps are above 7 steps in binary. */
        double milestone = epoch * (double) moment->epoch_steps * (1 - 1e-12);
        if ((double) moment->step >= milestone) product *= spec->train_schedule_gamma;
    }
    return product;
}

static enum sw_status check(const struct sw_trial_spec *spec, const char **key) {
    double epoch = 0, before = 0;
    if (*spec->train_schedule_milestones == '\0')
        return SW_FAIL(SW_CONFIG, "train.schedule.milestones: the step schedule needs the epochs "
                                  "at which the rate falls, like [80, 120]");
    *key = "train.schedule.milestones";
    for (size_t i = 0; sw_spec_number(spec->train_schedule_milestones, i, &epoch); i++) {
        if (epoch <= before)
            return SW_FAIL(SW_CONFIG, "%s: %g comes after %g; milestones must rise", *key, epoch,
                           before);
        before = epoch;
    }
    return SW_OK;
}

extern const struct sw_lr_schedule sw_schedule_step;
const struct sw_lr_schedule sw_schedule_step = {
    .name = "step",
    .summary = "the rate is multiplied by gamma at every milestone",
    .options = options,
    .factor = factor,
    .check = check,
};
