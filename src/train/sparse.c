/* What is different in rounds that are pruned. The dense round knows nothing of it, so that all
 * variants share it. */
#include <math.h>
#include <string.h>

#include "sweepstake/train.h"

#define BATCH_MOST 65536

/* ---- words ----------------------------------------------------------------------------------- */

struct word {
    const char *name, *summary;
};

static const struct word lr_rules[] = {
    {"none", "the rate of the dense training (Frankle and Carbin; Renda et al.)"},
    {"seed_sqrt",
     "times (1 - p)^1/2 for the share p that each prune so far removed: the root of the share left"},
    {"allr",
     "fine-tuning only: a line to 0 from a rate that grows with what the last prune removed "
     "(Zimmer et al.)"},
    {"smupar", "Adam: hidden layers get the rate divided by their density (Dey et al.)"},
};

static const struct word rewind_modes[] = {
    {"weights", "weights and learning rate return to that step (Frankle and Carbin)"},
    {"learning-rate",
     "trained weights stay, the learning rate returns to that step (Renda et al.)"},
    {"fine-tune", "trained weights stay, the training goes on at its last learning rate"},
};

static const char *word_at(const struct word *words, size_t n, size_t index, const char **summary) {
    if (index >= n) return NULL;
    *summary = words[index].summary;
    return words[index].name;
}

const char *sw_lr_rule_at(size_t index, const char **summary) {
    return word_at(lr_rules, sizeof lr_rules / sizeof *lr_rules, index, summary);
}

const char *sw_rewind_mode_at(size_t index, const char **summary) {
    return word_at(rewind_modes, sizeof rewind_modes / sizeof *rewind_modes, index, summary);
}

static bool is_rule(const struct sw_trial_spec *spec, const char *rule) {
    return strcmp(spec->train_sparse_lr_rule, rule) == 0;
}

static bool is_fine_tuning(const struct sw_trial_spec *spec) {
    return strcmp(spec->rewind_mode, "fine-tune") == 0;
}

/* ---- settings of a round ----------------------------------------------------------------------- */

static int64_t sparse_batch(const struct sw_trial_spec *spec) {
    double batch = floor((double) spec->train_batch * spec->train_sparse_batch_factor + 0.5);
    return batch < 1 ? 1 : (int64_t) batch;
}

/* Trained weights go on: a training of its own, at the rate that the dense one ended with, or for the
 * rule allr on a line from the highest rate to 0. */
static void set_fine_tuning(const struct sw_trial_spec *dense, int64_t images,
                            struct sw_trial_spec *out) {
    const int64_t steps = sw_train_steps(dense, images);
    bool line = is_rule(dense, "allr");
    if (!line && steps > 0)
        out->train_optimizer_lr = sw_lr_at(dense, steps - 1, steps,
                                           sw_train_epoch_steps(dense, images));
    if (dense->train_sparse_steps != SW_INT_NULL) {
        out->train_steps = dense->train_sparse_steps;
        out->train_epochs = SW_INT_NULL;
    }
    SW_TEXT_COPY(out->train_schedule_name, line ? "linear" : "constant");
    out->train_schedule_floor = 0;
    out->train_schedule_warmup_fraction = 0;
}

static void set_pruned(const struct sw_trial_spec *spec, int64_t images,
                       struct sw_trial_spec *out) {
    if (is_fine_tuning(spec)) set_fine_tuning(spec, images, out);
    out->train_optimizer_lr *= spec->train_sparse_lr_factor;
    out->train_optimizer_weight_decay *= spec->train_sparse_decay_factor;
    out->train_batch = sparse_batch(spec);
    if (!isnan(spec->train_sparse_warmup_fraction))
        out->train_schedule_warmup_fraction = spec->train_sparse_warmup_fraction;
    if (!isnan(spec->train_sparse_warmup_start))
        out->train_schedule_warmup_start = spec->train_sparse_warmup_start;
}

void sw_train_round_spec(const struct sw_trial_spec *spec, int64_t round, int64_t images,
                         struct sw_trial_spec *out) {
    *out = *spec;
    if (round > 0) set_pruned(spec, images, out);
    if (spec->train_evaluate_epochs == SW_INT_NULL) return;
    int64_t every = spec->train_evaluate_epochs * sw_train_epoch_steps(out, images);
    out->train_evaluate_every = every > 0 ? every : 1;
}

/* ---- rules after pruning ----------------------------------------------------------------------- */

/* Renda's successors (Zimmer et al., "How I learned to stop worrying and love retraining"): the share
 * of the norm that the prune took, for its size, but no less than the share of the training. */
static double allr_factor(const struct sw_trial_spec *spec, const struct sw_lr_prune *prune) {
    double length = (double) prune->steps / (double) prune->dense_steps;
    double least = length < 1 ? length : 1, drop = 0;
    (void) spec;
    if (prune->norm_before > 0 && prune->removed > 0)
        drop = prune->norm_removed / prune->norm_before / sqrt(prune->removed);
    return drop < least ? least : drop > 1 ? 1 : drop;
}

double sw_lr_rule_factor(const struct sw_trial_spec *spec, const struct sw_lr_prune *prune) {
    if (is_rule(spec, "seed_sqrt")) return sqrt(prune->left);
    return is_rule(spec, "allr") ? allr_factor(spec, prune) : 1;
}

bool sw_lr_rule_scales_layers(const struct sw_trial_spec *spec) {
    return is_rule(spec, "smupar");
}

void sw_lr_rule_layers(const struct sw_arch *arch, const int64_t *kept, double *factors) {
    int64_t layer = 0;
    for (int64_t p = 0; p < arch->n_params; p++) {
        const struct sw_param *param = &arch->params[p];
        factors[p] = 1;
        if (!param->prunable) continue;
        if (layer > 0 && !param->output && kept[layer] > 0)
            factors[p] = (double) param->count / (double) kept[layer];
        layer++;
    }
}

/* ---- checks ----------------------------------------------------------------------------------- */

static enum sw_status check_factors(const struct sw_trial_spec *spec, const char **key) {
    double batch = (double) spec->train_batch * spec->train_sparse_batch_factor;
    double decay = spec->train_optimizer_weight_decay * spec->train_sparse_decay_factor;
    *key = "train.sparse.batch_factor";
    if (batch >= BATCH_MOST + 0.5)
        return SW_FAIL(SW_CONFIG, "%s: %g times %lld samples are more than %d", *key,
                       spec->train_sparse_batch_factor, (long long) spec->train_batch, BATCH_MOST);
    if (spec->rewind_to > 0 && sparse_batch(spec) != spec->train_batch)
        return SW_FAIL(SW_CONFIG,
                       "%s: rewind.to %lld is a step of the dense training, whose batches are "
                       "others; rewind.to 0 or the factor 1 is needed",
                       *key, (long long) spec->rewind_to);
    *key = "train.sparse.decay_factor";
    if (decay > 1)
        return SW_FAIL(SW_CONFIG, "%s: the weight decay of pruned rounds becomes %g, above 1", *key,
                       decay);
    if (spec->train_sparse_decay_factor != 1 && spec->train_optimizer_weight_decay == 0)
        return SW_FAIL(SW_CONFIG, "%s: there is no train.optimizer.weight_decay for it to act on",
                       *key);
    return SW_OK;
}

static enum sw_status check_warmup(const struct sw_trial_spec *spec, const char **key) {
    struct sw_trial_spec sparse;
    if (isnan(spec->train_sparse_warmup_start)) return SW_OK;
    sw_train_round_spec(spec, 1, 1, &sparse);
    *key = "train.sparse.warmup.start";
    if (sparse.train_schedule_warmup_fraction > 0) return SW_OK;
    return SW_FAIL(SW_CONFIG, "%s: pruned rounds have no warmup; set train.sparse.warmup.fraction",
                   *key);
}

static enum sw_status check_rule(const struct sw_trial_spec *spec, const char **key) {
    *key = "train.sparse.lr_rule";
    if (is_rule(spec, "allr") && !is_fine_tuning(spec))
        return SW_FAIL(SW_CONFIG,
                       "%s: allr has a schedule of its own for trained weights; it needs "
                       "rewind.mode fine-tune",
                       *key);
    if (is_rule(spec, "smupar") && strcmp(spec->train_optimizer_name, "sgd") == 0)
        return SW_FAIL(SW_CONFIG, "%s: smupar is defined for adam and adamw, not for sgd", *key);
    return SW_OK;
}

/* A mask from initial weights has no parent whose weights could be kept; and a score may look at
 * the weights that a round is rewound to. */
static enum sw_status check_scores(const struct sw_trial_spec *spec, const char **key) {
    *key = "prune.score_weights";
    if (strcmp(spec->prune_score_weights, "init") == 0)
        return SW_FAIL(SW_CONFIG, "%s: init has no trained weights, which rewind.mode %s keeps",
                       *key, spec->rewind_mode);
    *key = "prune.sign_reference";
    if (strcmp(spec->prune_sign_reference, "rewind") != 0) return SW_OK;
    return SW_FAIL(SW_CONFIG, "%s: with rewind.mode %s no weights are rewound to", *key,
                   spec->rewind_mode);
}

/* A control trains the ticket's start weights elsewhere in the network, or others in their place. */
static enum sw_status check_controls(const struct sw_trial_spec *spec, const char **key) {
    char word[32];
    *key = "control";
    for (size_t i = 0; sw_spec_word(spec->control, i, word); i++) {
        if (strcmp(word, "reinit") == 0 && !is_fine_tuning(spec)) continue;
        return SW_FAIL(
            SW_CONFIG,
            "%s: %s is not possible with rewind.mode %s, whose start weights are trained "
            "ones and exist where the ticket keeps them only",
            *key, word, spec->rewind_mode);
    }
    return SW_OK;
}

static enum sw_status check_rewinding(const struct sw_trial_spec *spec, const char **key) {
    *key = "train.sparse.steps";
    if (spec->train_sparse_steps != SW_INT_NULL && !is_fine_tuning(spec))
        return SW_FAIL(SW_CONFIG,
                       "%s: only rewind.mode fine-tune has a length of its own; with the others a "
                       "round goes from rewind.to to the end of the schedule",
                       *key);
    *key = "rewind.to";
    if (spec->rewind_to > 0 && is_fine_tuning(spec))
        return SW_FAIL(SW_CONFIG, "%s is not used by rewind.mode fine-tune: nothing is rewound",
                       *key);
    if (strcmp(spec->rewind_mode, "weights") == 0) return SW_OK;
    SW_TRY(check_scores(spec, key));
    return check_controls(spec, key);
}

enum sw_status sw_train_check_sparse(const struct sw_trial_spec *spec, const char **key) {
    SW_TRY(check_rewinding(spec, key));
    SW_TRY(check_rule(spec, key));
    SW_TRY(check_factors(spec, key));
    return check_warmup(spec, key);
}
