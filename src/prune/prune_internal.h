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
/* Scores of a layer's groups: the mean over the kept elements; NaN for a group without any. Those of
 * units are added to what is there, a mean for each layer that scores them. */
void sw_groups_score(const struct sw_granularity *kind, const struct sw_param *layer, int64_t span,
                     const uint8_t *mask, const float *scores, float *out);

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
};
/* The ladder as it stands in `round`. */
void sw_ladder_climb(const struct sw_trial_spec *spec, const struct sw_arch *arch, int64_t round,
                     struct sw_ladder *out);
