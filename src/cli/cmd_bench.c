/* sweepstake bench: timings of this build on this machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_words.h"
#include "sweepstake/text.h"

/* ---- arguments ----------------------------------------------------------------------------------------- */

#define STEP "step"
#define KERNELS "kernels"
#define STORE "store"
#define DISPATCH "dispatch"
#define INFERENCE "inference"

/* Which benchmarks take an option stands in option_users. */
static const struct argp_option options[] = {
    {"model", 'm', "NAME", 0, "step, inference: the network (lenet-300-100)", 0},
    {"batch", 'b', "N", 0, "step, kernels: samples of a step, columns of a product (128)", 0},
    {"sparsity", 's', "S,...", 0,
     "step, inference, kernels: shares of the weights that are removed (0; kernels: 0 to 0.98)", 0},
    {"granularity", 'g', "NAME", 0,
     "step, inference: what is removed as one (weight); a word of prune.granularity", 0},
    {"steps", 'n', "N", 0, "step, inference: timed steps or passes; the median counts (51)", 0},
    {"threads", 't', "N", 0, "step, kernels, inference: threads (1)", 0},
    {"backend", 'd', "NAME", 0, "step, kernels, inference: where to run (cpu)", 0},
    {"dir", 'D', "DIR", 0, "store, dispatch: where the scratch files go (.)", 0},
    {"megabytes", 'M', "N", 0,
     "store: payload of a round (16); 4 for every commit are on the disk for a while", 0},
    {"rounds", 'r', "N", 0, "store: timed commits (15); dispatch: tiny rounds (500)", 0},
    {"workers", 'w', "N", 0, "dispatch: start mpirun with N workers, unless it has started us", 0},
    {"idle", 'i', "S", 0, "dispatch: seconds of the long round (5)", 0},
    {"tune", 'T', NULL, 0, "kernels: find where sparse overtakes dense; print rows for choice.c",
     0},
    {"conv", 'c', NULL, 0, "kernels: convolutions, not linear layers", 0},
    {"json", 'j', NULL, 0, "print JSON, one object on each line", 0},
    {0},
};

static const struct {
    int key;
    const char *users[4];
} option_users[] = {
    {'m', {STEP, INFERENCE}},
    {'b', {STEP, KERNELS}},
    {'s', {STEP, INFERENCE, KERNELS}},
    {'g', {STEP, INFERENCE}},
    {'n', {STEP, INFERENCE}},
    {'t', {STEP, KERNELS, INFERENCE}},
    {'d', {STEP, KERNELS, INFERENCE}},
    {'D', {STORE, DISPATCH}},
    {'M', {STORE}},
    {'r', {STORE, DISPATCH}},
    {'w', {DISPATCH}},
    {'i', {DISPATCH}},
    {'T', {KERNELS}},
    {'c', {KERNELS}},
};
enum { N_OPTIONS = sizeof option_users / sizeof *option_users };

static void set_sparsities(struct argp_state *state, struct sw_cli_bench_words *words,
                           const char *list) {
    char word[64];
    words->n_sparsities = 0;
    for (const char *at = list; at != NULL;) {
        const char *comma = strchr(at, ',');
        size_t length = comma != NULL ? (size_t) (comma - at) : strlen(at);
        snprintf(word, sizeof word, "%.*s", (int) (length < sizeof word ? length : 63), at);
        if (words->n_sparsities == SW_CLI_BENCH_SPARSITIES) {
            argp_error(state, "--sparsity: at most %d values", SW_CLI_BENCH_SPARSITIES);
            sw_cli_leave();
        }
        words->sparsity[words->n_sparsities++] = sw_cli_real(state, "--sparsity", word, 0, 0.9999);
        at = comma != NULL ? comma + 1 : NULL;
    }
}

static error_t set_what(struct argp_state *state, struct sw_cli_bench_words *words,
                        const char *name) {
    static const char *const names[] = {KERNELS, STEP, STORE, DISPATCH, INFERENCE};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0) words->what = names[i];
    if (words->what != NULL) return 0;
    return SW_CLI_WRONG(state,
                        "unknown benchmark '%s': kernels, step, store, dispatch and inference "
                        "are known",
                        name);
}

/* The benchmark, and for inference the store and the ticket. */
static error_t take_word(struct argp_state *state, struct sw_cli_bench_words *words,
                         const char *word) {
    if (words->what == NULL) return set_what(state, words, word);
    if (strcmp(words->what, INFERENCE) != 0)
        return SW_CLI_WRONG(state, "one benchmark only, not also '%s'", word);
    if (words->store == NULL)
        words->store = word;
    else if (words->ticket == NULL)
        words->ticket = word;
    else
        return SW_CLI_WRONG(state, "'%s' is one argument too many", word);
    return 0;
}

static const char *option_name(int key) {
    for (const struct argp_option *option = options; option->name != NULL; option++)
        if (option->key == key) return option->name;
    return "";
}

/* An option that the benchmark has no use for is a mistake, not a wish. */
static error_t check_words(struct argp_state *state, const struct sw_cli_bench_words *words) {
    for (int i = 0; i < N_OPTIONS; i++) {
        bool used = false;
        for (int user = 0; user < 4 && option_users[i].users[user] != NULL; user++)
            used |= strcmp(option_users[i].users[user], words->what) == 0;
        if ((words->given >> i & 1) != 0 && !used)
            return SW_CLI_WRONG(state, "--%s is not for %s", option_name(option_users[i].key),
                                words->what);
        bool chosen = option_users[i].key == 'm' || option_users[i].key == 's' ||
                      option_users[i].key == 'g';
        if (words->store != NULL && chosen && (words->given >> i & 1) != 0)
            return SW_CLI_WRONG(state, "--%s goes without a store: its ticket says that",
                                option_name(option_users[i].key));
    }
    if (words->tune && words->json) return SW_CLI_WRONG(state, "--tune prints C source, not JSON");
    if (words->store != NULL && words->ticket == NULL)
        return SW_CLI_WRONG(state, "which ticket of %s? TRIAL[:ROUND[:CONTROL]]", words->store);
    return 0;
}

static error_t take_option(int key, char *arg, struct argp_state *state,
                           struct sw_cli_bench_words *words) {
    switch (key) {
    case 'm':
        words->model = arg;
        return 0;
    case 'b':
        words->batch = sw_cli_int(state, "--batch", arg, 1, 65536);
        return 0;
    case 's':
        set_sparsities(state, words, arg);
        return 0;
    case 'g':
        words->granularity = arg;
        return 0;
    case 'n':
        words->steps = sw_cli_int(state, "--steps", arg, 1, 1000000);
        return 0;
    case 't':
        words->threads = sw_cli_int(state, "--threads", arg, 1, 1024);
        return 0;
    case 'd':
        words->backend = arg;
        return 0;
    case 'D':
        words->folder = arg;
        return 0;
    case 'M':
        words->megabytes = sw_cli_int(state, "--megabytes", arg, 1, 400);
        return 0;
    case 'r':
        words->rounds = sw_cli_int(state, "--rounds", arg, 1, 40000);
        return 0;
    case 'w':
        words->workers = sw_cli_int(state, "--workers", arg, 1, 4096);
        return 0;
    case 'i':
        words->idle = sw_cli_real(state, "--idle", arg, 0.1, 3600);
        return 0;
    case 'T':
        words->tune = true;
        return 0;
    case 'c':
        words->conv = true;
        return 0;
    case 'j':
        words->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct sw_cli_bench_words *words = state->input;
    for (int i = 0; i < N_OPTIONS; i++)
        if (option_users[i].key == key) words->given |= 1u << i;
    switch (key) {
    case ARGP_KEY_ARG:
        return take_word(state, words, arg);
    case ARGP_KEY_NO_ARGS:
        return SW_CLI_WRONG(state, "which benchmark: kernels, step, store, dispatch or inference?");
    case ARGP_KEY_END:
        return words->what != NULL ? check_words(state, words) : 0;
    default:
        return take_option(key, arg, state, words);
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse_option,
    .args_doc = "kernels\nstep\nstore\ndispatch\ninference [STORE.h5 TRIAL[:ROUND[:CONTROL]]]",
    .doc =
        "Time this build on this machine. Times are medians; ratios are above 1 where Sweepstake is "
        "the faster one.\v"
        "kernels: the products of layers in every format, in turn, beside the machine's sgemm rate; "
        "masks are random, of whole blocks for bsr, else of weights. JSON: kernel, format, out, in, batch, "
        "nnz, sparsity, us, gflops, ratio (of sgemm), sgemm_gflops; of convolutions also side, stride, "
        "kernel_side.\n\n"
        "step: a whole training step on made-up data: batch gather and transpose, forward, loss, "
        "backward, SGD with momentum 0.9, under a random mask. JSON: model, batch, sparsity (of what is "
        "removed as one), granularity, weight_sparsity (of all prunable weights), threads, "
        "backend, isa, steps, step_ms, fastest_ms, slowest_ms, us_per_sample, gflops, flops, "
        "peak_bytes, bytes_weights, bytes_gradients, bytes_optimizer, bytes_activations, "
        "bytes_workspace, parameters, survivors.\n\n"
        "store: commits of whole rounds, and MPI-IO alone writing the same bytes in as many calls, in "
        "turn; written, and synced twice as with run --durable. JSON: dir, rounds, payload_bytes, "
        "calls, commit_ms, raw_ms, commit_mbs, raw_mbs (1e6 bytes per second), ratio (of raw), the "
        "five with durable_ in front, small_bytes, small_us, small_durable_us (a commit of few bytes), "
        "read_mbs (with checksums, from the page cache), create: [rounds, ms, bytes, disk_bytes].\n\n"
        "dispatch: tiny rounds under the MPI that started it (mpirun -n RANKS, or --workers), then a "
        "long one while everybody else has nothing to do. JSON: workers, rounds, seconds, "
        "rounds_per_second, coordinator_ms (CPU of rank 0's work per round; the looks that find "
        "nothing are only in rank0_ms), rank0_ms, dispatches, dispatch_ms, dispatch_p99_ms, "
        "dispatch_worst_ms (result sent to next assignment received, on the worker's clock), "
        "idle_seconds, rank0_share, idle_share (of a core during the long round; of the busiest idle "
        "worker, null when there is none).\n\n"
        "inference: a ticket of a store, or a random one of --model and --sparsity, at batch 1 and "
        "64, from an input on the device to logits on the host: dense (zeros multiplied, too), csr, "
        "and chosen as trainings choose: smaller dense layers where filters or neurons are gone. JSON: "
        "model, store, ticket, granularity, sparsity (of all prunable weights), batch, format, layers "
        "(a letter each), us, ratio (time of dense / this), bytes_weights, bytes_activations, difference (largest, of the logits, to dense), "
        "passes, threads, backend, isa."};

/* ---- step ------------------------------------------------------------------------------------------------- */

static void print_step_json(const struct sw_cli_bench_words *words, double sparsity,
                            const struct sw_bench_step *step) {
    json_t *json = json_object();
    json_object_set_new(json, "model", sw_cli_json_text(words->model));
    json_object_set_new(json, "batch", json_integer(words->batch));
    json_object_set_new(json, "sparsity", json_real(sparsity));
    json_object_set_new(json, "granularity", sw_cli_json_text(words->granularity));
    json_object_set_new(json, "weight_sparsity", json_real(step->sparsity));
    json_object_set_new(json, "threads", json_integer(words->threads));
    json_object_set_new(json, "backend", sw_cli_json_text(words->backend));
    json_object_set_new(json, "isa", json_string(sw_isa_name(sw_isa_detect())));
    json_object_set_new(json, "steps", json_integer(step->steps));
    json_object_set_new(json, "step_ms", json_real(step->step_ms));
    json_object_set_new(json, "fastest_ms", json_real(step->fastest_ms));
    json_object_set_new(json, "slowest_ms", json_real(step->slowest_ms));
    json_object_set_new(json, "us_per_sample", json_real(step->us_per_sample));
    json_object_set_new(json, "gflops", json_real(step->gflops));
    json_object_set_new(json, "flops", json_real(step->flops));
    json_object_set_new(json, "peak_bytes", json_integer(step->peak_bytes));
    json_object_set_new(json, "bytes_weights", json_integer(step->bytes_weights));
    json_object_set_new(json, "bytes_gradients", json_integer(step->bytes_gradients));
    json_object_set_new(json, "bytes_optimizer", json_integer(step->bytes_optimizer));
    json_object_set_new(json, "bytes_activations", json_integer(step->bytes_activations));
    json_object_set_new(json, "bytes_workspace", json_integer(step->bytes_workspace));
    json_object_set_new(json, "parameters", json_integer(step->parameters));
    json_object_set_new(json, "survivors", json_integer(step->survivors));
    sw_cli_print_json(json, 0);
}

static void print_step_text(double sparsity, const struct sw_bench_step *step) {
    char bytes[32];
    printf("%8.4g  %8.3f  %8.3f  %8.3f  %9.3f  %7.2f  %s\n", sparsity, step->step_ms,
           step->fastest_ms, step->slowest_ms, step->us_per_sample, step->gflops,
           sw_text_bytes(bytes, sizeof bytes, (double) step->peak_bytes));
}

static enum sw_status bench_step(const struct sw_cli_bench_words *words) {
    struct sw_bench_step_options step_options = {.model = words->model,
                                                 .backend = words->backend,
                                                 .classes = 10,
                                                 .batch = words->batch,
                                                 .granularity = words->granularity,
                                                 .steps = words->steps,
                                                 .threads = (int) words->threads,
                                                 .isa = sw_isa_detect()};
    for (int i = 0; i < words->n_sparsities; i++) {
        struct sw_bench_step step;
        step_options.sparsity = words->sparsity[i];
        SW_TRY(sw_bench_time_step(&step_options, &step));
        if (words->json) {
            print_step_json(words, words->sparsity[i], &step);
            continue;
        }
        if (i == 0)
            printf("%s, batch %lld, granularity %s, backend %s (%s), threads %lld, median of %lld "
                   "steps\n"
                   "sparsity   step ms   fastest   slowest  us/sample  GFLOP/s  memory\n",
                   words->model, (long long) words->batch, words->granularity, words->backend,
                   sw_isa_name(step_options.isa), (long long) words->threads,
                   (long long) step.steps);
        print_step_text(words->sparsity[i], &step);
    }
    return SW_OK;
}

/* ---- the command ------------------------------------------------------------------------------------------- */

static enum sw_status run_bench(const struct sw_cli_bench_words *words) {
    if (strcmp(words->what, STEP) == 0) return bench_step(words);
    if (strcmp(words->what, INFERENCE) == 0) return sw_cli_bench_inference(words);
    return words->tune ? sw_cli_bench_tune(words) : sw_cli_bench_kernels(words);
}

static void set_default_sparsities(struct sw_cli_bench_words *words) {
    static const double range[] = {0, 0.5, 0.8, 0.9, 0.95, 0.98};
    words->n_sparsities = strcmp(words->what, KERNELS) == 0 ? (int) (sizeof range / sizeof *range)
                                                            : 1;
    memcpy(words->sparsity, range, (size_t) words->n_sparsities * sizeof *range);
}

int sw_cli_bench(int argc, char **argv) {
    struct sw_cli_bench_words words = {.model = "lenet-300-100",
                                       .backend = "cpu",
                                       .granularity = "weight",
                                       .folder = ".",
                                       .batch = 128,
                                       .steps = 51,
                                       .threads = 1,
                                       .megabytes = 16,
                                       .idle = 5};
    sw_cli_parse(&argp, argc, argv, &words);
    if (words.n_sparsities == 0) set_default_sparsities(&words);
    if (strcmp(words.what, STORE) == 0) return sw_cli_bench_store(&words);
    if (strcmp(words.what, DISPATCH) == 0) return sw_cli_bench_dispatch(&words, argv);
    enum sw_status status = run_bench(&words);
    return status == SW_OK ? 0 : sw_cli_fail(status);
}
