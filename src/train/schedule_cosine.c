/* Half a cosine from the end of the warmup to the end of the training (Loshchilov and Hutter 2017,
 * "SGDR", without restarts; PyTorch's CosineAnnealingLR). */
#include "schedule.h"

static const char *const options[] = {"train.schedule.floor", NULL};

/* cos(pi x) for 0 <= x <= 1/2, by its series: not the C library's, whose last bit differs between
 * processors. The first term left out is below 1e-17. */
static double cosine_of_half(double x) {
    const double square = (3.14159265358979323846 * x) * (3.14159265358979323846 * x);
    double sum = 1;
    for (int k = 22; k >= 2; k -= 2)
        sum = 1 - sum * square / (double) (k * (k - 1));
    return sum;
}

static double cosine(double x) {
    return x <= 0.5 ? cosine_of_half(x) : -cosine_of_half(1 - x);
}

static double factor(const struct sw_trial_spec *spec, const struct sw_lr_moment *moment) {
    double floor = spec->train_schedule_floor;
    return floor + (1 - floor) * (1 + cosine(sw_schedule_progress(moment))) / 2;
}

extern const struct sw_lr_schedule sw_schedule_cosine;
const struct sw_lr_schedule sw_schedule_cosine = {
    .name = "cosine",
    .summary = "half a cosine from the rate at the end of the warmup down to the floor",
    .options = options,
    .factor = factor,
};
