/* Module: net, private: a layer on a device, and what a kind of layer has to know about itself.
 * How to add a kind: a file layer_KIND.c with one `const struct sw_layer_ops`, a value of
 * enum sw_layer_kind and a line in layers.def; arch.c, graph.c, net.c, flops.c and memory.c then need no
 * change. Letters: O outputs, I inputs, L = sw_hal_lanes(batch). What layers give is [features, L] or
 * planes (planes.h). */
#pragma once

#include "sweepstake/net.h"

#define SW_LAYER_MAX_PARAMS 4

/* A layer among the others (graph.c). Tensors are what layers give: 0 is the network's input, l + 1 is
 * what layer l gives. A tensor and its gradient have the same planes; rows of features are planes of one
 * pixel. Gradients of tensors stand in slots, each of which serves many of them in turn. */
struct sw_layer_place {
    int64_t first_param;             /* of its parameters among all */
    int64_t prunable;                /* number of its weights among the prunable ones; -1 without */
    int64_t input, residual, output; /* tensors; residual -1 without */
    struct sw_planes in, other, out; /* of them */
    int64_t dy, dx; /* slots of the gradients of output and input; dx -1: nobody needs it */
    bool add;       /* dx holds a part already */
    bool clear;     /* the border of dx has to be cleared: planes of another shape were there */
    bool stops;     /* its input comes from a ReLU, and it gives the gradient before that */
    bool stopped;   /* dy is that before its own ReLU: who reads the output has seen to it */
};

/* What a layer computes with. */
struct sw_net_layer {
    struct sw_layer_desc desc;
    struct sw_layer_place place;
    const struct sw_layer_ops *ops;
    const struct sw_net_param *params; /* its own, in the order of ops->shape_param; borrowed */
    const struct sw_net_param *weight, *bias; /* the first two of them */
    enum sw_layer_format format;
    struct sw_sparse
        *positions; /* of the values; NULL when nothing is pruned and the format is dense */
    struct sw_sparse_conv *conv_positions; /* instead, of a sparse convolution */
    struct sw_buffer
        *dense; /* float[O, I] the values are scattered into; dense with positions only */
    struct sw_buffer *mean,
        *variance; /* of the batch, float[channels] each; layers with statistics */
    const struct sw_buffer *x, *other; /* input and residual; borrowed */
    struct sw_buffer *output;          /* owned unless it is the input's, changed in place */
};

/* Bytes that a layer with `kept` weights needs on the device. */
struct sw_layer_sizes {
    int64_t values;     /* all parameters */
    int64_t gradients;  /* of those that train */
    int64_t statistics; /* mean and variance of a batch */
    int64_t positions;  /* indices */
    int64_t dense;      /* scattered weights */
    int64_t gradient;   /* a dense weight gradient; shared by all layers */
    int64_t scratch;    /* for the products of a convolution; shared by all layers */
};

/* Multiplications and additions of one sample. */
struct sw_layer_flops {
    double forward;
    double training; /* statistics, and gradients of parameters */
    double data;     /* gradient of the input */
};

/* A pass over all layers. */
struct sw_pass {
    struct sw_hal *hal;
    int64_t batch, ld;
    enum sw_net_mode mode;
    float momentum; /* of running statistics */
    uint64_t seed;
    int64_t step;
    struct sw_buffer *gradient; /* a dense weight gradient; sizes.gradient bytes */
    struct sw_buffer *scratch;  /* sizes.scratch bytes */
};

struct sw_layer_ops {
    const char *name;
    bool in_place; /* the output is the input, changed; so are their gradients */
    bool adds;     /* backward can add to dx */
    bool stops;    /* backward can give the gradient before the ReLU that the input comes from */

    int64_t (*n_params)(const struct sw_layer_desc *desc);
    /* Role, rank and shape of parameter i; NULL without any. Weights come first, as a matrix of
     * shape[0] rows. */
    void (*shape_param)(const struct sw_layer_desc *desc, int64_t i, struct sw_param *out);
    /* Into zeros; NULL: none. */
    void (*count_flops)(const struct sw_layer_desc *desc, int64_t kept, struct sw_layer_flops *out);
    /* Borders that its input needs, and its output for the gradient of the input; NULL: none. */
    void (*need_borders)(const struct sw_layer_desc *desc, int64_t *in, int64_t *out);

    bool any_format; /* its weights may have any format; else dense and CSR */
    /* Of layers with weights; NULL in others. What `kept` weights need. `block` as in
     * sw_hal_choose_format. */
    enum sw_layer_format (*choose_format)(const struct sw_layer_desc *desc,
                                          const struct sw_layer_place *place, enum sw_isa isa,
                                          int64_t kept, int64_t block);
    int64_t (*position_bytes)(const struct sw_layer_desc *desc, const struct sw_layer_place *place,
                              enum sw_isa isa, enum sw_layer_format format, int64_t kept);
    int64_t (*scratch_bytes)(const struct sw_layer_desc *desc, const struct sw_layer_place *place,
                             enum sw_isa isa, enum sw_layer_format format, int64_t kept,
                             int64_t ld); /* NULL: none */
    enum sw_status (*create_positions)(struct sw_hal *hal, const struct sw_csr *csr,
                                       struct sw_net_layer *layer);

    /* layer->output from layer->x, and layer->other where the layer has a residual. */
    enum sw_status (*forward)(const struct sw_pass *pass, const struct sw_net_layer *layer);
    /* Gradients of the parameters and, when dx is not NULL, dx. dy is the gradient of the output; it
     * becomes that before the ReLU, which is also the gradient of the residual. */
    enum sw_status (*backward)(const struct sw_pass *pass, const struct sw_net_layer *layer,
                               struct sw_buffer *dy, struct sw_buffer *dx);
};

/* The row of layers.def; kinds come from this module's own models, so it is never NULL. */
const struct sw_layer_ops *sw_layer_ops_of(enum sw_layer_kind kind);

/* For layers without parameters. */
int64_t sw_layer_no_params(const struct sw_layer_desc *desc);
/* Weights of that shape, then maybe a bias: those of linear layers and convolutions. */
void sw_layer_shape_weights(const struct sw_layer_desc *desc, int64_t i, struct sw_param *out);

/* Does a layer with `kept` weights have holes? */
bool sw_layer_is_pruned(const struct sw_layer_desc *desc, int64_t kept);
/* How a layer with weights stores them; storage->block is that of its mask. */
enum sw_layer_format sw_layer_choose_format(const struct sw_layer_desc *desc,
                                            const struct sw_layer_place *place, enum sw_isa isa,
                                            int64_t kept, const struct sw_net_storage *storage);
/* Sizes of a layer, given its format. */
struct sw_layer_sizes sw_layer_measure(const struct sw_layer_desc *desc,
                                       const struct sw_layer_place *place,
                                       enum sw_layer_format format, enum sw_isa isa, int64_t kept,
                                       int64_t ld);

/* The dense weights: the values themselves when nothing is pruned. */
struct sw_buffer *sw_layer_dense_weights(const struct sw_net_layer *layer);
/* Scatter the values into them, where they are not the values. */
enum sw_status sw_layer_scatter(struct sw_hal *hal, const struct sw_net_layer *layer);
/* Where a dense weight gradient goes, and from there into the gradients of the values. */
struct sw_buffer *sw_layer_dense_gradient(const struct sw_pass *pass,
                                          const struct sw_net_layer *layer);
enum sw_status sw_layer_gather(struct sw_hal *hal, const struct sw_net_layer *layer,
                               struct sw_buffer *gradient);
