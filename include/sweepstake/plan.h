/* Module: plan
 * Purpose: sweep file -> checked, expanded struct sw_sweep. Nothing runs here.
 * Takes: YAML text and --set overrides. Gives: trials (grid expanded, last axis fastest), distinct
 * rounds with identities and slabs, costs; or every error at once with file:line:column and a
 * caret. Sweep files are hostile input: anchors, aliases, tags, several documents, directives,
 * invalid UTF-8 and control bytes are refused; duplicate and unknown keys are errors; at most 1
 * MiB, 32 levels, 100,000 trials, 1,000,000 rounds. */
#pragma once

#include "sweepstake/data.h"
#include "sweepstake/net.h"
#include "sweepstake/sweep.h"

#define SW_SWEEP_FILE_LIMIT ((size_t) 1 << 20)

struct sw_plan_source {
    const char *path; /* for messages */
    const char *text; /* bytes of the file */
    size_t text_bytes;
    const char *const
        *sets; /* "key=value" of each --set, in order; later ones win; a value is YAML */
    size_t n_sets;
    const struct sw_data_info
        *known; /* data sets probed by another rank, in order of first use; or NULL: probe here */
    int64_t n_known;
    struct sw_data_blocks
        *blocks;     /* where data sets that are probed here stay, by number; the caller
                                      closes them, also after a failure; NULL: nowhere */
    enum sw_isa isa; /* for the memory figures */
};

/* Build the plan. On SW_CONFIG or SW_IO, `errors` holds the full report for a person: for each
 * error file:line:column, the source line with a caret, the value got, the values allowed and the
 * nearest key. Free with sw_sweep_fini. Errors: SW_CONFIG, SW_IO (data), SW_NOMEM. */
enum sw_status sw_plan_build(const struct sw_plan_source *source, struct sw_sweep *out,
                             struct sw_text *errors) SW_NODISCARD;

/* Figures for `sweepstake plan`. */
struct sw_plan_cost {
    int64_t trials, rounds, shared_rounds;
    int64_t rank_bytes; /* peak private memory of a worker and its trainer */
    int64_t node_bytes; /* shared memory of the decoded data sets, once per node */
    double flops;       /* of all trainings */
    double steps;       /* training steps of all trainings */
    bool about; /* bytes and FLOPs depend on which weights stay: they may come out otherwise */
};
void sw_plan_cost(const struct sw_sweep *sweep, struct sw_plan_cost *out);

/* Allowed words of a registry, for messages and `show`: name `index` and its summary; NULL past the
 * end. */
const char *sw_plan_registry_word(enum sw_registry registry, size_t index, const char **summary);
/* Keys that one plug-in uses beside those that all of its kind use; NULL-terminated, or NULL. */
const char *const *sw_plan_plugin_options(enum sw_registry registry, const char *name);

/* Recipes (key `recipe` of a sweep file): settings that hold unless the file or a --set says otherwise. */
struct sw_recipe_row {
    const char *key;   /* NULL: not in this build, `help` says what */
    const char *value; /* as sw_spec_set reads it */
    const char *range; /* that the recipe's source gives; or NULL */
    const char *
        rival; /* another key that stands for the same: when it is set, this row falls away; or NULL */
    const char *help;
};
struct sw_recipe {
    const char *name;
    const char *summary;
    const struct sw_recipe_row *rows; /* the last one has no help */
};
/* Recipe number `index`, NULL past the end. */
const struct sw_recipe *sw_recipe_at(size_t index);

/* How two plans differ, for --resume: one line per differing trial setting ("trial 3: train.batch:
 * 60 -> 64") or trial count; empty when they are the same. Text changes that change no setting are
 * no difference. */
enum sw_status sw_plan_compare(const char *canonical_old, const char *canonical_new,
                               struct sw_text *differences) SW_NODISCARD;
