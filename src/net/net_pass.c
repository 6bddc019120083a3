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

static const struct sw_buffer *logits_of(const struct sw_net *net) {
    return net->layers[net->n_layers - 1].output;
}

/* PyTorch's share of a batch in the running statistics; or that in a mean over passes. */
static float momentum_of(const struct sw_net *net) {
    if (net->mode == SW_NET_RECALIBRATE) return 1.0f / (float) (net->recalibrated + 1);
    return 0.1f;
}

static struct sw_pass pass_of(const struct sw_net *net, int64_t batch) {
    return (struct sw_pass){.hal = net->hal,
                            .batch = batch,
                            .ld = sw_hal_lanes(batch),
                            .mode = net->mode,
                            .momentum = momentum_of(net),
                            .seed = net->seed,
                            .step = net->step,
                            .gradient = net->gradient,
                            .scratch = net->scratch};
}

void sw_net_set_mode(struct sw_net *net, enum sw_net_mode mode, uint64_t seed, int64_t step) {
    net->mode = mode;
    net->seed = seed;
    net->step = step;
    net->recalibrated = net->forwarded = net->differentiated = 0;
}

enum sw_status sw_net_forward(struct sw_net *net, int64_t batch) {
    SW_TRY(check_batch(net, batch, batch, "samples"));
    const struct sw_pass pass = pass_of(net, batch);
    net->forwarded = net->differentiated = 0;
    for (int64_t l = 0; l < net->n_layers; l++)
        SW_TRY(net->layers[l].ops->forward(&pass, &net->layers[l]));
    if (net->mode == SW_NET_RECALIBRATE) net->recalibrated++;
    net->forwarded = batch;
    return SW_OK;
}

enum sw_status sw_net_loss(struct sw_net *net, int64_t batch, bool backward, double *loss_sum,
                           int64_t *correct) {
    SW_TRY(check_batch(net, batch, net->forwarded, "a forward pass"));
    struct sw_buffer *gradient = net->slots[net->layers[net->n_layers - 1].place.dy];
    SW_TRY(sw_hal_loss(net->hal, logits_of(net), net->labels, net->arch->classes, batch,
                       backward ? gradient : NULL, loss_sum, correct));
    net->differentiated = backward ? batch : 0;
    return SW_OK;
}

static enum sw_status backward_layer(const struct sw_net *net, const struct sw_pass *pass,
                                     const struct sw_net_layer *layer) {
    const struct sw_layer_place *place = &layer->place;
    struct sw_buffer *dx = place->dx >= 0 ? net->slots[place->dx] : NULL;
    if (place->clear) SW_TRY(sw_hal_clear_border(net->hal, &place->in, pass->ld, dx));
    return layer->ops->backward(pass, layer, net->slots[place->dy], dx);
}

enum sw_status sw_net_backward(struct sw_net *net, int64_t batch) {
    SW_TRY(check_batch(net, batch, net->differentiated, "the gradient of its loss"));
    if (net->has_statistics && net->mode == SW_NET_EVALUATE)
        return SW_FAIL(SW_INTERNAL,
                       "no gradients through running statistics: the network of "
                       "model '%s' evaluates",
                       net->arch->model);
    const struct sw_pass pass = pass_of(net, batch);
    net->differentiated = 0; /* the pass overwrites it */
    for (int64_t l = net->n_layers - 1; l >= 0; l--)
        SW_TRY(backward_layer(net, &pass, &net->layers[l]));
    return SW_OK;
}

enum sw_status sw_net_get_logits(const struct sw_net *net, int64_t batch, float *out) {
    SW_TRY(check_batch(net, batch, net->forwarded, "a forward pass"));
    return sw_hal_download(logits_of(net), 0, out,
                           net->arch->classes * sw_hal_lanes(batch) * (int64_t) sizeof *out);
}
