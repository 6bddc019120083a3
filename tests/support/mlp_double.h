/* A multi-layer perceptron in plain double arithmetic, one sample at a time, sharing no code with
 * the program: what networks, gradients and optimizers are checked against.
 * theta holds fc1.weight [out, in], fc1.bias [out], fc2.weight, ... one after the other. */
#pragma once

#include <stdint.h>

#define MLP_MAX_LAYERS 8
#define MLP_MAX_WIDTH 128

struct mlp_double {
    int n_layers;                      /* linear layers; ReLU after all but the last */
    int64_t width[MLP_MAX_LAYERS + 1]; /* inputs, hidden units, classes */
};

int64_t mlp_double_parameters(const struct mlp_double *mlp);

/* Outputs of the last layer for one sample x[width[0]]. */
void mlp_double_logits(const struct mlp_double *mlp, const double *theta, const double *x,
                       double *logits);

/* Mean cross-entropy of `batch` samples x[batch][width[0]]. */
double mlp_double_loss(const struct mlp_double *mlp, const double *theta, const double *x,
                       const int32_t *labels, int64_t batch);

/* Samples whose largest logit (the lowest class of equals) is their label. */
int64_t mlp_double_correct(const struct mlp_double *mlp, const double *theta, const double *x,
                           const int32_t *labels, int64_t batch);

/* Gradient of that mean by the chain rule. */
void mlp_double_gradient(const struct mlp_double *mlp, const double *theta, const double *x,
                         const int32_t *labels, int64_t batch, double *gradient);

/* The same by central differences of the loss with steps of `h`; theta is restored. */
void mlp_double_differences(const struct mlp_double *mlp, double *theta, const double *x,
                            const int32_t *labels, int64_t batch, double h, double *gradient);
