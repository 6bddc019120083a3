/* What the files of prune share.
 * Groups are what is removed as one: weights, blocks or units, numbered in row order within a layer. Units
 * that several layers make (net.h) are groups of the first of them.
 * Pools are what competes: groups of one layer, or of several. A ladder counts the groups that every
 * pool keeps, round by round; a prune scores the groups of each pool and keeps as many. */
#pragma once

#include "sweepstake/net.h"
#include "sweepstake/prune.h"

#define SW_CRITERION(name) extern const struct sw_criterion sw_criterion_##name;
#include "criteria.def"
#undef SW_CRITERION

#define SW_ALLOCATION(name) extern const struct sw_allocation sw_allocation_##name;
#include "allocations.def"
#undef SW_ALLOCATION

/* ---- what criteria share -------------------------------------------------------------------- */

/* Signs of two weights: 1 the same, -1 opposite, 0 where one is zero, which has none. */
static inline int sw_compare_signs(float a, float b) {
    int left = (a > 0) - (a < 0), right = (b > 0) - (b < 0);
    return left * right;
}

/* rank.c: the kept ones of values[count], the smallest magnitude first, equal ones by index; a NaN counts as
 * 0. The caller frees *out[*n]. Errors: SW_NOMEM. */
struct sw_ranked {
    float magnitude;
    int32_t index;
};
enum sw_status sw_rank_magnitudes(const float *values, const uint8_t *mask, int64_t count,
                                  struct sw_ranked **out, int64_t *n) SW_NODISCARD;

/* ---- scores.c ------------------------------------------------------------------------------- */

/* A criterion and all that it looks at. */
struct sw_scorer {
    const struct sw_trial_spec *spec; /* of the trial, whatever its stage */
    const struct sw_arch *arch;
    const struct sw_criterion *criterion;
    const struct sw_prune_source *source;
    int64_t round;
    float *theta;               /* [parameters] weights that are scored; 0 where removed; owned */
    double *gradient, *product; /* [parameters] where they are needed; owned */
};
/* Arguments as of sw_prune_round. Free with sw_scorer_fini, also after an error. */
enum sw_status sw_scorer_init(struct sw_scorer *scorer, const struct sw_trial_spec *spec,
                              const struct sw_arch *arch, int64_t round, const uint8_t *mask,
                              const float *survivors,
                              const struct sw_prune_source *source) SW_NODISCARD;
void sw_scorer_fini(struct sw_scorer *scorer);
/* How many times the network is looked at on the way from one mask to the next. */
int64_t sw_scorer_steps(const struct sw_scorer *scorer);
/* Look at the network that `mask` keeps, which only shrinks. Errors: those of gradients. */
enum sw_status sw_scorer_look(struct sw_scorer *scorer, const uint8_t *mask) SW_NODISCARD;
/* Scores of layer l; what the mask does not keep has any. Errors: SW_NOMEM. */
enum sw_status sw_scorer_score(const struct sw_scorer *scorer, int64_t l, const uint8_t *mask,
                               float *scores) SW_NODISCARD;

/* The parameter of that role of a layer; NULL when it has none. */
const struct sw_param *sw_find_param(const struct sw_arch *arch, const struct sw_layer_desc *layer,
                                     enum sw_param_role role);

/* The scale of the batch norm that reads a layer's output, *out = NULL without one. Errors: SW_NOMEM. */
enum sw_status sw_find_scale(const struct sw_arch *arch, const struct sw_param *weight,
                             const struct sw_param **out) SW_NODISCARD;

/* ---- registry.c ----------------------------------------------------------------------------- */

/* Are initial weights scored? */
bool sw_prune_is_at_init(const struct sw_trial_spec *spec);

/* ---- check.c -------------------------------------------------------------------------------- */

/* Do criterion, groups and network of a stage fit together? As sw_prune_check. */
enum sw_status sw_criterion_check(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                                  const char **key) SW_NODISCARD;
/* Is prune.group_score used and possible in a trial of so many stages? As sw_prune_check. */
enum sw_status sw_group_score_check(const struct sw_trial_spec *stages, int n,
                                    const char **key) SW_NODISCARD;

/* ---- score_gradient.c ----------------------------------------------------------------------- */

/* The scorer's gradient of the loss, and the Hessian times it when the scorer has a product. Errors: SW_NOMEM,
 * SW_INTERNAL (no device, no data), those of the device. */
enum sw_status sw_score_gradient(struct sw_scorer *scorer, const uint8_t *mask) SW_NODISCARD;

/* ---- flow.c --------------------------------------------------------------------------------- */

/* gradient[parameters] = dR/d|w| / R of kept weights, else 0; theta is 0 where removed. Errors: SW_NOMEM,
 * SW_UNSUPPORTED (R is no finite number). */
enum sw_status sw_flow_gradient(const struct sw_arch *arch, const float *theta,
                                double *gradient) SW_NODISCARD;
/* Memory that it takes beside those. */
int64_t sw_flow_bytes(const struct sw_arch *arch);

/* ---- groups.c ------------------------------------------------------------------------------- */

enum sw_group_kind {
    SW_GROUPS_WEIGHTS,
    SW_GROUPS_BLOCKS,
    SW_GROUPS_NEURONS,  /* units of a fully connected network */
    SW_GROUPS_FILTERS,  /* of one with convolutions, by the weights that make them */
    SW_GROUPS_CHANNELS, /* and by those that read them */
    SW_GROUPS_PATTERN   /* weights, as many of every few */
};
struct sw_granularity {
    const char *name, *summary;
    enum sw_group_kind kind;
    int64_t side;     /* of a block; 1 a weight, 0 a unit: a row, and the columns that read it */
    int64_t keep, of; /* of a pattern: so many of so many weights */
};
/* NULL past the end; the first one when there is none of that name (plan has checked it). */
const struct sw_granularity *sw_granularity_entry(size_t index);
const struct sw_granularity *sw_granularity_of(const struct sw_trial_spec *spec);

/* Groups of a layer; 0 when the layer is never pruned by itself: the output layer has no units to
 * remove, those of another layer may be its own, and one of less than two blocks per side stays whole. */
int64_t sw_groups_count(const struct sw_granularity *kind, const struct sw_arch *arch, int64_t l);
/* Layers whose groups the rows of layer l are, and the columns that it reads (-1: of none). */
int64_t sw_groups_rows(const struct sw_granularity *kind, const struct sw_arch *arch, int64_t l);
int64_t sw_groups_columns(const struct sw_granularity *kind, const struct sw_arch *arch, int64_t l);
/* The layer whose groups the weights of layer l score; -1: none. */
int64_t sw_groups_scored(const struct sw_granularity *kind, const struct sw_arch *arch, int64_t l);
/* The group of an element. */
int64_t sw_groups_index(const struct sw_granularity *kind, const struct sw_param *layer,
                        int64_t element);
/* Weights of the largest `groups` groups of a layer by itself. */
int64_t sw_groups_most(const struct sw_granularity *kind, const struct sw_param *layer,
                       int64_t groups);
/* Groups of equal shape are in one class, of SW_GROUP_CLASSES: blocks may be cut by an edge. */
#define SW_GROUP_CLASSES 4
int64_t sw_groups_class(const struct sw_granularity *kind, const struct sw_param *layer,
                        int64_t group);
/* Which groups of a layer are there: bits first .. of a mask; all of them when it is NULL. */
struct sw_group_bits {
    const uint8_t *mask;
    int64_t first;
    int64_t span; /* of units that are read: columns of each */
};
/* Set the bits of groups of which `mask` keeps a weight. */
void sw_groups_find(const struct sw_granularity *kind, const struct sw_param *layer,
                    const uint8_t *mask, uint8_t *found, int64_t first);
/* Clear the weights of groups that are gone; of units also those that read one. */
void sw_groups_thin(const struct sw_granularity *kind, const struct sw_param *layer,
                    struct sw_group_bits own, struct sw_group_bits inputs, uint8_t *mask);
/* How the scores of a group's kept elements become one. */
enum sw_group_rule { SW_GROUP_MEAN, SW_GROUP_L1, SW_GROUP_L2, SW_GROUP_MAX };
enum sw_group_rule sw_group_rule_of(const struct sw_trial_spec *spec);
/* Scores of a layer's groups; NaN for a group without kept elements. Those of units are added to what is
 * there, one for each layer that scores them. */
void sw_groups_score(const struct sw_granularity *kind, const struct sw_param *layer, int64_t span,
                     enum sw_group_rule rule, const uint8_t *mask, const float *scores, float *out);

struct sw_ladder;

/* ---- convert.c ------------------------------------------------------------------------------ */

/* In the second stage of a trial, what the converted round keeps, after sw_ladder_begin; returns that
 * round, or 0 when there is no such stage. */
int64_t sw_convert_ladder(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                          struct sw_ladder *ladder);
/* As sw_prune_check, for what the stages by themselves do not know. */
enum sw_status sw_convert_check(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                                const char **key) SW_NODISCARD;

/* ---- pattern.c ------------------------------------------------------------------------------ */

/* Weights that a pattern keeps of a layer. */
int64_t sw_pattern_kept(const struct sw_granularity *kind, const struct sw_param *layer);
/* Clear the lowest of mask[layer->count] so that every window keeps what it may. */
void sw_pattern_select(const struct sw_granularity *kind, const struct sw_param *layer,
                       const float *scores, uint8_t *mask);
/* As sw_prune_check. */
enum sw_status sw_pattern_check(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                                const char **key) SW_NODISCARD;

/* ---- select.c ------------------------------------------------------------------------------- */

/* A whole number that orders like the score: NaN, then -inf .. inf; -0 equals 0. */
uint32_t sw_prune_rank(float score);

/* ---- storage.c ------------------------------------------------------------------------------ */

/* Can weights be stored as the settings say? As sw_prune_check. */
enum sw_status sw_storage_check(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                                const char **key) SW_NODISCARD;

/* ---- allocations ---------------------------------------------------------------------------- */

#define SW_RATE_MOST 0.999999 /* of what is left, per round */

/* How the layers share the pruning: one of `rate` and `share_out`. */
struct sw_allocation {
    const char *name, *summary, *source;
    const char *const *options; /* keys of the prune.* fields that only some of them use */
    /* Share of its remaining groups that a layer loses per round; `base` is prune.rate, or what was
     * solved for. */
    double (*rate)(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                   const struct sw_param *layer, double base);
    /* Shares of its groups that every layer keeps, when a share `left` of all is left. */
    void (*share_out)(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                      const int64_t *groups, double left, double *shares);
    /* The ratio that convolutions and linear layers really have then; NULL: none is asked for. */
    double (*ratio)(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                    const int64_t *groups, double left);
    /* As sw_prune_check. */
    enum sw_status (*check)(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                            const char **key);
};
/* The chosen one; the first when there is none of that name (plan has checked it). */
const struct sw_allocation *sw_allocation_of(const struct sw_trial_spec *spec);

/* Are there convolutions and linear layers that are pruned, each by itself? As sw_prune_check. */
enum sw_status sw_allocation_check_kinds(const struct sw_trial_spec *spec,
                                         const struct sw_arch *arch, const char **key) SW_NODISCARD;

/* rules.c: the rate that the rules of prune.rates have for a layer; false when none fits. */
bool sw_rules_find(const char *text, const struct sw_param *layer, double *rate);
/* Are they rules, and does each decide over a layer? Errors: SW_CONFIG. */
enum sw_status sw_rules_check(const struct sw_trial_spec *spec,
                              const struct sw_arch *arch) SW_NODISCARD;

/* apportion.c: whole numbers near wanted[n], lowest[] <= out[] <= highest[], `total` in all, or as near
 * to that as the bounds allow: whole parts first, then one more for the largest remainders (ties: the
 * lower index), then what the bounds still ask for, in proportion to the room that each has. */
void sw_apportion(const double *wanted, const int64_t *lowest, const int64_t *highest, int64_t n,
                  int64_t total, int64_t *out);
/* Scale removals[n], whose sum is `sum`, down to `total` in all: whole parts of removal * total / sum,
 * and one more for those with the largest remainders. None grows: what gets one more had a remainder. */
void sw_apportion_scale(int64_t *removals, int64_t n, int64_t sum, int64_t total);

/* within.c: as sw_prune_check. */
enum sw_status sw_within_check(const struct sw_trial_spec *spec, const char **key) SW_NODISCARD;
/* Factor on the seed's quantile: phase (1 + 0.5 (1 - current / target)). */
double sw_within_seed_factor(double current, double target, int64_t epoch, int64_t warmup);

/* ---- ladder.c ------------------------------------------------------------------------------- */

struct sw_pool {
    int64_t size;    /* groups when nothing is pruned */
    int64_t floor;   /* groups that stay at least */
    int64_t kept;    /* groups left */
    int64_t held_at; /* groups that would be left without the floor; -1 where it did not act */
    double rate;     /* share of the groups left that goes per round */
};
struct sw_ladder {
    int64_t n_pools;
    struct sw_pool pool[SW_MAX_LAYERS];
    int64_t n_layers;
    int64_t pool_of[SW_MAX_LAYERS]; /* pool of a layer, -1 when it is never pruned by itself */
    int64_t groups[SW_MAX_LAYERS];  /* of a layer, when nothing is pruned */
    int64_t floor[SW_MAX_LAYERS];   /* groups that a layer keeps at least */
    double rate[SW_MAX_LAYERS];     /* share of what it has left that a layer loses per round */
    bool pattern;                   /* N:M: one step, held by what the pattern keeps */
    double base;                    /* prune.rate, or what was solved for */
};
/* How the ladder begins, with everything kept. */
void sw_ladder_begin(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                     struct sw_ladder *ladder);
/* The ladder as it stands in `round`. */
void sw_ladder_climb(const struct sw_trial_spec *spec, const struct sw_arch *arch, int64_t round,
                     struct sw_ladder *out);
/* Groups of all layers that are pruned, and how many of them are left. */
int64_t sw_ladder_size(const struct sw_ladder *ladder);
int64_t sw_ladder_kept(const struct sw_ladder *ladder);
/* Can prune.target be reached as the settings say? As sw_prune_check. */
enum sw_status sw_ladder_check(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                               const char **key) SW_NODISCARD;
/* Groups that a pool keeps after `step` of the `steps` in which it goes from `from` to `to` groups. */
int64_t sw_ladder_between(int64_t from, int64_t to, int64_t step, int64_t steps);

/* ---- prune_round.c -------------------------------------------------------------------------- */

/* Says what a pool keeps (kept, held_at) when its groups have been scored: scores[length], and which of
 * them are left. */
typedef void (*sw_pool_plan)(void *context, int64_t p, const float *scores, const uint8_t *alive,
                             int64_t length, struct sw_pool *pool);
/* As sw_prune_round, to the counts of a ladder, or to what `plan` (or NULL) makes of them; with a plan the
 * criterion looks once. */
enum sw_status sw_prune_to(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                           int64_t round, const struct sw_ladder *ladder, sw_pool_plan plan,
                           void *context, const uint8_t *parent_mask, const float *survivors,
                           const struct sw_prune_source *source, uint8_t *mask,
                           struct sw_prune_report *report) SW_NODISCARD;
