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
