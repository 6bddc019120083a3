#include "layer.h"

#define SW_LAYER(kind, symbol) extern const struct sw_layer_ops symbol;
#include "layers.def"
#undef SW_LAYER

const struct sw_layer_ops *sw_layer_ops_of(enum sw_layer_kind kind) {
    static const struct sw_layer_ops *const table[] = {
#define SW_LAYER(kind, symbol) [kind] = &symbol,
#include "layers.def"
#undef SW_LAYER
    };
    return table[kind];
}

/* ---- shapes --------------------------------------------------------------------------------- */

int64_t sw_layer_no_params(const struct sw_layer_desc *desc) {
    (void) desc;
    return 0;
}

void sw_layer_shape_weights(const struct sw_layer_desc *desc, int64_t i, struct sw_param *out) {
    out->role = i == 0 ? SW_ROLE_WEIGHT : SW_ROLE_BIAS;
    out->shape[0] = desc->out;
    out->rank = 1;
    if (i > 0) return;
    out->shape[1] = desc->in;
    out->shape[2] = out->shape[3] = desc->kernel;
    out->rank = desc->kind == SW_LAYER_CONV ? 4 : 2;
}

static int64_t count_of(const struct sw_param *param) {
    int64_t count = 1;
    for (int64_t d = 0; d < param->rank; d++)
        count *= param->shape[d];
    return count;
}

bool sw_layer_is_pruned(const struct sw_layer_desc *desc, int64_t kept) {
    struct sw_param weight = {0};
    sw_layer_ops_of(desc->kind)->shape_param(desc, 0, &weight);
    return kept < count_of(&weight);
}

enum sw_layer_format sw_layer_choose_format(const struct sw_layer_desc *desc,
                                            const struct sw_layer_place *place, enum sw_isa isa,
                                            int64_t kept, const struct sw_net_storage *storage) {
    if (!sw_layer_is_pruned(desc, kept)) return SW_FORMAT_DENSE;
    if (storage->forced) return storage->format;
    return sw_layer_ops_of(desc->kind)->choose_format(desc, place, isa, kept, storage->block);
}

/* ---- sizes ---------------------------------------------------------------------------------- */

static void measure_weights(const struct sw_layer_desc *desc, const struct sw_layer_place *place,
                            enum sw_layer_format format, enum sw_isa isa, int64_t kept, int64_t ld,
                            int64_t dense, struct sw_layer_sizes *sizes) {
    const struct sw_layer_ops *ops = sw_layer_ops_of(desc->kind);
    bool pruned = sw_layer_is_pruned(desc, kept);
    if (pruned || format != SW_FORMAT_DENSE)
        sizes->positions = ops->position_bytes(desc, place, isa, format, kept);
    if (pruned && format == SW_FORMAT_DENSE) sizes->dense = sizes->gradient = dense;
    if (ops->scratch_bytes != NULL)
        sizes->scratch = ops->scratch_bytes(desc, place, isa, format, kept, ld);
}

struct sw_layer_sizes sw_layer_measure(const struct sw_layer_desc *desc,
                                       const struct sw_layer_place *place,
                                       enum sw_layer_format format, enum sw_isa isa, int64_t kept,
                                       int64_t ld) {
    const struct sw_layer_ops *ops = sw_layer_ops_of(desc->kind);
    const int64_t real = sizeof(float), n = ops->n_params(desc);
    struct sw_layer_sizes sizes = {0};
    for (int64_t i = 0; i < n; i++) {
        struct sw_param param = {0};
        ops->shape_param(desc, i, &param);
        int64_t count = count_of(&param);
        if (param.role == SW_ROLE_WEIGHT) {
            measure_weights(desc, place, format, isa, kept, ld, count * real, &sizes);
            count = kept;
        }
        sizes.values += count * real;
        if (sw_role_is_trained(param.role)) sizes.gradients += count * real;
        if (!sw_role_is_trained(param.role)) sizes.statistics += count * real;
    }
    return sizes;
}

/* ---- dense weights -------------------------------------------------------------------------- */

struct sw_buffer *sw_layer_dense_weights(const struct sw_net_layer *layer) {
    return layer->dense != NULL ? layer->dense : layer->weight->values;
}

enum sw_status sw_layer_scatter(struct sw_hal *hal, const struct sw_net_layer *layer) {
    if (layer->dense == NULL) return SW_OK;
    return sw_hal_sparse_scatter(hal, layer->positions, layer->weight->values, layer->dense);
}

struct sw_buffer *sw_layer_dense_gradient(const struct sw_pass *pass,
                                          const struct sw_net_layer *layer) {
    return layer->dense != NULL ? pass->gradient : layer->weight->gradients;
}

enum sw_status sw_layer_gather(struct sw_hal *hal, const struct sw_net_layer *layer,
                               struct sw_buffer *gradient) {
    if (layer->dense == NULL) return SW_OK;
    return sw_hal_sparse_gather(hal, layer->positions, gradient, layer->weight->gradients);
}
