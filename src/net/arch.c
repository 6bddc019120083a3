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
    if (sw_role_is_trained(param->role)) arch->trained += param->count;
}

/* Parameter i of a layer. `is_output`: of the last one. */
static void describe(const struct sw_layer_desc *layer, int64_t i, bool is_output,
                     struct sw_param *param) {
    static const char *const names[] = {
        [SW_ROLE_WEIGHT] = "weight",     [SW_ROLE_BIAS] = "bias",
        [SW_ROLE_SCALE] = "weight",      [SW_ROLE_SHIFT] = "bias",
        [SW_ROLE_MEAN] = "running_mean", [SW_ROLE_VARIANCE] = "running_var",
    };
    sw_layer_ops_of(layer->kind)->shape_param(layer, i, param);
    (void) snprintf(param->name, sizeof param->name, "%s.%s", layer->name, names[param->role]);
    param->count = 1;
    for (int64_t d = 0; d < param->rank; d++)
        param->count *= param->shape[d];
    param->shortcut = layer->shortcut;
    if (param->role != SW_ROLE_WEIGHT) return;
    param->prunable = 1;
    param->output = is_output;
    param->fan_in = param->count / param->shape[0];
    param->fan_out = param->count / param->shape[1];
}

/* Parameters stand in the order of PyTorch's state_dict, which is not quite that of the layers. */
static enum sw_status add_params(struct sw_arch *arch, const struct sw_model_desc *desc,
                                 const int64_t *first) {
    for (int64_t l = 0; l < desc->n_layers; l++) {
        const struct sw_layer_desc *layer = &desc->layers[l];
        int64_t n = sw_layer_ops_of(layer->kind)->n_params(layer);
        for (int64_t i = 0; i < n; i++) {
            struct sw_param *param = &arch->params[first[l] + i];
            describe(layer, i, l == desc->n_layers - 1, param);
            if (param->count > INT32_MAX)
                return SW_FAIL(SW_UNSUPPORTED,
                               "%s of model '%s' would have %lld weights; at most %d are supported",
                               param->name, arch->model, (long long) param->count, INT32_MAX);
        }
    }
    for (int64_t p = 0; p < arch->n_params; p++)
        place(arch, &arch->params[p]);
    return SW_OK;
}

enum sw_status sw_arch_create(const char *model, const int64_t input_shape[3], int64_t classes,
                              struct sw_arch *out) {
    struct sw_model_desc desc;
    int64_t first[SW_MODEL_MAX_LAYERS];
    struct sw_arch arch = {.classes = classes};
    if (strlen(model) >= sizeof arch.model)
        return SW_FAIL(SW_CONFIG, "model name '%s' is too long: at most %zu characters", model,
                       sizeof arch.model - 1);
    SW_TRY(sw_model_lay_out(model, input_shape, classes, &desc));
    SW_TEXT_COPY(arch.model, model);
    memcpy(arch.input_shape, input_shape, sizeof arch.input_shape);
    arch.n_params = sw_model_number_params(&desc, first);
    enum sw_status status = SW_OK;
    SW_TRY_TO(SW_ALLOC(&arch.params, (size_t) arch.n_params, "parameter table"), status, cleanup);
    SW_TRY_TO(SW_ALLOC(&arch.units, (size_t) arch.n_params, "parameter table"), status, cleanup);
    SW_TRY_TO(add_params(&arch, &desc, first), status, cleanup);
    sw_model_find_units(&desc, arch.units);
    *out = arch;
    return SW_OK;
cleanup:
    sw_arch_fini(&arch);
    return status;
}

void sw_arch_fini(struct sw_arch *arch) {
    SW_FREE(&arch->params);
    SW_FREE(&arch->units);
    memset(arch, 0, sizeof *arch);
}

const struct sw_param *sw_arch_layer(const struct sw_arch *arch, int64_t layer) {
    for (int64_t p = 0; p < arch->n_params; p++)
        if (arch->params[p].prunable && layer-- == 0) return &arch->params[p];
    return NULL;
}

const struct sw_param_units *sw_arch_units(const struct sw_arch *arch, int64_t layer) {
    return &arch->units[sw_arch_layer(arch, layer) - arch->params];
}

void sw_arch_scatter(const struct sw_arch *arch, const uint8_t *mask, const float *survivors,
                     float *theta) {
    for (int64_t p = 0; p < arch->n_params; p++) {
        const struct sw_param *param = &arch->params[p];
        float *out = theta + param->offset;
        int64_t n = param->count;
        if (param->prunable)
            n = sw_mask_scatter(mask + param->mask_offset, n, survivors, out);
        else
            memcpy(out, survivors, (size_t) n * sizeof *out);
        survivors += n;
    }
}
