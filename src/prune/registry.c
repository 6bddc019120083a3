/* The words that the prune.* keys of a sweep file may have. */
#include "prune_internal.h"

#include <string.h>

/* ---- criteria
 * ------------------------------------------------------------------------------------ */

static const struct sw_criterion *const criteria[] = {
#define SW_CRITERION(name) &sw_criterion_##name,
#include "criteria.def"
#undef SW_CRITERION
};

const struct sw_criterion *sw_criterion_at(size_t index) {
    return index < sizeof criteria / sizeof criteria[0] ? criteria[index] : NULL;
}

const struct sw_criterion *sw_criterion_find(const char *name) {
    const struct sw_criterion *criterion = NULL;
    for (size_t i = 0; (criterion = sw_criterion_at(i)) != NULL; i++)
        if (strcmp(criterion->name, name) == 0) break;
    return criterion;
}

static const struct {
    unsigned need;
    const char *text;
} need_words[] = {
    {SW_NEEDS_THETA0, "the initial weights"},
    {SW_NEEDS_REFERENCE, "the weights of prune.sign_reference"},
    {SW_NEEDS_TRAINING, "weights that have trained (not prune.score_weights init)"},
    {SW_NEEDS_NORM, "batch norm behind every layer that is pruned"},
    {SW_NEEDS_GRADIENT,
     "the gradient of the loss on training samples, for kept weights: removed ones never "
     "return"},
    {SW_NEEDS_PRODUCT, "the Hessian times that gradient, from two more gradients"},
    {SW_NEEDS_FLOW, "the gradient of the flow, step by step; no data"},
};

const char *sw_score_need_at(size_t index, unsigned *need) {
    if (index >= sizeof need_words / sizeof *need_words) return NULL;
    *need = need_words[index].need;
    return need_words[index].text;
}

/* ---- allocations ---------------------------------------------------------------------------- */

static const struct sw_allocation *const allocations[] = {
#define SW_ALLOCATION(name) &sw_allocation_##name,
#include "allocations.def"
#undef SW_ALLOCATION
};
#define N_ALLOCATIONS (sizeof allocations / sizeof allocations[0])

static const struct sw_allocation *find_allocation(const char *name) {
    for (size_t i = 0; i < N_ALLOCATIONS; i++)
        if (strcmp(allocations[i]->name, name) == 0) return allocations[i];
    return NULL;
}

const struct sw_allocation *sw_allocation_of(const struct sw_trial_spec *spec) {
    const struct sw_allocation *allocation = find_allocation(spec->prune_allocation);
    return allocation != NULL ? allocation : allocations[0];
}

const char *sw_allocation_at(size_t index, const char **summary, const char **source) {
    if (index >= N_ALLOCATIONS) return NULL;
    if (summary != NULL) *summary = allocations[index]->summary;
    if (source != NULL) *source = allocations[index]->source;
    return allocations[index]->name;
}

const char *const *sw_allocation_options(const char *name) {
    const struct sw_allocation *allocation = find_allocation(name);
    return allocation != NULL ? allocation->options : NULL;
}

/* ---- words
 * --------------------------------------------------------------------------------------- */

struct word {
    const char *name, *summary;
};
#define SW_WORD(name, summary) {name, summary},
static const struct word scopes[] = {
#include "scopes.def"
};
static const struct word times[] = {
#include "times.def"
};
static const struct word group_scores[] = {
#include "group_scores.def"
};
static const struct word references[] = {
#include "sign_references.def"
};
#undef SW_WORD

static const char *word_at(const struct word *words, size_t n, size_t index, const char **summary) {
    if (index >= n) return NULL;
    if (summary != NULL) *summary = words[index].summary;
    return words[index].name;
}

const char *sw_scope_at(size_t index, const char **summary) {
    return word_at(scopes, sizeof scopes / sizeof *scopes, index, summary);
}

const char *sw_granularity_at(size_t index, const char **summary) {
    const struct sw_granularity *entry = sw_granularity_entry(index);
    if (entry == NULL) return NULL;
    if (summary != NULL) *summary = entry->summary;
    return entry->name;
}

/* ---- schedules ------------------------------------------------------------------------------ */

static const char *const no_options[] = {NULL};
static const char *const cubic_options[] = {"prune.start_sparsity", "prune.begin", "prune.end",
                                            "prune.frequency", NULL};
static const char *const seed_options[] = {"prune.start_sparsity", "prune.end", "prune.every",
                                           "prune.warmup_epochs", NULL};
static const struct {
    const char *name;
    const char *const *options;
    const char *summary, *source;
} schedules[] = {
#define SW_SCHEDULE(name, options, summary, source) {name, options, summary, source},
#include "schedules.def"
#undef SW_SCHEDULE
};
#define N_SCHEDULES (sizeof schedules / sizeof *schedules)

const char *sw_prune_schedule_at(size_t index, const char **summary) {
    if (index >= N_SCHEDULES) return NULL;
    if (summary != NULL) *summary = schedules[index].summary;
    return schedules[index].name;
}

const char *sw_prune_schedule_source(size_t index) {
    return index < N_SCHEDULES ? schedules[index].source : NULL;
}

const char *const *sw_prune_schedule_options(const char *name) {
    for (size_t i = 0; i < N_SCHEDULES; i++)
        if (strcmp(schedules[i].name, name) == 0) return schedules[i].options;
    return NULL;
}

const char *sw_score_weights_at(size_t index, const char **summary) {
    return word_at(times, sizeof times / sizeof *times, index, summary);
}

const char *sw_group_score_at(size_t index, const char **summary) {
    return word_at(group_scores, sizeof group_scores / sizeof *group_scores, index, summary);
}

const char *sw_score_reference_at(size_t index, const char **summary) {
    return word_at(references, sizeof references / sizeof *references, index, summary);
}

/* ---- what they mean ------------------------------------------------------------------------- */

/* Place of a word in its list; plan has checked that it is there. */
static size_t place_of(const struct word *words, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(words[i].name, name) == 0) return i;
    return 0;
}

enum sw_group_rule sw_group_rule_of(const struct sw_trial_spec *spec) {
    size_t n = sizeof group_scores / sizeof *group_scores;
    return (enum sw_group_rule) place_of(group_scores, n, spec->prune_group_score);
}

bool sw_prune_is_at_init(const struct sw_trial_spec *spec) {
    return place_of(times, sizeof times / sizeof *times, spec->prune_score_weights) == 1;
}

bool sw_prune_is_standalone(const struct sw_trial_spec *spec) {
    return sw_prune_is_at_init(spec) && sw_prune_parent_round(spec, 2) == 0 && spec->rewind_to == 0;
}

unsigned sw_prune_needs(const struct sw_trial_spec *spec) {
    const struct sw_criterion *criterion = sw_criterion_find(spec->prune_criterion);
    unsigned needs = criterion != NULL ? criterion->needs : 0;
    return sw_prune_is_at_init(spec) ? needs | SW_NEEDS_THETA0 : needs;
}

enum sw_score_reference sw_prune_reference(const struct sw_trial_spec *spec) {
    size_t n = sizeof references / sizeof *references;
    if ((sw_prune_needs(spec) & SW_NEEDS_REFERENCE) == 0) return SW_REFERENCE_NONE;
    return (enum sw_score_reference)(SW_REFERENCE_THETA0 +
                                     place_of(references, n, spec->prune_sign_reference));
}

int64_t sw_prune_samples(const struct sw_trial_spec *spec, int64_t classes) {
    return spec->prune_score_samples != SW_INT_NULL ? spec->prune_score_samples : 10 * classes;
}
