#include "sweepstake/train.h"

static int64_t divide_up(int64_t a, int64_t b) {
    return a / b + (a % b > 0);
}

int64_t sw_train_part(const struct sw_trial_spec *spec) {
    return divide_up(spec->train_batch, spec->train_accumulate);
}

int64_t sw_train_accumulator_bytes(const struct sw_trial_spec *spec, int64_t survivors) {
    return spec->train_accumulate > 1 ? survivors * (int64_t) sizeof(float) : 0;
}

int64_t sw_train_epoch_steps(const struct sw_trial_spec *spec, int64_t train_images) {
    return divide_up(train_images, spec->train_batch);
}

int64_t sw_train_steps(const struct sw_trial_spec *spec, int64_t train_images) {
    if (spec->train_steps != SW_INT_NULL) return spec->train_steps;
    if (spec->train_epochs == SW_INT_NULL) return 0;
    return spec->train_epochs * sw_train_epoch_steps(spec, train_images);
}

int64_t sw_train_curve_points_from(const struct sw_trial_spec *spec, int64_t first, int64_t steps) {
    int64_t every = spec->train_evaluate_every;
    return 1 + divide_up(steps, every) - first / every;
}

int64_t sw_train_curve_points(const struct sw_trial_spec *spec, int64_t steps) {
    return sw_train_curve_points_from(spec, 0, steps);
}

/* Training samples of the first `steps` steps: the last batch of an epoch may be smaller. */
static int64_t count_samples(const struct sw_trial_spec *spec, int64_t train_images,
                             int64_t steps) {
    int64_t per_epoch = sw_train_epoch_steps(spec, train_images);
    if (per_epoch == 0) return 0;
    return steps / per_epoch * train_images + steps % per_epoch * spec->train_batch;
}

double sw_train_flops_from(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                           const struct sw_data_info *data, int64_t first, const int64_t *kept) {
    int64_t steps = sw_train_steps(spec, data->train);
    int64_t points = sw_train_curve_points_from(spec, first, steps);
    double trained = (double) (count_samples(spec, data->train, steps) -
                               count_samples(spec, data->train, first));
    double evaluated = (double) points * (double) (data->validation + data->test);
    return trained * sw_net_step_flops(arch, kept) + evaluated * sw_net_forward_flops(arch, kept);
}

double sw_train_flops_span(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                           const struct sw_data_info *data, int64_t first, int64_t from, int64_t to,
                           const int64_t *kept) {
    int64_t every = spec->train_evaluate_every, points = to / every - from / every;
    if (from >= to) return 0;
    points += (from == first) + (to == sw_train_steps(spec, data->train) && to % every != 0);
    double trained = (double) (count_samples(spec, data->train, to) -
                               count_samples(spec, data->train, from));
    double evaluated = (double) points * (double) (data->validation + data->test);
    return trained * sw_net_step_flops(arch, kept) + evaluated * sw_net_forward_flops(arch, kept);
}

double sw_train_flops(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                      const struct sw_data_info *data, const int64_t *kept) {
    return sw_train_flops_from(spec, arch, data, 0, kept);
}

struct sw_train_extent sw_train_extent_of(const struct sw_trial_spec *spec, int64_t round,
                                          int64_t survivors, int64_t weights, int64_t layers) {
    return (struct sw_train_extent){.survivors = survivors,
                                    .factored = sw_train_is_factored(spec, round) ? weights : 0,
                                    .layers = layers};
}

/* A factored weight has two factors beside its value, and the states of both. */
int64_t sw_train_state_bytes(const struct sw_trial_spec *spec,
                             const struct sw_train_extent *extent) {
    const struct sw_optimizer *optimizer = sw_optimizer_find(spec->train_optimizer_name);
    if (optimizer == NULL) return 0;
    int64_t arrays = (extent->survivors + extent->factored) * optimizer->n_states(spec);
    return (arrays + 2 * extent->factored) * (int64_t) sizeof(float);
}
