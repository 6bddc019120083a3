/* Module: net, private: networks whose mask removes whole units (of linear layers, or filters of convolutions)
 * run as smaller dense ones. Masks and survivors stay those of the whole network: the weights of a smaller
 * matrix stand in the same order, and what else belongs to removed units (biases, batch norm's parameters and
 * statistics) waits on the host, where nothing changes it. */
#pragma once

#include "models.h"

struct sw_compact {
    const struct sw_arch *arch; /* borrowed */
    int64_t *left_first; /* [n_layers + 1] where the units that a layer names begin in `left` */
    int32_t *left;       /* which of them are left, layer after layer */
    float *others; /* [parameters - prunable] values of what has no mask, of the whole network */
};

/* Shrink `desc` when the mask is exactly that of a smaller network; else *out stays NULL. Free with
 * sw_compact_destroy. Errors: SW_NOMEM. */
enum sw_status sw_compact_create(const struct sw_arch *arch, const uint8_t *mask,
                                 struct sw_model_desc *desc, struct sw_compact **out) SW_NODISCARD;
void sw_compact_destroy(struct sw_compact **compact);

/* Remember all values of parameter p, which has no mask, and pick those of the units that are left. */
void sw_compact_pick(struct sw_compact *compact, int64_t p, const float *values, float *left);
/* All values of p: those of the units that are left, and the remembered ones of the others. */
void sw_compact_put(const struct sw_compact *compact, int64_t p, const float *left, float *values);

/* Shrink `desc` to layers of kept[l] weights without holes: what a mask of units leaves. */
void sw_compact_predict(const int64_t *kept, struct sw_model_desc *desc);
