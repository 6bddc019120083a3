/* Module: net, private: networks whose mask removes whole hidden units run as smaller dense ones. Masks
 * and survivors stay those of the whole network: the weights of a smaller matrix stand in the same order,
 * and the biases of removed units wait on the host, where nothing changes them. */
#pragma once

#include "models.h"

struct sw_compact {
    int64_t *left_first; /* [n_layers + 1] where the units of a layer begin in `left` */
    int32_t *left;       /* which of its output units are left, layer after layer */
    int64_t *bias_first; /* [n_layers + 1] where the biases of a layer begin in `biases` */
    float *biases;       /* those of the whole network */
    uint8_t *ones;       /* a mask that keeps every weight of the largest layer */
};

/* Shrink `desc` when the mask is exactly that of a smaller network; else *out stays NULL. Free with
 * sw_compact_destroy. Errors: SW_NOMEM. */
enum sw_status sw_compact_create(const struct sw_arch *arch, const uint8_t *mask,
                                 struct sw_model_desc *desc, struct sw_compact **out) SW_NODISCARD;
void sw_compact_destroy(struct sw_compact **compact);

/* Remember all biases of layer l, and pick those of the units that are left. */
void sw_compact_pick(struct sw_compact *compact, int64_t l, const float *biases, float *left);
/* All biases of layer l: those of the units that are left, and the remembered ones of the others. */
void sw_compact_put(const struct sw_compact *compact, int64_t l, const float *left, float *biases);

/* Shrink `desc` to layers of kept[l] weights without holes: what a mask of units leaves. */
void sw_compact_predict(const int64_t *kept, struct sw_model_desc *desc);
