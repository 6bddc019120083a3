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

struct sw_layer_sizes sw_layer_measure(const struct sw_layer_desc *desc,
                                       enum sw_layer_format format, enum sw_isa isa, int64_t kept) {
    const int64_t real = sizeof(float);
    int64_t rows = 0, columns = 0;
    sw_layer_ops_of(desc->kind)->matrix(desc, &rows, &columns);
    struct sw_layer_sizes sizes = {.values = kept * real, .bias = desc->out * real};
    int pruned = kept < rows * columns;
    if (pruned || format != SW_FORMAT_DENSE)
        sizes.positions = sw_hal_sparse_predict_bytes(isa, format, rows, columns, kept);
    if (pruned && format == SW_FORMAT_DENSE) sizes.dense = sizes.gradient = rows * columns * real;
    return sizes;
}
