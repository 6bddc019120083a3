/* Module: net, private: how a model name becomes a list of layers.
 * How to add a model: a file model_NAME.c with one `const struct sw_model`, one line in models.def.
 */
#pragma once

#include "sweepstake/net.h"

/* Hidden layers of a multi-layer perceptron, and units of one of them. */
#define SW_MLP_MAX_HIDDEN 32
#define SW_MLP_MAX_WIDTH 65536

/* A network that grows layer by layer. Every call below appends a layer that reads the output of the
 * one before it; sw_layout_end tells whether all of them fit. */
struct sw_layout {
    const char *model;
    int64_t input_shape[3], classes;
    struct sw_model_desc *desc;
    int64_t at;                      /* layer whose output the next one reads */
    int64_t channels, height, width; /* of that output; height 0: a row of `channels` features */
    int64_t values;                  /* of all images that layers give, for one sample */
    bool is_too_small;               /* the input's images, for a convolution or a pool */
};
/* Errors: SW_CONFIG for an input shape or a number of classes that no network can have. */
enum sw_status sw_layout_begin(struct sw_layout *layout, const char *model,
                               const int64_t input_shape[3], int64_t classes,
                               struct sw_model_desc *out) SW_NODISCARD;
/* The next layer reads the output of layer `l`. */
void sw_layout_go_back(struct sw_layout *layout, int64_t l);
/* A square kernel; with a bias and ReLU, or without both for a norm that follows. */
void sw_layout_conv(struct sw_layout *layout, const char *name, int64_t out, int64_t kernel,
                    int64_t stride, int64_t padding, bool bias_and_relu);
/* Batch norm, then the output of layer `residual` is added (SW_LAYER_NONE: nothing), then ReLU. */
void sw_layout_norm(struct sw_layout *layout, const char *name, int64_t residual, bool relu);
/* Windows of 2 x 2 that do not overlap. */
void sw_layout_max_pool(struct sw_layout *layout);
void sw_layout_global_pool(struct sw_layout *layout);
void sw_layout_flatten(struct sw_layout *layout);
void sw_layout_dropout(struct sw_layout *layout, double rate);
/* Reads a row of features, or the input whatever its shape. */
void sw_layout_linear(struct sw_layout *layout, const char *name, int64_t out, bool relu);
/* Fully connected layers fc1, fc2, ...: hidden ones with ReLU, and with
 * dropout behind it unless `dropout` is 0, and an output layer of a unit per class without. */
void sw_layout_linears(struct sw_layout *layout, const int64_t *hidden, int64_t n_hidden,
                       double dropout);
/* Errors: SW_CONFIG for images that are too small, SW_UNSUPPORTED for ones that are too large. */
enum sw_status sw_layout_end(const struct sw_layout *layout) SW_NODISCARD;

/* A whole number of digits only, without leading zero, so that a network has one name; ends before '-' or
 * at the end. NULL when malformed or above `most`. */
const char *sw_model_parse_number(const char *text, int64_t most, int64_t *out);

/* Layers of the model `name`. Errors: SW_CONFIG (unknown or malformed name). */
enum sw_status sw_model_lay_out(const char *name, const int64_t input_shape[3], int64_t classes,
                                struct sw_model_desc *out) SW_NODISCARD;
/* Number of the first parameter of every layer, in the order of PyTorch's state_dict. Returns the number
 * of all parameters. */
int64_t sw_model_number_params(const struct sw_model_desc *desc,
                               int64_t first[SW_MODEL_MAX_LAYERS]);
/* Number of every layer's weights among the prunable parameters, -1 without; given the former. */
void sw_model_number_weights(const struct sw_model_desc *desc,
                             const int64_t first[SW_MODEL_MAX_LAYERS],
                             int64_t prunable[SW_MODEL_MAX_LAYERS]);
/* Units of all parameters, in their order. */
void sw_model_find_units(const struct sw_model_desc *desc, struct sw_param_units *out);
