/* Module: net, private: a layer on a device, and what a kind of layer has to know about itself.
 * How to add a kind: a file layer_KIND.c with one `const struct sw_layer_ops`, a value of
 * enum sw_layer_kind and a line in layers.def; arch.c, net.c, flops.c and memory.c then need no
 * change. Letters: O outputs, I inputs, L = sw_hal_lanes(batch); activations are [features, L]. */
#pragma once

#include "sweepstake/net.h"

/* What a layer multiplies with: compact values, and how they are stored. */
struct sw_net_layer {
    struct sw_layer_desc desc;
    const struct sw_layer_ops *ops;
    const struct sw_net_param *weight, *bias; /* borrowed from the net */
    enum sw_layer_format format;
    struct sw_sparse
        *positions; /* of the values; NULL when nothing is pruned and the format is dense */
    struct sw_buffer
        *dense; /* float[O, I] the values are scattered into; dense with positions only */
    struct sw_buffer *output; /* float[O, L] */
};

/* Bytes that a layer with `kept` weights needs on the device; every member is one buffer or group.
 */
struct sw_layer_sizes {
    int64_t values;    /* weights; the same again for gradients */
    int64_t bias;      /* biases; the same again for gradients */
    int64_t positions; /* indices */
    int64_t dense;     /* scratch for scattered weights */
    int64_t gradient;  /* scratch for a dense weight gradient; shared by all layers */
};

struct sw_layer_ops {
    const char *name;
    /* Fill rank, shape, count, fan_in and fan_out of the weights. */
    void (*shape_weight)(const struct sw_layer_desc *desc, struct sw_param *weight);
    /* Features of one sample at its input and its output. */
    int64_t (*input_features)(const struct sw_layer_desc *desc);
    int64_t (*output_features)(const struct sw_layer_desc *desc);
    /* Multiplications and additions of one product of one sample with `kept` weights. */
    double (*product_flops)(const struct sw_layer_desc *desc, int64_t kept);
    enum sw_layer_format (*choose_format)(const struct sw_layer_desc *desc, enum sw_isa isa,
                                          int64_t kept);
    /* Matrix that the weights form: rows and columns of their mask. */
    void (*matrix)(const struct sw_layer_desc *desc, int64_t *rows, int64_t *columns);

    /* y = activation(W x + bias), y being layer->output. */
    enum sw_status (*forward)(struct sw_hal *hal, const struct sw_net_layer *layer,
                              const struct sw_buffer *x, int64_t ld);
    /* Gradients of values and bias from dy, the gradient of the output, which is overwritten with
     * the gradient before the activation. `scratch` holds sizes.gradient bytes. */
    enum sw_status (*backward_weights)(struct sw_hal *hal, const struct sw_net_layer *layer,
                                       const struct sw_buffer *x, int64_t ld,
                                       struct sw_buffer *scratch, struct sw_buffer *dy);
    /* dx from dy as backward_weights left it. */
    enum sw_status (*backward_data)(struct sw_hal *hal, const struct sw_net_layer *layer,
                                    const struct sw_buffer *dy, int64_t ld, struct sw_buffer *dx);
};

/* The row of layers.def; kinds come from this module's own models, so it is never NULL. */
const struct sw_layer_ops *sw_layer_ops_of(enum sw_layer_kind kind);

/* Sizes of a layer, given its format. */
struct sw_layer_sizes sw_layer_measure(const struct sw_layer_desc *desc,
                                       enum sw_layer_format format, enum sw_isa isa, int64_t kept);
