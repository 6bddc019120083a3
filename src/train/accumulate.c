#include "accumulate.h"

#include "sweepstake/memory.h"
#include "sweepstake/train.h"

enum sw_status sw_accumulator_check(const struct sw_trial_spec *spec, const char **key) {
    *key = "train.accumulate";
    if (spec->train_accumulate <= spec->train_batch) return SW_OK;
    return SW_FAIL(SW_CONFIG, "%s: a batch of %lld samples has no %lld parts", *key,
                   (long long) spec->train_batch, (long long) spec->train_accumulate);
}

enum sw_status sw_accumulator_init(struct sw_net *net, const struct sw_trial_spec *spec,
                                   struct sw_accumulator *out) {
    const struct sw_net_param *params = sw_net_params(net, &out->n_params);
    if (spec->train_accumulate == 1) return SW_OK;
    SW_TRY(SW_ALLOC(&out->sums, (size_t) out->n_params, "table of gradients"));
    for (int64_t p = 0; p < out->n_params; p++) {
        const int64_t bytes = params[p].n * (int64_t) sizeof(float);
        if (!sw_role_is_trained(params[p].param->role)) continue;
        SW_TRY(sw_hal_alloc(sw_net_hal(net), bytes, "gradients that are added up",
                            &out->sums[p].buffer));
        out->bytes += bytes;
    }
    return SW_OK;
}

void sw_accumulator_fini(struct sw_accumulator *accumulator) {
    for (int64_t p = 0; accumulator->sums != NULL && p < accumulator->n_params; p++)
        sw_hal_free(&accumulator->sums[p].buffer);
    SW_FREE(&accumulator->sums);
}

/* to += share * from, as a step of gradient descent: from has the sign and the rate of one. */
static enum sw_status add(struct sw_net *net, struct sw_buffer *to, const struct sw_buffer *from,
                          int64_t n, double share) {
    return sw_hal_sgd(sw_net_hal(net), to, from, NULL, n, (float) -share, 0, 0);
}

static enum sw_status clear_sums(const struct sw_accumulator *accumulator) {
    for (int64_t p = 0; p < accumulator->n_params; p++)
        if (accumulator->sums[p].buffer != NULL) SW_TRY(sw_hal_zero(accumulator->sums[p].buffer));
    return SW_OK;
}

static enum sw_status add_gradients(const struct sw_accumulator *accumulator, struct sw_net *net,
                                    double share) {
    int64_t n_params = 0;
    const struct sw_net_param *params = sw_net_params(net, &n_params);
    for (int64_t p = 0; p < n_params; p++)
        if (accumulator->sums[p].buffer != NULL)
            SW_TRY(add(net, accumulator->sums[p].buffer, params[p].gradients, params[p].n, share));
    return SW_OK;
}

static enum sw_status put_sums(const struct sw_accumulator *accumulator, struct sw_net *net) {
    int64_t n_params = 0;
    const struct sw_net_param *params = sw_net_params(net, &n_params);
    for (int64_t p = 0; p < n_params; p++) {
        if (accumulator->sums[p].buffer == NULL) continue;
        SW_TRY(sw_hal_zero(params[p].gradients));
        SW_TRY(add(net, params[p].gradients, accumulator->sums[p].buffer, params[p].n, 1));
    }
    return SW_OK;
}

/* Every part has random numbers of its own (dropout), so that parts are not masked alike. */
enum sw_status sw_accumulator_pass(const struct sw_accumulator *accumulator,
                                   const struct sw_feed *feed, struct sw_net *net,
                                   const struct sw_trial_spec *spec, int64_t step,
                                   const int32_t *index, const struct sw_augment *augment,
                                   int64_t batch, double *loss_sum) {
    const int64_t most = sw_train_part(spec);
    if (batch > most) SW_TRY(clear_sums(accumulator));
    *loss_sum = 0;
    for (int64_t first = 0, number = 0; first < batch; first += most, number++) {
        int64_t part = batch - first < most ? batch - first : most, correct = 0;
        double sum = 0;
        sw_net_set_mode(net, SW_NET_TRAIN, (uint64_t) spec->seed,
                        step * spec->train_accumulate + number);
        SW_TRY(sw_feed_pass(feed, net, index + first, augment != NULL ? augment + first : NULL,
                            part, true, &sum, &correct));
        SW_TRY(sw_net_backward(net, part));
        *loss_sum += sum;
        if (batch > most) SW_TRY(add_gradients(accumulator, net, (double) part / (double) batch));
    }
    return batch > most ? put_sums(accumulator, net) : SW_OK;
}
