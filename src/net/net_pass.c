/* The passes of a batch. Sparse or dense, masked or not: the layer knows. */
#include "net_private.h"

static enum sw_status check_batch(const struct sw_net *net, int64_t batch, int64_t ready,
                                  const char *missing) {
    if (batch < 1 || batch > net->max_batch)
        return SW_FAIL(SW_INTERNAL, "batch of %lld samples in a network built for 1 to %lld",
                       (long long) batch, (long long) net->max_batch);
    if (ready != batch)
        return SW_FAIL(SW_INTERNAL, "batch of %lld samples without %s for it", (long long) batch,
                       missing);
    return SW_OK;
}

/* What layer l multiplies with. */
static const struct sw_buffer *input_of(const struct sw_net *net, int64_t l) {
    return l > 0 ? net->layers[l - 1].output : net->input;
}

static const struct sw_buffer *logits_of(const struct sw_net *net) {
    return net->layers[net->n_layers - 1].output;
}

enum sw_status sw_net_forward(struct sw_net *net, int64_t batch) {
    SW_TRY(check_batch(net, batch, batch, "samples"));
    net->forwarded = net->differentiated = 0;
    for (int64_t l = 0; l < net->n_layers; l++)
        SW_TRY(net->layers[l].ops->forward(net->hal, &net->layers[l], input_of(net, l),
                                           sw_hal_lanes(batch)));
    net->forwarded = batch;
    return SW_OK;
}

enum sw_status sw_net_loss(struct sw_net *net, int64_t batch, bool backward, double *loss_sum,
                           int64_t *correct) {
    SW_TRY(check_batch(net, batch, net->forwarded, "a forward pass"));
    struct sw_buffer *gradient = backward ? net->gradient[(net->n_layers - 1) % 2] : NULL;
    SW_TRY(sw_hal_loss(net->hal, logits_of(net), net->labels, net->arch->classes, batch, gradient,
                       loss_sum, correct));
    net->differentiated = backward ? batch : 0;
    return SW_OK;
}

enum sw_status sw_net_backward(struct sw_net *net, int64_t batch) {
    SW_TRY(check_batch(net, batch, net->differentiated, "the gradient of its loss"));
    int64_t ld = sw_hal_lanes(batch);
    net->differentiated = 0; /* the pass overwrites it */
    for (int64_t l = net->n_layers - 1; l >= 0; l--) {
        const struct sw_net_layer *layer = &net->layers[l];
        struct sw_buffer *dy = net->gradient[l % 2];
        SW_TRY(
            layer->ops->backward_weights(net->hal, layer, input_of(net, l), ld, net->scratch, dy));
        if (l > 0)
            SW_TRY(layer->ops->backward_data(net->hal, layer, dy, ld, net->gradient[(l - 1) % 2]));
    }
    return SW_OK;
}

enum sw_status sw_net_get_logits(const struct sw_net *net, int64_t batch, float *out) {
    SW_TRY(check_batch(net, batch, net->forwarded, "a forward pass"));
    return sw_hal_download(logits_of(net), 0, out,
                           net->arch->classes * sw_hal_lanes(batch) * (int64_t) sizeof *out);
}
