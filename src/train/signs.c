/* Signs of weights: Sign-In, which splits them into factors, and the guide's correction. Both act between
 * two epochs, before the first step of the next, so that nothing of them is half done in a saved state. */
#include <math.h>
#include <string.h>

#include "training.h"

/* ---- words ---------------------------------------------------------------------------------- */

struct word {
    const char *name, *summary;
};

static const char *word_at(const struct word *words, size_t n, size_t index, const char **summary) {
    if (index >= n) return NULL;
    if (summary != NULL) *summary = words[index].summary;
    return words[index].name;
}

const char *sw_signin_buffers_at(size_t index, const char **summary) {
    static const struct word words[] = {
        {"zero", "cleared, as at the start of a training"},
        {"keep", "as they are"},
        {"project", "those of the momentum over u w that fits them best, on the new factors"}};
    return word_at(words, sizeof words / sizeof *words, index, summary);
}

const char *sw_signin_rounds_at(size_t index, const char **summary) {
    static const struct word words[] = {
        {"sparse", "rounds with a pruned network, controls included"},
        {"all", "the dense round, too"}};
    return word_at(words, sizeof words / sizeof *words, index, summary);
}

/* In the order of enum sw_sign_reference. */
const char *sw_sign_reference_at(size_t index, const char **summary) {
    static const struct word words[] = {
        [SW_SIGN_NONE] = {"none", "signs are not forced"},
        [SW_SIGN_THETA0] = {"theta0", "initial weights"},
        [SW_SIGN_REWIND] = {"rewind", "weights that the training begins with"},
        [SW_SIGN_DENSE] = {"dense", "trained weights of the dense round"}};
    return word_at(words, sizeof words / sizeof *words, index, summary);
}

bool sw_train_is_factored(const struct sw_trial_spec *spec, int64_t round) {
    return spec->signin_enabled != 0 && (round > 0 || strcmp(spec->signin_rounds, "all") == 0);
}

enum sw_sign_reference sw_train_sign_reference(const struct sw_trial_spec *spec, int64_t round) {
    const char *word = NULL;
    for (size_t i = 0; round > 0 && (word = sw_sign_reference_at(i, NULL)) != NULL; i++)
        if (strcmp(spec->sign_seed_force_reference, word) == 0) return (enum sw_sign_reference) i;
    return SW_SIGN_NONE;
}

/* ---- checking ------------------------------------------------------------------------------- */

static enum sw_status check_signin(const struct sw_trial_spec *spec, const char **key) {
    const struct sw_optimizer *optimizer = sw_optimizer_find(spec->train_optimizer_name);
    if (!spec->signin_enabled) return SW_OK;
    *key = "signin.enabled";
    if (optimizer != NULL && optimizer->update_factored == NULL)
        return SW_FAIL(SW_CONFIG, "%s: train.optimizer.name %s has no step for two factors", *key,
                       optimizer->name);
    if (spec->signin_reset_epochs != SW_INT_NULL) return SW_OK;
    return SW_FAIL(SW_CONFIG, "%s: true needs signin.reset_epochs, the epochs between two resets",
                   *key);
}

enum sw_status sw_training_check_signs(const struct sw_trial_spec *spec, const char **key) {
    SW_TRY(check_signin(spec, key));
    if (strcmp(spec->sign_seed_force_reference, "none") == 0) return SW_OK;
    *key = "sign.seed_force.reference";
    if (spec->sign_seed_force_every == SW_INT_NULL)
        return SW_FAIL(SW_CONFIG,
                       "%s: %s needs sign.seed_force.every, the epochs between two looks", *key,
                       spec->sign_seed_force_reference);
    if (isnan(spec->sign_seed_force_below))
        return SW_FAIL(SW_CONFIG,
                       "%s: %s needs sign.seed_force.below, the share of equal signs below which a "
                       "layer is forced",
                       *key, spec->sign_seed_force_reference);
    return SW_OK;
}

/* ---- Sign-In -------------------------------------------------------------------------------- */

/* Between two epochs, but not at the start, after every `every`-th of the whole training. */
static bool is_due(const struct sw_training *training, int64_t step, int64_t every) {
    int64_t epoch = step / training->epoch_steps;
    return step > training->hooks.first_step && step % training->epoch_steps == 0 &&
           epoch % every == 0;
}

static enum sw_status split(struct sw_training *training, int64_t p, double beta, bool project) {
    const struct sw_optimizer_state *state = &training->optimizer;
    int64_t n_params = 0;
    const struct sw_net_param *params = sw_net_params(training->net, &n_params);
    const struct sw_factors factors = sw_optimizer_state_factors(state, &params[p],
                                                                 &state->params[p]);
    return sw_hal_factor(sw_net_hal(training->net), &factors, (float) beta, project);
}

enum sw_status sw_training_split(struct sw_training *training) {
    const struct sw_optimizer_state *state = &training->optimizer;
    double beta = training->spec->signin_on_rewind ? training->spec->signin_beta : 0;
    for (int64_t p = 0; p < state->n_params; p++)
        if (state->params[p].u != NULL) SW_TRY(split(training, p, beta, false));
    return SW_OK;
}

static enum sw_status reset(struct sw_training *training, int64_t p, int64_t step) {
    const struct sw_trial_spec *spec = training->spec;
    const struct sw_train_hooks *hooks = &training->hooks;
    struct sw_optimizer_state *state = &training->optimizer;
    int64_t n_params = 0;
    const struct sw_net_param *param = &sw_net_params(training->net, &n_params)[p];
    const struct sw_factors factors = sw_optimizer_state_factors(state, param, &state->params[p]);
    if (hooks->before_reset != NULL)
        SW_TRY(hooks->before_reset(hooks->context, param, &factors, step));
    SW_TRY(split(training, p, spec->signin_beta, strcmp(spec->signin_buffers, "project") == 0));
    if (strcmp(spec->signin_buffers, "zero") != 0) return SW_OK;
    return sw_optimizer_state_clear(state, &state->params[p], step - hooks->first_step);
}

/* ---- the guide's correction ----------------------------------------------------------------- */

#define PIECE 1024 /* weights that are looked at together */

static bool is_positive(const uint8_t *bits, int64_t i) {
    return (bits[i / 8] >> (i % 8) & 1) != 0;
}

/* Weights of a parameter whose sign differs from the reference's, which begin with bit `first`; they take
 * it when `force` is set. Zeros have no sign. */
static enum sw_status compare(const struct sw_net_param *param, const uint8_t *reference,
                              int64_t first, bool force, int64_t *differ) {
    float values[PIECE];
    *differ = 0;
    for (int64_t at = 0; at < param->n; at += PIECE) {
        int64_t n = param->n - at < PIECE ? param->n - at : PIECE, before = *differ;
        int64_t bytes = n * (int64_t) sizeof *values, offset = at * (int64_t) sizeof *values;
        SW_TRY(sw_hal_download(param->values, offset, values, bytes));
        for (int64_t i = 0; i < n; i++) {
            bool positive = is_positive(reference, first + at + i);
            if (values[i] == 0.0f || (signbit(values[i]) == 0) == positive) continue;
            values[i] = -values[i];
            (*differ)++;
        }
        if (force && *differ > before) SW_TRY(sw_hal_upload(param->values, offset, values, bytes));
    }
    return SW_OK;
}

static enum sw_status correct(struct sw_training *training, int64_t p,
                              const struct sw_net_param *param, int64_t first, int64_t step) {
    struct sw_optimizer_state *state = &training->optimizer;
    struct sw_param_states *states = &state->params[p];
    const uint8_t *reference = training->hooks.sign_reference;
    int64_t differ = 0;
    SW_TRY(compare(param, reference, first, false, &differ));
    double aligned = 1 - (double) differ / (double) param->n;
    if (differ == 0 || aligned >= training->spec->sign_seed_force_below) return SW_OK;
    SW_TRY(compare(param, reference, first, true, &differ));
    states->events.forced += differ;
    if (states->u != NULL) SW_TRY(split(training, p, training->spec->signin_beta, false));
    return sw_optimizer_state_clear(state, states, step - training->hooks.first_step);
}

static enum sw_status correct_all(struct sw_training *training, int64_t step) {
    int64_t n_params = 0, first = 0;
    const struct sw_net_param *params = sw_net_params(training->net, &n_params);
    for (int64_t p = 0; p < n_params; p++) {
        if (!params[p].param->prunable) continue;
        SW_TRY(correct(training, p, &params[p], first, step));
        first += params[p].n;
    }
    return SW_OK;
}

/* ---- both ----------------------------------------------------------------------------------- */

static enum sw_status reset_all(struct sw_training *training, int64_t step) {
    const struct sw_optimizer_state *state = &training->optimizer;
    for (int64_t p = 0; p < state->n_params; p++)
        if (state->params[p].u != NULL) SW_TRY(reset(training, p, step));
    return SW_OK;
}

/* Resets come first: they are to be seen as the steps left the factors. */
enum sw_status sw_training_tend_signs(struct sw_training *training, int64_t step) {
    const struct sw_trial_spec *spec = training->spec;
    if (training->optimizer.factored && is_due(training, step, spec->signin_reset_epochs))
        SW_TRY(reset_all(training, step));
    if (training->hooks.sign_reference == NULL ||
        !is_due(training, step, spec->sign_seed_force_every))
        return SW_OK;
    return correct_all(training, step);
}
