/* Module: net, private: how a model name becomes a list of layers.
 * How to add a model: a file model_NAME.c with one `const struct sw_model`, one line in models.def.
 */
#pragma once

#include "sweepstake/net.h"

/* Hidden layers of a multi-layer perceptron, and units of one of them. */
#define SW_MLP_MAX_HIDDEN 32
#define SW_MLP_MAX_WIDTH 65536

/* Lay out fully connected layers fc1, fc2, ... of hidden[n_hidden] units with ReLU and an output
 * layer of `classes` units without. The input is flattened. Errors: SW_CONFIG for an input shape or
 * a number of classes that no network can have. */
enum sw_status sw_mlp_lay_out(const int64_t *hidden, int64_t n_hidden, const int64_t input_shape[3],
                              int64_t classes, struct sw_model_desc *out) SW_NODISCARD;

/* Layers of the model `name`. Errors: SW_CONFIG (unknown or malformed name). */
enum sw_status sw_model_lay_out(const char *name, const int64_t input_shape[3], int64_t classes,
                                struct sw_model_desc *out) SW_NODISCARD;
