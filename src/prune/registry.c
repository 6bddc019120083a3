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
static const struct word schedules[] = {
#include "schedules.def"
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

const char *sw_prune_schedule_at(size_t index, const char **summary) {
    return word_at(schedules, sizeof schedules / sizeof *schedules, index, summary);
}
