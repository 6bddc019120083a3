#include "sweepstake/feed.h"

static enum sw_status check_fit(const struct sw_arch *arch, const struct sw_data *data) {
    int64_t features = arch->input_shape[0] * arch->input_shape[1] * arch->input_shape[2];
    if (data->features != features || data->info.classes != arch->classes)
        return SW_FAIL(
            SW_CONFIG,
            "data set '%s' has %lld values and %lld classes, but the network was laid out "
            "for %lld and %lld",
            data->info.name, (long long) data->features, (long long) data->info.classes,
            (long long) features, (long long) arch->classes);
    return SW_OK;
}

static enum sw_status wrap(struct sw_hal *hal, const struct sw_data *data, enum sw_split split,
                           struct sw_feed *feed) {
    int64_t table = data->info.shape[0] * 256 * (int64_t) sizeof *data->table;
    SW_TRY(sw_hal_wrap(hal, data->images[split], feed->count * feed->features, &feed->images));
    SW_TRY(sw_hal_wrap(hal, data->labels[split], feed->count, &feed->labels));
    return sw_hal_wrap(hal, data->table, table, &feed->table);
}

enum sw_status sw_feed_init(struct sw_net *net, const struct sw_data *data, enum sw_split split,
                            struct sw_feed *out) {
    struct sw_feed feed = {
        .count = data->count[split], .features = data->features, .plane = data->plane};
    SW_TRY(check_fit(sw_net_arch(net), data));
    if (feed.count > 0) {
        enum sw_status status = wrap(sw_net_hal(net), data, split, &feed);
        if (status != SW_OK) {
            sw_feed_fini(&feed);
            return status;
        }
    }
    *out = feed;
    return SW_OK;
}

void sw_feed_fini(struct sw_feed *feed) {
    sw_hal_free(&feed->images);
    sw_hal_free(&feed->labels);
    sw_hal_free(&feed->table);
}

enum sw_status sw_feed_gather(const struct sw_feed *feed, struct sw_net *net, const int32_t *index,
                              const struct sw_augment *augment, int64_t batch) {
    const struct sw_planes *planes = sw_net_input_planes(net);
    if (planes != NULL)
        return sw_hal_gather_planes(sw_net_hal(net), feed->images, feed->labels, feed->table, index,
                                    augment, planes, batch, sw_net_input(net), sw_net_labels(net));
    return sw_hal_gather(sw_net_hal(net), feed->images, feed->labels, feed->table, index,
                         feed->features, feed->plane, batch, sw_net_input(net), sw_net_labels(net));
}

enum sw_status sw_feed_pass(const struct sw_feed *feed, struct sw_net *net, const int32_t *index,
                            const struct sw_augment *augment, int64_t batch, bool backward,
                            double *loss_sum, int64_t *correct) {
    SW_TRY(sw_feed_gather(feed, net, index, augment, batch));
    SW_TRY(sw_net_forward(net, batch));
    return sw_net_loss(net, batch, backward, loss_sum, correct);
}
