#include <stdio.h>
#include <string.h>

#include "layer.h"
#include "models.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"
#include "sweepstake/text.h"

/* Place a parameter behind the ones before it. */
static void place(struct sw_arch *arch, struct sw_param *param) {
    param->offset = arch->parameters;
    arch->parameters += param->count;
    if (param->prunable) {
        param->mask_offset = arch->mask_bytes;
        arch->mask_bytes += sw_mask_bytes(param->count);
        arch->prunable += param->count;
        arch->n_layers++;
    }
    arch->n_params++;
}

/* Append the weights and the biases of one layer. */
static enum sw_status add_layer(struct sw_arch *arch, const struct sw_layer_desc *desc,
                                int is_output) {
    struct sw_param *weight = &arch->params[arch->n_params], *bias = weight + 1;
    (void) snprintf(weight->name, sizeof weight->name, "%s.weight", desc->name);
    sw_layer_ops_of(desc->kind)->shape_weight(desc, weight);
    if (weight->count > INT32_MAX)
        return SW_FAIL(SW_UNSUPPORTED,
                       "%s of model '%s' would have %lld weights; at most %d are supported",
                       weight->name, arch->model, (long long) weight->count, INT32_MAX);
    weight->prunable = 1;
    weight->output = is_output;
    place(arch, weight);

    (void) snprintf(bias->name, sizeof bias->name, "%s.bias", desc->name);
    bias->rank = 1;
    bias->shape[0] = bias->count = weight->shape[0];
    place(arch, bias);
    return SW_OK;
}

enum sw_status sw_arch_create(const char *model, const int64_t input_shape[3], int64_t classes,
                              struct sw_arch *out) {
    struct sw_model_desc desc;
    struct sw_arch arch = {.classes = classes};
    enum sw_status status;
    if (strlen(model) >= sizeof arch.model)
        return SW_FAIL(SW_CONFIG, "model name '%s' is too long: at most %zu characters", model,
                       sizeof arch.model - 1);
    SW_TRY(sw_model_lay_out(model, input_shape, classes, &desc));
    SW_TEXT_COPY(arch.model, model);
    memcpy(arch.input_shape, input_shape, sizeof arch.input_shape);
    SW_TRY(SW_ALLOC(&arch.params, (size_t) desc.n_layers * 2, "parameter table"));
    for (int64_t l = 0; l < desc.n_layers; l++)
        SW_TRY_TO(add_layer(&arch, &desc.layers[l], l == desc.n_layers - 1), status, cleanup);
    *out = arch;
    return SW_OK;
cleanup:
    sw_arch_fini(&arch);
    return status;
}

void sw_arch_fini(struct sw_arch *arch) {
    SW_FREE(&arch->params);
    memset(arch, 0, sizeof *arch);
}

const struct sw_param *sw_arch_layer(const struct sw_arch *arch, int64_t layer) {
    for (int64_t p = 0; p < arch->n_params; p++)
        if (arch->params[p].prunable && layer-- == 0) return &arch->params[p];
    return NULL;
}
