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

/* Bytes of struct sw_csr's five arrays on a device. */
static int64_t position_bytes(int64_t rows, int64_t columns, int64_t kept) {
    return (int64_t) sizeof(int32_t) * (rows + 1 + columns + 1 + 3 * kept);
}

struct sw_layer_sizes sw_layer_measure(const struct sw_layer_desc *desc,
                                       enum sw_layer_format format, int64_t kept) {
    const int64_t real = sizeof(float);
    int64_t rows = 0, columns = 0;
    sw_layer_ops_of(desc->kind)->matrix(desc, &rows, &columns);
    struct sw_layer_sizes sizes = {.values = kept * real, .bias = desc->out * real};
    int pruned = kept < rows * columns;
    if (pruned || format == SW_FORMAT_CSR) sizes.positions = position_bytes(rows, columns, kept);
    if (pruned && format == SW_FORMAT_DENSE) sizes.dense = sizes.gradient = rows * columns * real;
    return sizes;
}
