#include "training.h"

#include <math.h>

#define CONVOLUTION_BATCH 64

int64_t sw_train_evaluate_batch(const struct sw_arch *arch) {
    for (int64_t p = 0; p < arch->n_params; p++)
        if (arch->params[p].rank == 4) return CONVOLUTION_BATCH;
    return SW_EVALUATE_BATCH;
}

int64_t sw_train_max_batch(const struct sw_trial_spec *spec, const struct sw_arch *arch) {
    int64_t evaluated = sw_train_evaluate_batch(arch), part = sw_train_part(spec);
    return part > evaluated ? part : evaluated;
}

enum sw_status sw_training_evaluate(const struct sw_feed *feed, struct sw_net *net, double *loss,
                                    int64_t *correct) {
    int32_t index[SW_EVALUATE_BATCH];
    double sum = 0;
    int64_t right = 0, batch, most = sw_train_evaluate_batch(sw_net_arch(net));
    sw_net_set_mode(net, SW_NET_EVALUATE, 0, 0);
    for (int64_t first = 0; first < feed->count; first += batch) {
        double batch_sum = 0;
        int64_t batch_right = 0;
        batch = feed->count - first < most ? feed->count - first : most;
        for (int64_t i = 0; i < batch; i++)
            index[i] = (int32_t) (first + i);
        SW_TRY(sw_feed_pass(feed, net, index, NULL, batch, false, &batch_sum, &batch_right));
        sum += batch_sum;
        right += batch_right;
    }
    *loss = feed->count > 0 ? sum / (double) feed->count : NAN;
    *correct = right;
    return SW_OK;
}

enum sw_status sw_train_evaluate(struct sw_net *net, const struct sw_data *data,
                                 enum sw_split split, double *loss, int64_t *correct) {
    struct sw_feed feed;
    SW_TRY(sw_feed_init(net, data, split, &feed));
    enum sw_status status = sw_training_evaluate(&feed, net, loss, correct);
    sw_feed_fini(&feed);
    return status;
}
