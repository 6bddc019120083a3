/* Initial weights for networks that were never dense: wider, because fewer inputs add up. For random masks
 * only: a ticket is its mask and the very values that it was found with. */
#include <math.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/net.h"

static const struct {
    const char *name, *summary;
} words[] = {
    {"none", "the values that the dense network begins with"},
    {"seed_layer",
     "deviation sqrt(2 / ((1 - s) n)) for a layer of sparsity s with n inputs (Liu et al.)"},
    {"unit_fanin", "deviation sqrt(2 / k) for a unit with k inputs that are kept (Evci et al.)"},
};

const char *sw_sparse_init_at(size_t index, const char **summary) {
    if (index >= sizeof words / sizeof *words) return NULL;
    *summary = words[index].summary;
    return words[index].name;
}

static bool is_word(const struct sw_trial_spec *spec, const char *word) {
    return strcmp(spec->model_sparse_init, word) == 0;
}

/* Or before anything was trained: such masks have found no values of their own either. */
static bool prunes_at_random(const struct sw_trial_spec *spec) {
    return strcmp(spec->prune_criterion, "random") == 0 ||
           strcmp(spec->prune_score_weights, "init") == 0;
}

bool sw_sparse_init_acts(const struct sw_trial_spec *spec, int64_t round, enum sw_control control) {
    if (round == 0 || is_word(spec, "none")) return false;
    if (control == SW_CONTROL_TICKET)
        return prunes_at_random(spec) || spec->model_sparse_init_tickets != 0;
    return control == SW_CONTROL_RANDOM || control == SW_CONTROL_SHUFFLE;
}

/* Is there a random mask in the trial, or a ticket that it is forced upon? */
static bool has_effect(const struct sw_trial_spec *spec) {
    char word[32];
    for (size_t i = 0; sw_spec_word(spec->control, i, word); i++)
        if (strcmp(word, "random") == 0 || strcmp(word, "shuffle") == 0) return true;
    return prunes_at_random(spec) || spec->model_sparse_init_tickets != 0;
}

enum sw_status sw_sparse_init_check(const struct sw_trial_spec *spec, const char **key) {
    *key = "model.sparse_init_tickets";
    if (is_word(spec, "none"))
        return spec->model_sparse_init_tickets == 0
                   ? SW_OK
                   : SW_FAIL(SW_CONFIG, "%s is not used without model.sparse_init", *key);
    *key = "model.sparse_init";
    if (spec->rewind_to > 0 || strcmp(spec->rewind_mode, "weights") != 0)
        return SW_FAIL(SW_CONFIG,
                       "%s: pruned rounds begin with trained weights here, not with initial ones",
                       *key);
    if (has_effect(spec)) return SW_OK;
    return SW_FAIL(
        SW_CONFIG,
        "%s: %s is for random masks (prune.criterion random, control random or shuffle): a "
        "ticket is its mask and its own initial values; model.sparse_init_tickets: true "
        "forces it",
        *key, spec->model_sparse_init);
}

static void scale(const uint8_t *mask, int64_t first, int64_t n, double factor, float *values) {
    for (int64_t i = first; i < first + n; i++)
        if (sw_mask_get(mask, i)) values[i] = (float) ((double) values[i] * factor);
}

static int64_t count(const uint8_t *mask, int64_t first, int64_t n) {
    int64_t kept = 0;
    for (int64_t i = first; i < first + n; i++)
        kept += sw_mask_get(mask, i);
    return kept;
}

static void scale_layer(const struct sw_trial_spec *spec, const struct sw_param *param,
                        double deviation, const uint8_t *mask, float *values) {
    const int64_t inputs = param->count / param->shape[0];
    if (is_word(spec, "seed_layer")) {
        double density = (double) sw_mask_count(mask, param->count) / (double) param->count;
        if (density > 0)
            scale(mask, 0, param->count, sqrt(2 / (density * (double) param->fan_in)) / deviation,
                  values);
        return;
    }
    for (int64_t first = 0; first < param->count; first += inputs) {
        int64_t kept = count(mask, first, inputs);
        if (kept > 0) scale(mask, first, inputs, sqrt(2 / (double) kept) / deviation, values);
    }
}

void sw_sparse_init_scale(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                          const uint8_t *mask, float *theta) {
    const struct sw_init *init = sw_init_find(spec->model_init);
    for (int64_t p = 0; init != NULL && p < arch->n_params; p++) {
        const struct sw_param *param = &arch->params[p];
        if (param->prunable)
            scale_layer(spec, param,
                        init->deviation((double) param->fan_in, (double) param->fan_out),
                        mask + param->mask_offset, theta + param->offset);
    }
}
