#include <inttypes.h>
#include <string.h>

#include "plan_internal.h"
#include "sweepstake/memory.h"
#include "sweepstake/monitor.h"
#include "sweepstake/prune.h"
#include "sweepstake/train.h"

struct checker {
    struct sw_plan *plan;
    /* Reported already: do not complain about what follows. */
    bool skip_data, skip_batch, skip_model, skip_train, skip_length, skip_prune;
    struct sw_plan_index datas, archs;
    int64_t data_room, arch_room; /* elements allocated */
};

/* ---- length of a training ------------------------------------------------------------------- */

static void check_length(struct sw_plan *plan, int64_t trial) {
    const struct sw_trial_spec *spec = &plan->sweep.trials[trial];
    bool epochs = spec->train_epochs != SW_INT_NULL, steps = spec->train_steps != SW_INT_NULL;
    if (epochs && steps) {
        sw_plan_report(plan, sw_plan_find_place(plan, trial, "train.steps"),
                       "train.steps: train.epochs is set too; give one of them (null unsets one)");
    } else if (!epochs && !steps && !sw_plan_reported_below(plan, "train.")) {
        sw_plan_report(plan, plan->train_place,
                       "train.epochs: the length of a training is missing; give train.epochs or "
                       "train.steps");
    }
}

/* A setting of its own would be read and ignored. */
static void check_evaluations(struct sw_plan *plan, int64_t trial) {
    struct sw_plan_place place = sw_plan_find_place(plan, trial, "train.evaluate.every");
    if (plan->sweep.trials[trial].train_evaluate_epochs == SW_INT_NULL || place.line == 0) return;
    sw_plan_report(plan, place,
                   "train.evaluate.every: train.evaluate.epochs is set too; give one of them");
}

/* The dense network need not be trained before a mask that is made from initial weights. */
static void check_monitors(struct sw_plan *plan, int64_t trial) {
    const struct sw_trial_spec *spec = &plan->sweep.trials[trial];
    if (!sw_prune_is_standalone(spec) || !sw_monitors_need_dense(spec->monitor)) return;
    sw_plan_report(
        plan, sw_plan_find_place(plan, trial, "monitor"),
        "monitor: degradation compares with the dense training, which prune.score_weights "
        "init does not wait for");
}

/* ---- optimizer and schedule ------------------------------------------------------------------ */

/* What they say of their settings. */
static void check_plugins(struct sw_plan *plan, int64_t trial) {
    const char *key = "train.optimizer.name";
    const struct sw_trial_spec *spec = &plan->sweep.trials[trial];
    if (sw_train_check(spec, &key) != SW_OK || sw_train_check_sparse(spec, &key) != SW_OK ||
        sw_sparse_init_check(spec, &key) != SW_OK)
        sw_plan_report(plan, sw_plan_find_place(plan, trial, key), "%s", sw_status_text());
}

/* ---- data sets ------------------------------------------------------------------------------ */

/* What the registry and the files say; reports what is wrong. Errors: only those that end
 * everything. */
static enum sw_status probe_data(struct sw_plan *plan, int64_t trial, int64_t at,
                                 struct sw_data_info *info) {
    const struct sw_trial_spec *spec = &plan->sweep.trials[trial];
    const struct sw_dataset *dataset = sw_dataset_find(spec->data_name);
    if (dataset == NULL) return SW_FAIL(SW_CONFIG, "unknown data set %s", spec->data_name);
    SW_TRY(dataset->probe(spec, info));
    int64_t images = info->train;
    if (spec->data_limit > 0 && spec->data_limit < images) images = spec->data_limit;
    if (spec->data_validation >= images) {
        struct sw_plan_place place = sw_plan_find_place(plan, trial, "data.validation");
        bool given = place.line > 0;
        if (!given) place = sw_plan_find_place(plan, trial, "data.name");
        sw_plan_report(plan, place,
                       "data.validation: %s %" PRId64 "; allowed is less than the %" PRId64
                       " training images of %s",
                       given ? "got" : "the default is", spec->data_validation, images,
                       spec->data_name);
        memset(info, 0, sizeof *info);
        return SW_OK;
    }
    struct sw_data_blocks *blocks = plan->source->blocks;
    return blocks != NULL ? sw_data_probe_shared(spec, info, &blocks->fds[at])
                          : sw_data_probe(spec, info);
}

static enum sw_status report_data(struct sw_plan *plan, int64_t trial, enum sw_status status) {
    const char *key = "data.dir";
    if (status == SW_NOMEM || status == SW_INTERNAL) return status;
    struct sw_plan_place place = sw_plan_find_place(plan, trial, key);
    if (place.line == 0) {
        key = "data.name";
        place = sw_plan_find_place(plan, trial, key);
    }
    if (status == SW_IO) plan->n_io++;
    sw_plan_report(plan, place, "%s: %s", key, sw_status_text());
    return SW_OK;
}

static enum sw_status add_block(struct sw_data_blocks *blocks) {
    SW_TRY(SW_GROW(&blocks->fds, (size_t) blocks->n, (size_t) blocks->n + 1, "data sets"));
    blocks->fds[blocks->n++] = -1;
    return SW_OK;
}

/* A new data set at sweep->datas[at]; one that cannot be used (reported) has no training images. */
static enum sw_status add_data(struct checker *checker, int64_t trial, int64_t at) {
    struct sw_plan *plan = checker->plan;
    struct sw_sweep *sweep = &plan->sweep;
    const struct sw_plan_source *source = plan->source;
    if (at == checker->data_room) {
        int64_t room = at * 2 + 4;
        SW_TRY(SW_GROW(&sweep->datas, (size_t) at, (size_t) room, "data sets"));
        checker->data_room = room;
    }
    sweep->n_datas = at + 1;
    if (source->known != NULL) {
        if (at >= source->n_known)
            return SW_FAIL(SW_INTERNAL, "%" PRId64 " data sets are known, more are needed",
                           source->n_known);
        sweep->datas[at] = source->known[at];
        return SW_OK;
    }
    if (source->blocks != NULL) SW_TRY(add_block(source->blocks));
    enum sw_status status = probe_data(plan, trial, at, &sweep->datas[at]);
    if (status == SW_OK) return SW_OK;
    memset(&sweep->datas[at], 0, sizeof *sweep->datas);
    return report_data(plan, trial, status);
}

static enum sw_status find_data(struct checker *checker, int64_t trial) {
    struct sw_plan *plan = checker->plan;
    const struct sw_trial_spec *spec = &plan->sweep.trials[trial];
    struct sw_text text = {0};
    enum sw_status status = SW_OK;
    int64_t at = 0, next = plan->sweep.n_datas;
    SW_TRY_TO(sw_plan_identity(spec, SW_STAGE_DATA, &text), status, cleanup);
    SW_TRY_TO(sw_text_add(&text, "data.dir: %s\n", spec->data_dir), status, cleanup);
    SW_TRY_TO(sw_plan_index_add(&checker->datas, sw_digest_of(text.bytes, text.length), next, &at),
              status, cleanup);
    if (at == next) SW_TRY_TO(add_data(checker, trial, at), status, cleanup);
    plan->trial_data[trial] = at;
cleanup:
    sw_text_fini(&text);
    return status;
}

static void check_batch(struct sw_plan *plan, int64_t trial) {
    const struct sw_trial_spec *spec = &plan->sweep.trials[trial];
    const struct sw_data_info *data = &plan->sweep.datas[plan->trial_data[trial]];
    if (spec->train_batch <= data->train) return;
    struct sw_plan_place place = sw_plan_find_place(plan, trial, "train.batch");
    sw_plan_report(plan, place.line > 0 ? place : plan->train_place,
                   "train.batch: %s %" PRId64 "; allowed is at most the %" PRId64
                   " training images, validation excluded",
                   place.line > 0 ? "got" : "the default is", spec->train_batch, data->train);
}

/* The same for the batches of pruned rounds, and their length: at most that of the dense training. */
static void check_sparse(struct sw_plan *plan, int64_t trial) {
    const struct sw_trial_spec *spec = &plan->sweep.trials[trial];
    const int64_t images = plan->sweep.datas[plan->trial_data[trial]].train;
    struct sw_trial_spec sparse;
    sw_train_round_spec(spec, 1, images, &sparse);
    if (sparse.train_batch > images && spec->train_batch <= images)
        sw_plan_report(plan, sw_plan_find_place(plan, trial, "train.sparse.batch_factor"),
                       "train.sparse.batch_factor: pruned rounds have batches of %" PRId64
                       "; allowed is at most the %" PRId64 " training images",
                       sparse.train_batch, images);
    if (spec->train_sparse_steps != SW_INT_NULL &&
        spec->train_sparse_steps > sw_train_steps(spec, images))
        sw_plan_report(plan, sw_plan_find_place(plan, trial, "train.sparse.steps"),
                       "train.sparse.steps: got %" PRId64 "; allowed is at most the %" PRId64
                       " steps of the dense training",
                       spec->train_sparse_steps, sw_train_steps(spec, images));
}

/* Nothing would be left to train after the last step. */
static void check_rewind(struct sw_plan *plan, int64_t trial) {
    const struct sw_trial_spec *spec = &plan->sweep.trials[trial];
    int64_t steps = sw_train_steps(spec, plan->sweep.datas[plan->trial_data[trial]].train);
    if (spec->rewind_to == 0 || spec->rewind_to < steps) return;
    sw_plan_report(plan, sw_plan_find_place(plan, trial, "rewind.to"),
                   "rewind.to: got %" PRId64 "; allowed is less than the %" PRId64
                   " steps of the training",
                   spec->rewind_to, steps);
}

/* ---- models --------------------------------------------------------------------------------- */

static enum sw_status report_arch(struct sw_plan *plan, int64_t trial, enum sw_status status) {
    if (status != SW_CONFIG && status != SW_UNSUPPORTED && status != SW_NOT_FOUND) return status;
    sw_plan_report(plan, sw_plan_find_place(plan, trial, "model.name"), "model.name: %s",
                   sw_status_text());
    return SW_OK;
}

/* A new network at sweep->archs[at]. */
static enum sw_status add_arch(struct checker *checker, int64_t trial, int64_t at) {
    struct sw_sweep *sweep = &checker->plan->sweep;
    const struct sw_data_info *data = &sweep->datas[checker->plan->trial_data[trial]];
    if (at == checker->arch_room) {
        int64_t room = at * 2 + 4;
        SW_TRY(SW_GROW(&sweep->archs, (size_t) at, (size_t) room, "models"));
        checker->arch_room = room;
    }
    struct sw_arch *arch = &sweep->archs[at];
    sweep->n_archs = at + 1;
    enum sw_status status = sw_arch_create(sweep->trials[trial].model_name, data->shape,
                                           data->classes, arch);
    if (status == SW_OK && arch->n_layers > SW_MAX_LAYERS)
        status = SW_FAIL(SW_UNSUPPORTED, "%s has %" PRId64 " layers; at most %d are supported",
                         arch->model, arch->n_layers, SW_MAX_LAYERS);
    if (status != SW_OK) return report_arch(checker->plan, trial, status);
    if (arch->n_layers > sweep->max_layers) sweep->max_layers = arch->n_layers;
    return SW_OK;
}

static enum sw_status find_arch(struct checker *checker, int64_t trial) {
    struct sw_plan *plan = checker->plan;
    const struct sw_trial_spec *spec = &plan->sweep.trials[trial];
    const struct sw_data_info *data = &plan->sweep.datas[plan->trial_data[trial]];
    struct sw_text text = {0};
    enum sw_status status = SW_OK;
    int64_t at = 0, next = plan->sweep.n_archs;
    SW_TRY_TO(sw_text_add(&text, "%s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64,
                          spec->model_name, data->shape[0], data->shape[1], data->shape[2],
                          data->classes),
              status, cleanup);
    SW_TRY_TO(sw_plan_index_add(&checker->archs, sw_digest_of(text.bytes, text.length), next, &at),
              status, cleanup);
    if (at == next) SW_TRY_TO(add_arch(checker, trial, at), status, cleanup);
    plan->trial_arch[trial] = at;
cleanup:
    sw_text_fini(&text);
    return status;
}

/* ---- pruning -------------------------------------------------------------------------------- */

static void check_pruning(struct sw_plan *plan, int64_t trial) {
    const char *key = "prune.granularity";
    const struct sw_arch *arch = &plan->sweep.archs[plan->trial_arch[trial]];
    const struct sw_trial_spec *spec = &plan->sweep.trials[trial];
    const struct sw_data_info *data = &plan->sweep.datas[plan->trial_data[trial]];
    struct sw_trial_spec pruned;
    sw_train_round_spec(spec, 1, data->train, &pruned);
    const struct sw_prune_span span = sw_plan_span(&pruned, data);
    if (arch->n_layers == 0) return;
    if (sw_prune_check(spec, arch, &key) != SW_OK ||
        sw_prune_check_span(spec, &span, &key) != SW_OK)
        sw_plan_report(plan, sw_plan_find_place(plan, trial, key), "%s", sw_status_text());
}

static bool has_role(const struct sw_arch *arch, enum sw_param_role role) {
    for (int64_t p = 0; p < arch->n_params; p++)
        if (arch->params[p].role == (int64_t) role) return true;
    return false;
}

static void check_norm_penalty(struct sw_plan *plan, int64_t trial) {
    const struct sw_arch *arch = &plan->sweep.archs[plan->trial_arch[trial]];
    if (plan->sweep.trials[trial].train_norm_penalty == 0 || arch->n_layers == 0 ||
        has_role(arch, SW_ROLE_SCALE))
        return;
    sw_plan_report(plan, sw_plan_find_place(plan, trial, "train.norm_penalty"),
                   "train.norm_penalty is not used by %s, which has no batch norm", arch->model);
}

/* More samples than there are would be drawn. */
static void check_samples(struct sw_plan *plan, int64_t trial) {
    const struct sw_trial_spec *spec = &plan->sweep.trials[trial];
    int64_t train = plan->sweep.datas[plan->trial_data[trial]].train;
    if ((sw_prune_needs(spec) & SW_NEEDS_GRADIENT) == 0 ||
        spec->prune_score_samples == SW_INT_NULL || spec->prune_score_samples <= train)
        return;
    sw_plan_report(plan, sw_plan_find_place(plan, trial, "prune.score_samples"),
                   "prune.score_samples: got %" PRId64 "; allowed is at most the %" PRId64
                   " training images, validation excluded",
                   spec->prune_score_samples, train);
}

/* What it counts from is one bit per weight of one mask. */
static void check_monitor(struct sw_plan *plan, int64_t trial) {
    const struct sw_trial_spec *spec = &plan->sweep.trials[trial];
    if (!sw_prune_is_within(spec) || !sw_watch_has(spec->monitor, "signs")) return;
    sw_plan_report(plan, sw_plan_find_place(plan, trial, "monitor"),
                   "monitor: signs follows the weights of one mask, and prune.schedule %s changes "
                   "it while it trains; use schedule iterative or one-shot",
                   spec->prune_schedule);
}

/* Output units are never removed; a pattern knows no rate but 0. */
static bool ignores_output_rate(const struct sw_trial_spec *spec) {
    if (spec->prune_convert_round != SW_INT_NULL) return false; /* the other stage may use it */
    return sw_prune_removes_units(spec) ||
           (sw_prune_is_pattern(spec) && spec->prune_output_rate != 0);
}
static bool ignores_rate(const struct sw_trial_spec *spec) {
    return spec->prune_convert_round == SW_INT_NULL && sw_prune_is_pattern(spec);
}
static bool ignores_shortcut_rate(const struct sw_trial_spec *spec) {
    return spec->prune_convert_round == SW_INT_NULL && sw_prune_is_pattern(spec) &&
           spec->prune_shortcut_rate != 0;
}

/* A setting that no trial looks at would be read and ignored. */
static void check_unused(struct sw_plan *plan, const char *key,
                         bool (*ignores)(const struct sw_trial_spec *), const char *why) {
    struct sw_plan_place place = sw_plan_find_place(plan, 0, key);
    if (plan->base[sw_plan_find_field(plan, key)].recipe) return;
    for (int64_t trial = 0; trial < plan->sweep.n_trials; trial++)
        if (!ignores(&plan->sweep.trials[trial])) return;
    if (place.line > 0)
        sw_plan_report(plan, place, "%s is not used by prune.granularity %s: %s", key,
                       plan->sweep.trials[0].prune_granularity, why);
}

#define NO_CONVERSION "prune.convert.round says when something is converted"
static bool converts_nothing(const struct sw_trial_spec *spec) {
    return spec->prune_convert_round == SW_INT_NULL;
}

static void check_rates(struct sw_plan *plan) {
    bool units = sw_prune_removes_units(&plan->sweep.trials[0]);
    check_unused(plan, "prune.rate", ignores_rate, "it removes as many weights as it says");
    check_unused(plan, "prune.output_rate", ignores_output_rate,
                 units ? "output units are never removed" : "0 leaves the output layer whole");
    check_unused(plan, "prune.convert.granularity", converts_nothing, NO_CONVERSION);
    check_unused(plan, "prune.convert.sparsity", converts_nothing, NO_CONVERSION);
    check_unused(plan, "prune.shortcut_rate", ignores_shortcut_rate, "0 leaves shortcuts whole");
}

/* ---- all trials ----------------------------------------------------------------------------- */

static enum sw_status check_trial(struct checker *checker, int64_t trial) {
    struct sw_plan *plan = checker->plan;
    check_length(plan, trial);
    check_evaluations(plan, trial);
    check_monitors(plan, trial);
    if (!checker->skip_train) check_plugins(plan, trial);
    checker->skip_length |= sw_plan_reported_below(plan, "train.");
    if (checker->skip_data) return SW_OK;
    SW_TRY(find_data(checker, trial));
    if (plan->sweep.datas[plan->trial_data[trial]].train == 0) return SW_OK;
    if (!checker->skip_batch) check_batch(plan, trial);
    if (!checker->skip_length) check_rewind(plan, trial);
    if (!checker->skip_length) check_sparse(plan, trial);
    if (checker->skip_model) return SW_OK;
    SW_TRY(find_arch(checker, trial));
    check_norm_penalty(plan, trial);
    if (checker->skip_prune) return SW_OK;
    check_pruning(plan, trial);
    check_samples(plan, trial);
    check_monitor(plan, trial);
    return SW_OK;
}

enum sw_status sw_plan_check_trials(struct sw_plan *plan) {
    struct checker checker = {.plan = plan,
                              .skip_data = sw_plan_reported_below(plan, "data."),
                              .skip_batch = sw_plan_reported_below(plan, "train.batch"),
                              .skip_model = sw_plan_reported_below(plan, "model.name"),
                              .skip_prune = sw_plan_reported_below(plan, "prune."),
                              .skip_train = sw_plan_reported_below(plan, "train."),
                              .skip_length = sw_plan_reported_below(plan, "rewind.")};
    enum sw_status status = SW_OK;
    for (int64_t trial = 0; trial < plan->sweep.n_trials && !sw_plan_is_full(plan); trial++)
        SW_TRY_TO(check_trial(&checker, trial), status, cleanup);
    if (plan->sweep.n_trials > 0 && !checker.skip_prune) check_rates(plan);
cleanup:
    sw_plan_index_fini(&checker.datas);
    sw_plan_index_fini(&checker.archs);
    return status;
}
