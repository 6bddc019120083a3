#include <math.h>
#include <string.h>

#include "sweepstake/train.h"

#define SW_SCHEDULE(symbol) extern const struct sw_lr_schedule symbol;
#include "schedules.def"
#undef SW_SCHEDULE

enum {
#define SW_SCHEDULE(symbol) INDEX_##symbol,
#include "schedules.def"
#undef SW_SCHEDULE
    N_SCHEDULES
};

static const struct sw_lr_schedule *const schedules[N_SCHEDULES] = {
#define SW_SCHEDULE(symbol) &symbol,
#include "schedules.def"
#undef SW_SCHEDULE
};

const struct sw_lr_schedule *sw_lr_schedule_at(size_t index) {
    return index < N_SCHEDULES ? schedules[index] : NULL;
}

const struct sw_lr_schedule *sw_lr_schedule_find(const char *name) {
    for (size_t i = 0; i < N_SCHEDULES; i++)
        if (strcmp(schedules[i]->name, name) == 0) return schedules[i];
    return NULL;
}

static int64_t warmup_steps(const struct sw_trial_spec *spec, int64_t steps) {
    double exact = spec->train_schedule_warmup_fraction * (double) steps;
    /* A hair less, because 0.07 * 100 is above 7 in binary and would become 8. */
    return (int64_t) ceil(exact * (1 - 1e-12));
}

/* Factor of the warmup: a line from `start` at step 0 to 1 at the end of the warmup. */
static double ramp(const struct sw_trial_spec *spec, const struct sw_lr_moment *moment) {
    double start = spec->train_schedule_warmup_start;
    if (moment->step >= moment->warmup) return 1;
    return start + (1 - start) * (double) moment->step / (double) moment->warmup;
}

double sw_lr_at(const struct sw_trial_spec *spec, int64_t step, int64_t steps,
                int64_t epoch_steps) {
    const struct sw_lr_schedule *schedule = sw_lr_schedule_find(spec->train_schedule_name);
    const struct sw_lr_moment moment = {.step = step,
                                        .steps = steps,
                                        .epoch_steps = epoch_steps,
                                        .warmup = warmup_steps(spec, steps)};
    if (schedule == NULL) return NAN;
    return spec->train_optimizer_lr * schedule->factor(spec, &moment) * ramp(spec, &moment);
}
