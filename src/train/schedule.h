/* Module: train, private: what learning-rate schedules share.
 * How to add a schedule: a file schedule_NAME.c with one `const struct sw_lr_schedule`, one line in
 * schedules.def. */
#pragma once

#include "sweepstake/train.h"

/* Share of the way from the end of the warmup (0, also during it) to the end of the training, which
 * is the step behind the last one (1). */
static inline double sw_schedule_progress(const struct sw_lr_moment *moment) {
    if (moment->step <= moment->warmup) return 0;
    return (double) (moment->step - moment->warmup) / (double) (moment->steps - moment->warmup);
}
