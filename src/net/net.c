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
    if (!sw_role_is_trained(param->role)) return SW_OK;
    return alloc(net, bytes, param->name, &added->gradients, &net->memory.gradients);
}

/* The parameters of a layer, of which `kept` weights, and the statistics of a batch. */
static enum sw_status add_params(struct sw_net *net, struct sw_net_layer *layer, int64_t kept) {
    const struct sw_param *params = net->arch->params + layer->place.first_param;
    int64_t n = layer->ops->n_params(&layer->desc);
    layer->params = net->params + layer->place.first_param;
    layer->weight = layer->params;
    layer->bias = layer->params + 1;
    for (int64_t i = 0; i < n; i++) {
        struct sw_param shape = {0}; /* of the layer as it runs, which may be smaller */
        layer->ops->shape_param(&layer->desc, i, &shape);
        SW_TRY(add_param(net, &params[i], params[i].prunable ? kept : shape.shape[0]));
        if (sw_role_is_trained(shape.role)) continue;
        net->has_statistics = true;
        SW_TRY(alloc(net, shape.shape[0] * (int64_t) sizeof(float), "statistics of a batch",
                     shape.role == SW_ROLE_MEAN ? &layer->mean : &layer->variance,
                     &net->memory.activations));
    }
    return SW_OK;
}

static enum sw_status add_positions(struct sw_net *net, struct sw_net_layer *layer,
                                    const uint8_t *mask) {
    struct sw_param weight = {0};
    struct sw_csr csr;
    int64_t columns = 1;
    layer->ops->shape_param(&layer->desc, 0, &weight);
    for (int64_t d = 1; d < weight.rank; d++)
        columns *= weight.shape[d];
    SW_TRY(sw_csr_from_mask(mask, weight.shape[0], columns, &csr));
    enum sw_status status = layer->ops->create_positions(net->hal, &csr, layer);
    sw_csr_fini(&csr);
    if (status != SW_OK) return status;
    if (layer->positions != NULL) net->memory.weights += sw_hal_sparse_bytes(layer->positions);
    if (layer->conv_positions != NULL)
        net->memory.weights += sw_hal_sparse_conv_bytes(layer->conv_positions);
    return SW_OK;
}

/* Side of the blocks that the mask of a layer is made of; 1: none of those to look for. */
static int64_t find_block(const struct sw_net *net, const struct sw_net_layer *layer) {
    const struct sw_param *weight = net->arch->params + layer->place.first_param;
    int64_t least = net->storage.block > 0 ? net->storage.block : 4;
    int64_t most = net->storage.block > 0 ? net->storage.block : 16;
    if (net->compact != NULL || least == 1) return 1;
    for (int64_t block = most; block >= least; block /= 2)
        if (sw_mask_is_blocks(net->mask + weight->mask_offset, weight->shape[0],
                              weight->count / weight->shape[0], block))
            return block;
    return 1;
}

/* How many weights the mask leaves, and how they are multiplied with. */
static enum sw_status choose_format(struct sw_net *net, struct sw_net_layer *layer, int64_t *kept) {
    const struct sw_param *weight = net->arch->params + layer->place.first_param;
    *kept = 0;
    layer->format = SW_FORMAT_DENSE;
    if (layer->place.prunable < 0) return SW_OK;
    *kept = sw_mask_count(net->mask + weight->mask_offset, weight->count);
    if (*kept == 0)
        return SW_FAIL(SW_CONFIG, "the mask of %s keeps no weight; at least one has to stay",
                       weight->name);
    struct sw_net_storage storage = net->storage;
    if (!storage.forced) storage.block = find_block(net, layer);
    layer->format = sw_layer_choose_format(&layer->desc, &layer->place, sw_hal_isa(net->hal), *kept,
                                           &storage);
    if (layer->format > SW_FORMAT_CSR && !layer->ops->any_format)
        return SW_FAIL(SW_CONFIG, "%s cannot be stored as %s: convolutions have dense and csr",
                       weight->name, sw_format_name(layer->format));
    return SW_OK;
}

static int64_t planes_bytes(const struct sw_net *net, const struct sw_planes *planes) {
    return sw_planes_floats(planes, sw_hal_lanes(net->max_batch)) * (int64_t) sizeof(float);
}

/* What layer `l` (or the input) gives. */
static struct sw_buffer *tensor(const struct sw_net *net, int64_t tensor) {
    return tensor == SW_GRAPH_INPUT ? net->input : net->layers[tensor - 1].output;
}

static enum sw_status add_output(struct sw_net *net, struct sw_net_layer *layer) {
    layer->x = tensor(net, layer->place.input);
    if (layer->place.residual >= 0) layer->other = tensor(net, layer->place.residual);
    if (layer->ops->in_place) {
        layer->output = tensor(net, layer->place.input);
        return SW_OK;
    }
    return alloc(net, planes_bytes(net, &layer->place.out), "activations", &layer->output,
                 &net->memory.activations);
}

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* Parameters, positions and activation of a layer; what it needs of shared memory. */
static enum sw_status add_layer(struct sw_net *net, struct sw_net_layer *layer, int64_t *gradient,
                                int64_t *scratch) {
    int64_t kept = 0;
    SW_TRY(choose_format(net, layer, &kept));
    struct sw_layer_sizes sizes = sw_layer_measure(&layer->desc, &layer->place, layer->format,
                                                   sw_hal_isa(net->hal), kept,
                                                   sw_hal_lanes(net->max_batch));
    SW_TRY(add_params(net, layer, kept));
    if (sizes.positions > 0)
        SW_TRY(add_positions(net, layer, net->mask + layer->weight->param->mask_offset));
    SW_TRY(alloc(net, sizes.dense, "dense weights", &layer->dense, &net->memory.workspace));
    *gradient = larger(*gradient, sizes.gradient);
    *scratch = larger(*scratch, sizes.scratch);
    return add_output(net, layer);
}

static enum sw_status add_layers(struct sw_net *net, const struct sw_graph *graph) {
    int64_t gradient = 0, scratch = 0;
    for (int64_t l = 0; l < graph->desc.n_layers; l++) {
        struct sw_net_layer *layer = &net->layers[l];
        layer->desc = graph->desc.layers[l];
        layer->place = graph->place[l];
        layer->ops = sw_layer_ops_of(layer->desc.kind);
        SW_TRY(add_layer(net, layer, &gradient, &scratch));
    }
    SW_TRY(alloc(net, gradient, "dense weight gradient", &net->gradient, &net->memory.workspace));
    return alloc(net, scratch, "scratch of convolutions", &net->scratch, &net->memory.workspace);
}

/* What a batch goes into, and the gradients. */
static enum sw_status add_buffers(struct sw_net *net, const struct sw_graph *graph) {
    const int64_t ld = sw_hal_lanes(net->max_batch);
    int64_t *counter = &net->memory.activations;
    net->input_planes = graph->input;
    net->input_is_planes = graph->input_is_planes;
    SW_TRY(alloc(net, planes_bytes(net, &graph->input), "input batch", &net->input, counter));
    SW_TRY(alloc(net, ld * (int64_t) sizeof(int32_t), "labels", &net->labels, counter));
    for (int64_t s = 0; s < graph->n_slots; s++)
        SW_TRY(alloc(net, graph->slot_floats[s] * (ld / SW_HAL_LANES) * (int64_t) sizeof(float),
                     "activation gradients", &net->slots[s], counter));
    return SW_OK;
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

static enum sw_status build_graph(struct sw_net *net, struct sw_graph *graph) {
    const struct sw_arch *arch = net->arch;
    struct sw_model_desc desc;
    SW_TRY(sw_model_lay_out(arch->model, arch->input_shape, arch->classes, &desc));
    /* A format that was asked for is that of the whole layers. */
    if (!net->storage.forced && !net->storage.whole)
        SW_TRY(sw_compact_create(arch, net->mask, &desc, &net->compact));
    return sw_graph_plan(&desc, graph);
}

static enum sw_status build(struct sw_net *net, const uint8_t *mask) {
    struct sw_graph graph;
    SW_TRY(copy_mask(net, mask));
    SW_TRY(build_graph(net, &graph));
    SW_TRY(SW_ALLOC(&net->params, (size_t) net->arch->n_params, "parameters"));
    SW_TRY(SW_ALLOC(&net->layers, (size_t) graph.desc.n_layers, "layers"));
    net->n_layers = graph.desc.n_layers;
    SW_TRY(add_buffers(net, &graph));
    return add_layers(net, &graph);
}

enum sw_status sw_net_create_as(struct sw_hal *hal, const struct sw_arch *arch, const uint8_t *mask,
                                int64_t max_batch, const struct sw_net_storage *storage,
                                struct sw_net **out) {
    struct sw_net *net = NULL;
    if (max_batch < 1 || max_batch > SW_NET_MAX_BATCH)
        return SW_FAIL(SW_CONFIG, "a batch of %lld samples is not possible; 1 to %lld are",
                       (long long) max_batch, (long long) SW_NET_MAX_BATCH);
    SW_TRY(SW_ALLOC(&net, 1, "network"));
    net->hal = hal;
    net->arch = arch;
    net->max_batch = max_batch;
    net->storage = *storage;
    enum sw_status status = build(net, mask);
    if (status != SW_OK)
        sw_net_destroy(&net);
    else
        *out = net;
    return status;
}

enum sw_status sw_net_create(struct sw_hal *hal, const struct sw_arch *arch, const uint8_t *mask,
                             int64_t max_batch, struct sw_net **out) {
    return sw_net_create_as(hal, arch, mask, max_batch, &(struct sw_net_storage){0}, out);
}

static void free_layer(struct sw_net_layer *layer) {
    sw_hal_sparse_free(&layer->positions);
    sw_hal_sparse_conv_free(&layer->conv_positions);
    sw_hal_free(&layer->dense);
    sw_hal_free(&layer->mean);
    sw_hal_free(&layer->variance);
    if (layer->ops != NULL && !layer->ops->in_place) sw_hal_free(&layer->output);
}

/* All but the struct itself, which is then as it was before it was built. */
static void dismantle(struct sw_net *old) {
    for (int64_t l = 0; l < old->n_layers; l++)
        free_layer(&old->layers[l]);
    for (int64_t p = 0; old->params != NULL && p < old->arch->n_params; p++) {
        sw_hal_free(&old->params[p].values);
        sw_hal_free(&old->params[p].gradients);
    }
    sw_hal_free(&old->input);
    sw_hal_free(&old->labels);
    for (int s = 0; s < SW_GRAPH_MAX_SLOTS; s++)
        sw_hal_free(&old->slots[s]);
    sw_hal_free(&old->gradient);
    sw_hal_free(&old->scratch);
    sw_compact_destroy(&old->compact);
    SW_FREE(&old->layers);
    SW_FREE(&old->params);
    SW_FREE(&old->mask);
    *old = (struct sw_net){
        .hal = old->hal, .arch = old->arch, .max_batch = old->max_batch, .storage = old->storage};
}

void sw_net_destroy(struct sw_net **net) {
    if (*net == NULL) return;
    dismantle(*net);
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

/* Of a smaller network only what has no mask differs from that of the whole one. */
static enum sw_status upload(struct sw_net *net, int64_t p, const float *survivors) {
    const struct sw_net_param *param = &net->params[p];
    float *left = NULL;
    if (net->compact == NULL || param->param->prunable)
        return sw_hal_upload(param->values, 0, survivors, param->n * (int64_t) sizeof *survivors);
    SW_TRY(SW_ALLOC(&left, (size_t) param->n, "values of a layer"));
    sw_compact_pick(net->compact, p, survivors, left);
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
    SW_TRY(SW_ALLOC(&left, (size_t) param->n, "values of a layer"));
    enum sw_status status = sw_hal_download(param->values, 0, left,
                                            param->n * (int64_t) sizeof *left);
    if (status == SW_OK) sw_compact_put(net->compact, p, left, out);
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

/* All parameters, zeros where the mask keeps none. */
static enum sw_status get_theta(const struct sw_net *net, float *theta) {
    float *survivors = NULL, *next = NULL;
    SW_TRY(SW_ALLOC(&survivors, (size_t) net->survivors, "weights"));
    enum sw_status status = sw_net_get_survivors(net, survivors);
    next = survivors;
    for (int64_t p = 0; status == SW_OK && p < net->arch->n_params; p++) {
        const struct sw_param *param = &net->arch->params[p];
        if (param->prunable)
            (void) sw_mask_scatter(net->mask + param->mask_offset, param->count, next,
                                   theta + param->offset);
        else
            memcpy(theta + param->offset, next, (size_t) param->count * sizeof *next);
        next += survivors_of(net, p);
    }
    SW_FREE(&survivors);
    return status;
}

enum sw_status sw_net_reshape(struct sw_net *net, const uint8_t *mask) {
    const size_t bytes = (size_t) net->arch->mask_bytes;
    uint8_t *copy = NULL; /* `mask` may be the net's own */
    float *theta = NULL;
    enum sw_status status = SW_OK;
    SW_TRY_TO(SW_ALLOC(&copy, bytes, "mask"), status, cleanup);
    memcpy(copy, mask, bytes);
    SW_TRY_TO(SW_ALLOC(&theta, (size_t) net->arch->parameters, "weights"), status, cleanup);
    SW_TRY_TO(get_theta(net, theta), status, cleanup);
    dismantle(net);
    SW_TRY_TO(build(net, copy), status, cleanup);
    SW_TRY_TO(sw_net_set_theta(net, theta), status, cleanup);
cleanup:
    SW_FREE(&copy);
    SW_FREE(&theta);
    return status;
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
const uint8_t *sw_net_mask(const struct sw_net *net) {
    return net->mask;
}
void sw_net_memory(const struct sw_net *net, struct sw_net_memory *out) {
    *out = net->memory;
}

const struct sw_net_param *sw_net_params(const struct sw_net *net, int64_t *n_params) {
    *n_params = net->arch->n_params;
    return net->params;
}

const struct sw_planes *sw_net_input_planes(const struct sw_net *net) {
    return net->input_is_planes ? &net->input_planes : NULL;
}

bool sw_net_has_statistics(const struct sw_net *net) {
    return net->has_statistics;
}

enum sw_layer_format sw_net_layer_format(const struct sw_net *net, int64_t layer) {
    int64_t l = 0;
    while (net->layers[l].place.prunable != layer)
        l++;
    return net->layers[l].format;
}
