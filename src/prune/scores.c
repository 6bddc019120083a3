/* What a criterion looks at, gathered; layer by layer it then scores. */
#include "prune_internal.h"

#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

/* ---- parameters of a layer ------------------------------------------------------------------ */

const struct sw_param *sw_find_param(const struct sw_arch *arch, const struct sw_layer_desc *layer,
                                     enum sw_param_role role) {
    size_t length = strlen(layer->name);
    for (int64_t p = 0; p < arch->n_params && length > 0; p++) {
        const struct sw_param *param = &arch->params[p];
        if (param->role == (int64_t) role && strncmp(param->name, layer->name, length) == 0 &&
            param->name[length] == '.' && strchr(param->name + length + 1, '.') == NULL)
            return param;
    }
    return NULL;
}

enum sw_status sw_find_scale(const struct sw_arch *arch, const struct sw_param *weight,
                             const struct sw_param **out) {
    struct sw_model_desc *desc = NULL;
    int64_t found = SW_LAYER_NONE;
    SW_TRY(SW_ALLOC(&desc, 1, "layers of a model"));
    *out = NULL;
    enum sw_status status =
        sw_model_find(arch->model)->describe(arch->model, arch->input_shape, arch->classes, desc);
    for (int64_t l = 0; status == SW_OK && l < desc->n_layers; l++) {
        const struct sw_layer_desc *layer = &desc->layers[l];
        if (sw_find_param(arch, layer, SW_ROLE_WEIGHT) == weight) found = l;
        if (layer->kind == SW_LAYER_NORM && layer->input == found)
            *out = sw_find_param(arch, layer, SW_ROLE_SCALE);
    }
    SW_FREE(&desc);
    return status;
}

/* ---- weights -------------------------------------------------------------------------------- */

/* The parent's weights, or the initial ones. */
static void fill_theta(struct sw_scorer *scorer, const uint8_t *mask, const float *survivors) {
    size_t n = (size_t) scorer->arch->parameters;
    if (sw_prune_is_at_init(scorer->spec))
        memcpy(scorer->theta, scorer->source->theta0, n * sizeof *scorer->theta);
    else
        sw_arch_scatter(scorer->arch, mask, survivors, scorer->theta);
}

static void clear_removed(struct sw_scorer *scorer, const uint8_t *mask) {
    for (int64_t l = 0; l < scorer->arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(scorer->arch, l);
        for (int64_t i = 0; i < layer->count; i++)
            if (!sw_mask_get(mask + layer->mask_offset, i)) scorer->theta[layer->offset + i] = 0;
    }
}

/* ---- set-up --------------------------------------------------------------------------------- */

static bool needs(const struct sw_scorer *scorer, unsigned what) {
    return (sw_prune_needs(scorer->spec) & what) != 0;
}

static enum sw_status check_source(const struct sw_scorer *scorer, const float *survivors) {
    static const struct sw_prune_source none = {0};
    const struct sw_prune_source *source = scorer->source != NULL ? scorer->source : &none;
    bool lacks = (survivors == NULL && !sw_prune_is_at_init(scorer->spec)) ||
                 (needs(scorer, SW_NEEDS_THETA0) && source->theta0 == NULL) ||
                 (needs(scorer, SW_NEEDS_REFERENCE) && source->reference == NULL) ||
                 (needs(scorer, SW_NEEDS_GRADIENT) &&
                  (source->hal == NULL || source->data == NULL));
    if (lacks)
        return SW_FAIL(SW_INTERNAL, "criterion '%s' was not given what it needs",
                       scorer->criterion->name);
    return SW_OK;
}

enum sw_status sw_scorer_init(struct sw_scorer *scorer, const struct sw_trial_spec *spec,
                              const struct sw_arch *arch, int64_t round, const uint8_t *mask,
                              const float *survivors, const struct sw_prune_source *source) {
    size_t n = (size_t) arch->parameters;
    *scorer = (struct sw_scorer){.spec = spec,
                                 .arch = arch,
                                 .criterion = sw_criterion_find(spec->prune_criterion),
                                 .source = source,
                                 .round = round};
    if (scorer->criterion == NULL)
        return SW_FAIL(SW_CONFIG, "prune.criterion: there is no criterion '%s'",
                       spec->prune_criterion);
    SW_TRY(check_source(scorer, survivors));
    SW_TRY(SW_ALLOC(&scorer->theta, n, "weights to be pruned"));
    if (needs(scorer, SW_NEEDS_GRADIENT | SW_NEEDS_FLOW))
        SW_TRY(SW_ALLOC(&scorer->gradient, n, "gradients to prune by"));
    if (needs(scorer, SW_NEEDS_PRODUCT))
        SW_TRY(SW_ALLOC(&scorer->product, n, "products with the Hessian"));
    fill_theta(scorer, mask, survivors);
    return SW_OK;
}

void sw_scorer_fini(struct sw_scorer *scorer) {
    SW_FREE(&scorer->theta);
    SW_FREE(&scorer->gradient);
    SW_FREE(&scorer->product);
}

/* ---- looking -------------------------------------------------------------------------------- */

int64_t sw_scorer_steps(const struct sw_scorer *scorer) {
    return needs(scorer, SW_NEEDS_FLOW) ? scorer->spec->prune_score_steps : 1;
}

enum sw_status sw_scorer_look(struct sw_scorer *scorer, const uint8_t *mask) {
    const struct sw_prune_source *source = scorer->source;
    clear_removed(scorer, mask);
    if (needs(scorer, SW_NEEDS_GRADIENT)) SW_TRY(sw_score_gradient(scorer, mask));
    if (needs(scorer, SW_NEEDS_FLOW))
        SW_TRY(sw_flow_gradient(scorer->arch, scorer->theta, scorer->gradient));
    if (source != NULL && source->alive != NULL) source->alive(source->context);
    return SW_OK;
}

/* ---- scoring -------------------------------------------------------------------------------- */

/* Scales of the batch norm behind a layer; NULL for a layer without, which stays whole (check.c). */
static enum sw_status find_scale(const struct sw_scorer *scorer, const struct sw_param *layer,
                                 const float **out) {
    const struct sw_param *scale = NULL;
    SW_TRY(sw_find_scale(scorer->arch, layer, &scale));
    *out = scale != NULL ? scorer->theta + scale->offset : NULL;
    return SW_OK;
}

enum sw_status sw_scorer_score(const struct sw_scorer *scorer, int64_t l, const uint8_t *mask,
                               float *scores) {
    const struct sw_param *layer = sw_arch_layer(scorer->arch, l);
    const struct sw_prune_source *source = scorer->source;
    const int64_t offset = layer->offset;
    struct sw_score_input input = {.spec = scorer->spec,
                                   .mask = mask + layer->mask_offset,
                                   .weights = scorer->theta + offset,
                                   .count = layer->count,
                                   .rows = layer->shape[0],
                                   .seed = (uint64_t) scorer->spec->seed,
                                   .round = scorer->round,
                                   .layer = l};
    if (needs(scorer, SW_NEEDS_THETA0)) input.theta0 = source->theta0 + offset;
    if (needs(scorer, SW_NEEDS_REFERENCE)) input.reference = source->reference + offset;
    if (needs(scorer, SW_NEEDS_NORM)) SW_TRY(find_scale(scorer, layer, &input.scale));
    if (scorer->gradient != NULL) input.gradient = scorer->gradient + offset;
    if (scorer->product != NULL) input.product = scorer->product + offset;
    return scorer->criterion->score(&input, scores);
}
