/* Module: net, private: a network on a device. net.c builds it and moves weights, net_pass.c
 * computes, memory.c tells its bytes in advance. */
#pragma once

#include "compact.h"
#include "graph.h"

/* Far above any batch; keeps products of sizes within 64 bits. */
#define SW_NET_MAX_BATCH ((int64_t) 1 << 20)

struct sw_net {
    struct sw_hal *hal;         /* borrowed */
    const struct sw_arch *arch; /* borrowed */
    uint8_t *mask;              /* host copy, [arch->mask_bytes] */
    int64_t max_batch;
    struct sw_net_storage storage;
    int64_t survivors;          /* values of all parameters of the whole network */
    struct sw_compact *compact; /* when it runs as a smaller one; or NULL */
    int64_t n_layers;
    struct sw_net_layer *layers;
    struct sw_net_param *params; /* [arch->n_params] */
    struct sw_planes input_planes;
    bool input_is_planes; /* else float[features, L] */
    struct sw_buffer *input;
    struct sw_buffer *labels;                    /* int32[L] */
    struct sw_buffer *slots[SW_GRAPH_MAX_SLOTS]; /* gradients of the layers' outputs */
    struct sw_buffer
        *gradient; /* a dense weight gradient, of the largest layer that needs one; or NULL */
    struct sw_buffer *scratch; /* of convolutions; or NULL */
    struct sw_net_memory memory;
    bool has_statistics;
    enum sw_net_mode mode;
    uint64_t seed;
    int64_t step;
    int64_t recalibrated;   /* passes since that mode was set */
    int64_t forwarded;      /* batch whose logits are there; 0 for none */
    int64_t differentiated; /* batch whose gradient of the logits is there; 0 for none */
};
