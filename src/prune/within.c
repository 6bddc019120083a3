/* Pruning while a training runs: a round begins with its parent's mask, and calls at planned steps shrink
 * it to what the ladder says of the round. Every call cuts exactly; the last one leaves the planned
 * counts, whatever the rule made of them. */
#include "prune_internal.h"

#include <math.h>
#include <string.h>

#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

#define CALLS_MAX 1000
#define FIRST_GUESS 0.1 /* of the seed's rule, which needs a sparsity to begin with */

static bool is(const struct sw_trial_spec *spec, const char *schedule) {
    return strcmp(spec->prune_schedule, schedule) == 0;
}

bool sw_prune_is_within(const struct sw_trial_spec *spec) {
    return is(spec, "cubic") || is(spec, "seed_dynamic");
}

/* ---- when ----------------------------------------------------------------------------------- */

/* Calls at begin, begin + period ..., and at end. */
struct calls {
    int64_t begin, end, period;
};

/* The step behind a share of the training; at least one step follows it. */
static int64_t step_of(const struct sw_prune_span *span, double share) {
    int64_t last = span->steps > span->first ? span->steps - 1 : span->first;
    int64_t step = span->first +
                   (int64_t) floor(share * (double) (span->steps - span->first) + 0.5);
    return step < last ? step : last;
}

static struct calls find_calls(const struct sw_trial_spec *spec, const struct sw_prune_span *span) {
    struct calls calls = {.begin = span->first, .end = step_of(span, spec->prune_end)};
    calls.period = spec->prune_every * span->epoch_steps;
    if (is(spec, "cubic")) {
        calls.begin = step_of(span, spec->prune_begin);
        calls.period = spec->prune_frequency;
    }
    if (calls.period < 1) calls.period = 1; /* without training images */
    return calls;
}

int64_t sw_prune_calls(const struct sw_trial_spec *spec, const struct sw_prune_span *span) {
    if (!sw_prune_is_within(spec)) return 0;
    const struct calls calls = find_calls(spec, span);
    int64_t length = calls.end - calls.begin;
    return length / calls.period + 1 + (length % calls.period != 0);
}

bool sw_prune_is_due(const struct sw_trial_spec *spec, const struct sw_prune_span *span,
                     int64_t done) {
    const struct calls calls = find_calls(spec, span);
    if (done < calls.begin || done > calls.end) return false;
    return done == calls.end || (done - calls.begin) % calls.period == 0;
}

int64_t sw_prune_last_call(const struct sw_trial_spec *spec, const struct sw_prune_span *span) {
    return find_calls(spec, span).end;
}

bool sw_prune_is_last(const struct sw_trial_spec *spec, const struct sw_prune_span *span,
                      int64_t done) {
    return done == sw_prune_last_call(spec, span);
}

enum sw_status sw_prune_check_span(const struct sw_trial_spec *spec,
                                   const struct sw_prune_span *span, const char **key) {
    bool cubic = is(spec, "cubic");
    if (!sw_prune_is_within(spec)) return SW_OK;
    *key = "prune.end";
    if (cubic && spec->prune_end < spec->prune_begin)
        return SW_FAIL(SW_CONFIG, "prune.end: got %g; allowed is prune.begin, %g, and later",
                       spec->prune_end, spec->prune_begin);
    *key = cubic ? "prune.frequency" : "prune.every";
    if (sw_prune_calls(spec, span) > CALLS_MAX)
        return SW_FAIL(SW_CONFIG, "%s: %lld calls in a training; allowed are at most %d", *key,
                       (long long) sw_prune_calls(spec, span), CALLS_MAX);
    return SW_OK;
}

/* Factors and forced signs are of one mask. */
static enum sw_status check_signs(const struct sw_trial_spec *spec, const char **key) {
    bool forced = strcmp(spec->sign_seed_force_reference, "none") != 0;
    *key = forced ? "sign.seed_force.reference" : "signin.enabled";
    if (forced || spec->signin_enabled)
        return SW_FAIL(SW_CONFIG,
                       "%s: factors and signs belong to one mask, and prune.schedule %s changes it "
                       "while it trains; use schedule iterative or one-shot",
                       *key, spec->prune_schedule);
    return SW_OK;
}

enum sw_status sw_within_check(const struct sw_trial_spec *spec, const char **key) {
    if (!sw_prune_is_within(spec)) return SW_OK;
    *key = "prune.criterion";
    if (strcmp(spec->prune_criterion, "magnitude") != 0)
        return SW_FAIL(SW_CONFIG,
                       "prune.criterion: prune.schedule %s removes the smallest weights while it "
                       "trains; right is magnitude, not %s",
                       spec->prune_schedule, spec->prune_criterion);
    *key = "prune.score_weights";
    if (sw_prune_is_at_init(spec))
        return SW_FAIL(SW_CONFIG,
                       "prune.score_weights: prune.schedule %s scores weights as they train, not "
                       "initial ones; right is trained",
                       spec->prune_schedule);
    *key = "prune.granularity";
    if (sw_granularity_of(spec)->side == 0)
        return SW_FAIL(SW_CONFIG,
                       "prune.granularity: prune.schedule %s removes weights or blocks while it "
                       "trains, not %s; use schedule iterative",
                       spec->prune_schedule, spec->prune_granularity);
    if (sw_prune_is_pattern(spec))
        return SW_FAIL(
            SW_CONFIG,
            "prune.granularity: %s is reached in one prune, and prune.schedule %s prunes "
            "in many while it trains; use schedule iterative",
            spec->prune_granularity, spec->prune_schedule);
    *key = "rewind.mode";
    if (strcmp(spec->rewind_mode, "weights") != 0)
        return SW_FAIL(SW_CONFIG,
                       "rewind.mode: prune.schedule %s prunes on from the weights that it rewinds "
                       "to; right is weights, not %s",
                       spec->prune_schedule, spec->rewind_mode);
    *key = "train.sparse.lr_rule";
    if (strcmp(spec->train_sparse_lr_rule, "none") != 0)
        return SW_FAIL(SW_CONFIG,
                       "train.sparse.lr_rule: %s takes the rate from one mask, and prune.schedule "
                       "%s changes it while it trains; right is none",
                       spec->train_sparse_lr_rule, spec->prune_schedule);
    SW_TRY(check_signs(spec, key));
    *key = "prune.start_sparsity";
    if (is(spec, "seed_dynamic") && spec->prune_start_sparsity == 0)
        return SW_FAIL(SW_CONFIG,
                       "prune.start_sparsity: from 0 the rule of seed_dynamic never leaves 0; "
                       "allowed is more, or null for %g",
                       FIRST_GUESS);
    return SW_OK;
}

/* ---- how much ------------------------------------------------------------------------------- */

struct within {
    const struct sw_trial_spec *spec;
    const struct sw_arch *arch;
    const struct sw_prune_span *span;
    struct sw_ladder before; /* where the round begins */
    struct sw_ladder after;  /* and where it ends */
    int64_t done;
    bool last;
    float *sizes; /* scores of what a pool has left */
    struct sw_prune_call *rows;
    int64_t n_rows;
};

static double sparsity_of(const struct sw_pool *pool) {
    return 1 - (double) pool->kept / (double) pool->size;
}

/* Zhu and Gupta: s_f + (s_i - s_f) (1 - t)^3, t the share of the way from begin to end. */
static double cubic_sparsity(const struct within *within, int64_t p) {
    const struct calls calls = find_calls(within->spec, within->span);
    double final = sparsity_of(&within->after.pool[p]),
           start = sparsity_of(&within->before.pool[p]);
    double left = 0;
    if (within->spec->prune_start_sparsity > start) start = within->spec->prune_start_sparsity;
    if (start > final) start = final;
    if (calls.end > calls.begin)
        left = 1 - (double) (within->done - calls.begin) / (double) (calls.end - calls.begin);
    return final + (start - final) * (left * left * left);
}

/* The index-th smallest of n numbers, which are put in another order: larger ones stand behind it. */
static float select_smallest(float *numbers, int64_t n, int64_t index) {
    int64_t low = 0, high = n - 1;
    while (low < high) {
        float pivot = numbers[low + (high - low) / 2];
        int64_t i = low - 1, j = high + 1;
        for (;;) {
            while (numbers[++i] < pivot) {
            }
            while (numbers[--j] > pivot) {
            }
            if (i >= j) break;
            float held = numbers[i];
            numbers[i] = numbers[j];
            numbers[j] = held;
        }
        if (index <= j)
            high = j;
        else
            low = j + 1;
    }
    return numbers[index];
}

/* The index-th smallest of a pool's scores, those that are gone being zeros below all others. */
static double order_statistic(struct within *within, int64_t gone, int64_t left, int64_t index) {
    if (index < gone) return 0;
    return (double) select_smallest(within->sizes, left, index - gone);
}

/* torch.quantile: linear between the two nearest of all scores, zeros of removed weights included. */
static double quantile(struct within *within, int64_t size, int64_t left, double share) {
    double position = share * (double) (size - 1);
    int64_t below = (int64_t) floor(position);
    double low = order_statistic(within, size - left, left, below);
    if (below + 1 >= size) return low;
    double high = order_statistic(within, size - left, left, below + 1);
    return low + (high - low) * (position - (double) below);
}

double sw_within_seed_factor(double current, double target, int64_t epoch, int64_t warmup) {
    double phase = epoch < warmup ? (double) epoch / (double) warmup : 1;
    return phase * (1 + 0.5 * (1 - current / target));
}

/* The seed's threshold; *requested is the sparsity that its quantile is taken at. */
static double seed_threshold(struct within *within, const struct sw_pool *target, int64_t left,
                             double *requested) {
    const struct sw_trial_spec *spec = within->spec;
    double final = sparsity_of(target);
    double current = 1 - (double) left / (double) target->size;
    double start = isnan(spec->prune_start_sparsity) ? FIRST_GUESS : spec->prune_start_sparsity;
    int64_t epoch = within->span->epoch_steps > 0
                        ? (within->done - within->span->first) / within->span->epoch_steps
                        : 0;
    if (current < start) current = start;
    if (current > final) current = final;
    *requested = current;
    return quantile(within, target->size, left, current) *
           sw_within_seed_factor(current, final, epoch, spec->prune_warmup_epochs);
}

/* Scores of what is left, in order; returns how many. What is no number is the smallest. */
static int64_t list_sizes(struct within *within, const float *scores, const uint8_t *alive,
                          int64_t length) {
    int64_t n = 0;
    for (int64_t i = 0; i < length; i++)
        if (sw_mask_get(alive, i)) within->sizes[n++] = isnan(scores[i]) ? 0 : scores[i];
    return n;
}

static int64_t count_below(const struct within *within, int64_t n, double threshold) {
    int64_t below = 0;
    for (int64_t i = 0; i < n; i++)
        below += (double) within->sizes[i] < threshold;
    return below;
}

/* A pool of one layer has its name. */
static void name_pool(const struct within *within, int64_t p, char *out, size_t size) {
    int64_t n = 0, found = 0;
    for (int64_t l = 0; l < within->after.n_layers; l++) {
        if (within->after.pool_of[l] != p) continue;
        found = l;
        n++;
    }
    (void) sw_text_copy(out, size, n == 1 ? sw_arch_layer(within->arch, found)->name : "all");
}

static int64_t limit(int64_t keep, int64_t lowest, int64_t highest) {
    if (keep < lowest) return lowest;
    return keep > highest ? highest : keep;
}

/* What a pool keeps after this call. */
static void plan_pool(void *context, int64_t p, const float *scores, const uint8_t *alive,
                      int64_t length, struct sw_pool *pool) {
    struct within *within = context;
    const struct sw_pool *target = &within->after.pool[p];
    int64_t left = list_sizes(within, scores, alive, length), keep = target->kept;
    struct sw_prune_call row = {.step = within->done, .requested = sparsity_of(target)};
    pool->kept = left;
    pool->held_at = -1;
    if (left <= target->kept) return;
    if (is(within->spec, "seed_dynamic")) {
        row.threshold = seed_threshold(within, target, left, &row.requested);
        if (!within->last) keep = left - count_below(within, left, row.threshold);
    } else {
        row.requested = cubic_sparsity(within, p);
        if (!within->last)
            keep = pool->size - (int64_t) floor(row.requested * (double) pool->size + 0.5);
        keep = limit(keep, target->kept, left);
        row.threshold = order_statistic(within, 0, left, left - keep);
    }
    pool->kept = limit(keep, target->kept, left);
    if (within->last) pool->held_at = target->held_at;
    row.realised = sparsity_of(pool);
    name_pool(within, p, row.layer, sizeof row.layer);
    within->rows[within->n_rows++] = row;
}

int64_t sw_prune_pools(const struct sw_trial_spec *spec, const struct sw_arch *arch) {
    struct sw_ladder ladder;
    sw_ladder_begin(spec, arch, &ladder);
    return ladder.n_pools;
}

enum sw_status sw_prune_within(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                               int64_t round, const struct sw_prune_span *span, int64_t done,
                               const uint8_t *mask_before, const float *survivors, uint8_t *mask,
                               struct sw_prune_call *rows, int64_t *n_rows,
                               struct sw_prune_report *report) {
    struct within *within = NULL;
    int64_t largest = 0;
    enum sw_status status = SW_OK;
    SW_TRY(SW_ALLOC(&within, 1, "a prune"));
    within->spec = spec;
    within->arch = arch;
    within->span = span;
    within->done = done;
    within->rows = rows;
    within->last = sw_prune_is_last(spec, span, done);
    sw_ladder_climb(spec, arch, round - 1, &within->before);
    sw_ladder_climb(spec, arch, round, &within->after);
    for (int64_t p = 0; p < within->after.n_pools; p++)
        if (within->after.pool[p].size > largest) largest = within->after.pool[p].size;
    SW_TRY_TO(SW_ALLOC(&within->sizes, (size_t) largest, "pruning scores"), status, cleanup);
    SW_TRY_TO(sw_prune_to(spec, arch, round, &within->after, plan_pool, within, mask_before,
                          survivors, NULL, mask, report),
              status, cleanup);
    *n_rows = within->n_rows;
cleanup:
    SW_FREE(&within->sizes);
    SW_FREE(&within);
    return status;
}

/* ---- in advance ----------------------------------------------------------------------------- */

void sw_prune_likely_within(const struct sw_trial_spec *spec, const struct sw_arch *arch,
                            int64_t round, const struct sw_prune_span *span, int64_t done,
                            int64_t *kept) {
    const struct calls calls = find_calls(spec, span);
    int64_t final[SW_MAX_LAYERS];
    sw_prune_likely(spec, arch, done < calls.end ? round - 1 : round, kept);
    if (!is(spec, "cubic") || done < calls.begin || done >= calls.end) return;
    double left = 1 - (double) (done - calls.begin) / (double) (calls.end - calls.begin);
    sw_prune_likely(spec, arch, round, final);
    for (int64_t l = 0; l < arch->n_layers; l++)
        kept[l] = final[l] + (int64_t) floor((double) (kept[l] - final[l]) * left * left * left);
}
