#include <string.h>

#include "plan_internal.h"
#include "sweepstake/monitor.h"
#include "sweepstake/prune.h"
#include "sweepstake/train.h"

/* Name and summary of an entry of a plug-in table, NULL when there is none. */
#define WORD_OF(entry, summary)                                                                    \
    ((entry) != NULL ? (*(summary) = (entry)->summary, (entry)->name) : NULL)

static const char *data_word(size_t index, const char **summary) {
    const struct sw_dataset *entry = sw_dataset_at(index);
    return WORD_OF(entry, summary);
}

static const char *model_word(size_t index, const char **summary) {
    const struct sw_model *entry = sw_model_at(index);
    return WORD_OF(entry, summary);
}

static const char *init_word(size_t index, const char **summary) {
    const struct sw_init *entry = sw_init_at(index);
    return WORD_OF(entry, summary);
}

static const char *optimizer_word(size_t index, const char **summary) {
    const struct sw_optimizer *entry = sw_optimizer_at(index);
    return WORD_OF(entry, summary);
}

static const char *schedule_word(size_t index, const char **summary) {
    const struct sw_lr_schedule *entry = sw_lr_schedule_at(index);
    return WORD_OF(entry, summary);
}

static const char *clip_word(size_t index, const char **summary) {
    const struct sw_clip_kind *entry = sw_clip_kind_at(index);
    return WORD_OF(entry, summary);
}

static const char *criterion_word(size_t index, const char **summary) {
    const struct sw_criterion *entry = sw_criterion_at(index);
    return WORD_OF(entry, summary);
}

static const char *monitor_word(size_t index, const char **summary) {
    const struct sw_monitor *entry = sw_monitor_at(index);
    return WORD_OF(entry, summary);
}

/* Controls that may be asked for: all but the ticket, which always runs. */
static const char *control_word(size_t index, const char **summary) {
    if (index + 1 >= SW_CONTROL_COUNT) return NULL;
    *summary = sw_control_summary((enum sw_control)(index + 1));
    return sw_control_name((enum sw_control)(index + 1));
}

static const char *allocation_word(size_t index, const char **summary) {
    return sw_allocation_at(index, summary, NULL);
}

const char *sw_plan_registry_word(enum sw_registry registry, size_t index, const char **summary) {
    static const char *(*const words[])(size_t, const char **) = {
        [SW_REGISTRY_DATA] = data_word,
        [SW_REGISTRY_NORMALIZE] = sw_normalize_at,
        [SW_REGISTRY_MODEL] = model_word,
        [SW_REGISTRY_INIT] = init_word,
        [SW_REGISTRY_NORM_SCALE] = sw_norm_scale_at,
        [SW_REGISTRY_OPTIMIZER] = optimizer_word,
        [SW_REGISTRY_SCHEDULE] = schedule_word,
        [SW_REGISTRY_CRITERION] = criterion_word,
        [SW_REGISTRY_SCOPE] = sw_scope_at,
        [SW_REGISTRY_GRANULARITY] = sw_granularity_at,
        [SW_REGISTRY_PRUNE_SCHEDULE] = sw_prune_schedule_at,
        [SW_REGISTRY_CONTROL] = control_word,
        [SW_REGISTRY_MONITOR] = monitor_word,
        [SW_REGISTRY_FORMAT] = sw_prune_format_at,
        [SW_REGISTRY_BLOCK_SIZE] = sw_prune_block_size_at,
        [SW_REGISTRY_LR_RULE] = sw_lr_rule_at,
        [SW_REGISTRY_REWIND] = sw_rewind_mode_at,
        [SW_REGISTRY_CLIP] = clip_word,
        [SW_REGISTRY_SPARSE_INIT] = sw_sparse_init_at,
        [SW_REGISTRY_ALLOCATION] = allocation_word,
        [SW_REGISTRY_SIGNIN_BUFFERS] = sw_signin_buffers_at,
        [SW_REGISTRY_SIGNIN_ROUNDS] = sw_signin_rounds_at,
        [SW_REGISTRY_SCORE_WEIGHTS] = sw_score_weights_at,
        [SW_REGISTRY_GROUP_SCORE] = sw_group_score_at,
        [SW_REGISTRY_SCORE_REFERENCE] = sw_score_reference_at,
        [SW_REGISTRY_SIGN_REFERENCE] = sw_sign_reference_at,
    };
    const char *unused = NULL;
    if ((size_t) registry >= sizeof words / sizeof *words || words[registry] == NULL) return NULL;
    return words[registry](index, summary != NULL ? summary : &unused);
}

bool sw_plan_is_known_word(enum sw_registry registry, const char *word) {
    /* Names of models follow patterns ("mlp-A-B-..."), which the list cannot spell out. */
    if (registry == SW_REGISTRY_MODEL) return sw_model_find(word) != NULL;
    const char *known = NULL;
    for (size_t i = 0; (known = sw_plan_registry_word(registry, i, NULL)) != NULL; i++)
        if (strcmp(known, word) == 0) return true;
    return false;
}

const char *const *sw_plan_plugin_options(enum sw_registry registry, const char *name) {
    const struct sw_dataset *dataset = NULL;
    const struct sw_optimizer *optimizer = NULL;
    const struct sw_lr_schedule *schedule = NULL;
    const struct sw_criterion *criterion = NULL;
    const struct sw_clip_kind *clip = NULL;
    switch (registry) {
    case SW_REGISTRY_DATA:
        dataset = sw_dataset_find(name);
        return dataset != NULL ? dataset->options : NULL;
    case SW_REGISTRY_OPTIMIZER:
        optimizer = sw_optimizer_find(name);
        return optimizer != NULL ? optimizer->options : NULL;
    case SW_REGISTRY_SCHEDULE:
        schedule = sw_lr_schedule_find(name);
        return schedule != NULL ? schedule->options : NULL;
    case SW_REGISTRY_CRITERION:
        criterion = sw_criterion_find(name);
        return criterion != NULL ? criterion->options : NULL;
    case SW_REGISTRY_PRUNE_SCHEDULE:
        return sw_prune_schedule_options(name);
    case SW_REGISTRY_CLIP:
        clip = sw_clip_kind_find(name);
        return clip != NULL ? clip->options : NULL;
    case SW_REGISTRY_ALLOCATION:
        return sw_allocation_options(name);
    default:
        return NULL;
    }
}
