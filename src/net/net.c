#include "net_private.h"

#include <string.h>

#include "models.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

/* ---- building ------------------------------------------------------------------------------- */

/* Allocate on the device and count the bytes; nothing is allocated for 0 bytes. */
static enum sw_status alloc(struct sw_net *net, int64_t bytes, const char *what,
                            struct sw_buffer **out, int64_t *counter) {
    if (bytes == 0) return SW_OK;
    SW_TRY(sw_hal_alloc(net->hal, bytes, what, out));
    *counter += sw_hal_bytes(*out);
    return SW_OK;
}

static enum sw_status add_param(struct sw_net *net, const struct sw_param *param, int64_t n) {
    struct sw_net_param *added = &net->params[param - net->arch->params];
    int64_t bytes = n * (int64_t) sizeof(float);
    added->param = param;
    added->n = n;
    net->survivors += param->prunable ? n : param->count;
    SW_TRY(alloc(net, bytes, param->name, &added->values, &net->memory.weights));
    return alloc(net, bytes, param->name, &added->gradients, &net->memory.gradients);
}

static enum sw_status add_positions(struct sw_net *net, struct sw_net_layer *layer,
                                    const uint8_t *mask) {
    struct sw_csr csr;
    int64_t rows = 0, columns = 0;
    layer->ops->matrix(&layer->desc, &rows, &columns);
    SW_TRY(sw_csr_from_mask(mask, rows, columns, &csr));
    enum sw_status status = sw_hal_sparse_create(net->hal, &csr, layer->format, &layer->positions);
    sw_csr_fini(&csr);
    if (status == SW_OK) net->memory.weights += sw_hal_sparse_bytes(layer->positions);
    return status;
}

/* Parameters, positions and activation of layer l; `scratch` grows to what it needs of that. */
static enum sw_status add_layer(struct sw_net *net, const struct sw_layer_desc *desc, int64_t l,
                                int64_t *scratch) {
    struct sw_net_layer *layer = &net->layers[l];
    const struct sw_param *weight = &net->arch->params[2 * l], *bias = weight + 1;
    const uint8_t *mask = net->mask + weight->mask_offset;
    int64_t kept = sw_mask_count(mask, weight->count);
    if (net->compact != NULL) mask = net->compact->ones;
    if (kept == 0)
        return SW_FAIL(SW_CONFIG, "the mask of %s keeps no weight; at least one has to stay",
                       weight->name);
    layer->desc = *desc;
    layer->ops = sw_layer_ops_of(desc->kind);
    layer->format = net->format != NULL
                        ? *net->format
                        : layer->ops->choose_format(desc, sw_hal_isa(net->hal), kept);
    layer->weight = &net->params[2 * l];
    layer->bias = &net->params[2 * l + 1];

    struct sw_layer_sizes sizes = sw_layer_measure(desc, layer->format, sw_hal_isa(net->hal), kept);
    SW_TRY(add_param(net, weight, kept));
    SW_TRY(add_param(net, bias, sizes.bias / (int64_t) sizeof(float)));
    if (sizes.positions > 0) SW_TRY(add_positions(net, layer, mask));
    SW_TRY(alloc(net, sizes.dense, "dense weights", &layer->dense, &net->memory.workspace));
    if (sizes.gradient > *scratch) *scratch = sizes.gradient;
    int64_t output = layer->ops->output_features(desc) * sw_hal_lanes(net->max_batch);
    return alloc(net, output * (int64_t) sizeof(float), "activations", &layer->output,
                 &net->memory.activations);
}

/* What all layers share. */
static enum sw_status add_buffers(struct sw_net *net, const struct sw_model_desc *desc,
                                  int64_t scratch) {
    const int64_t ld = sw_hal_lanes(net->max_batch), real = sizeof(float);
    int64_t *counter = &net->memory.activations;
    int64_t features = net->layers[0].ops->input_features(&net->layers[0].desc);
    SW_TRY(alloc(net, features * ld * real, "input batch", &net->input, counter));
    SW_TRY(alloc(net, ld * (int64_t) sizeof(int32_t), "labels", &net->labels, counter));
    for (int parity = 0; parity < 2; parity++)
        SW_TRY(alloc(net, sw_net_gradient_features(desc, parity) * ld * real,
                     "activation gradients", &net->gradient[parity], counter));
    return alloc(net, scratch, "dense weight gradient", &net->scratch, &net->memory.workspace);
}

/* A copy of the mask, or one that keeps everything. */
static enum sw_status copy_mask(struct sw_net *net, const uint8_t *mask) {
    const struct sw_arch *arch = net->arch;
    SW_TRY(SW_ALLOC(&net->mask, (size_t) arch->mask_bytes, "mask"));
    if (mask != NULL) memcpy(net->mask, mask, (size_t) arch->mask_bytes);
    for (int64_t p = 0; mask == NULL && p < arch->n_params; p++)
        if (arch->params[p].prunable)
            sw_mask_fill(net->mask + arch->params[p].mask_offset, arch->params[p].count);
    return SW_OK;
}

static enum sw_status build(struct sw_net *net, const uint8_t *mask) {
    const struct sw_arch *arch = net->arch;
    struct sw_model_desc desc;
    int64_t scratch = 0;
    SW_TRY(sw_model_lay_out(arch->model, arch->input_shape, arch->classes, &desc));
    SW_TRY(copy_mask(net, mask));
    /* A format that was asked for is that of the whole layers. */
    if (net->format == NULL) SW_TRY(sw_compact_create(arch, net->mask, &desc, &net->compact));
    SW_TRY(SW_ALLOC(&net->params, (size_t) arch->n_params, "parameters"));
    SW_TRY(SW_ALLOC(&net->layers, (size_t) desc.n_layers, "layers"));
    net->n_layers = desc.n_layers;
    for (int64_t l = 0; l < desc.n_layers; l++)
        SW_TRY(add_layer(net, &desc.layers[l], l, &scratch));
    return add_buffers(net, &desc, scratch);
}

static enum sw_status create(struct sw_hal *hal, const struct sw_arch *arch, const uint8_t *mask,
                             int64_t max_batch, const enum sw_layer_format *format,
                             struct sw_net **out) {
    struct sw_net *net = NULL;
    if (max_batch < 1 || max_batch > SW_NET_MAX_BATCH)
        return SW_FAIL(SW_CONFIG, "a batch of %lld samples is not possible; 1 to %lld are",
                       (long long) max_batch, (long long) SW_NET_MAX_BATCH);
    SW_TRY(SW_ALLOC(&net, 1, "network"));
    net->hal = hal;
    net->arch = arch;
    net->max_batch = max_batch;
    net->format = format;
    enum sw_status status = build(net, mask);
    net->format = NULL; /* the caller's */
    if (status != SW_OK)
        sw_net_destroy(&net);
    else
        *out = net;
    return status;
}

enum sw_status sw_net_create(struct sw_hal *hal, const struct sw_arch *arch, const uint8_t *mask,
                             int64_t max_batch, struct sw_net **out) {
    return create(hal, arch, mask, max_batch, NULL, out);
}

enum sw_status sw_net_create_in_format(struct sw_hal *hal, const struct sw_arch *arch,
                                       const uint8_t *mask, int64_t max_batch,
                                       enum sw_layer_format format, struct sw_net **out) {
    return create(hal, arch, mask, max_batch, &format, out);
}

void sw_net_destroy(struct sw_net **net) {
    struct sw_net *old = *net;
    if (old == NULL) return;
    for (int64_t l = 0; l < old->n_layers; l++) {
        sw_hal_sparse_free(&old->layers[l].positions);
        sw_hal_free(&old->layers[l].dense);
        sw_hal_free(&old->layers[l].output);
    }
    for (int64_t p = 0; old->params != NULL && p < old->arch->n_params; p++) {
        sw_hal_free(&old->params[p].values);
        sw_hal_free(&old->params[p].gradients);
    }
    sw_hal_free(&old->input);
    sw_hal_free(&old->labels);
    sw_hal_free(&old->gradient[0]);
    sw_hal_free(&old->gradient[1]);
    sw_hal_free(&old->scratch);
    sw_compact_destroy(&old->compact);
    SW_FREE(&old->layers);
    SW_FREE(&old->params);
    SW_FREE(&old->mask);
    SW_FREE(net);
}

/* ---- weights -------------------------------------------------------------------------------- */

/* Values of a parameter among the survivors: those of the whole network. */
static int64_t survivors_of(const struct sw_net *net, int64_t p) {
    return net->arch->params[p].prunable ? net->params[p].n : net->arch->params[p].count;
}

enum sw_status sw_net_set_theta(struct sw_net *net, const float *theta) {
    float *survivors = NULL, *next;
    SW_TRY(SW_ALLOC(&survivors, (size_t) net->survivors, "weights"));
    next = survivors;
    for (int64_t p = 0; p < net->arch->n_params; p++) {
        const struct sw_param *param = &net->arch->params[p];
        if (param->prunable)
            (void) sw_mask_gather(net->mask + param->mask_offset, param->count,
                                  theta + param->offset, next);
        else
            memcpy(next, theta + param->offset, (size_t) param->count * sizeof *next);
        next += survivors_of(net, p);
    }
    enum sw_status status = sw_net_set_survivors(net, survivors);
    SW_FREE(&survivors);
    return status;
}

/* Layer l has parameters 2 l (weight) and 2 l + 1 (bias); of a smaller network only the latter differ. */
static enum sw_status upload(struct sw_net *net, int64_t p, const float *survivors) {
    const struct sw_net_param *param = &net->params[p];
    float *left = NULL;
    if (net->compact == NULL || param->param->prunable)
        return sw_hal_upload(param->values, 0, survivors, param->n * (int64_t) sizeof *survivors);
    SW_TRY(SW_ALLOC(&left, (size_t) param->n, "biases"));
    sw_compact_pick(net->compact, p / 2, survivors, left);
    enum sw_status status = sw_hal_upload(param->values, 0, left,
                                          param->n * (int64_t) sizeof *left);
    SW_FREE(&left);
    return status;
}

static enum sw_status download(const struct sw_net *net, int64_t p, float *out) {
    const struct sw_net_param *param = &net->params[p];
    float *left = NULL;
    if (net->compact == NULL || param->param->prunable)
        return sw_hal_download(param->values, 0, out, param->n * (int64_t) sizeof *out);
    SW_TRY(SW_ALLOC(&left, (size_t) param->n, "biases"));
    enum sw_status status = sw_hal_download(param->values, 0, left,
                                            param->n * (int64_t) sizeof *left);
    if (status == SW_OK) sw_compact_put(net->compact, p / 2, left, out);
    SW_FREE(&left);
    return status;
}

enum sw_status sw_net_set_survivors(struct sw_net *net, const float *survivors) {
    for (int64_t p = 0; p < net->arch->n_params; p++) {
        SW_TRY(upload(net, p, survivors));
        survivors += survivors_of(net, p);
    }
    net->forwarded = net->differentiated = 0;
    return SW_OK;
}

enum sw_status sw_net_get_survivors(const struct sw_net *net, float *out) {
    for (int64_t p = 0; p < net->arch->n_params; p++) {
        SW_TRY(download(net, p, out));
        out += survivors_of(net, p);
    }
    return SW_OK;
}

/* ---- looking in ----------------------------------------------------------------------------- */

int64_t sw_net_survivors(const struct sw_net *net) {
    return net->survivors;
}
struct sw_buffer *sw_net_input(struct sw_net *net) {
    return net->input;
}
struct sw_buffer *sw_net_labels(struct sw_net *net) {
    return net->labels;
}
struct sw_hal *sw_net_hal(const struct sw_net *net) {
    return net->hal;
}
const struct sw_arch *sw_net_arch(const struct sw_net *net) {
    return net->arch;
}
void sw_net_memory(const struct sw_net *net, struct sw_net_memory *out) {
    *out = net->memory;
}

const struct sw_net_param *sw_net_params(const struct sw_net *net, int64_t *n_params) {
    *n_params = net->arch->n_params;
    return net->params;
}

enum sw_layer_format sw_net_layer_format(const struct sw_net *net, int64_t layer) {
    return net->layers[layer].format;
}
