/* A list of layers in plain double arithmetic, sharing no code with the program beyond the list itself and
 * the random numbers of dropout: what networks and their gradients are checked against. Images and activations
 * are [batch, channels, height, width]; a row of features is an image of one pixel. Parameters are found by their
 * names. */
#pragma once

#include "sweepstake/net.h"

struct graph_double {
    const struct sw_model_desc *desc;
    const struct sw_arch *arch;
    const double *theta; /* [arch->parameters]; removed weights are 0 */
    enum sw_net_mode mode;
    uint64_t seed; /* of dropout */
    int64_t step;
};

/* Logits [batch, classes]. `statistics` [arch->parameters], or NULL: where theta has running means and
 * variances, it gets those of the batch, variances unbiased. */
void graph_double_logits(const struct graph_double *graph, const double *x, int64_t batch,
                         double *logits, double *statistics);

/* Mean cross-entropy. */
double graph_double_loss(const struct graph_double *graph, const double *x, const int32_t *labels,
                         int64_t batch);
