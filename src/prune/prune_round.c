/* From a trained parent to the mask of the next round: score the groups of every layer, let those of a
 * pool compete, and keep the weights of the groups that stay; for some criteria in many small steps, each
 * of which scores what the one before left. */
#include "prune_internal.h"

#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

/* Scratch of one prune. Groups stand pool by pool, and by layer within a pool; every pool starts on a
 * whole byte of the masks. */
struct scratch {
    float *scores;                  /* [largest layer] of its elements */
    float *group_scores;            /* [groups] */
    uint8_t *alive;                 /* groups that are left */
    uint8_t *tried;                 /* a copy of it */
    int64_t groups;                 /* of all pools, padding included */
    int64_t first[SW_MAX_LAYERS];   /* first group of a layer */
    int64_t begin[SW_MAX_LAYERS];   /* first group of a pool */
    int64_t length[SW_MAX_LAYERS];  /* groups of a pool */
    int64_t scorers[SW_MAX_LAYERS]; /* layers that have scored the groups of one */
    const struct sw_granularity *kind;
    const uint8_t *parent;        /* its mask; borrowed */
    struct sw_ladder ladder;      /* what this step keeps */
    struct sw_ladder end;         /* what the last one does */
    int64_t begun[SW_MAX_LAYERS]; /* groups of a pool before the first step */
    uint8_t *mask;                /* [mask_bytes] the new mask while it is being made */
    uint8_t *seen;                /* [mask_bytes] of it what the parent keeps, too */
    sw_pool_plan plan;            /* says what pools keep instead; NULL: nobody does */
    void *context;
};

/* ---- set-up --------------------------------------------------------------------------------- */

/* Places of the groups; returns how many there are, padding included. */
static int64_t place_groups(struct scratch *scratch) {
    const struct sw_ladder *ladder = &scratch->ladder;
    int64_t next = 0;
    for (int64_t p = 0; p < ladder->n_pools; p++) {
        scratch->begin[p] = next;
        for (int64_t l = 0; l < ladder->n_layers; l++) {
            if (ladder->pool_of[l] != p) continue;
            scratch->first[l] = next;
            next += ladder->groups[l];
        }
        scratch->length[p] = next - scratch->begin[p];
        next = (next + 7) / 8 * 8;
    }
    return next;
}

static enum sw_status alloc_scratch(const struct sw_arch *arch, struct scratch *scratch) {
    int64_t largest = 0, groups = place_groups(scratch);
    scratch->groups = groups;
    for (int64_t l = 0; l < arch->n_layers; l++)
        if (sw_arch_layer(arch, l)->count > largest) largest = sw_arch_layer(arch, l)->count;
    SW_TRY(SW_ALLOC(&scratch->scores, (size_t) largest, "pruning scores"));
    SW_TRY(SW_ALLOC(&scratch->group_scores, (size_t) groups, "pruning scores"));
    SW_TRY(SW_ALLOC(&scratch->alive, (size_t) sw_mask_bytes(groups), "what competes"));
    SW_TRY(SW_ALLOC(&scratch->tried, (size_t) sw_mask_bytes(groups), "what competes"));
    SW_TRY(SW_ALLOC(&scratch->seen, (size_t) arch->mask_bytes, "a mask"));
    return SW_ALLOC(&scratch->mask, (size_t) arch->mask_bytes, "a mask");
}

static void free_scratch(struct scratch *scratch) {
    SW_FREE(&scratch->scores);
    SW_FREE(&scratch->group_scores);
    SW_FREE(&scratch->alive);
    SW_FREE(&scratch->tried);
    SW_FREE(&scratch->seen);
    SW_FREE(&scratch->mask);
}

/* A converted round chooses from all weights, any other from what its parent keeps. */
static void begin_mask(const struct sw_trial_spec *spec, const struct sw_arch *arch, int64_t round,
                       struct scratch *scratch) {
    memcpy(scratch->mask, scratch->parent, (size_t) arch->mask_bytes);
    for (int64_t l = 0; sw_prune_is_conversion(spec, round) && l < arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(arch, l);
        sw_mask_fill(scratch->mask + layer->mask_offset, layer->count);
    }
}

/* ---- scores --------------------------------------------------------------------------------- */

static void set_bit(uint8_t *mask, int64_t index) {
    mask[index >> 3] |= (uint8_t) (1U << (index & 7));
}

/* A group is alive when a weight of it may be kept. Weights that return score 0. */
static enum sw_status score_layer(const struct sw_scorer *scorer, int64_t l,
                                  struct scratch *scratch) {
    const struct sw_param *layer = sw_arch_layer(scorer->arch, l);
    const uint8_t *mask = scratch->mask + layer->mask_offset;
    int64_t scored = sw_groups_scored(scratch->kind, scorer->arch, l);
    if (scratch->ladder.pool_of[l] >= 0)
        sw_groups_find(scratch->kind, layer, mask, scratch->alive, scratch->first[l]);
    if (scored < 0 || scratch->ladder.pool_of[scored] < 0) return SW_OK;
    SW_TRY(sw_scorer_score(scorer, l, scratch->seen, scratch->scores));
    for (int64_t i = 0; i < layer->count; i++)
        if (!sw_mask_get(scratch->seen + layer->mask_offset, i)) scratch->scores[i] = 0;
    sw_groups_score(scratch->kind, layer, sw_arch_units(scorer->arch, l)->span,
                    sw_group_rule_of(scorer->spec), mask, scratch->scores,
                    scratch->group_scores + scratch->first[scored]);
    scratch->scorers[scored]++;
    return SW_OK;
}

/* The score of units is the mean over the layers that score them. */
static void average_scores(struct scratch *scratch) {
    for (int64_t l = 0; l < scratch->ladder.n_layers; l++)
        for (int64_t g = 0; scratch->scorers[l] > 1 && g < scratch->ladder.groups[l]; g++)
            scratch->group_scores[scratch->first[l] + g] /= (float) scratch->scorers[l];
}

/* What is looked at is the parent's network as far as it is left. */
static enum sw_status score_layers(struct sw_scorer *scorer, struct scratch *scratch) {
    memset(scratch->group_scores, 0, (size_t) scratch->groups * sizeof *scratch->group_scores);
    memset(scratch->scorers, 0, sizeof scratch->scorers);
    for (int64_t i = 0; i < scorer->arch->mask_bytes; i++)
        scratch->seen[i] = scratch->parent[i] & scratch->mask[i];
    SW_TRY(sw_scorer_look(scorer, scratch->seen));
    for (int64_t l = 0; l < scorer->arch->n_layers; l++)
        SW_TRY(score_layer(scorer, l, scratch));
    average_scores(scratch);
    return SW_OK;
}

/* ---- selection ------------------------------------------------------------------------------ */

/* Groups of a layer that are set in a mask over all groups. */
static int64_t count_layer(const struct scratch *scratch, int64_t l, const uint8_t *mask) {
    int64_t n = 0;
    for (int64_t g = 0; g < scratch->ladder.groups[l]; g++)
        n += sw_mask_get(mask, scratch->first[l] + g);
    return n;
}

/* Does the cut in `tried` leave a layer of the pool less than its floor? Says so in the report. */
static bool is_too_deep(const struct scratch *scratch, int64_t pool,
                        struct sw_prune_report *report) {
    const struct sw_ladder *ladder = &scratch->ladder;
    bool deep = false;
    for (int64_t l = 0; l < ladder->n_layers; l++) {
        if (ladder->pool_of[l] != pool) continue;
        int64_t left = count_layer(scratch, l, scratch->tried);
        if (left < ladder->floor[l]) report->held_at[l] = left;
        deep |= left < ladder->floor[l];
    }
    return deep;
}

/* Take the `floor` best groups of a layer out of those that compete. `own` is memory for them. */
static enum sw_status protect_layer(struct scratch *scratch, int64_t l, uint8_t *own) {
    int64_t groups = scratch->ladder.groups[l], first = scratch->first[l];
    memset(own, 0, (size_t) sw_mask_bytes(groups));
    for (int64_t g = 0; g < groups; g++)
        if (sw_mask_get(scratch->alive, first + g)) set_bit(own, g);
    SW_TRY(sw_prune_select(scratch->group_scores + first, groups, scratch->ladder.floor[l], own));
    for (int64_t g = 0; g < groups; g++)
        if (sw_mask_get(own, g)) sw_mask_clear_bit(scratch->tried, first + g);
    return SW_OK;
}

/* The lowest groups go, but for the best ones of every layer, as many as its floor. */
static enum sw_status select_above_floors(struct scratch *scratch, int64_t p) {
    const struct sw_pool *pool = &scratch->ladder.pool[p];
    size_t bytes = (size_t) sw_mask_bytes(scratch->length[p]);
    uint8_t *alive = scratch->alive + scratch->begin[p] / 8,
            *tried = scratch->tried + scratch->begin[p] / 8;
    uint8_t *own = NULL;
    enum sw_status status = SW_OK;
    SW_TRY_TO(SW_ALLOC(&own, bytes, "what competes"), status, cleanup);
    memcpy(tried, alive, bytes);
    for (int64_t l = 0; l < scratch->ladder.n_layers; l++)
        if (scratch->ladder.pool_of[l] == p)
            SW_TRY_TO(protect_layer(scratch, l, own), status, cleanup);
    memcpy(own, tried, bytes);
    SW_TRY_TO(sw_prune_select(scratch->group_scores + scratch->begin[p], scratch->length[p],
                              pool->kept - pool->floor, tried),
              status, cleanup);
    for (size_t i = 0; i < bytes; i++)
        alive[i] = (uint8_t) (alive[i] & (tried[i] | ~own[i]));
cleanup:
    SW_FREE(&own);
    return status;
}

/* Exactly pool->kept groups stay alive. The cut is tried without any floor first. */
static enum sw_status select_pool(struct scratch *scratch, int64_t p,
                                  struct sw_prune_report *report) {
    const struct sw_pool *pool = &scratch->ladder.pool[p];
    size_t bytes = (size_t) sw_mask_bytes(scratch->length[p]);
    uint8_t *alive = scratch->alive + scratch->begin[p] / 8,
            *tried = scratch->tried + scratch->begin[p] / 8;
    int64_t wanted = pool->held_at >= 0 ? pool->held_at : pool->kept;
    memcpy(tried, alive, bytes);
    SW_TRY(sw_prune_select(scratch->group_scores + scratch->begin[p], scratch->length[p], wanted,
                           tried));
    if (is_too_deep(scratch, p, report)) return select_above_floors(scratch, p);
    memcpy(alive, tried, bytes);
    return SW_OK;
}

/* Every layer is a pool; those that keep all their weights stay as they are. */
static void select_pattern(const struct sw_arch *arch, struct scratch *scratch) {
    for (int64_t l = 0; l < arch->n_layers; l++)
        if (scratch->ladder.rate[l] > 0)
            sw_pattern_select(scratch->kind, sw_arch_layer(arch, l),
                              scratch->group_scores + scratch->first[l],
                              scratch->alive + scratch->first[l] / 8);
}

static enum sw_status select_pools(const struct sw_arch *arch, struct scratch *scratch,
                                   struct sw_prune_report *report) {
    const struct sw_ladder *ladder = &scratch->ladder;
    if (scratch->kind->kind == SW_GROUPS_PATTERN) {
        select_pattern(arch, scratch);
        return SW_OK;
    }
    for (int64_t p = 0; p < ladder->n_pools; p++)
        SW_TRY(select_pool(scratch, p, report));
    return SW_OK;
}

/* ---- from groups to weights ----------------------------------------------------------------- */

/* The groups of a layer that are left; layers without groups stay whole. */
static struct sw_group_bits bits_of(const struct scratch *scratch, int64_t l, int64_t span) {
    struct sw_group_bits bits = {NULL, 0, span};
    if (l >= 0 && scratch->ladder.pool_of[l] >= 0)
        bits = (struct sw_group_bits){scratch->alive, scratch->first[l], span};
    return bits;
}

/* Clear the weights of groups that are gone. */
static void thin_layers(const struct sw_arch *arch, const struct scratch *scratch) {
    const struct sw_granularity *kind = scratch->kind;
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(arch, l);
        int64_t span = sw_arch_units(arch, l)->span;
        sw_groups_thin(kind, layer, bits_of(scratch, sw_groups_rows(kind, arch, l), 1),
                       bits_of(scratch, sw_groups_columns(kind, arch, l), span),
                       scratch->mask + layer->mask_offset);
    }
}

static int64_t count_pool(const struct scratch *scratch, int64_t p) {
    return sw_mask_count(scratch->alive + scratch->begin[p] / 8, scratch->length[p]);
}

/* The pools keep what the ladder says, or something is wrong with the parent's mask. */
static enum sw_status check_counts(const struct scratch *scratch) {
    const struct sw_ladder *ladder = &scratch->ladder;
    for (int64_t p = 0; p < ladder->n_pools; p++) {
        int64_t kept = count_pool(scratch, p);
        if (kept != ladder->pool[p].kept)
            return SW_FAIL(SW_INTERNAL, "pool %lld keeps %lld groups instead of %lld",
                           (long long) p, (long long) kept, (long long) ladder->pool[p].kept);
    }
    return SW_OK;
}

/* ---- steps ---------------------------------------------------------------------------------- */

/* What the pools keep in a step; the last one's counts are those of the round. */
static void set_counts(struct scratch *scratch, int64_t step, int64_t steps) {
    scratch->ladder = scratch->end;
    for (int64_t p = 0; p < scratch->end.n_pools; p++) {
        struct sw_pool *pool = &scratch->ladder.pool[p];
        if (step == 1) scratch->begun[p] = count_pool(scratch, p);
        pool->kept = sw_ladder_between(scratch->begun[p], pool->kept, step, steps);
        if (step < steps) pool->held_at = -1;
    }
}

static void plan_pools(struct scratch *scratch) {
    for (int64_t p = 0; scratch->plan != NULL && p < scratch->ladder.n_pools; p++)
        scratch->plan(scratch->context, p, scratch->group_scores + scratch->begin[p],
                      scratch->alive + scratch->begin[p] / 8, scratch->length[p],
                      &scratch->ladder.pool[p]);
}

static enum sw_status take_step(struct sw_scorer *scorer, int64_t step, struct scratch *scratch,
                                struct sw_prune_report *report) {
    SW_TRY(score_layers(scorer, scratch));
    set_counts(scratch, step, sw_scorer_steps(scorer));
    plan_pools(scratch);
    SW_TRY(select_pools(scorer->arch, scratch, report));
    SW_TRY(check_counts(scratch));
    thin_layers(scorer->arch, scratch);
    return SW_OK;
}

enum sw_status sw_prune_to(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                           int64_t round, const struct sw_ladder *ladder, sw_pool_plan plan,
                           void *context, const uint8_t *parent_mask, const float *survivors,
                           const struct sw_prune_source *source, uint8_t *mask,
                           struct sw_prune_report *report) {
    struct scratch *scratch = NULL;
    struct sw_scorer scorer = {0};
    struct sw_trial_spec stage;
    struct sw_prune_report found;
    enum sw_status status = SW_OK;
    sw_prune_stage(spec, round, &stage);
    SW_TRY(SW_ALLOC(&scratch, 1, "a prune"));
    scratch->ladder = scratch->end = *ladder;
    scratch->plan = plan;
    scratch->context = context;
    scratch->kind = sw_granularity_of(&stage);
    scratch->parent = parent_mask;
    SW_TRY_TO(alloc_scratch(arch, scratch), status, cleanup);
    SW_TRY_TO(sw_scorer_init(&scorer, spec, arch, round, parent_mask, survivors, source), status,
              cleanup);
    begin_mask(spec, arch, round, scratch);
    for (int64_t l = 0; l < SW_MAX_LAYERS; l++)
        found.held_at[l] = -1;
    for (int64_t step = 1; step <= sw_scorer_steps(&scorer); step++)
        SW_TRY_TO(take_step(&scorer, step, scratch, &found), status, cleanup);
    memcpy(mask, scratch->mask, (size_t) arch->mask_bytes);
    *report = found;
cleanup:
    sw_scorer_fini(&scorer);
    free_scratch(scratch);
    SW_FREE(&scratch);
    return status;
}

enum sw_status sw_prune_round(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                              int64_t round, const uint8_t *parent_mask,
                              const float *parent_survivors, const struct sw_prune_source *source,
                              uint8_t *mask, struct sw_prune_report *report) {
    struct sw_ladder *ladder = NULL;
    struct sw_trial_spec stage;
    sw_prune_stage(spec, round, &stage);
    SW_TRY(SW_ALLOC(&ladder, 1, "counts of a round"));
    sw_ladder_climb(&stage, arch, round, ladder);
    enum sw_status status = sw_prune_to(spec, arch, round, ladder, NULL, NULL, parent_mask,
                                        parent_survivors, source, mask, report);
    SW_FREE(&ladder);
    return status;
}
