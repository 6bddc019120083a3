/* Module: net, private: a network on a device. net.c builds it and moves weights, net_pass.c
 * computes, memory.c tells its bytes in advance. */
#pragma once

#include "compact.h"
#include "layer.h"

/* Far above any batch; keeps products of sizes within 64 bits. */
#define SW_NET_MAX_BATCH ((int64_t) 1 << 20)

struct sw_net {
    struct sw_hal *hal;         /* borrowed */
    const struct sw_arch *arch; /* borrowed */
    uint8_t *mask;              /* host copy, [arch->mask_bytes] */
    int64_t max_batch;
    const enum sw_layer_format *format; /* of every layer while it is built; NULL: the table's */
    int64_t survivors;                  /* values of all parameters of the whole network */
    struct sw_compact *compact;         /* when it runs as a smaller one; or NULL */
    int64_t n_layers;
    struct sw_net_layer *layers; /* layer l has parameters 2 l (weight) and 2 l + 1 (bias) */
    struct sw_net_param *params; /* [arch->n_params] */
    struct sw_buffer *input;     /* float[features, L] */
    struct sw_buffer *labels;    /* int32[L] */
    /* Gradients of the layers' outputs, two of which live at a time: that of layer l is in
     * [l % 2]. */
    struct sw_buffer *gradient[2];
    struct sw_buffer
        *scratch; /* a dense weight gradient, of the largest layer that needs one; or NULL */
    struct sw_net_memory memory;
    int64_t forwarded;      /* batch whose logits are there; 0 for none */
    int64_t differentiated; /* batch whose gradient of the logits is there; 0 for none */
};

/* Features of the widest layer output whose gradient is in gradient[parity]; 0 without any. */
int64_t sw_net_gradient_features(const struct sw_model_desc *desc, int parity);
