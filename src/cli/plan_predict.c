/* How long a sweep would take: rates measured here, spread over the rounds. */
#include <math.h>
#include <string.h>

#include "cli.h"
#include "plan_report.h"
#include "sweepstake/bench.h"
#include "sweepstake/memory.h"
#include "sweepstake/prune.h"
#include "sweepstake/train.h"

/* Rates of one network, batch size and way to store weights, in FLOP/s, at a few shares of kept weights.
 */
enum { POINTS = 3, MAX_NETWORKS = 8 };
#define MAX_BYTES ((int64_t) 4 << 30) /* of a training that is tried here */
static const double densities[POINTS] = {1.0, 0.2, 0.02};

struct rates {
    int64_t arch, batch;
    struct sw_net_storage storage;
    double flops_per_second[POINTS];
};

/* What is removed as one, for masks like a trial's. Units leave a smaller dense network. */
static const char *granularity_of(const struct sw_trial_spec *spec) {
    bool weights = sw_prune_removes_units(spec) || sw_prune_is_pattern(spec);
    return weights ? "weight" : spec->prune_granularity;
}

static enum sw_status measure(const struct sw_arch *arch, const struct sw_trial_spec *spec,
                              enum sw_isa isa, struct rates *out) {
    struct sw_bench_step_options options = {.model = arch->model,
                                            .backend = "cpu",
                                            .granularity = granularity_of(spec),
                                            .storage = out->storage,
                                            .classes = arch->classes,
                                            .batch = out->batch,
                                            .steps = 200,
                                            .seconds = 0.05,
                                            .threads = 1,
                                            .isa = isa};
    memcpy(options.input_shape, arch->input_shape, sizeof options.input_shape);
    for (int i = 0; i < POINTS; i++) {
        struct sw_bench_step step;
        options.sparsity = 1 - densities[i];
        SW_TRY(sw_bench_time_step(&options, &step));
        out->flops_per_second[i] = step.gflops * 1e9;
    }
    return SW_OK;
}

/* Between the measured densities, rates change about as the logarithm of the density. */
static double rate_at(const struct rates *rates, double density) {
    const double *rate = rates->flops_per_second;
    if (density >= densities[0]) return rate[0];
    for (int i = 1; i < POINTS; i++) {
        if (density < densities[i]) continue;
        double t = log(density / densities[i]) / log(densities[i - 1] / densities[i]);
        return rate[i] + t * (rate[i - 1] - rate[i]);
    }
    return rate[POINTS - 1];
}

static bool is_same(const struct rates *a, const struct rates *b) {
    return a->arch == b->arch && a->batch == b->batch && a->storage.forced == b->storage.forced &&
           a->storage.format == b->storage.format && a->storage.block == b->storage.block;
}

/* The rates of a round's network, measured when it is met first; NULL when there are too many, or when
 * training it here would take too much memory and time for a plan. */
static enum sw_status find_rates(const struct sw_sweep *sweep, const struct sw_round_plan *round,
                                 enum sw_isa isa, struct rates *known, int *n,
                                 const struct rates **out) {
    struct sw_trial_spec spec, stage;
    sw_train_round_spec(&sweep->trials[round->trial], round->round, sweep->datas[round->data].train,
                        &spec);
    sw_prune_stage(&spec, round->round, &stage);
    struct rates wanted = {.arch = round->arch, .batch = spec.train_batch};
    sw_prune_storage(&stage, SW_CONTROL_TICKET, &wanted.storage);
    *out = NULL;
    for (int i = 0; i < *n; i++)
        if (is_same(&known[i], &wanted)) *out = &known[i];
    if (*out != NULL || *n == MAX_NETWORKS || round->rank_bytes > MAX_BYTES) return SW_OK;
    struct rates *slot = &known[*n];
    *slot = wanted;
    SW_TRY(measure(&sweep->archs[round->arch], &spec, isa, slot));
    (*n)++;
    *out = slot;
    return SW_OK;
}

/* Rounds of a trial follow each other: no number of workers beats the longest chain. */
static enum sw_status add_up(const struct sw_sweep *sweep, enum sw_isa isa, double *end,
                             int64_t workers, double *seconds) {
    struct rates known[MAX_NETWORKS];
    const struct rates *rates = NULL;
    int n = 0;
    double total = 0, longest = 0;
    for (int64_t row = 0; row < sweep->n_rounds; row++) {
        const struct sw_round_plan *round = &sweep->rounds[row];
        SW_TRY(find_rates(sweep, round, isa, known, &n, &rates));
        if (rates == NULL) {
            *seconds = NAN;
            return SW_OK;
        }
        struct sw_trial_spec stage;
        sw_prune_stage(&sweep->trials[round->trial], round->round, &stage);
        bool units = sw_prune_removes_units(&stage); /* dense, but smaller */
        double took = round->flops / rate_at(rates, units ? 1 : 1 - round->sparsity_requested);
        end[row] = took + (round->parent >= 0 ? end[round->parent] : 0);
        if (end[row] > longest) longest = end[row];
        total += took;
    }
    *seconds = fmax(total / (double) workers, longest);
    return SW_OK;
}

enum sw_status sw_cli_predict(const struct sw_sweep *sweep, enum sw_isa isa, int64_t workers,
                              double *seconds) {
    double *end = NULL;
    SW_TRY(SW_ALLOC(&end, (size_t) sweep->n_rounds, "prediction"));
    enum sw_status status = add_up(sweep, isa, end, workers, seconds);
    SW_FREE(&end);
    return status;
}
