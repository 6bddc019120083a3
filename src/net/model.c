#include "layer.h"
#include "models.h"

#include <stdio.h>
#include <string.h>

#include "sweepstake/text.h"

#define SW_MODEL(symbol) extern const struct sw_model symbol;
#include "models.def"
#undef SW_MODEL

enum {
#define SW_MODEL(symbol) INDEX_##symbol,
#include "models.def"
#undef SW_MODEL
    N_MODELS
};

static const struct sw_model *const models[N_MODELS] = {
#define SW_MODEL(symbol) &symbol,
#include "models.def"
#undef SW_MODEL
};

const struct sw_model *sw_model_at(size_t index) {
    return index < N_MODELS ? models[index] : NULL;
}

const struct sw_model *sw_model_find(const char *name) {
    for (size_t i = 0; i < N_MODELS; i++)
        if (models[i]->matches(name)) return models[i];
    return NULL;
}

static enum sw_status fail_unknown(const char *name) {
    const char *names[N_MODELS];
    const struct sw_model *model;
    size_t n = 0;
    char known[256] = "";
    for (; n < N_MODELS && (model = sw_model_at(n)) != NULL; n++) {
        size_t used = strlen(known);
        names[n] = model->name;
        (void) snprintf(known + used, sizeof known - used, "%s%s", n > 0 ? ", " : "", model->name);
    }
    const char *nearest = sw_text_nearest(name, names, n);
    if (nearest == NULL)
        return SW_FAIL(SW_CONFIG, "model '%s' is not known; known are %s", name, known);
    return SW_FAIL(SW_CONFIG, "model '%s' is not known; did you mean '%s'? Known are %s", name,
                   nearest, known);
}

enum sw_status sw_model_lay_out(const char *name, const int64_t input_shape[3], int64_t classes,
                                struct sw_model_desc *out) {
    const struct sw_model *model = sw_model_find(name);
    if (model == NULL) return fail_unknown(name);
    return model->describe(name, input_shape, classes, out);
}

const char *sw_model_parse_number(const char *text, int64_t most, int64_t *out) {
    int64_t number = 0;
    if (*text < '1' || *text > '9') return NULL;
    for (; *text >= '0' && *text <= '9'; text++) {
        number = number * 10 + (*text - '0');
        if (number > most) return NULL;
    }
    if (*text != '-' && *text != '\0') return NULL;
    *out = number;
    return text;
}

/* ---- order of the parameters ---------------------------------------------------------------- */

/* Parameters of layer l, then those of the shortcut that it adds, which runs before it. */
static int64_t number_layer(const struct sw_model_desc *desc, int64_t l, int64_t next,
                            int64_t *first) {
    const struct sw_layer_desc *layer = &desc->layers[l];
    first[l] = next;
    next += sw_layer_ops_of(layer->kind)->n_params(layer);
    if (layer->residual < 0 || !desc->layers[layer->residual].shortcut) return next;
    next = number_layer(desc, desc->layers[layer->residual].input, next, first);
    return number_layer(desc, layer->residual, next, first);
}

int64_t sw_model_number_params(const struct sw_model_desc *desc,
                               int64_t first[SW_MODEL_MAX_LAYERS]) {
    int64_t next = 0;
    for (int64_t l = 0; l < desc->n_layers; l++)
        if (!desc->layers[l].shortcut) next = number_layer(desc, l, next, first);
    return next;
}

/* Weights stand among the prunable parameters as the layers' parameters among all. */
void sw_model_number_weights(const struct sw_model_desc *desc,
                             const int64_t first[SW_MODEL_MAX_LAYERS],
                             int64_t prunable[SW_MODEL_MAX_LAYERS]) {
    int64_t layer_of[SW_MODEL_MAX_LAYERS * SW_LAYER_MAX_PARAMS], n_prunable = 0;
    int64_t n_params = desc->n_layers * SW_LAYER_MAX_PARAMS;
    for (int64_t p = 0; p < n_params; p++)
        layer_of[p] = -1;
    for (int64_t l = 0; l < desc->n_layers; l++) {
        prunable[l] = -1;
        if (sw_layer_ops_of(desc->layers[l].kind)->choose_format != NULL) layer_of[first[l]] = l;
    }
    for (int64_t p = 0; p < n_params; p++)
        if (layer_of[p] >= 0) prunable[layer_of[p]] = n_prunable++;
}
