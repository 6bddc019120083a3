/* How many groups every pool keeps, round by round: known before anything is trained. Only products,
 * sums and floor() of doubles: the same numbers on every machine. */
#include "prune_internal.h"

#include <math.h>
#include <string.h>

static int64_t round_half_up(double x) {
    return (int64_t) floor(x + 0.5);
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* ---- pools ---------------------------------------------------------------------------------- */

/* With global scope all layers compete, but for those with a rate of their own. */
static bool is_shared(const struct sw_trial_spec *spec, const struct sw_ladder *ladder, int64_t l) {
    return strcmp(spec->prune_scope, "global") == 0 && ladder->rate[l] == ladder->base;
}

static void add_layer(const struct sw_trial_spec *spec, const struct sw_arch *arch, int64_t l,
                      int64_t *shared, struct sw_ladder *ladder) {
    if (ladder->groups[l] == 0) return;
    bool shares = is_shared(spec, ladder, l);
    int64_t p = shares && *shared >= 0 ? *shared : ladder->n_pools;
    if (shares) *shared = p;
    if (p == ladder->n_pools) {
        ladder->n_pools++;
        ladder->pool[p] = (struct sw_pool){.held_at = -1, .rate = ladder->rate[l]};
    }
    /* A layer that is pruned at all is held by the pattern only. */
    if (ladder->pattern && ladder->rate[l] > 0) {
        ladder->floor[l] = sw_pattern_kept(sw_granularity_of(spec), sw_arch_layer(arch, l));
        ladder->pool[p].rate = 1;
    }
    ladder->pool_of[l] = p;
    ladder->pool[p].size += ladder->groups[l];
    ladder->pool[p].kept += ladder->groups[l];
    ladder->pool[p].floor += ladder->floor[l];
}

/* Every layer's rate, given the one that they are made from. */
static void set_rates(const struct sw_trial_spec *spec, const struct sw_arch *arch, double base,
                      struct sw_ladder *ladder) {
    const struct sw_allocation *allocation = sw_allocation_of(spec);
    ladder->base = base;
    for (int64_t l = 0; l < arch->n_layers; l++) {
        double rate = base;
        if (allocation->rate != NULL)
            rate = allocation->rate(spec, arch, sw_arch_layer(arch, l), base);
        ladder->rate[l] = fmin(rate, SW_RATE_MOST);
    }
}

/* ---- solving for the rate ------------------------------------------------------------------- */

/* The rate is the one that reaches the target in that many rounds. */
static bool is_solved(const struct sw_trial_spec *spec) {
    return isnan(spec->prune_rate);
}

/* share^n by repeated squaring: pow()'s last digit depends on the processor. */
static double power(double share, int64_t n) {
    double result = 1;
    for (; n > 0; n /= 2, share *= share)
        if (n % 2 == 1) result *= share;
    return result;
}

/* Share of the groups that is left after the last round, if nothing is rounded. */
static double left_at_end(const struct sw_trial_spec *spec, const struct sw_ladder *ladder) {
    double left = 0, all = 0;
    for (int64_t l = 0; l < ladder->n_layers; l++) {
        left += (double) ladder->groups[l] * power(1 - ladder->rate[l], spec->prune_rounds);
        all += (double) ladder->groups[l];
    }
    return left / all;
}

/* 1 - (1 - target)^(1 / rounds) where all layers have the same rate. */
static double solve_rate(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                         struct sw_ladder *ladder) {
    double low = 0, high = SW_RATE_MOST;
    for (int i = 0; i < 64; i++) {
        double middle = (low + high) / 2;
        set_rates(spec, arch, middle, ladder);
        if (left_at_end(spec, ladder) > 1 - spec->prune_target)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* The rate of lth is the one that layers compete under; the others have prune.rate. */
static double find_base(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                        struct sw_ladder *ladder) {
    double base = 0;
    if (sw_allocation_of(spec) != &sw_allocation_lth)
        return is_solved(spec) ? solve_rate(spec, arch, ladder) : spec->prune_rate;
    set_rates(spec, arch, 0, ladder);
    for (int64_t l = 0; l < arch->n_layers; l++)
        base = fmax(base, ladder->rate[l]);
    return base;
}

void sw_ladder_begin(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                     struct sw_ladder *ladder) {
    int64_t shared = -1;
    memset(ladder, 0, sizeof *ladder);
    ladder->n_layers = arch->n_layers;
    ladder->pattern = sw_prune_is_pattern(spec);
    for (int64_t l = 0; l < arch->n_layers; l++) {
        ladder->groups[l] = sw_groups_count(sw_granularity_of(spec), arch, l);
        ladder->floor[l] = least(spec->prune_min_keep, ladder->groups[l]);
        ladder->pool_of[l] = -1;
    }
    set_rates(spec, arch, find_base(spec, arch, ladder), ladder);
    for (int64_t l = 0; l < arch->n_layers; l++)
        add_layer(spec, arch, l, &shared, ladder);
}

int64_t sw_ladder_size(const struct sw_ladder *ladder) {
    int64_t sum = 0;
    for (int64_t p = 0; p < ladder->n_pools; p++)
        sum += ladder->pool[p].size;
    return sum;
}

int64_t sw_ladder_kept(const struct sw_ladder *ladder) {
    int64_t sum = 0;
    for (int64_t p = 0; p < ladder->n_pools; p++)
        sum += ladder->pool[p].kept;
    return sum;
}

/* ---- target --------------------------------------------------------------------------------- */

static bool has_target(const struct sw_trial_spec *spec) {
    return !isnan(spec->prune_target);
}

/* Groups that may be left at the target; 0 without one, which no pool reaches. */
static int64_t target_total(const struct sw_trial_spec *spec, const struct sw_ladder *ladder) {
    return has_target(spec)
               ? round_half_up((1 - spec->prune_target) * (double) sw_ladder_size(ladder))
               : 0;
}

/* Does a solved rate end with this round? */
static bool is_last(const struct sw_trial_spec *spec, int64_t round) {
    return is_solved(spec) && round >= spec->prune_rounds;
}

/* ---- steps of rates ------------------------------------------------------------------------- */

/* Groups that a pool loses in the next round when nothing but its own floor holds it back. */
static int64_t pool_removal(struct sw_pool *pool) {
    int64_t wanted = round_half_up(pool->rate * (double) pool->kept);
    int64_t allowed = pool->kept - pool->floor;
    if (wanted > allowed) pool->held_at = pool->kept - wanted;
    return least(wanted, allowed);
}

/* Exactly `room` groups go, as near to the rates as whole numbers and floors allow. */
static int64_t remove_rest(const struct sw_ladder *ladder, int64_t room, int64_t *removals) {
    double wanted[SW_MAX_LAYERS];
    int64_t none[SW_MAX_LAYERS] = {0}, most[SW_MAX_LAYERS], sum = 0;
    for (int64_t p = 0; p < ladder->n_pools; p++) {
        const struct sw_pool *pool = &ladder->pool[p];
        wanted[p] = pool->rate * (double) pool->kept;
        most[p] = pool->rate > 0 ? pool->kept - pool->floor : 0;
    }
    sw_apportion(wanted, none, most, ladder->n_pools, room, removals);
    for (int64_t p = 0; p < ladder->n_pools; p++)
        sum += removals[p];
    return sum;
}

/* Removals of every pool in a round. Returns whether the target is reached. */
static bool step_rates(const struct sw_trial_spec *spec, int64_t round, struct sw_ladder *ladder,
                       int64_t *removals) {
    int64_t sum = 0, room = sw_ladder_kept(ladder) - target_total(spec, ladder);
    for (int64_t p = 0; p < ladder->n_pools; p++) {
        removals[p] = pool_removal(&ladder->pool[p]);
        sum += removals[p];
    }
    if (sum > room)
        sw_apportion_scale(removals, ladder->n_pools, sum, room);
    else if (is_last(spec, round))
        sum = remove_rest(ladder, room, removals);
    return has_target(spec) && sum >= room;
}

/* ---- steps of shares ------------------------------------------------------------------------ */

/* The whole network loses its rate, and every layer, which is a pool of its own, what its share says. */
static bool step_shares(const struct sw_trial_spec *spec, const struct sw_arch *arch, int64_t round,
                        struct sw_ladder *ladder, int64_t *removals) {
    int64_t lowest[SW_MAX_LAYERS] = {0}, highest[SW_MAX_LAYERS] = {0}, kept[SW_MAX_LAYERS];
    double shares[SW_MAX_LAYERS], wanted[SW_MAX_LAYERS] = {0};
    int64_t before = sw_ladder_kept(ladder), goal = target_total(spec, ladder);
    int64_t after = before - round_half_up(ladder->base * (double) before);
    if (after < goal || is_last(spec, round)) after = goal;
    double left = (double) after / (double) sw_ladder_size(ladder);
    sw_allocation_of(spec)->share_out(spec, arch, ladder->groups, left, shares);
    for (int64_t l = 0; l < ladder->n_layers; l++) {
        if (ladder->pool_of[l] < 0) continue;
        struct sw_pool *pool = &ladder->pool[ladder->pool_of[l]];
        wanted[ladder->pool_of[l]] = shares[l] * (double) pool->size;
        lowest[ladder->pool_of[l]] = pool->floor;
        highest[ladder->pool_of[l]] = pool->kept;
    }
    sw_apportion(wanted, lowest, highest, ladder->n_pools, after, kept);
    for (int64_t p = 0; p < ladder->n_pools; p++) {
        removals[p] = ladder->pool[p].kept - kept[p];
        if (wanted[p] < (double) lowest[p]) ladder->pool[p].held_at = (int64_t) floor(wanted[p]);
    }
    return has_target(spec) && after <= goal;
}

/* ---- steps ---------------------------------------------------------------------------------- */

/* The prune before `round`; returns whether the target is reached. */
static bool step(const struct sw_trial_spec *spec, const struct sw_arch *arch, int64_t round,
                 struct sw_ladder *ladder) {
    int64_t removals[SW_MAX_LAYERS];
    bool iterative = sw_prune_parent_round(spec, 2) != 0;
    for (int64_t p = 0; p < ladder->n_pools; p++)
        if (iterative) ladder->pool[p].held_at = -1;
    bool reached = sw_allocation_of(spec)->share_out != NULL
                       ? step_shares(spec, arch, round, ladder, removals)
                       : step_rates(spec, round, ladder, removals);
    for (int64_t p = 0; p < ladder->n_pools; p++) {
        struct sw_pool *pool = &ladder->pool[p];
        pool->kept -= removals[p];
        /* The target held it, or a pattern, not the floor. */
        if (pool->kept > pool->floor || ladder->pattern) pool->held_at = -1;
    }
    return reached || ladder->pattern;
}

void sw_ladder_climb(const struct sw_trial_spec *spec, const struct sw_arch *arch, int64_t round,
                     struct sw_ladder *out) {
    sw_ladder_begin(spec, arch, out);
    int64_t converted = sw_convert_ladder(spec, arch, out);
    bool reached = converted > 0 && out->pattern;
    for (int64_t r = converted + 1; r <= round && !reached; r++)
        reached = step(spec, arch, r, out);
}

int64_t sw_prune_parent_round(const struct sw_trial_spec *spec, int64_t round) {
    return strcmp(spec->prune_schedule, "one-shot") == 0 ? 0 : round - 1;
}

int64_t sw_prune_rounds(const struct sw_trial_spec *spec, const struct sw_arch *arch) {
    struct sw_ladder ladder;
    int64_t after = spec->prune_convert_round;
    if (after > 0) {
        struct sw_trial_spec stage;
        sw_prune_stage(spec, after + 1, &stage);
        return sw_prune_is_pattern(&stage) ? after + 1 : spec->prune_rounds;
    }
    sw_ladder_begin(spec, arch, &ladder);
    if (has_target(spec) && target_total(spec, &ladder) >= sw_ladder_size(&ladder)) return 0;
    int64_t rounds = 0;
    for (bool reached = false; rounds < spec->prune_rounds && !reached; rounds++)
        reached = step(spec, arch, rounds + 1, &ladder);
    return rounds;
}

/* ---- between two rounds --------------------------------------------------------------------- */

/* The number in 0..1 whose n-th power is `share`, by bisection down to the last bit. */
static double root_of(double share, int64_t n) {
    double low = 0, high = 1;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        *(power(middle, n) < share ? &low : &high) = middle;
    }
    return high;
}

/* Exponentially: from * (to / from)^(step / steps). */
int64_t sw_ladder_between(int64_t from, int64_t to, int64_t step, int64_t steps) {
    if (step >= steps || from <= to) return to;
    double factor = root_of((double) to / (double) from, steps);
    int64_t count = round_half_up(power(factor, step) * (double) from);
    return count > to ? count : to;
}

/* ---- checking ------------------------------------------------------------------------------- */

static int64_t floor_of(const struct sw_ladder *ladder) {
    int64_t sum = 0;
    for (int64_t p = 0; p < ladder->n_pools; p++)
        sum += ladder->pool[p].floor;
    return sum;
}

enum sw_status sw_ladder_check(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                               const char **key) {
    bool solved = is_solved(spec) && sw_allocation_of(spec) != &sw_allocation_lth;
    struct sw_ladder ladder;
    *key = "prune.rate";
    if (solved && (!has_target(spec) || spec->prune_rounds < 1))
        return SW_FAIL(SW_CONFIG,
                       "prune.rate: null is solved for from prune.target and prune.rounds, and %s; "
                       "set both, or a rate",
                       has_target(spec) ? "there are no rounds" : "there is no target");
    sw_ladder_climb(spec, arch, spec->prune_rounds, &ladder);
    int64_t goal = target_total(spec, &ladder), kept = sw_ladder_kept(&ladder);
    *key = "prune.min_keep";
    if (sw_allocation_of(spec)->share_out != NULL && has_target(spec) && floor_of(&ladder) > goal)
        return SW_FAIL(SW_CONFIG,
                       "prune.min_keep: %lld in every layer are %lld, more than the %lld that "
                       "prune.target %g leaves to share out",
                       (long long) spec->prune_min_keep, (long long) floor_of(&ladder),
                       (long long) goal, spec->prune_target);
    *key = "prune.target";
    if (solved && kept != goal)
        return SW_FAIL(SW_CONFIG,
                       "prune.target: no prune.rate leads to %g in %lld rounds; the layers that "
                       "may be pruned keep %lld of the %lld that would be left",
                       spec->prune_target, (long long) spec->prune_rounds, (long long) kept,
                       (long long) goal);
    return SW_OK;
}

/* ---- before rounding ------------------------------------------------------------------------ */

/* Share of a layer's groups that is left, if nothing is rounded. */
static double share_left(const struct sw_ladder *ladder, int64_t l, int64_t round) {
    double share = 1;
    if (ladder->groups[l] == 0) return 1;
    if (ladder->pattern && round > 0 && ladder->rate[l] > 0)
        return (double) ladder->floor[l] / (double) ladder->groups[l];
    for (int64_t r = 0; r < round; r++) /* not pow(): its last digit depends on the processor */
        share *= 1 - ladder->rate[l];
    return share;
}

/* Units: a weight is left when the unit it belongs to and the one it reads are. The target is one of
 * units; the sparsity of the weights follows from it. */
static double requested_of_units(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                                 const struct sw_ladder *ladder, int64_t round) {
    const struct sw_granularity *kind = sw_granularity_of(spec);
    double left = 0, share[SW_MAX_LAYERS];
    for (int64_t l = 0; l < arch->n_layers; l++) {
        bool output = sw_arch_layer(arch, l)->output;
        share[l] = share_left(ladder, l, round);
        if (has_target(spec)) share[l] = fmax(share[l], output ? 1 : 1 - spec->prune_target);
    }
    for (int64_t l = 0; l < arch->n_layers; l++) {
        int64_t inputs = sw_groups_columns(kind, arch, l);
        left += share[sw_groups_rows(kind, arch, l)] * (inputs < 0 ? 1 : share[inputs]) *
                (double) sw_arch_layer(arch, l)->count;
    }
    return 1 - left / (double) arch->prunable;
}

/* Behind a conversion nothing is known before rounding. */
static double requested_when_converted(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                                       int64_t round) {
    int64_t likely[SW_MAX_LAYERS], left = 0;
    sw_prune_likely(spec, arch, round, likely);
    for (int64_t l = 0; l < arch->n_layers; l++)
        left += likely[l];
    return 1 - (double) left / (double) arch->prunable;
}

double sw_prune_requested(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                          int64_t round) {
    struct sw_trial_spec stage;
    sw_prune_stage(spec, round, &stage);
    if (stage.prune_convert_round != SW_INT_NULL && arch->prunable > 0)
        return requested_when_converted(&stage, arch, round);
    double left = 0, all = 0;
    struct sw_ladder ladder;
    if (arch->prunable == 0) return 0;
    sw_ladder_begin(&stage, arch, &ladder);
    if (sw_granularity_of(&stage)->side == 0)
        return requested_of_units(&stage, arch, &ladder, round);
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const struct sw_param *layer = sw_arch_layer(arch, l);
        if (ladder.groups[l] == 0) continue;
        left += share_left(&ladder, l, round) * (double) layer->count;
        all += (double) layer->count;
    }
    double sparsity = all > 0 ? 1 - left / all : 0;
    if (has_target(&stage) &&
        (sparsity > stage.prune_target || (round > 0 && is_last(&stage, round))))
        sparsity = stage.prune_target;
    return sparsity * (all / (double) arch->prunable);
}
